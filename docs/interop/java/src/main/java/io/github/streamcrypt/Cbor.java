package io.github.streamcrypt;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * CBOR as strict as docs/envelope.md, section 10, step 2. Items are Long or
 * BigInteger, byte[], Segments, String, List, Pairs, Boolean and null.
 */
final class Cbor {
    private static final int DEPTH = 8;
    private static final int ELEMENTS = 16;

    private final byte[] input;
    private final boolean limited;
    private int at;

    private Cbor(byte[] input, int at, boolean limited) {
        this.input = input;
        this.at = at;
        this.limited = limited;
    }

    /** An item, the bytes from start to end; exact: its encoding is deterministic. */
    record Item(Object value, int start, int end, boolean exact) {
    }

    /** A byte string of indefinite length. */
    static final class Segments extends ArrayList<Item> {
        private static final long serialVersionUID = 1;
    }

    /** A map, in the order of its encoding. */
    static final class Pairs {
        final List<Object> labels = new ArrayList<>();
        final List<Object> values = new ArrayList<>();

        Object get(long label) {
            int i = labels.indexOf(label);
            return i < 0 ? null : values.get(i);
        }

        boolean has(long label) {
            return labels.contains(label);
        }

        boolean hasPlainLabels() {
            return labels.stream().allMatch(l -> l instanceof Long || l instanceof BigInteger || l instanceof String);
        }
    }

    /** One item at a position; a container there has the given depth. */
    static Item readItem(byte[] input, int at, int depth) {
        return new Cbor(input, at, true).readItem(depth);
    }

    /** One item of any size, which must be all of the input and deterministic. */
    static Object readBody(byte[] input) {
        try {
            Item item = new Cbor(input, 0, false).readItem(1);
            Refused.unless(item.end == input.length && item.exact);
            return item.value;
        } catch (Refused refused) {
            throw new Refused("malformed");
        }
    }

    /** A map in protected bytes; each fault in it is malformed. */
    static Pairs readHeaders(byte[] input) {
        try {
            Item item = readItem(input, 0, 1);
            Refused.unless(item.end == input.length && item.exact && item.value instanceof Pairs);
            Pairs found = (Pairs) item.value;
            Refused.unless(found.hasPlainLabels());
            return found;
        } catch (Refused refused) {
            throw new Refused("malformed");
        }
    }

    private record Head(int major, long argument, boolean indefinite, boolean exact) {
        /** Is the argument another number than count, or is there none? */
        boolean goesOn(int count) {
            return !indefinite && argument != count;
        }
    }

    private Head readHead() {
        Refused.unless(at < input.length, "truncated");
        int major = (input[at] & 0xff) >> 5;
        int info = input[at++] & 31;
        if (info < 24) {
            return new Head(major, info, false, true);
        }
        if (info == 31) {
            Refused.unless(major >= 2 && major <= 5);
            return new Head(major, 0, true, false);
        }
        Refused.unless(info < 28);
        int size = 1 << info - 24;
        Refused.unless(size <= input.length - at, "truncated");
        long n = 0;
        for (int i = 0; i < size; i++) {
            n = n << 8 | input[at++] & 0xff;
        }
        long largestShorter = new long[] {23, 0xff, 0xffff, 0xffffffffL}[info - 24];
        return new Head(major, n, false, Long.compareUnsigned(n, largestShorter) > 0 && major < 7);
    }

    private Item readItem(int depth) {
        int start = at;
        Head head = readHead();
        switch (head.major) {
            case 0, 1:
                return new Item(toNumber(head), start, at, head.exact);
            case 2, 3:
                return readString(head, start);
            case 4, 5:
                return readContainer(head, start, depth);
            default:
                Refused.unless(head.major == 7 && head.exact && head.argument >= 20 && head.argument <= 22);
                return new Item(head.argument == 22 ? null : head.argument == 21, start, at, true);
        }
    }

