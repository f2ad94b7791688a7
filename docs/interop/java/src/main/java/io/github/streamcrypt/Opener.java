package io.github.streamcrypt;

import java.io.ByteArrayOutputStream;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.TreeSet;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/** Opens envelopes: docs/envelope.md, sections 5 to 8 and 16, and section 10, steps 7 to 17. Threads may share it. */
public final class Opener {
    static final int VALUE = 0;
    static final int TOMBSTONE = 1;
    static final int KEY_RECORD = 2;
    static final int END = 3;
    static final int DICTIONARY = 4;
    static final long NO_TIME = -62135596800000L;
    private static final int MOST_DICTIONARIES = 16;
    private static final List<byte[]> EFFECTS = toBytes("KV-Operation", "Streamcrypt-Msg-Id", "Streamcrypt-Rollup",
            "Streamcrypt-TTL");

    final Reader reader;
    final DataKeys keys;

    Opener(Reader reader) {
        this.reader = reader;
        keys = new DataKeys(reader);
    }

    /** Where an envelope lies: section "How to read it". */
    public enum Medium {
        /** Kafka. */
        TOPIC,
        /** NATS. */
        STREAM,
        /** Records in a file. */
        FILE,
        /** One payload in a file. */
        RAW
    }

    /** All that an envelope is bound to but its context. Subject, key and time may be null. */
    record Place(int kind, Medium medium, byte[] subject, byte[] key, List<Header> headers, Long time) {
        static Place ofRecord(int kind) {
            return new Place(kind, Medium.RAW, null, null, List.of(), null);
        }
    }

    /** A payload, and the number of headers that nothing authenticates in the form all. */
    record Opened(byte[] payload, int extra) {
    }

    private record Bound(List<Object> headers, int extra) {
    }

    private static List<byte[]> toBytes(String... names) {
        return Arrays.stream(names).map(n -> n.getBytes(java.nio.charset.StandardCharsets.US_ASCII)).toList();
    }

    Opened open(Envelope e, Place place) {
        int kind = place.kind;
        Refused.unless(kind == VALUE || !e.chunked && e.coding == null);
        Refused.unless(kind != KEY_RECORD && kind != DICTIONARY || e.selfContained);
        Refused.unless(kind < KEY_RECORD || e.isPlaceless());
        byte[] dek = keys.find(e);
        byte[] hint = e.coding == null ? new byte[4] : Arrays.copyOfRange(e.coding, 2, 6);
        boolean named = !Envelope.areZero(hint, 0, 4);
        List<byte[]> known = named ? findDictionaries(hint) : Collections.singletonList(null);
        Refused.unless(!known.isEmpty(), "unknown-dictionary");
        Bound bound = findBound(e, place);
        byte[] payload = null;
        byte[] dictionary = null;
        for (int i = 0; payload == null && i < known.size() && i < MOST_DICTIONARIES; i++) {
            dictionary = known.get(i);
            payload = openPieces(e, place, dek, bound, dictionary);
        }
        Refused.unless(payload != null, "tampered");
        checkClock(e);
        if (e.coding != null) {
            payload = Coding.undo(payload, e.coding, dictionary, reader.limit);
        }
        Refused.unless(kind != VALUE || payload.length <= reader.limit, "too-large");
        Refused.unless(kind != TOMBSTONE && kind != KEY_RECORD || payload.length == 0);
        Refused.unless(kind != END || payload.length == 61 || payload.length == 133);
        Refused.unless(kind != DICTIONARY || Coding.isDictionary(payload));
        return new Opened(payload, bound.extra);
    }

    private void checkClock(Envelope e) {
        Long now = reader.now;
        Refused.unless(now == null || e.created() <= now + reader.skew, "skewed");
        Refused.unless(now == null || reader.maxAge == null || e.created() >= now - reader.maxAge, "stale");
    }

