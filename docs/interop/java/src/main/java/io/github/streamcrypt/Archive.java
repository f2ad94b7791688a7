package io.github.streamcrypt;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.zip.CRC32C;

/** An archive: docs/envelope.md, section 9, seq. It hands out messages as they verify. */
final class Archive implements KeyStore {
    private static final byte[] MAGIC = "SCXSEQ1\n".getBytes(StandardCharsets.US_ASCII);
    private static final int MOST_KEY_RECORDS = 1 << 16;
    private static final int MOST_DICTIONARY_RECORDS = 16;

    /** An end that verified. */
    record End(byte[] id, long number, int flags, long count, byte[] digest) {
        /** The line of section 9, "A receipt". */
        String toReceipt() {
            HexFormat hex = HexFormat.of();
            return String.format("%s %08x %016x %s%n", hex.formatHex(id), number, count, hex.formatHex(digest))
                    .replace("\r", "");
        }
    }

    final List<End> ends = new ArrayList<>();
    private final Opener opener;
    private final KeyStore outer;
    private final Consumer<Message> out;
    private final Deque<byte[]> dictionaries = new ArrayDeque<>();
    private final Map<ByteBuffer, List<byte[]>> records = new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<ByteBuffer, List<byte[]>> eldest) {
            return size() > MOST_KEY_RECORDS;
        }
    };
    private final MessageDigest sections = Hashes.newSha256();
    private MessageDigest section = Hashes.newSha256();
    private long count;

    Archive(Reader reader, Consumer<Message> out) {
        outer = reader.store;
        Reader own = reader.withContext(reader.context);
        own.store = this;
        opener = new Opener(own);
        this.out = out;
    }

    @Override
    public List<byte[]> findKeyRecords(byte[] kid) {
        List<byte[]> found = new ArrayList<>(records.getOrDefault(ByteBuffer.wrap(kid), List.of()));
        found.addAll(outer.findKeyRecords(kid));
        return found;
    }

    @Override
    public List<Named> findDictionaryRecords(byte[] hint) {
        List<Named> found = new ArrayList<>(dictionaries.stream().map(d -> new Named(null, d)).toList());
        found.addAll(outer.findDictionaryRecords(hint));
        return found;
    }

    /** Reads to the end of the file; it returns only if the file ends properly. */
    void read(byte[] b) {
        int begin = Math.min(b.length, MAGIC.length);
        boolean ours = Arrays.equals(b, 0, begin, MAGIC, 0, begin);
        Refused.unless(ours && begin == MAGIC.length, ours ? "truncated" : "malformed");
        ByteBuffer in = ByteBuffer.wrap(b).position(MAGIC.length);
        int type = -1;
        while (in.hasRemaining()) {
            Refused.unless(in.remaining() >= 8, "truncated");
            int length = in.getInt();
            int checksum = in.getInt();
            Refused.unless(length >= 0 && length <= in.remaining(), "truncated");
            CRC32C crc = new CRC32C();
            crc.update(b, in.position(), length);
            boolean last = in.remaining() == length;
            Refused.unless(length > 0 && (int) crc.getValue() == checksum, last ? "truncated" : "malformed");
            type = in.get() & 0xff;
            byte[] body = new byte[length - 1];
            in.get(body);
            readRecord(type, body);
        }
        Refused.unless(type == 1, "truncated");
    }

    private void readRecord(int type, byte[] body) {
        switch (type) {
            case 0 -> readMessage(body);
            case 1 -> readEnd(body);
            case 2 -> readKeyRecord(body);
            case 3 -> {
                Envelope e = Envelope.parse(body);
                Refused.unless(e != null && e.selfContained && !e.chunked);
                dictionaries.addLast(body);
                if (dictionaries.size() > MOST_DICTIONARY_RECORDS) {
                    dictionaries.removeFirst();
                }
                digest(type, e.front);
            }
            default -> {
                Refused.unless(type > 127);
                digest(type, body);
            }
        }
    }

    private void digest(int type, byte[] covered) {
        section.update((byte) type);
        section.update(ByteBuffer.allocate(4).putInt(covered.length).array());
        section.update(covered);
    }

    private void readKeyRecord(byte[] body) {
        Envelope e = Envelope.parse(body);
        Refused.unless(e != null && e.isKeyRecord());
        ByteBuffer kid = ByteBuffer.wrap(Arrays.copyOf(e.commitment, 16));
        records.computeIfAbsent(kid, k -> new ArrayList<>()).add(body);
        digest(2, e.front);
    }

    private void readMessage(byte[] body) {
        Message m = parseBody(body);
        digest(0, cutEnvelope(body, m));
        Long time = m.time() == Opener.NO_TIME ? null : m.time();
        Message stored = new Message(m.key(), m.headers(), time, m.subject(), m.value());
        out.accept(Records.open(opener, stored, Opener.Medium.FILE));
        count++;
    }

    private static Message parseBody(byte[] body) {
        Refused.unless(Cbor.readBody(body) instanceof List<?> l && l.size() == 5);
        List<?> fields = (List<?>) Cbor.readBody(body);
        for (int i : new int[] {0, 3, 4}) {
            Refused.unless(fields.get(i) == null || fields.get(i) instanceof byte[]);
        }
        Refused.unless(fields.get(1) instanceof List<?> && fields.get(2) instanceof Long);
        List<Header> headers = new ArrayList<>();
        for (Object header : (List<?>) fields.get(1)) {
            Refused.unless(header instanceof List<?> h && h.size() == 2 && h.get(0) instanceof byte[]
                    && (h.get(1) == null || h.get(1) instanceof byte[]));
            headers.add(new Header((byte[]) ((List<?>) header).get(0), (byte[]) ((List<?>) header).get(1)));
        }
        return new Message((byte[]) fields.get(0), headers, (Long) fields.get(2), (byte[]) fields.get(3),
                (byte[]) fields.get(4));
    }

    /** The body with its envelope cut off before the recipients: the part that the digest covers. */
    private static byte[] cutEnvelope(byte[] body, Message m) {
        List<Header> sealed = m.headers().stream().filter(Records::isOurs).toList();
        byte[] inHeader = sealed.size() == 1 ? sealed.get(0).value() : null;
        byte[] input = m.value() != null ? m.value() : inHeader;
        Envelope e = input == null ? null : Envelope.parse(input);
        if (e == null || !e.selfContained) {
            return body;
        }
        List<Object> headers = new ArrayList<>();
        for (Header h : m.headers()) {
            headers.add(Arrays.asList(h.name(), m.value() == null && Records.isOurs(h) ? e.front : h.value()));
        }
        byte[] value = m.value() == null ? null : e.front;
        return Cbor.encode(Arrays.asList(m.key(), headers, m.time(), m.subject(), value));
    }

    private void readEnd(byte[] body) {
        Message m = parseBody(body);
        boolean bare = m.key() == null && m.headers().isEmpty() && m.time() == 0 && m.subject() == null;
        Refused.unless(bare && m.value() != null);
        byte[] p = opener.open(new Envelope(m.value()), Opener.Place.ofRecord(Opener.END)).payload();
        ByteBuffer fields = ByteBuffer.wrap(p);
        byte[] id = Arrays.copyOf(p, 16);
        long number = Integer.toUnsignedLong(fields.getInt(16));
        End end = new End(id, number, p[20] & 0xff, fields.getLong(21), Arrays.copyOfRange(p, 29, 61));
        Refused.unless(end.flags < 4, "unsupported");
        Refused.unless(opener.reader.signers.isEmpty() || isSigned(p), "untrusted");
        byte[] s = section.digest();
        section = Hashes.newSha256();
        sections.update(s);
        End before = ends.isEmpty() ? null : ends.get(ends.size() - 1);
        if (before != null && Arrays.equals(before.id, id)) {
            boolean follows = number == before.number + 1 && (before.flags & end.flags) == before.flags;
            Refused.unless(follows && Arrays.equals(end.digest, Hashes.hashAll(before.digest, s)), "tampered");
        } else {
            byte[] start = Hashes.hashAll("streamcrypt/1 archive".getBytes(StandardCharsets.US_ASCII), id);
            byte[] all = Hashes.hashAll(start, snapshot(sections));
            boolean first = number == 1 && (before == null || (end.flags & 2) != 0);
            Refused.unless(first && Arrays.equals(end.digest, all), "tampered");
        }
        Refused.unless(end.count == count, "tampered");
        ends.add(end);
    }

    private boolean isSigned(byte[] p) {
        if (p.length != 133) {
            return false;
        }
        List<Object> signed = List.of("streamcrypt/1 archive", opener.reader.context, Arrays.copyOf(p, 61));
        byte[] signature = Arrays.copyOfRange(p, 69, 133);
        return opener.keys.isSigned(Arrays.copyOfRange(p, 61, 69), signature, Cbor.encode(signed));
    }

    private static byte[] snapshot(MessageDigest digest) {
        try {
            return ((MessageDigest) digest.clone()).digest();
        } catch (CloneNotSupportedException never) {
            throw new IllegalStateException(never);
        }
    }

    /** Section 9: the word for an archive with these ends, and ok if it satisfies the receipt. */
    static String checkReceipt(List<End> ends, String line) {
        if (ends.stream().anyMatch(e -> e.toReceipt().equals(line))) {
            return "ok";
        }
        if (!line.matches("[0-9a-f]{32} [0-9a-f]{8} [0-9a-f]{16} [0-9a-f]{64}\n")) {
            return "malformed";
        }
        byte[] id = HexFormat.of().parseHex(line.substring(0, 32));
        long last = ends.stream().filter(e -> Arrays.equals(e.id, id)).mapToLong(End::number).max().orElse(-1);
        return last >= 0 && last < Long.parseLong(line.substring(33, 41), 16) ? "truncated" : "tampered";
    }
}
