package io.github.streamcrypt.kafka;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordDeserializationException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/**
 * Reads topics of a real broker, TEST_KAFKA, which testcontainers/kafkajava_test.go
 * has filled: TEST_KAFKA_PLAIN, and the same sealed by the built command in each
 * of TEST_KAFKA_SEALED. TEST_KAFKA_SETTINGS are further settings of consumers.
 */
@EnabledIfEnvironmentVariable(named = "TEST_KAFKA", matches = ".+", disabledReason = "no broker")
class BrokerTest {
    private static final Duration PATIENCE = Duration.ofMinutes(5);

    private static Map<String, Object> readSettings() {
        Map<String, Object> settings = new HashMap<>();
        for (String line : System.getenv("TEST_KAFKA_SETTINGS").split(";")) {
            settings.put(line.substring(0, line.indexOf('=')), line.substring(line.indexOf('=') + 1));
        }
        return settings;
    }

    private static KafkaConsumer<byte[], byte[]> connect(Class<?> deserializer) {
        Properties p = new Properties();
        p.putAll(readSettings());
        p.put("bootstrap.servers", System.getenv("TEST_KAFKA"));
        p.put("isolation.level", "read_committed");
        p.put("key.deserializer", deserializer);
        p.put("value.deserializer", deserializer);
        return new KafkaConsumer<>(p);
    }

    private record Read(List<ConsumerRecord<byte[], byte[]>> records, List<RecordDeserializationException> refused) {
    }

    /** All records of a topic up to its end, by partition; a refused one is passed over. */
    private static Read readAll(String topic, Class<?> deserializer) {
        Read read = new Read(new ArrayList<>(), new ArrayList<>());
        try (KafkaConsumer<byte[], byte[]> consumer = connect(deserializer)) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                    .map(p -> new TopicPartition(topic, p.partition())).toList();
            assertTrue(partitions.size() > 1);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            for (TopicPartition p : partitions) {
                consumer.assign(List.of(p));
                consumer.seekToBeginning(List.of(p));
                while (consumer.position(p) < ends.get(p)) {
                    assertTrue(System.nanoTime() < deadline, "the records do not come");
                    try {
                        consumer.poll(Duration.ofSeconds(1)).forEach(read.records::add);
                    } catch (RecordDeserializationException e) {
                        read.refused.add(e);
                        consumer.seek(p, e.offset() + 1);
                    }
                }
            }
        }
        return read;
    }

    private static void checkSame(ConsumerRecord<byte[], byte[]> want, ConsumerRecord<byte[], byte[]> got) {
        assertEquals(want.partition(), got.partition());
        assertArrayEquals(want.key(), got.key());
        assertArrayEquals(want.value(), got.value());
        Header[] headers = got.headers().toArray();
        assertEquals(Arrays.stream(want.headers().toArray()).map(Header::key).toList(),
                Arrays.stream(headers).map(Header::key).filter(k -> got.value() != null || !k.equals("streamcrypt"))
                        .toList());
        for (int i = 0; i < want.headers().toArray().length; i++) {
            assertArrayEquals(want.headers().toArray()[i].value(), headers[i].value());
        }
    }

    private static void checkSame(List<ConsumerRecord<byte[], byte[]>> want, List<ConsumerRecord<byte[], byte[]>> got) {
        assertEquals(want.size(), got.size());
        for (int i = 0; i < want.size(); i++) {
            checkSame(want.get(i), got.get(i));
        }
    }

    @Test
    void aConsumerReadsSealedTopics() {
        Read plain = readAll(System.getenv("TEST_KAFKA_PLAIN"), ByteArrayDeserializer.class);
        assertTrue(plain.records.size() > 1000 && plain.records.stream().anyMatch(r -> r.value() == null));
        for (String topic : System.getenv("TEST_KAFKA_SEALED").split(",")) {
            long start = System.nanoTime();
            Read opened = readAll(topic, StreamcryptDeserializer.class);
            System.out.printf("%s: %d records opened in %d ms, with the reading%n", topic, opened.records.size(),
                    (System.nanoTime() - start) / 1_000_000);
            assertEquals(List.of(), opened.refused);
            checkSame(plain.records, opened.records);
            RecordOpener opener = new RecordOpener(readSettings());
            var called = readAll(topic, ByteArrayDeserializer.class).records.stream().map(opener::open).toList();
            checkSame(plain.records, called);
            assertTrue(called.stream().allMatch(r -> r.headers().lastHeader("streamcrypt") == null));
        }
    }

    @Test
    void aChangedRecordIsRefusedWithItsWord() {
        String topic = System.getenv("TEST_KAFKA_TAMPERED");
        Read read = readAll(topic, StreamcryptDeserializer.class);
        assertEquals(1, read.refused.size());
        SerializationException refused = read.refused.get(0);
        var cause = assertInstanceOf(SerializationException.class, refused.getCause());
        assertEquals(topic + ": tampered", cause.getMessage());
        assertTrue(read.records.size() > 1, "the consumer goes on behind it");
        assertNull(read.records.stream().filter(r -> r.offset() == read.refused.get(0).offset()
                && r.partition() == read.refused.get(0).topicPartition().partition()).findAny().orElse(null));
    }
}
