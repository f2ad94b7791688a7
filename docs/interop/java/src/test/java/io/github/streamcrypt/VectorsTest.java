package io.github.streamcrypt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** Says each word of docs/vectors again: see the README there for the fields. */
class VectorsTest {
    private static final Path VECTORS = Path.of("../../vectors");
    private final Map<Object, Kek> keks = new HashMap<>();
    private final Map<?, ?> shared = (Map<?, ?>) load("shared.json");

    private static Object load(String name) {
        try {
            return Json.parse(Files.readString(VECTORS.resolve(name)));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static byte[] unhex(Object text) {
        return text == null ? null : HexFormat.of().parseHex((String) text);
    }

    private static String hex(byte[] b) {
        return b == null ? null : HexFormat.of().formatHex(b);
    }

    private static List<?> list(Map<?, ?> v, String name) {
        return v.get(name) == null ? List.of() : (List<?>) v.get(name);
    }

    private static List<byte[]> bytes(Map<?, ?> v, String name) {
        return list(v, name).stream().map(VectorsTest::unhex).toList();
    }

    private Kek parseKek(Object name) {
        Map<?, ?> key = (Map<?, ?>) ((Map<?, ?>) shared.get("keys")).get(name);
        Map<?, ?> jwk = (Map<?, ?>) key.get("jwk");
        return Kek.parse(jwk == null ? (String) key.get("pem")
                : "{\"kty\":\"oct\",\"k\":" + Json.quote((String) jwk.get("k")) + "}");
    }

    private Reader newReader(Map<?, ?> v) {
        Reader reader = new Reader();
        for (Object name : list(v, "keys")) {
            reader.keks.add(keks.computeIfAbsent(name, this::parseKek));
        }
        for (Object name : list(v, "signers")) {
            reader.signers.add(Signer.parse((String) ((Map<?, ?>) shared.get("signers")).get(name)));
        }
        reader.context = unhex(v.get("context"));
        reader.keyContext = unhex(v.get("key_context"));
        reader.skew = v.get("skew") == null ? 300 : (Long) v.get("skew");
        reader.now = (Long) v.get("now");
        reader.maxAge = (Long) v.get("max_age");
        reader.limit = v.get("limit") == null ? 1 << 20 : ((Long) v.get("limit")).intValue();
        reader.dictionaries.addAll(bytes(v, "dictionaries"));
        reader.bind.addAll(bytes(v, "bind"));
        List<byte[]> records = bytes(v, "records");
        List<KeyStore.Named> named = list(v, "dictionary_records").stream().map(r -> (List<?>) r)
                .map(r -> new KeyStore.Named(unhex(r.get(0)), unhex(r.get(1)))).toList();
        reader.store = new KeyStore() {
            @Override
            public List<byte[]> findKeyRecords(byte[] kid) {
                return records;
            }

            @Override
            public List<Named> findDictionaryRecords(byte[] hint) {
                return named;
            }
        };
        return reader;
    }

    private static boolean isPayload(Map<?, ?> v, byte[] payload) {
        if (v.get("plaintext") != null) {
            return Arrays.equals(payload, unhex(v.get("plaintext")));
        }
        return Objects.equals(v.get("plaintext_length"), (long) payload.length)
                && hex(Hashes.hashAll(payload)).equals(v.get("plaintext_sha256"));
    }

    private String readEnvelope(Map<?, ?> v) {
        List<Header> headers = list(v, "headers").stream().map(h -> (List<?>) h)
                .map(h -> new Header(unhex(h.get(0)), unhex(h.get(1)))).toList();
        Opener.Medium medium = Opener.Medium.valueOf(((String) v.get("medium")).toUpperCase(Locale.ROOT));
        var place = new Opener.Place(((Long) v.get("kind")).intValue(), medium, unhex(v.get("subject")),
                unhex(v.get("key")), headers, (Long) v.get("time"));
        try {
            Opener opener = new Opener(newReader(v));
            Opener.Opened opened = opener.open(new Envelope(unhex(v.get("envelope"))), place);
            Opener.Opened again = opener.open(new Envelope(unhex(v.get("envelope"))), place); // by the kept key
            assertTrue(Arrays.equals(opened.payload(), again.payload()));
            long extra = v.get("extra") == null ? 0 : (Long) v.get("extra");
            boolean expected = !v.get("expect").equals("ok") || isPayload(v, opened.payload());
            return expected && extra == opened.extra() ? "ok" : "another payload";
        } catch (Refused refused) {
            return refused.word();
        }
    }

    private String readRawFile(Map<?, ?> v) {
        try {
            byte[] payload = RawFile.open(unhex(v.get("file")), newReader(v));
            return !v.get("expect").equals("ok") || isPayload(v, payload) ? "ok" : "another payload";
        } catch (Refused refused) {
            return refused.word();
        }
    }

    private String readArchive(Map<?, ?> v) {
        List<Object> shown = new ArrayList<>();
        Archive archive = new Archive(newReader(v), m -> shown.add(Arrays.asList(hex(m.key()),
                m.headers().stream().map(h -> Arrays.asList(hex(h.name()), hex(h.value()))).toList(), m.time(),
                hex(m.subject()), hex(m.value()))));
        String word = "ok";
        try {
            archive.read(unhex(v.get("file")));
        } catch (Refused refused) {
            word = refused.word();
        }
        if (!shown.equals(v.get("messages")) || !Objects.equals(v.get("ends"), (long) archive.ends.size())) {
            return word + ", but other messages or ends";
        }
        Archive.End last = archive.ends.isEmpty() ? null : archive.ends.get(archive.ends.size() - 1);
        boolean same = !word.equals("ok") || last.toReceipt().equals(v.get("receipt"))
                && Objects.equals(v.get("flags"), (long) last.flags());
        for (Object line : list(v, "receipts")) {
            List<?> receipt = (List<?>) line;
            same &= Archive.checkReceipt(archive.ends, (String) receipt.get(0)).equals(receipt.get(1));
        }
        return same ? word : word + ", but another last end or receipt";
    }

    private void checkAll(String file, int least, Function<Map<?, ?>, String> read) {
        List<?> vectors = (List<?>) load(file);
        List<String> wrong = new ArrayList<>();
        for (Object vector : vectors) {
            Map<?, ?> v = (Map<?, ?>) vector;
            String word;
            try {
                word = read.apply(v);
            } catch (RuntimeException e) {
                word = e + " at " + e.getStackTrace()[0];
            }
            if (!v.get("expect").equals(word)) {
                wrong.add(v.get("name") + ": " + v.get("expect") + " expected, " + word);
            }
        }
        assertEquals("", String.join("\n", wrong));
        assertTrue(vectors.size() >= least, file + " has only " + vectors.size());
        System.out.printf("vectors: %d of %s%n", vectors.size(), file);
    }

    @Test
    void opensThePositiveOnes() {
        checkAll("positive.json", 250, this::readEnvelope);
    }

    @Test
    void refusesTheNegativeOnes() {
        checkAll("negative.json", 700, this::readEnvelope);
    }

    @Test
    void readsRawFiles() {
        checkAll("rawfiles.json", 40, this::readRawFile);
    }

    @Test
    void readsArchives() {
        checkAll("archives.json", 140, this::readArchive);
    }
}
