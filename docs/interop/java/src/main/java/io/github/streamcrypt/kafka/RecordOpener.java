package io.github.streamcrypt.kafka;

import io.github.streamcrypt.Header;
import io.github.streamcrypt.Message;
import io.github.streamcrypt.Opener;
import io.github.streamcrypt.Records;
import io.github.streamcrypt.Refused;
import io.github.streamcrypt.Settings;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/**
 * Opens whole records, which a consumer of byte arrays has read. It sees all
 * that an envelope can be bound to, and every tombstone: a deserializer sees
 * neither the time of a record nor a null value. Threads may share it.
 */
public final class RecordOpener {
    private final Settings settings;

    /** An opener with the settings of a consumer, by the names in Settings. */
    public RecordOpener(Map<String, ?> configs) {
        settings = new Settings(configs);
    }

    /**
     * The record as it was before it was sealed, at the place of the sealed one.
     * The message of SerializationException is the place and the word.
     */
    public ConsumerRecord<byte[], byte[]> open(ConsumerRecord<byte[], byte[]> r) {
        try {
            Long time = r.timestamp() == ConsumerRecord.NO_TIMESTAMP ? null : Long.valueOf(r.timestamp());
            Message sealed = new Message(r.key(), toList(r.headers()), time, null, r.value());
            Message m = Records.open(settings.findOpener(r.topic()), sealed, Opener.Medium.TOPIC);
            Headers headers = new RecordHeaders();
            addAll(headers, m.headers());
            int size = m.value() == null ? ConsumerRecord.NULL_SIZE : m.value().length;
            return new ConsumerRecord<>(r.topic(), r.partition(), r.offset(), r.timestamp(), r.timestampType(),
                    r.serializedKeySize(), size, r.key(), m.value(), headers, r.leaderEpoch());
        } catch (Refused refused) {
            throw new SerializationException(r.topic() + "/" + r.partition() + "@" + r.offset() + ": "
                    + refused.word(), refused);
        }
    }

    static List<Header> toList(Headers headers) {
        List<Header> found = new ArrayList<>();
        headers.forEach(h -> found.add(new Header(h.key().getBytes(StandardCharsets.UTF_8), h.value())));
        return found;
    }

    static void addAll(Headers headers, List<Header> more) {
        more.forEach(h -> headers.add(new String(h.name(), StandardCharsets.UTF_8), h.value()));
    }
}
