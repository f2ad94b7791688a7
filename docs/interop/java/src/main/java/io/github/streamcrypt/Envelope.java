package io.github.streamcrypt;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** An envelope, parsed: docs/envelope.md, sections 2 to 4, and section 10, steps 1 to 6. */
final class Envelope {
    private static final long POSITION = -1935867906;
    private static final long CHUNKED = -1935867907;
    private static final long CHUNKING = -1935867910;
    private static final long SIGNATURE = -1935867911;
    private static final long CODING = -1935867912;
    private static final List<Long> KNOWN = List.of(1L, 4L, 5L, POSITION, CHUNKING, SIGNATURE, CODING);
    private static final int LARGEST_SINGLE = 1 << 20;
    private static final byte[] X25519_HEADERS = {(byte) 0xa1, 1, 0x38, 0x1e};

    /** The shape of a recipient: lengths of the kid and of the wrapped key. */
    private record Row(int kidLow, int kidHigh, int wrappedLow, int wrappedHigh) {
    }

    private static final Map<Long, Row> ROWS = Map.of(
            -5L, new Row(8, 8, 40, 40),
            -41L, new Row(8, 8, 256, 512),
            -42L, new Row(8, 8, 256, 512),
            -31L, new Row(8, 8, 40, 40),
            -1935867908L, new Row(1, 2048, 1, 6144),
            -1935867909L, new Row(8, 8, 1168, 1168),
            -1935867913L, new Row(1, 2048, 1, 6144),
            -1935867914L, new Row(1, 2048, 1, 6144));

    /** A recipient of a kind that section 4 has; ephemeral is null but for X25519. */
    record Recipient(long alg, byte[] kid, byte[] wrapped, byte[] ephemeral) {
    }

    /** A ciphertext with its tag, and its IV. */
    record Piece(byte[] iv, byte[] sealed) {
    }

    final byte[] whole;
    final boolean selfContained;
    final byte[] front; // the bytes before the recipients, or all of them
    final List<Piece> pieces = new ArrayList<>();
    final List<Recipient> recipients = new ArrayList<>();
    byte[] protectedBytes;
    boolean chunked;
    byte[] position;
    byte[] coding; // null where there is none
    byte[] commitment; // empty by reference
    byte[] kid; // null if self-contained
    byte[] signature; // null where there is none
    private int chunkSize;
    private byte[] iv;

    Envelope(byte[] input) {
        boolean cut = input.length == 1 && input[0] == (byte) 0xd8;
        Refused.unless(!cut, "truncated");
        selfContained = input.length > 1 && input[0] == (byte) 0xd8 && input[1] == 0x60;
        Refused.unless(selfContained || input.length > 0 && input[0] == (byte) 0xd0, "not-an-envelope");
        whole = input;
        int at = selfContained ? 2 : 1;
        Cbor.Item body = Cbor.readItem(input, at, 1);
        int size = selfContained ? 4 : 3;
        Refused.unless(body.end() == input.length && (input[at] & 0xff) == 0x80 + size);
        Cbor.Item[] items = new Cbor.Item[size];
        at++;
        for (int i = 0; i < size; i++) {
            items[i] = Cbor.readItem(input, at, 2);
            at = items[i].end();
        }
        readProtected(items[0]);
        readUnprotected(items[1]);
        readCiphertext(items[2]);
        front = selfContained ? Arrays.copyOf(input, items[3].start()) : input;
        if (selfContained) {
            readRecipients(items[3]);
        }
    }

    /** The envelope, or null if it is none. */
    static Envelope parse(byte[] input) {
        try {
            return new Envelope(input);
        } catch (Refused refused) {
            return null;
        }
    }

    int form() {
        return position[0];
    }

    /** Unix seconds. */
    long created() {
        return Integer.toUnsignedLong(ByteBuffer.wrap(position).getInt(22));
    }

    int boundHeaders() {
        return Short.toUnsignedInt(ByteBuffer.wrap(position).getShort(26));
    }

    /** Are form, place and bound headers zero, as records of kind 2 to 4 have them? */
    boolean isPlaceless() {
        return areZero(position, 0, 22) && areZero(position, 26, 28);
    }

