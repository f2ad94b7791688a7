package io.github.streamcrypt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Changed inputs end in a word of the closed list: nothing else is thrown, and nothing is accepted by mistake. */
class MutantsTest {
    private static final List<String> WORDS = List.of("not-an-envelope", "malformed", "unsupported", "truncated",
            "too-large", "unknown-key", "wrong-key", "untrusted", "unknown-dictionary", "tampered", "bare-tombstone",
            "reserved-header");
    private static final int TRIES = 20;

    private static List<byte[]> load(String file, String field) throws Exception {
        List<?> vectors = (List<?>) Json.parse(Files.readString(Path.of("../../vectors", file)));
        return vectors.stream().map(v -> (String) ((Map<?, ?>) v).get(field)).filter(s -> s.length() < 20000)
                .map(HexFormat.of()::parseHex).toList();
    }

    private static byte[] mutate(byte[] input, Random random) {
        if (input.length == 0) {
            return new byte[] {(byte) random.nextInt()};
        }
        int at = random.nextInt(input.length);
        byte[] mutant = random.nextInt(4) == 0 ? Arrays.copyOf(input, at) : input.clone();
        for (int i = random.nextInt(3); i >= 0 && mutant.length > 0; i--) {
            mutant[random.nextInt(mutant.length)] ^= (byte) (1 << random.nextInt(8));
        }
        return mutant;
    }

    private static void checkAll(List<byte[]> inputs, Consumer<byte[]> read) {
        Random random = new Random(1);
        int refused = 0;
        for (byte[] input : inputs) {
            for (int i = 0; i < TRIES; i++) {
                byte[] mutant = mutate(input, random);
                try {
                    read.accept(mutant);
                } catch (Refused e) {
                    assertTrue(WORDS.contains(e.word()), e.word());
                    refused++;
                } catch (RuntimeException | Error e) {
                    throw new AssertionError("of " + HexFormat.of().formatHex(mutant), e);
                }
            }
        }
        System.out.printf("mutants: %d refused of %d%n", refused, inputs.size() * TRIES);
    }

    @Test
    void envelopesAreParsedOrRefused() throws Exception {
        checkAll(load("positive.json", "envelope"), Envelope::new);
        checkAll(load("negative.json", "envelope"), Envelope::new);
    }

    @Test
    void archivesAreReadOrRefused() throws Exception {
        checkAll(load("archives.json", "file"), b -> new Archive(new Reader(), m -> {
        }).read(b));
    }

    @Test
    void framesAreInflatedOrRefused() throws Exception {
        byte[] payload = "a payload that can be made a good deal shorter ".repeat(40).getBytes();
        byte[] frame = com.github.luben.zstd.Zstd.compress(payload);
        byte[] zstd = {1, 0, 0, 0, 0, 0};
        assertTrue(Arrays.equals(payload, Coding.undo(frame, zstd, null, payload.length)));
        for (int i = 0; i < frame.length; i++) {
            byte[] cut = Arrays.copyOf(frame, i);
            assertEquals("malformed", refusalOf(() -> Coding.undo(cut, zstd, null, 1 << 20)));
        }
        byte[] longer = Arrays.copyOf(frame, frame.length + 1);
        assertEquals("malformed", refusalOf(() -> Coding.undo(longer, zstd, null, 1 << 20)));
        assertEquals("too-large", refusalOf(() -> Coding.undo(frame, zstd, null, payload.length - 1)));
        checkAll(java.util.Collections.nCopies(100, frame), b -> Coding.undo(b, zstd, null, 1 << 20));
    }

    private static String refusalOf(Runnable run) {
        try {
            run.run();
            return "ok";
        } catch (Refused refused) {
            return refused.word();
        }
    }
}
