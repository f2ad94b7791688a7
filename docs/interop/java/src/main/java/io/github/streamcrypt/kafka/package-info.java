/**
 * Consumers of sealed topics: StreamcryptDeserializer for those who configure a
 * deserializer, RecordOpener for those who call it. Neither drops replays, as
 * streamcrypt decrypt does: docs/envelope.md, section 19.
 */
package io.github.streamcrypt.kafka;
