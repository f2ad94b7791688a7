package io.github.streamcrypt;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/** The settings that all readers of topics share, by the names below, and their openers by topic. */
public final class Settings {
    /** Files of private keys, JWK or PEM, tried in their order. Required. */
    public static final String KEYS = "streamcrypt.keys";
    /** Files of public keys of sealers. If there are any, everything else is refused as untrusted. */
    public static final String SIGNERS = "streamcrypt.signers";
    /** The directory with the key and dictionary records of messages by reference. */
    public static final String KEY_STORE = "streamcrypt.keystore";
    /** The context, where it is not the name of the topic: for mirrors, say. */
    public static final String CONTEXT = "streamcrypt.context";
    /** The key context, where it is not the context. */
    public static final String KEY_CONTEXT = "streamcrypt.key.context";
    /** Names of headers, where the sealer binds them by name. */
    public static final String BIND = "streamcrypt.bind";
    /** Files of dictionaries. */
    public static final String DICTIONARIES = "streamcrypt.dictionaries";

    private final Reader reader = new Reader();
    private final String context;
    private final Map<String, Opener> openers = new ConcurrentHashMap<>();

    /** Reads the settings and the files that they name; IllegalArgumentException says which one is wrong. */
    public Settings(Map<String, ?> configs) {
        try {
            for (String path : readList(configs, KEYS)) {
                reader.keks.add(Kek.read(Path.of(path)));
            }
            for (String path : readList(configs, SIGNERS)) {
                reader.signers.add(Signer.read(Path.of(path)));
            }
            for (String path : readList(configs, DICTIONARIES)) {
                reader.dictionaries.add(Files.readAllBytes(Path.of(path)));
            }
            if (configs.get(KEY_STORE) != null) {
                reader.setStore(Path.of(configs.get(KEY_STORE).toString().replaceFirst("^file:", "")));
            }
        } catch (IOException e) {
            throw new IllegalArgumentException("streamcrypt: " + e.getMessage(), e);
        }
        if (reader.keks.isEmpty()) {
            throw new IllegalArgumentException(KEYS + ": name the files of private keys");
        }
        readList(configs, BIND).forEach(name -> reader.bind.add(name.getBytes(StandardCharsets.UTF_8)));
        if (configs.get(KEY_CONTEXT) != null) {
            reader.setKeyContext(configs.get(KEY_CONTEXT).toString());
        }
        context = configs.get(CONTEXT) == null ? null : configs.get(CONTEXT).toString();
    }

    private static List<String> readList(Map<String, ?> configs, String name) {
        Object value = configs.get(name);
        Stream<?> items = value instanceof List<?> list ? list.stream()
                : value == null ? Stream.of() : Stream.of(value.toString().split(","));
        return items.map(item -> item.toString().strip()).filter(item -> !item.isEmpty()).toList();
    }

    /** The opener for records of a topic. It keeps data keys, so it is made once. */
    public Opener findOpener(String topic) {
        String name = context == null ? topic : context;
        return openers.computeIfAbsent(name,
                n -> new Opener(reader.withContext(n.getBytes(StandardCharsets.UTF_8))));
    }
}