    /** Section 8: may it be opened as a key record? */
    boolean isKeyRecord() {
        return selfContained && !chunked && coding == null && pieces.get(0).sealed.length == 16 && isPlaceless();
    }

    static boolean areZero(byte[] b, int from, int to) {
        for (int i = from; i < to; i++) {
            if (b[i] != 0) {
                return false;
            }
        }
        return true;
    }

    private static boolean isSized(Object value, int low, int high) {
        return value instanceof byte[] b && b.length >= low && b.length <= high;
    }

    private static boolean isPassedOver(Object label) {
        return label instanceof Long n && n >= -1935933440L && n <= -1935900673L;
    }

    private void readProtected(Cbor.Item item) {
        Refused.unless(item.value() instanceof byte[] && item.exact());
        protectedBytes = (byte[]) item.value();
        Refused.unless(protectedBytes.length <= 1024, "too-large");
        Cbor.Pairs h = Cbor.readHeaders(protectedBytes);
        Refused.unless(h.labels.stream().allMatch(l -> KNOWN.contains(l) || isPassedOver(l)), "unsupported");
        Object alg = h.get(1);
        Refused.unless(!h.has(1) || Long.valueOf(3).equals(alg) || Long.valueOf(CHUNKED).equals(alg), "unsupported");
        chunked = Long.valueOf(CHUNKED).equals(alg);
        List<Object> expected = new ArrayList<>(List.of(1L, POSITION));
        if (chunked) {
            expected.add(CHUNKING);
        }
        if (h.has(CODING)) {
            expected.add(CODING);
        }
        List<Object> ours = h.labels.stream().filter(l -> !isPassedOver(l)).toList();
        Refused.unless(ours.equals(expected));
        int size = selfContained ? 60 : 28;
        Refused.unless(isSized(h.get(POSITION), size, size) && (!h.has(CODING) || isSized(h.get(CODING), 6, 6)));
        for (int i = 0; i < h.labels.size(); i++) {
            Refused.unless(!isPassedOver(h.labels.get(i)) || isSized(h.values.get(i), 0, 256));
        }
        position = (byte[]) h.get(POSITION);
        coding = (byte[]) h.get(CODING);
        commitment = Arrays.copyOfRange(position, 28, size);
        if (chunked) {
            Refused.unless(isSized(h.get(CHUNKING), 20, 20));
            chunkSize = ByteBuffer.wrap((byte[]) h.get(CHUNKING)).getInt(16);
            Refused.unless(chunkSize >= 4096 && chunkSize <= 1 << 20);
        }
        checkFields();
    }

    private void checkFields() {
        Refused.unless((form() & 0xf0) == 0, "unsupported");
        Refused.unless(coding == null || (coding[0] & 0xfe) == 0 && (coding[1] & 0xfe) == 0, "unsupported");
        Refused.unless((form() & 1) == 0 || boundHeaders() == 0);
        boolean placeless = areZero(position, 6, 22) && (form() & 0x0a) == 0;
        Refused.unless(!areZero(position, 1, 6) || placeless);
        Refused.unless(coding == null || !areZero(coding, 0, 6) && (coding[0] == 1 || areZero(coding, 2, 6)));
    }

    private void readUnprotected(Cbor.Item item) {
        Refused.unless(item.value() instanceof Cbor.Pairs);
        Cbor.Pairs h = (Cbor.Pairs) item.value();
        Refused.unless(item.end() - item.start() <= 1024, "too-large");
        Refused.unless(item.exact() && h.hasPlainLabels());
        Refused.unless(KNOWN.containsAll(h.labels), "unsupported");
        List<Object> expected = new ArrayList<>();
        if (!selfContained) {
            expected.add(4L);
        }
        if (!chunked) {
            expected.add(5L);
        }
        if (h.has(SIGNATURE)) {
            expected.add(SIGNATURE);
        }
        Refused.unless(h.labels.equals(expected));
        Refused.unless(selfContained || isSized(h.get(4), 16, 16));
        Refused.unless(chunked || isSized(h.get(5), 12, 12));
        Refused.unless(!h.has(SIGNATURE) || isSized(h.get(SIGNATURE), 80, 80));
        kid = (byte[]) h.get(4);
        iv = (byte[]) h.get(5);
        signature = (byte[]) h.get(SIGNATURE);
    }

