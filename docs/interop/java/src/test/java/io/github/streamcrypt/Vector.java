package io.github.streamcrypt;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/** A positive vector of the medium topic, with files of the keys and records that a plug-in is configured with. */
public record Vector(Map<?, ?> fields, Map<String, Object> configs) {
    private static final Object SHARED = load("shared.json");
    private static final Object POSITIVE = load("positive.json");

    private static Object load(String name) {
        try {
            return Json.parse(Files.readString(Path.of("../../vectors", name)));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static byte[] unhex(Object text) {
        return text == null ? null : HexFormat.of().parseHex((String) text);
    }

    /** The vectors that need no setting that a plug-in has not, with files in the directory. */
    public static List<Vector> loadAll(Path directory) throws IOException {
        Map<?, ?> shared = (Map<?, ?>) SHARED;
        List<Vector> found = new ArrayList<>();
        for (Object v : (List<?>) POSITIVE) {
            Map<?, ?> fields = (Map<?, ?>) v;
            boolean apart = List.of("skew", "now", "dictionary_records", "plaintext_sha256", "subject", "signers")
                    .stream().anyMatch(name -> fields.get(name) != null);
            boolean message = (Long) fields.get("kind") < 2 && "topic".equals(fields.get("medium"));
            if (message && !apart && isText(fields)) {
                found.add(new Vector(fields, configure(shared, fields, directory.resolve("" + found.size()))));
            }
        }
        return found;
    }

    /** Are topic and names of headers text, as a client for Java has them, and is none of them ours? */
    private static boolean isText(Map<?, ?> fields) {
        if (headersOf(fields).stream().anyMatch(Records::isOurs)) {
            return false;
        }
        List<byte[]> names = new ArrayList<>(List.of(unhex(fields.get("context"))));
        headersOf(fields).forEach(h -> names.add(h.name()));
        return names.stream().allMatch(n -> Arrays.equals(n, toText(n).getBytes(StandardCharsets.UTF_8)));
    }

    private static String toText(byte[] b) {
        return new String(b, StandardCharsets.UTF_8);
    }

    private static List<Header> headersOf(Map<?, ?> fields) {
        List<Header> found = new ArrayList<>();
        for (Object h : fields.get("headers") == null ? List.of() : (List<?>) fields.get("headers")) {
            found.add(new Header(unhex(((List<?>) h).get(0)), unhex(((List<?>) h).get(1))));
        }
        return found;
    }

    private static Map<String, Object> configure(Map<?, ?> shared, Map<?, ?> fields, Path directory)
            throws IOException {
        Files.createDirectories(directory);
        List<String> keys = new ArrayList<>();
        for (Object name : (List<?>) fields.get("keys")) {
            Map<?, ?> key = (Map<?, ?>) ((Map<?, ?>) shared.get("keys")).get(name);
            Map<?, ?> jwk = (Map<?, ?>) key.get("jwk");
            String text = jwk == null ? (String) key.get("pem")
                    : "{\"kty\":\"oct\",\"k\":" + Json.quote((String) jwk.get("k")) + "}";
            keys.add(Files.writeString(directory.resolve(name + ".key"), text).toString());
        }
        List<?> records = fields.get("records") == null ? List.of() : (List<?>) fields.get("records");
        if (!records.isEmpty()) {
            String kid = HexFormat.of().formatHex(new Envelope(envelopeOf(fields)).kid);
            for (int i = 0; i < records.size(); i++) {
                Files.write(directory.resolve(i == 0 ? kid : kid + "." + i), unhex(records.get(i)));
            }
        }
        List<String> dictionaries = new ArrayList<>();
        for (Object d : fields.get("dictionaries") == null ? List.of() : (List<?>) fields.get("dictionaries")) {
            dictionaries.add(Files.write(directory.resolve("d" + dictionaries.size()), unhex(d)).toString());
        }
        List<String> bind = new ArrayList<>();
        for (Object name : fields.get("bind") == null ? List.of() : (List<?>) fields.get("bind")) {
            bind.add(toText(unhex(name)));
        }
        String keyContext = (String) fields.get("key_context");
        Map<String, Object> configs = new HashMap<>(Map.of("streamcrypt.keys", keys, "streamcrypt.bind", bind,
                "streamcrypt.dictionaries", dictionaries, "streamcrypt.keystore", directory.toString()));
        if (keyContext != null) {
            configs.put("streamcrypt.key.context", toText(unhex(keyContext)));
        }
        return configs;
    }

    private static byte[] envelopeOf(Map<?, ?> fields) {
        return unhex(fields.get("envelope"));
    }

    public String name() {
        return (String) fields.get("name");
    }

    /** The name of the topic, to which the vector is bound. */
    public String topic() {
        return toText(unhex(fields.get("context")));
    }

    public byte[] envelope() {
        return envelopeOf(fields);
    }

    public byte[] key() {
        return unhex(fields.get("key"));
    }

    public byte[] payload() {
        return unhex(fields.get("plaintext"));
    }

    public boolean isTombstone() {
        return (Long) fields.get("kind") == 1;
    }

    public boolean bindsTime() {
        return Records.bindsTime(envelope());
    }

    public Long time() {
        return (Long) fields.get("time");
    }

    /** How many headers behind the bound ones a reader leaves out. */
    public long extra() {
        return fields.get("extra") == null ? 0 : (Long) fields.get("extra");
    }

    /** The headers of the record but for the one with the envelope of a tombstone. */
    public List<Header> headers() {
        return headersOf(fields);
    }
}
