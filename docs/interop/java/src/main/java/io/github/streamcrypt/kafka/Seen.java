package io.github.streamcrypt.kafka;

import org.apache.kafka.common.header.Headers;

/**
 * The key of the record that this thread deserializes. A consumer hands the same
 * Headers object to the deserializer of the key and then to that of the value,
 * and does not call the former for a null key. So the object tells whether the
 * key belongs to the record. A wrong key could open nothing: the tag covers it.
 */
record Seen(Headers headers, byte[] key) {
    private static final ThreadLocal<Seen> LAST = new ThreadLocal<>();

    static void keep(Headers headers, byte[] key) {
        LAST.set(new Seen(headers, key));
    }

    /** The key of the record with these headers, null if none was seen; it is forgotten. */
    static byte[] takeKey(Headers headers) {
        Seen last = LAST.get();
        LAST.remove();
        return last != null && last.headers == headers ? last.key : null;
    }
}
