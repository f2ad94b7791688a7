package io.github.streamcrypt;

import com.github.luben.zstd.ZstdException;
import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;

/** Compression and padding: docs/envelope.md, section 16. */
final class Coding {
    private static final int MAGIC = 0xfd2fb528;
    private static final int DICTIONARY_MAGIC = 0xec30a437;
    private static final int WINDOW = 8 << 20;
    private static final byte[] EMPTY_FRAME = {0x28, (byte) 0xb5, 0x2f, (byte) 0xfd, 0x20, 0, 1, 0, 0};

    private Coding() {
    }

    /** The payload of a coded one; dictionary may be null. */
    static byte[] undo(byte[] coded, byte[] coding, byte[] dictionary, int limit) {
        byte[] plain = coding[1] == 1 ? removePadding(coded) : coded;
        if (coding[0] == 0) {
            return plain;
        }
        long name = dictionary == null ? 0 : readNumber(dictionary, 4, 4);
        int blocks = checkHeader(plain, name, limit);
        int end = findEnd(plain, blocks);
        byte[] payload = inflate(Arrays.copyOf(plain, end), dictionary, limit); // at the limit it looks no further
        Refused.unless(end == plain.length);
        return payload;
    }

    private static byte[] removePadding(byte[] b) {
        int end = b.length;
        while (end > 0 && b[end - 1] == 0) {
            end--;
        }
        Refused.unless(end > 0 && b[end - 1] == (byte) 0x80);
        return Arrays.copyOf(b, end - 1);
    }

    private static long readNumber(byte[] b, int at, int size) {
        Refused.unless(size <= b.length - at);
        long n = 0;
        for (int i = size - 1; i >= 0; i--) {
            n = n << 8 | b[at + i] & 0xff;
        }
        return n;
    }

    /** RFC 8878, 3.1.1.1: checks the header of the frame, and returns where its blocks begin. */
    private static int checkHeader(byte[] b, long dictionary, int limit) {
        Refused.unless(readNumber(b, 0, 4) == (MAGIC & 0xffffffffL));
        int descriptor = (int) readNumber(b, 4, 1);
        Refused.unless((descriptor & 8) == 0);
        boolean single = (descriptor & 0x20) != 0;
        int at = 5;
        long window = 0;
        if (!single) {
            int w = (int) readNumber(b, at++, 1);
            window = (8L + (w & 7)) << 7 + (w >> 3);
        }
        int nameSize = new int[] {0, 1, 2, 4}[descriptor & 3];
        int lengthSize = new int[] {single ? 1 : 0, 2, 4, 8}[descriptor >> 6];
        long name = readNumber(b, at, nameSize);
        long length = readNumber(b, at + nameSize, lengthSize) + (lengthSize == 2 ? 256 : 0);
        Refused.unless(name == 0 || name == dictionary);
        boolean large = length < 0 || length > limit || single && length > WINDOW;
        Refused.unless(window <= WINDOW && !large, "too-large");
        return at + nameSize + lengthSize;
    }

    /** Where the frame ends, or the end of the input where that comes first. */
    private static int findEnd(byte[] b, int at) {
        boolean last = false;
        while (!last && b.length - at > 3) {
            int head = (int) readNumber(b, at, 3);
            last = (head & 1) != 0;
            int size = (head >> 1 & 3) == 1 ? 1 : head >> 3; // a run has one byte
            at += 3 + Math.min(size, b.length - at - 3);
        }
        int checksum = (b[4] & 4) != 0 ? 4 : 0;
        return last && b.length - at >= checksum ? at + checksum : b.length;
    }

    private static byte[] inflate(byte[] frame, byte[] dictionary, int limit) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (var in = new ZstdInputStreamNoFinalizer(new ByteArrayInputStream(frame))) {
            in.setLongMax(23); // windows of at most 8 MiB
            if (dictionary != null) {
                in.setDict(dictionary);
            }
            byte[] piece = new byte[1 << 16];
            for (int n = in.read(piece); n >= 0; n = in.read(piece)) {
                Refused.unless(n <= limit - out.size(), "too-large");
                out.write(piece, 0, n);
            }
            return out.toByteArray();
        } catch (IOException | ZstdException e) {
            throw new Refused("malformed");
        }
    }

    /** Is it a dictionary in the form of RFC 8878, section 5? */
    static boolean isDictionary(byte[] b) {
        if (b.length < 8 || b.length > 112640 || readNumber(b, 0, 4) != (DICTIONARY_MAGIC & 0xffffffffL)) {
            return false;
        }
        try {
            return inflate(EMPTY_FRAME, b, 0).length == 0;
        } catch (Refused refused) {
            return false;
        }
    }
}