    /** The coded payload, or null if a tag does not verify. */
    private byte[] openPieces(Envelope e, Place place, byte[] dek, Bound bound, byte[] dictionary) {
        boolean ofKeys = place.kind == KEY_RECORD || place.kind == DICTIONARY;
        Long time = place.time == null || place.medium == Medium.STREAM ? Long.valueOf(NO_TIME) : place.time;
        List<Object> external = new ArrayList<>(Arrays.asList("streamcrypt/1",
                ofKeys ? reader.keyContext() : reader.context, place.subject, place.key, bound.headers,
                (e.form() & 4) != 0 ? time : null, dictionary == null ? null : Hashes.hashAll(dictionary),
                place.kind, 0, true));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
            for (int i = 0; i < e.pieces.size(); i++) {
                Envelope.Piece piece = e.pieces.get(i);
                external.set(8, i);
                external.set(9, i == e.pieces.size() - 1);
                List<Object> structure =
                        List.of(e.selfContained ? "Encrypt" : "Encrypt0", e.protectedBytes, Cbor.encode(external));
                var parameters = new GCMParameterSpec(128, piece.iv());
                cipher.init(Cipher.DECRYPT_MODE, new SecretKeySpec(dek, "AES"), parameters);
                cipher.updateAAD(Cbor.encode(structure));
                out.writeBytes(cipher.doFinal(piece.sealed()));
            }
            return out.toByteArray();
        } catch (AEADBadTagException tampered) {
            return null;
        } catch (GeneralSecurityException never) {
            throw new IllegalStateException(never);
        }
    }

    /** Section 5: the bound headers. */
    private Bound findBound(Envelope e, Place place) {
        List<Object> bound = new ArrayList<>();
        if ((e.form() & 1) != 0) {
            TreeSet<byte[]> names = new TreeSet<>(Arrays::compareUnsigned);
            names.addAll(EFFECTS);
            names.addAll(reader.bind);
            for (byte[] name : names) {
                List<Object> values = new ArrayList<>();
                place.headers.stream().filter(h -> Arrays.equals(h.name(), name)).forEach(h -> values.add(h.value()));
                bound.add(List.of(name, values));
            }
            return new Bound(bound, 0);
        }
        boolean stream = place.medium == Medium.STREAM;
        List<Header> counted = new ArrayList<>(place.headers.stream().filter(h -> isCounted(h, stream)).toList());
        int n = e.boundHeaders();
        Refused.unless(stream ? counted.size() == n : counted.size() >= n, "tampered");
        if (stream) {
            counted.sort((a, b) -> Arrays.compareUnsigned(a.name(), b.name()));
        }
        counted.subList(0, n).forEach(h -> bound.add(Arrays.asList(h.name(), h.value())));
        return new Bound(bound, counted.size() - n);
    }

    private static boolean isCounted(Header h, boolean stream) {
        String name = toLatin1(h.name());
        boolean ours = List.of("Streamcrypt-Key", "Streamcrypt-Null", "Streamcrypt-Part").contains(name)
                || name.regionMatches(true, 0, "Nats-", 0, 5);
        return !name.equals(Records.HEADER) && !(stream && ours);
    }

    static String toLatin1(byte[] name) {
        return new String(name, java.nio.charset.StandardCharsets.ISO_8859_1);
    }

    /** Is a header bound in the form named? */
    boolean isNamed(byte[] name) {
        return EFFECTS.stream().anyMatch(n -> Arrays.equals(n, name))
                || reader.bind.stream().anyMatch(n -> Arrays.equals(n, name));
    }

    /** Section 16: the dictionaries with these first four bytes of SHA-256. */
    private List<byte[]> findDictionaries(byte[] hint) {
        List<byte[]> found = new ArrayList<>();
        for (byte[] d : reader.dictionaries) {
            if (Arrays.equals(Arrays.copyOf(Hashes.hashAll(d), 4), hint) && Coding.isDictionary(d)) {
                found.add(d);
            }
        }
        Reader plain = reader.withContext(reader.context);
        plain.now = null;
        plain.limit = 1 << 20;
        Opener opener = new Opener(plain);
        for (KeyStore.Named record : reader.store.findDictionaryRecords(hint)) {
            byte[] name = record.name() == null ? hint : record.name();
            Envelope e = Arrays.equals(Arrays.copyOf(name, 4), hint) ? Envelope.parse(record.record()) : null;
            byte[] d = e == null ? null : opener.openDictionary(e);
            if (d != null && Arrays.equals(Arrays.copyOf(Hashes.hashAll(d), name.length), name)) {
                found.add(d);
            }
        }
        return found;
    }

    private byte[] openDictionary(Envelope e) {
        try {
            return open(e, Place.ofRecord(DICTIONARY)).payload;
        } catch (Refused refused) {
            return null;
        }
    }
}
