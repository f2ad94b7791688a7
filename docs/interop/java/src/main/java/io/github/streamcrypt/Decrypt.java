package io.github.streamcrypt;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Opens files of streamcrypt without streamcrypt. A raw file gives its bytes;
 * .scx, .ndjson and .jsonl give lines of JSON. All that is printed has been
 * verified, but only exit code 0 says that it was all of it.
 */
public final class Decrypt {
    private static final String USAGE = """
            usage: Decrypt [option ...] FILE KEY ...
              KEY                 a private key that may open it: JWK or PEM
              --signer FILE       the public key of a sealer that is trusted; may be repeated
              --context NAME      the topic or stream that held the data
              --bind header:NAME  a header that both sides agreed to bind; may be repeated
              --store DIR         where key and dictionary records are
              --dictionary FILE   may be repeated
              --receipt FILE      an archive must satisfy it
            """;

    private final Reader reader = new Reader();
    private Path file;
    private String receipt;

    private Decrypt() {
    }

    /** The command. Exit code 1 is a refusal, with its word, and 2 a mistake in the arguments. */
    public static void main(String[] args) {
        System.exit(run(args, System.out, System.err));
    }

    static int run(String[] args, OutputStream to, PrintStream errors) {
        Decrypt command = new Decrypt();
        byte[] input;
        try {
            command.readArguments(args);
            input = Files.readAllBytes(command.file);
        } catch (IllegalArgumentException | IOException e) {
            errors.println(e instanceof IllegalArgumentException ? e.getMessage() : "cannot read: " + e.getMessage());
            return 2;
        }
        String refusal = null;
        try (OutputStream out = new BufferedOutputStream(to)) {
            try {
                command.open(input, out);
            } catch (Refused refused) {
                refusal = refused.word(); // and the verified messages are flushed
            }
        } catch (IOException | UncheckedIOException e) {
            refusal = e.getMessage();
        }
        if (refusal != null) {
            errors.println(command.file.getFileName() + ": " + refusal);
        }
        return refusal == null ? 0 : 1;
    }

    private void readArguments(String[] args) throws IOException {
        for (int i = 0; i < args.length; i++) {
            if (!args[i].startsWith("--")) {
                if (file == null) {
                    file = Path.of(args[i]);
                } else {
                    reader.keks.add(Kek.read(Path.of(args[i])));
                }
            } else if (i + 1 < args.length) {
                readOption(args[i], args[++i]);
            } else {
                throw new IllegalArgumentException(USAGE);
            }
        }
        if (reader.keks.isEmpty()) {
            throw new IllegalArgumentException(USAGE);
        }
    }

    private void readOption(String name, String value) throws IOException {
        switch (name) {
            case "--signer" -> reader.signers.add(Signer.read(Path.of(value)));
            case "--context" -> reader.setContext(value);
            case "--bind" -> {
                if (!value.startsWith("header:")) {
                    throw new IllegalArgumentException("--bind is header:NAME");
                }
                reader.bind.add(value.substring(7).getBytes(StandardCharsets.UTF_8));
            }
            case "--store" -> reader.setStore(Path.of(value));
            case "--dictionary" -> reader.dictionaries.add(Files.readAllBytes(Path.of(value)));
            case "--receipt" -> receipt = Files.readString(Path.of(value));
            default -> throw new IllegalArgumentException(USAGE);
        }
    }

    private void open(byte[] input, OutputStream out) throws IOException {
        String name = file.getFileName().toString();
        if (name.endsWith(".scx")) {
            openArchive(input, out);
        } else if (name.endsWith(".ndjson") || name.endsWith(".jsonl")) {
            Opener opener = new Opener(reader);
            for (String line : new String(input, StandardCharsets.UTF_8).split("\n")) {
                if (!line.isBlank()) {
                    writeLine(out, Records.open(opener, Lines.parse(line), Opener.Medium.FILE));
                }
            }
        } else {
            out.write(RawFile.open(input, reader));
        }
    }

    private void openArchive(byte[] input, OutputStream out) {
        Archive archive = new Archive(reader, m -> writeLine(out, m));
        archive.read(input);
        String word = receipt == null ? "ok" : Archive.checkReceipt(archive.ends, receipt);
        Refused.unless(word.equals("ok"), word);
        int flags = archive.ends.get(archive.ends.size() - 1).flags();
        Refused.unless(flags == 0, "complete, but flags are set: " + flags);
    }

    private static void writeLine(OutputStream out, Message m) {
        try {
            out.write((Lines.format(m) + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
