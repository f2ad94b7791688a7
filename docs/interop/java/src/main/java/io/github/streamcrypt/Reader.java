package io.github.streamcrypt;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The settings of a reader: its keys, the context, the signers that it trusts,
 * where it finds records, and its limits. The fields are set before an Opener is
 * made of it.
 */
public final class Reader {
    /** Keys that are tried, in their order. */
    public final List<Kek> keks = new ArrayList<>();
    /** Signers; if there are any, everything else is refused as untrusted. */
    public final List<Signer> signers = new ArrayList<>();
    /** Dictionaries that the reader was given. */
    public final List<byte[]> dictionaries = new ArrayList<>();
    /** Names of headers that both sides agreed to bind, beside the four of the specification. */
    public final List<byte[]> bind = new ArrayList<>();
    byte[] context = {};
    byte[] keyContext; // null: the context
    KeyStore store = KeyStore.EMPTY;
    long skew = 300; // seconds
    Long now; // unix seconds; null: the reader has no clock
    Long maxAge; // seconds; null: none
    int limit = 1 << 30; // bytes of payload

    /** Sets the context, the name of the topic or stream to which the messages are bound. */
    public Reader setContext(String name) {
        context = name.getBytes(StandardCharsets.UTF_8);
        return this;
    }

    /** Sets the key context where it is not the context. */
    public Reader setKeyContext(String name) {
        keyContext = name.getBytes(StandardCharsets.UTF_8);
        return this;
    }

    byte[] keyContext() {
        return keyContext == null ? context : keyContext;
    }

    /** Sets the directory with key and dictionary records. */
    public Reader setStore(java.nio.file.Path directory) throws java.io.IOException {
        store = new DirectoryStore(directory);
        return this;
    }

    /** Sets how many bytes of payload are taken at most. */
    public Reader setLimit(int bytes) {
        limit = bytes;
        return this;
    }

    /** The same settings, with another context. */
    Reader withContext(byte[] name) {
        Reader other = new Reader();
        other.keks.addAll(keks);
        other.signers.addAll(signers);
        other.dictionaries.addAll(dictionaries);
        other.bind.addAll(bind);
        other.context = name;
        other.keyContext = keyContext;
        other.store = store;
        other.skew = skew;
        other.now = now;
        other.maxAge = maxAge;
        other.limit = limit;
        return other;
    }
}
