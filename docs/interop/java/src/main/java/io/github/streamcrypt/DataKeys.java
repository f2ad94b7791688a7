package io.github.streamcrypt;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Finds the data key of an envelope: docs/envelope.md, sections 4, 6, 8 and 17, and section 10, steps 8 to 10. */
final class DataKeys {
    private static final int MOST_TRIES = 16;

    private final Reader reader;
    private final KeptKeys kept = new KeptKeys();
    private final KeptKeys verified = new KeptKeys(); // signatures

    DataKeys(Reader reader) {
        this.reader = reader;
    }

    byte[] find(Envelope e) {
        if (!e.selfContained) {
            return lookUp(e);
        }
        Refused.unless(isVouched(e, e.created()), "untrusted");
        byte[] dek = unwrap(e);
        Refused.unless(dek != null, "unknown-key");
        Refused.unless(isCommitted(dek, e), "wrong-key");
        return dek;
    }

    private static boolean isCommitted(byte[] dek, Envelope e) {
        return Arrays.equals(Hashes.expand(dek, "streamcrypt/1 commitment", 32), e.commitment);
    }

    /** Section 8, look-up. */
    private byte[] lookUp(Envelope e) {
        KeptKeys.Kept entry = kept.find(e.kid);
        if (entry != null && isVouched(entry.record(), e.created())) {
            return entry.dek();
        }
        Set<String> words = new HashSet<>();
        int tries = 0;
        for (byte[] bytes : reader.store.findKeyRecords(e.kid)) {
            Envelope r = Envelope.parse(bytes);
            if (r == null || !r.isKeyRecord() || !Arrays.equals(Arrays.copyOf(r.commitment, 16), e.kid)) {
                continue;
            }
            if (!isVouched(r, r.created()) || !isVouched(r, e.created())) {
                words.add("untrusted");
                continue;
            }
            boolean fits = reader.keks.stream().anyMatch(kek -> findRecipient(kek, r) != null);
            byte[] dek = fits && ++tries <= MOST_TRIES ? unwrap(r) : null;
            if (dek != null && isCommitted(dek, r)) {
                kept.keep(e.kid, dek, r);
                return dek;
            }
            words.add(dek != null ? "wrong-key" : "unknown-key");
        }
        for (String word : List.of("wrong-key", "unknown-key", "untrusted")) {
            Refused.unless(!words.contains(word), word);
        }
        throw new Refused("unknown-key");
    }

    private static Envelope.Recipient findRecipient(Kek kek, Envelope e) {
        return e.recipients.stream().filter(r -> kek.algs.contains(r.alg()) && Arrays.equals(r.kid(), kek.kid))
                .findFirst().orElse(null);
    }

    /** The data key that the first of the KEKs unwraps, or null. */
    private byte[] unwrap(Envelope e) {
        for (Kek kek : reader.keks) {
            Envelope.Recipient r = findRecipient(kek, e);
            byte[] dek = r == null ? null : unwrap(kek, r);
            if (dek != null) {
                return dek;
            }
        }
        return null;
    }

    private byte[] unwrap(Kek kek, Envelope.Recipient r) {
        byte[] none = {};
        byte[] name = join(ByteBuffer.allocate(8).putLong(r.alg()).array(), r.kid(),
                r.ephemeral() == null ? none : r.ephemeral(), r.wrapped()); // of at least 48 bytes, as no kid is
        KeptKeys.Kept entry = kept.find(name);
        if (entry != null) {
            return entry.dek();
        }
        byte[] dek = kek.unwrap(r);
        if (dek != null) {
            kept.keep(name, dek, null);
        }
        return dek;
    }

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Arrays.stream(parts).forEach(out::writeBytes);
        return out.toByteArray();
    }

    /** Section 17: is there no signer, or does one vouch for the data key at a time? */
    private boolean isVouched(Envelope e, long created) {
        if (reader.signers.isEmpty()) {
            return true;
        }
        if (e.signature == null) {
            return false;
        }
        ByteBuffer fields = ByteBuffer.wrap(e.signature);
        long from = Integer.toUnsignedLong(fields.getInt(8));
        long until = Integer.toUnsignedLong(fields.getInt(12));
        if (created < from - reader.skew || created > until + reader.skew) {
            return false;
        }
        byte[] name = join(e.signature, e.commitment);
        if (verified.find(name) != null) {
            return true;
        }
        List<Object> signed = List.of("streamcrypt/1 sealer", e.commitment, reader.keyContext(), from, until);
        byte[] signature = Arrays.copyOfRange(e.signature, 16, 80);
        boolean good = isSigned(Arrays.copyOf(e.signature, 8), signature, Cbor.encode(signed));
        if (good) {
            verified.keep(name, null, e);
        }
        return good;
    }

    /** Does the signature of the signer with this kid verify over the content? */
    boolean isSigned(byte[] kid, byte[] signature, byte[] content) {
        return reader.signers.stream().anyMatch(s -> Arrays.equals(s.kid, kid) && s.verifies(signature, content));
    }
}
