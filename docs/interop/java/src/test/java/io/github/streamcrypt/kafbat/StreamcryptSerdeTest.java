package io.github.streamcrypt.kafbat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.luben.zstd.Zstd;
import io.github.streamcrypt.Vector;
import io.kafbat.ui.serde.api.PropertyResolver;
import io.kafbat.ui.serde.api.RecordHeader;
import io.kafbat.ui.serde.api.RecordHeaders;
import io.kafbat.ui.serde.api.Serde;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The plug-in as kafbat-ui loads and calls it. */
class StreamcryptSerdeTest {
    @TempDir
    private Path directory;
    private List<Vector> vectors;

    @BeforeEach
    void loadVectors() throws Exception {
        vectors = Vector.loadAll(directory);
    }

    /** A page without Kafka's client: the API, and nothing else that is not of the plug-in or of the JDK. */
    private static final class Page extends ClassLoader {
        Page() {
            super(ClassLoader.getPlatformClassLoader());
        }

        @Override
        protected Class<?> findClass(String name) throws ClassNotFoundException {
            if (name.startsWith("io.kafbat.ui.serde.api.")) {
                return Serde.class.getClassLoader().loadClass(name);
            }
            throw new ClassNotFoundException(name);
        }
    }

    private record Properties(Map<String, Object> values) implements PropertyResolver {
        @Override
        public <T> Optional<T> getProperty(String key, Class<T> type) {
            return Optional.ofNullable(values.get("streamcrypt." + key)).map(type::cast);
        }

        @Override
        public <T> Optional<List<T>> getListProperty(String key, Class<T> type) {
            List<?> items = (List<?>) values.get("streamcrypt." + key);
            return Optional.ofNullable(items).map(l -> l.stream().<T>map(type::cast).toList());
        }

        @Override
        public <K, V> Optional<Map<K, V>> getMapProperty(String key, Class<K> k, Class<V> v) {
            return Optional.empty();
        }
    }

    private record Plain(String key, byte[] value) implements RecordHeader {
    }

    private static RecordHeaders headersOf(Vector v) {
        List<RecordHeader> headers = new ArrayList<>();
        v.headers().forEach(h -> headers.add(new Plain(new String(h.name(), StandardCharsets.UTF_8), h.value())));
        return headers::iterator;
    }

    private static RecordHeaders noHeaders() {
        return List.<RecordHeader>of()::iterator;
    }

    private static Serde configure(Vector v, Serde serde) {
        serde.configure(new Properties(v.configs()), new Properties(Map.of()), new Properties(Map.of()));
        return serde;
    }

    @Test
    void itsClassIsLoadedByItselfAndOpensARecord() throws Exception {
        URL[] jars = {StreamcryptSerde.class.getProtectionDomain().getCodeSource().getLocation(),
            Zstd.class.getProtectionDomain().getCodeSource().getLocation()};
        try (URLClassLoader loader = new URLClassLoader(jars, new Page())) {
            Class<?> loaded = loader.loadClass("io.github.streamcrypt.kafbat.StreamcryptSerde");
            assertNotSame(StreamcryptSerde.class, loaded);
            Vector v = vectors.stream().filter(each -> each.name().equals("self-contained-zstd-by-a-library"))
                    .findFirst().orElseThrow();
            try (Serde serde = configure(v, (Serde) loaded.getDeclaredConstructor().newInstance())) {
                checkOpens(serde, v);
            }
        }
    }

    private static void checkOpens(Serde serde, Vector v) {
        assertTrue(serde.canDeserialize(v.topic(), Serde.Target.KEY));
        assertTrue(serde.canDeserialize(v.topic(), Serde.Target.VALUE));
        assertFalse(serde.canSerialize(v.topic(), Serde.Target.VALUE));
        Serde.Deserializer keys = serde.deserializer(v.topic(), Serde.Target.KEY);
        Serde.Deserializer values = serde.deserializer(v.topic(), Serde.Target.VALUE);
        if (v.key() != null) {
            assertEquals(show(v.key()), keys.deserialize(noHeaders(), v.key()).getResult());
        }
        var shown = values.deserialize(headersOf(v), v.envelope());
        assertEquals(show(v.payload()), shown.getResult(), v.name());
        assertEquals("opened", shown.getAdditionalProperties().get("streamcrypt"));
    }

    private static String show(byte[] value) {
        String text = new String(value, StandardCharsets.UTF_8);
        boolean isText = java.util.Arrays.equals(value, text.getBytes(StandardCharsets.UTF_8));
        return isText ? text : HexFormat.of().formatHex(value);
    }

    @Test
    void opensTheVectorsOfTopics() throws Exception {
        int opened = 0;
        for (Vector v : vectors) {
            if (!v.isTombstone() && !v.bindsTime()) {
                try (Serde serde = configure(v, new StreamcryptSerde())) {
                    serde.deserializer(v.topic(), Serde.Target.KEY).deserialize(noHeaders(), new byte[] {9}); // a stale one
                    checkOpens(serde, v);
                    opened++;
                }
            }
        }
        assertTrue(opened > 100, "only " + opened);
        System.out.printf("serde: opened %d vectors of %d%n", opened, vectors.size());
    }

    @Test
    void refusedRecordsShowTheirWord() throws Exception {
        Vector v = vectors.stream().filter(each -> each.name().equals("self-contained-single-1024")).findFirst()
                .orElseThrow();
        try (Serde serde = configure(v, new StreamcryptSerde())) {
            Serde.Deserializer keys = serde.deserializer(v.topic(), Serde.Target.KEY);
            Serde.Deserializer values = serde.deserializer(v.topic(), Serde.Target.VALUE);
            byte[] changed = v.envelope();
            changed[200] ^= 1;
            keys.deserialize(noHeaders(), v.key());
            var shown = values.deserialize(headersOf(v), changed);
            assertEquals("refused by streamcrypt: tampered", shown.getResult());
            assertEquals("tampered", shown.getAdditionalProperties().get("streamcrypt"));
            assertEquals("refused by streamcrypt: not-an-envelope",
                    values.deserialize(headersOf(v), "plaintext".getBytes(StandardCharsets.UTF_8)).getResult());
            assertTrue(values.deserialize(headersOf(v), v.envelope()).getResult().contains("no key was seen"));
        }
        assertThrows(IllegalArgumentException.class, () -> configure(new Vector(Map.of(), Map.of()),
                new StreamcryptSerde()));
    }
}
