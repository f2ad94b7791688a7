/** A plug-in for kafbat-ui that shows sealed records. It needs neither Kafka's client nor more than this jar and zstd-jni. */
package io.github.streamcrypt.kafbat;
