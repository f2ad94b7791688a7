package io.github.streamcrypt;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeSet;

/** A directory of records, KID, KID.1 and so on: docs/envelope.md, section 8. */
final class DirectoryStore implements KeyStore {
    private static final int LARGEST_RECORD = 1 << 20;
    private static final int MOST_RECORDS = 1000;

    private final Path directory;

    DirectoryStore(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            throw new IOException("key store " + directory + ": not a directory");
        }
        this.directory = directory;
    }

    @Override
    public List<byte[]> findKeyRecords(byte[] kid) {
        return readAll(HexFormat.of().formatHex(kid));
    }

    @Override
    public List<Named> findDictionaryRecords(byte[] hint) {
        String start = HexFormat.of().formatHex(hint);
        TreeSet<String> names = new TreeSet<>();
        try (var files = Files.newDirectoryStream(directory, start + "*")) {
            files.forEach(f -> names.add(f.getFileName().toString()));
        } catch (IOException e) {
            throw new UncheckedIOException("key store " + directory, e);
        }
        List<Named> found = new ArrayList<>();
        for (String name : names) {
            if (name.matches("[0-9a-f]{32}")) {
                readAll(name).forEach(r -> found.add(new Named(HexFormat.of().parseHex(name), r)));
            }
        }
        return found;
    }

    private List<byte[]> readAll(String name) {
        List<byte[]> found = new ArrayList<>();
        try {
            while (found.size() < MOST_RECORDS) {
                Path path = directory.resolve(found.isEmpty() ? name : name + "." + found.size());
                try (var in = Files.newInputStream(path)) {
                    found.add(in.readNBytes(LARGEST_RECORD));
                }
            }
        } catch (NoSuchFileException end) {
            return found; // the first that is missing
        } catch (IOException e) {
            throw new UncheckedIOException("key store " + directory, e);
        }
        return found;
    }
}
