package io.github.streamcrypt;

import java.util.List;

/** Key and dictionary records: docs/envelope.md, section 8. */
interface KeyStore {
    KeyStore EMPTY = new KeyStore() {
        @Override
        public List<byte[]> findKeyRecords(byte[] kid) {
            return List.of();
        }

        @Override
        public List<Named> findDictionaryRecords(byte[] hint) {
            return List.of();
        }
    };

    /** A dictionary record; the name is null in an archive. */
    record Named(byte[] name, byte[] record) {
    }

    /** The key records of a kid in their order. */
    List<byte[]> findKeyRecords(byte[] kid);

    /** The dictionary records that may hold a dictionary with these first four bytes of its hash. */
    List<Named> findDictionaryRecords(byte[] hint);
}
