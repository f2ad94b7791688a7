package io.github.streamcrypt;

import java.util.List;

/**
 * A message as it is stored, or as it was before it was sealed. Key, time (unix
 * milliseconds), subject and value may be null; a null value is a tombstone.
 */
public record Message(byte[] key, List<Header> headers, Long time, byte[] subject, byte[] value) {
}
