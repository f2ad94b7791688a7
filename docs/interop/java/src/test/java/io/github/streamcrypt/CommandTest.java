package io.github.streamcrypt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.api.io.TempDir;

/** Opens files that the built command has sealed; TEST_STREAMCRYPT is the path of the command. */
@EnabledIfEnvironmentVariable(named = "TEST_STREAMCRYPT", matches = ".+", disabledReason = "no built command")
class CommandTest {
    private static final String RECORDS = """
            {"key":"k1","value":"first","headers":[["a","b"]],"time":"2024-05-06T07:08:09.123Z"}
            {"key":"k2","value":null}
            {"key64":"/w==","value":"third","headers":[["b",null],["c",{"b64":"/v8="}]],"subject":"s.t"}
            """;

    @TempDir
    private Path directory;

    private byte[] start(String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of(System.getenv("TEST_STREAMCRYPT")));
        command.addAll(List.of(args));
        Path errors = directory.resolve("errors");
        Process process = new ProcessBuilder(command).directory(directory.toFile()).redirectError(errors.toFile())
                .start();
        process.getOutputStream().close();
        byte[] out = process.getInputStream().readAllBytes();
        assertEquals(0, process.waitFor(), () -> command + ": " + readText(errors));
        return out;
    }

    private static String readText(Path path) {
        try {
            return Files.readString(path);
        } catch (java.io.IOException e) {
            return e.getMessage();
        }
    }

    @BeforeEach
    void makeKeys() throws Exception {
        start("keygen", "local", "--out", "a");
        start("keygen", "ed25519", "--out", "s");
        Files.write(directory.resolve("s.pub"), start("keygen", "--public", "s"));
        Files.createDirectory(directory.resolve("store"));
        Files.writeString(directory.resolve("in.ndjson"), RECORDS);
    }

    private void seal(String from, String to, String... more) throws Exception {
        List<String> args = new ArrayList<>(List.of("encrypt", "--from", "file:" + from, "--to", "file:" + to));
        args.addAll(List.of(more));
        start(args.toArray(String[]::new));
    }

    private record Result(int code, byte[] out, String errors) {
    }

    /** Runs the decryptor. Options begin with --; files and values of options that exist are of the directory. */
    private Result open(String... args) {
        String[] resolved = Arrays.stream(args).map(a -> Files.exists(directory.resolve(a))
                ? directory.resolve(a).toString() : a).toArray(String[]::new);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        int code = Decrypt.run(resolved, out, new PrintStream(errors, true, StandardCharsets.UTF_8));
        return new Result(code, out.toByteArray(), errors.toString(StandardCharsets.UTF_8));
    }

    private void checkOpens(byte[] expected, String... args) {
        Result result = open(args);
        assertEquals("", result.errors);
        assertEquals(0, result.code);
        assertArrayEquals(expected, result.out);
    }

    private void checkRefused(String word, String... args) {
        Result result = open(args);
        assertTrue(result.errors.endsWith(": " + word + System.lineSeparator()), result.errors);
        assertEquals(1, result.code);
    }

    @Test
    void opensRawFiles() throws Exception {
        start("keygen", "x25519", "--out", "x");
        Files.write(directory.resolve("x.pub"), start("keygen", "--public", "x"));
        start("keygen", "rsa", "--out", "r");
        Files.write(directory.resolve("r.pub"), start("keygen", "--public", "r"));
        byte[] long1 = new byte[300_000];
        new Random(7).nextBytes(long1);
        Files.write(directory.resolve("long"), long1);
        Files.writeString(directory.resolve("short"), "a letter");
        byte[] letter = "a letter".getBytes(StandardCharsets.UTF_8);
        seal("short", "short.enc", "--key", "local:a,x25519:x.pub,rsa:r.pub", "--sign", "s");
        for (String key : List.of("a", "x", "r")) {
            checkOpens(letter, "--signer", "s.pub", "short.enc", key);
        }
        seal("long", "long.enc", "--key", "x25519:x.pub", "--pad", "padme", "--compress", "zstd");
        checkOpens(long1, "long.enc", "x");
        checkRefused("unknown-key", "long.enc", "r");
        checkRefused("untrusted", "--signer", "s.pub", "long.enc", "x");
        checkRefused("tampered", "--context", "other", "long.enc", "x");
        seal("long", "ref.enc", "--key", "local:a", "--profile", "ref", "--keystore", "file:store");
        checkOpens(long1, "--store", "store", "ref.enc", "a");
        byte[] sealed = Files.readAllBytes(directory.resolve("long.enc"));
        Files.write(directory.resolve("cut.enc"), Arrays.copyOf(sealed, sealed.length - 10));
        checkRefused("truncated", "cut.enc", "x");
    }

    @Test
    void opensRecords() throws Exception {
        String[] more = {"--key", "local:a", "--sign", "s", "--profile", "ref", "--keystore", "file:store"};
        seal("in.ndjson", "sealed.ndjson", more);
        seal("in.ndjson", "plain.scx", "--key", "local:a");
        seal("in.ndjson", "ref.scx", more);
        byte[] expected = start("decrypt", "--key", "local:a", "--from", "file:plain.scx", "--to",
                "file:-?format=ndjson");
        assertEquals(3, new String(expected, StandardCharsets.UTF_8).lines().count());
        checkOpens(expected, "--signer", "s.pub", "--store", "store", "sealed.ndjson", "a");
        checkRefused("unknown-key", "--signer", "s.pub", "sealed.ndjson", "a");
        checkOpens(expected, "plain.scx", "a");
        checkRefused("untrusted", "--signer", "s.pub", "plain.scx", "a");
        checkOpens(expected, "--signer", "s.pub", "ref.scx", "a"); // it has its key records with it
        byte[] archive = Files.readAllBytes(directory.resolve("plain.scx"));
        Files.write(directory.resolve("cut.scx"), Arrays.copyOf(archive, archive.length - 5));
        checkRefused("truncated", "cut.scx", "a");
        assertArrayEquals(expected, open("cut.scx", "a").out); // all messages, but it does not say complete
    }
}