    private static Object toNumber(Head head) {
        long n = head.argument;
        if (n >= 0) {
            return head.major == 0 ? n : -1 - n;
        }
        BigInteger large = new BigInteger(Long.toUnsignedString(n));
        return head.major == 0 ? large : large.not();
    }

    private Item readString(Head head, int start) {
        if (!head.indefinite) {
            Refused.unless(head.argument >= 0 && head.argument <= input.length - at, "truncated");
            byte[] content = Arrays.copyOfRange(input, at, at += (int) head.argument);
            return new Item(head.major == 2 ? content : toText(content), start, at, head.exact);
        }
        Segments parts = new Segments();
        StringBuilder text = new StringBuilder();
        while (at >= input.length || input[at] != (byte) 0xff) {
            int from = at;
            Head part = readHead();
            Refused.unless(part.major == head.major && !part.indefinite);
            Item item = readString(part, from);
            if (head.major == 2) {
                parts.add(item);
            } else {
                text.append(item.value);
            }
        }
        at++;
        return new Item(head.major == 2 ? parts : text.toString(), start, at, false);
    }

    private static String toText(byte[] content) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(content)).toString();
        } catch (CharacterCodingException e) {
            throw new Refused("malformed");
        }
    }

    private Item readContainer(Head head, int start, int depth) {
        boolean fits = head.indefinite || !limited || Long.compareUnsigned(head.argument, ELEMENTS) <= 0;
        Refused.unless(depth <= DEPTH && fits, "too-large");
        Pairs pairs = new Pairs();
        List<Object> elements = head.major == 5 ? pairs.values : new ArrayList<>();
        Set<ByteBuffer> names = new HashSet<>();
        byte[] last = {};
        boolean exact = head.exact;
        while (head.goesOn(elements.size()) || head.indefinite && (at >= input.length || input[at] != (byte) 0xff)) {
            Refused.unless(!limited || elements.size() < ELEMENTS, "too-large");
            Item item = readItem(depth + 1);
            exact &= item.exact;
            if (head.major == 5) {
                byte[] name = Arrays.copyOfRange(input, item.start, item.end);
                Refused.unless(names.add(ByteBuffer.wrap(name)));
                exact &= Arrays.compareUnsigned(name, last) > 0;
                last = name;
                pairs.labels.add(item.value);
                item = readItem(depth + 1);
                exact &= item.exact;
            }
            elements.add(item.value);
        }
        if (head.indefinite) {
            at++;
        }
        return new Item(head.major == 5 ? pairs : elements, start, at, exact);
    }

    /** The deterministic encoding of numbers, byte[], String, List, Boolean and null. */
    static byte[] encode(Object value) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        append(out, value);
        return out.toByteArray();
    }

    private static void append(ByteArrayOutputStream out, Object value) {
        if (value == null) {
            out.write(0xf6);
        } else if (value instanceof Boolean set) {
            out.write(set ? 0xf5 : 0xf4);
        } else if (value instanceof Number number) {
            long n = number.longValue();
            appendHead(out, n < 0 ? 1 : 0, n < 0 ? -1 - n : n);
        } else if (value instanceof byte[] content) {
            appendHead(out, 2, content.length);
            out.writeBytes(content);
        } else if (value instanceof String text) {
            byte[] content = text.getBytes(StandardCharsets.UTF_8);
            appendHead(out, 3, content.length);
            out.writeBytes(content);
        } else {
            List<?> elements = (List<?>) value;
            appendHead(out, 4, elements.size());
            elements.forEach(e -> append(out, e));
        }
    }

    private static void appendHead(ByteArrayOutputStream out, int major, long n) {
        int size = n < 24 ? 0 : n <= 0xff ? 1 : n <= 0xffff ? 2 : n <= 0xffffffffL ? 4 : 8;
        int info = size == 0 ? (int) n : 24 + Integer.numberOfTrailingZeros(size);
        out.write(major << 5 | info);
        for (int i = size - 1; i >= 0; i--) {
            out.write((int) (n >> 8 * i));
        }
    }
}
