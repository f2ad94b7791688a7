package io.github.streamcrypt;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;

/** The last data keys that were unwrapped, each for a limited time. Threads may share it. */
final class KeptKeys {
    private static final int MOST = 1024;
    private static final long NANOSECONDS = 300_000_000_000L; // five minutes

    /** A data key, and by reference its record. */
    record Kept(byte[] dek, Envelope record, long since) {
    }

    private final Map<ByteBuffer, Kept> kept = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<ByteBuffer, Kept> eldest) {
            return size() > MOST;
        }
    };

    /** The entry, or null where there is none or where it has expired. */
    synchronized Kept find(byte[] name) {
        Kept found = kept.get(ByteBuffer.wrap(name));
        if (found != null && System.nanoTime() - found.since > NANOSECONDS) {
            kept.remove(ByteBuffer.wrap(name));
            return null;
        }
        return found;
    }

    synchronized void keep(byte[] name, byte[] dek, Envelope record) {
        kept.put(ByteBuffer.wrap(name), new Kept(dek, record, System.nanoTime()));
    }
}
