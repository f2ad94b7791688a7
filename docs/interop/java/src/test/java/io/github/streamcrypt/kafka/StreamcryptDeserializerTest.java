package io.github.streamcrypt.kafka;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.streamcrypt.Vector;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Records as a consumer hands them to its deserializers: the key first, and no null. */
class StreamcryptDeserializerTest {
    @TempDir
    private Path directory;
    private List<Vector> vectors;

    @BeforeEach
    void loadVectors() throws Exception {
        vectors = Vector.loadAll(directory);
    }

    private static Headers headersOf(Vector v) {
        Headers headers = new RecordHeaders();
        v.headers().forEach(h -> headers.add(new String(h.name(), StandardCharsets.UTF_8), h.value()));
        if (v.isTombstone()) {
            headers.add("streamcrypt", v.envelope());
        }
        return headers;
    }

    private static byte[] read(Vector v, Headers headers, byte[] key, byte[] value) {
        try (StreamcryptDeserializer<byte[]> keys = make(v, true);
                StreamcryptDeserializer<byte[]> values = make(v, false)) {
            if (key != null) {
                assertArrayEquals(key, keys.deserialize(v.topic(), headers, key));
            }
            return value == null ? null : values.deserialize(v.topic(), headers, value);
        }
    }

    private static StreamcryptDeserializer<byte[]> make(Vector v, boolean isKey) {
        StreamcryptDeserializer<byte[]> made = new StreamcryptDeserializer<>();
        made.configure(v.configs(), isKey);
        return made;
    }

    private static byte[] valueOf(Vector v) {
        return v.isTombstone() ? null : v.envelope();
    }

    private Vector find(String name) {
        return vectors.stream().filter(v -> v.name().equals(name)).findFirst().orElseThrow();
    }

    @Test
    void opensTheVectorsOfTopics() {
        int opened = 0;
        for (Vector v : vectors) {
            Headers headers = headersOf(v);
            int before = headers.toArray().length;
            if (v.bindsTime()) {
                var e = assertThrows(SerializationException.class, () -> read(v, headers, v.key(), valueOf(v)));
                assertTrue(e.getMessage().contains("tampered"), e.getMessage());
            } else {
                assertArrayEquals(v.isTombstone() ? null : v.payload(), read(v, headers, v.key(), valueOf(v)), v.name());
                assertTrue(v.isTombstone() || headers.toArray().length <= before - v.extra(), v.name());
                opened++;
            }
        }
        assertTrue(opened > 100, "only " + opened);
        System.out.printf("deserializer: opened %d vectors of %d%n", opened, vectors.size());
    }

    @Test
    void recordsAreOpenedWithTheirTimes() {
        int timed = 0;
        for (Vector v : vectors) {
            long time = v.time() == null ? ConsumerRecord.NO_TIMESTAMP : v.time();
            var sealed = new ConsumerRecord<>(v.topic(), 3, 8812, time, TimestampType.CREATE_TIME, 0, 0, v.key(),
                    valueOf(v), headersOf(v), Optional.of(7));
            var opened = new RecordOpener(v.configs()).open(sealed);
            assertArrayEquals(v.isTombstone() ? null : v.payload(), opened.value(), v.name());
            assertNull(opened.headers().lastHeader("streamcrypt"));
            assertEquals(8812, opened.offset());
            timed += v.bindsTime() ? 1 : 0;
        }
        assertTrue(timed > 0);
    }

    @Test
    void aBareTombstoneIsRefusedByTheOpener() {
        Vector v = vectors.get(0);
        var bare = new ConsumerRecord<byte[], byte[]>(v.topic(), 3, 8812, v.key(), null);
        var opener = new RecordOpener(v.configs());
        var e = assertThrows(SerializationException.class, () -> opener.open(bare));
        assertEquals(v.topic() + "/3@8812: bare-tombstone", e.getMessage());
    }

    @Test
    void changedRecordsAreRefused() {
        Vector v = find("self-contained-single-1024");
        byte[] changed = v.envelope();
        changed[200] ^= 1;
        checkRefused(v, v.topic() + ": tampered", headersOf(v), v.key(), changed);
        checkRefused(v, v.topic() + ": tampered", headersOf(v), "another".getBytes(), v.envelope());
        checkRefused(v, v.topic() + ": tampered (no key was seen yet: is key.deserializer this class, too?)",
                headersOf(v), null, v.envelope());
        checkRefused(v, v.topic() + ": not-an-envelope", headersOf(v), v.key(), "plaintext".getBytes());
        checkRefused(v, v.topic() + ": reserved-header", headersOf(v).add("streamcrypt", v.envelope()), null,
                v.envelope());
        Vector t = find("self-contained-tombstone");
        checkRefused(t, t.topic() + ": tampered", headersOf(t), "another".getBytes(), null);
    }

    private static void checkRefused(Vector v, String message, Headers headers, byte[] key, byte[] value) {
        var e = assertThrows(SerializationException.class, () -> read(v, headers, key, value));
        assertEquals(message, e.getMessage());
    }

    @Test
    void headersThatNothingAuthenticatesAreRemoved() {
        Vector v = find("self-contained-headers-all-24");
        Headers headers = headersOf(v).add("forged", "x".getBytes());
        int bound = v.headers().size();
        assertArrayEquals(v.payload(), read(v, headers, v.key(), v.envelope()));
        assertNull(headers.lastHeader("forged"));
        assertEquals(bound - v.extra(), headers.toArray().length);
    }

    @Test
    void theKeyOfAnotherRecordIsNotTaken() {
        Vector keyless = vectors.stream().filter(v -> v.key() == null && !v.isTombstone() && !v.bindsTime())
                .findFirst().orElseThrow();
        Seen.keep(new RecordHeaders(), "of the record before".getBytes());
        assertArrayEquals(keyless.payload(), read(keyless, headersOf(keyless), null, keyless.envelope()));
    }

    @Test
    void settingsAreChecked() {
        Vector v = vectors.get(0);
        Map<String, Object> configs = new HashMap<>(v.configs());
        configs.put("key.deserializer", StringDeserializer.class);
        var deserializer = new StreamcryptDeserializer<byte[]>();
        assertThrows(ConfigException.class, () -> deserializer.configure(configs, false));
        configs.put("key.deserializer", StreamcryptDeserializer.class.getName());
        deserializer.configure(configs, false);
        for (Map<String, ?> wrong : List.<Map<String, ?>>of(Map.of(), Map.of("streamcrypt.keys", "missing.jwk"))) {
            assertThrows(ConfigException.class, () -> deserializer.configure(wrong, true));
        }
    }

    @Test
    void theOpenedValueGoesToAFurtherDeserializer() {
        Vector v = vectors.stream().filter(each -> !each.isTombstone() && !each.bindsTime()).findFirst().orElseThrow();
        Map<String, Object> configs = new HashMap<>(v.configs());
        configs.put("streamcrypt.value.deserializer", StringDeserializer.class.getName());
        try (var texts = new StreamcryptDeserializer<String>()) {
            texts.configure(configs, false);
            Headers headers = headersOf(v);
            Seen.keep(headers, v.key());
            assertEquals(new String(v.payload(), StandardCharsets.UTF_8),
                    texts.deserialize(v.topic(), headers, v.envelope()));
        }
    }
}
