package io.github.streamcrypt;

/** A header of a message. The value may be null. */
public record Header(byte[] name, byte[] value) {
}