    private void readCiphertext(Cbor.Item item) {
        if (!chunked) {
            Refused.unless(item.value() instanceof byte[] && item.exact());
            byte[] sealed = (byte[]) item.value();
            Refused.unless(sealed.length >= 16);
            Refused.unless(sealed.length <= LARGEST_SINGLE + 16, "too-large");
            pieces.add(new Piece(iv, sealed));
            return;
        }
        Refused.unless(item.value() instanceof Cbor.Segments);
        Cbor.Segments segments = (Cbor.Segments) item.value();
        Refused.unless(segments.size() > 1);
        for (int i = 0; i < segments.size(); i++) {
            byte[] segment = (byte[]) segments.get(i).value();
            int size = segment.length - 28;
            boolean last = i == segments.size() - 1;
            Refused.unless(segments.get(i).exact() && (last ? size >= 1 && size <= chunkSize : size == chunkSize));
            pieces.add(new Piece(Arrays.copyOf(segment, 12), Arrays.copyOfRange(segment, 12, segment.length)));
        }
    }

    private void readRecipients(Cbor.Item item) {
        Refused.unless(item.value() instanceof List<?> && !(item.value() instanceof Cbor.Segments));
        int count = ((List<?>) item.value()).size();
        boolean shortest = (whole[item.start()] & 0xff) == (count < 24 ? 0x80 + count : 0x98);
        Refused.unless(count > 0 && shortest);
        Refused.unless(item.end() - item.start() <= 16384, "too-large");
        int at = item.start() + 1;
        for (int i = 0; i < count; i++) {
            Cbor.Item recipient = Cbor.readItem(whole, at, 3);
            readRecipient(recipient);
            at = recipient.end();
        }
    }

    private void readRecipient(Cbor.Item item) {
        int head = whole[item.start()] & 0xff;
        Refused.unless(head == 0x83 || head == 0x84);
        Refused.unless(head == 0x83, "unsupported");
        List<?> elements = (List<?>) item.value();
        boolean shaped = elements.get(0) instanceof byte[] && elements.get(1) instanceof Cbor.Pairs
                && elements.get(2) instanceof byte[];
        Refused.unless(shaped && item.exact());
        byte[] protectedPart = (byte[]) elements.get(0);
        Cbor.Pairs outer = (Cbor.Pairs) elements.get(1);
        Refused.unless(outer.hasPlainLabels());
        Cbor.Pairs inner = protectedPart.length > 0 ? Cbor.readHeaders(protectedPart) : new Cbor.Pairs();
        Refused.unless(!inner.has(2) && !outer.has(2), "unsupported");
        Refused.unless(inner.has(1) != outer.has(1));
        Object alg = inner.has(1) ? inner.get(1) : outer.get(1);
        Refused.unless(alg instanceof Long || alg instanceof BigInteger || alg instanceof String);
        Row row = alg instanceof Long ? ROWS.get(alg) : null;
        if (row == null) {
            return; // an algorithm that a reader passes over
        }
        byte[] wrapped = (byte[]) elements.get(2);
        Refused.unless(isSized(outer.get(4), row.kidLow, row.kidHigh));
        Refused.unless(isSized(wrapped, row.wrappedLow, row.wrappedHigh));
        byte[] ephemeral = (long) alg == -31 ? readEphemeral(protectedPart, outer) : null;
        Refused.unless(ephemeral != null || protectedPart.length == 0 && outer.labels.equals(List.of(1L, 4L)));
        recipients.add(new Recipient((long) alg, (byte[]) outer.get(4), wrapped, ephemeral));
    }

    private static byte[] readEphemeral(byte[] protectedPart, Cbor.Pairs outer) {
        Refused.unless(Arrays.equals(protectedPart, X25519_HEADERS) && outer.labels.equals(List.of(4L, -1L)));
        Refused.unless(outer.get(-1) instanceof Cbor.Pairs);
        Cbor.Pairs key = (Cbor.Pairs) outer.get(-1);
        Refused.unless(key.labels.equals(List.of(1L, -1L, -2L)) && Long.valueOf(1).equals(key.get(1)));
        Refused.unless(Long.valueOf(4).equals(key.get(-1)) && isSized(key.get(-2), 32, 32));
        return (byte[]) key.get(-2);
    }
}
