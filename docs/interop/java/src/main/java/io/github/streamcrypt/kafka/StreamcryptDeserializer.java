package io.github.streamcrypt.kafka;

import io.github.streamcrypt.Header;
import io.github.streamcrypt.Message;
import io.github.streamcrypt.Opener;
import io.github.streamcrypt.Records;
import io.github.streamcrypt.Refused;
import io.github.streamcrypt.Settings;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.utils.Utils;

/**
 * Opens the values of a sealed topic. It is the deserializer of values and of
 * keys, since an envelope is bound to the record's key; the key itself is not
 * sealed. The opened bytes go to a further deserializer, that of KEY or VALUE.
 *
 * <p>A refused record ends in SerializationException with the word. Headers that
 * nothing authenticates are removed from the record.
 *
 * @param <T> the type of the further deserializer
 */
public final class StreamcryptDeserializer<T> implements Deserializer<T> {
    /** The class that takes the opened value; byte arrays unless configured. */
    public static final String VALUE = "streamcrypt.value.deserializer";
    /** The class that takes the key; byte arrays unless configured. */
    public static final String KEY = "streamcrypt.key.deserializer";

    private Settings settings;
    private Deserializer<T> further;
    private boolean ofKeys;
    private boolean sawKeys;

    @Override
    public void configure(Map<String, ?> configs, boolean isKey) {
        Object keys = configs.get(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG);
        String ours = StreamcryptDeserializer.class.getName();
        if (!isKey && keys != null && !ours.equals(keys instanceof Class<?> c ? c.getName() : keys.toString())) {
            throw new ConfigException(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, keys,
                    "envelopes are bound to keys, so it must be " + ours + " (and " + KEY + " the one of the keys)");
        }
        try {
            settings = new Settings(configs);
        } catch (IllegalArgumentException e) {
            throw new ConfigException(e.getMessage());
        }
        ofKeys = isKey;
        further = makeFurther(configs.get(isKey ? KEY : VALUE));
        further.configure(configs, isKey);
    }

    @SuppressWarnings("unchecked") // the type is the user's word, as in the consumer itself
    private static <T> Deserializer<T> makeFurther(Object configured) {
        try {
            Class<?> c = configured instanceof Class<?> named ? named
                    : configured != null ? Utils.loadClass(configured.toString(), Deserializer.class)
                    : ByteArrayDeserializer.class;
            return (Deserializer<T>) Utils.newInstance(c, Deserializer.class);
        } catch (ClassNotFoundException e) {
            throw new ConfigException("no such class: " + configured);
        }
    }

    @Override
    public T deserialize(String topic, byte[] data) {
        return deserialize(topic, null, data);
    }

    @Override
    public T deserialize(String topic, Headers headers, byte[] data) {
        if (headers == null) {
            throw new SerializationException(topic + ": an envelope is bound to headers, and none were given");
        }
        if (ofKeys) {
            Seen.keep(headers, data);
            if (headers.lastHeader(Records.HEADER) != null) {
                openRecord(topic, headers, data, null); // a tombstone, which no deserializer of values sees
            }
            return further.deserialize(topic, headers, data);
        }
        byte[] key = Seen.takeKey(headers);
        sawKeys |= key != null;
        return further.deserialize(topic, headers, data == null ? null : openRecord(topic, headers, key, data));
    }

    private byte[] openRecord(String topic, Headers headers, byte[] key, byte[] value) {
        try {
            List<Header> stored = RecordOpener.toList(headers);
            Opener opener = settings.findOpener(topic);
            Message m = Records.open(opener, new Message(key, stored, null, null, value), Opener.Medium.TOPIC);
            if (m.headers().size() < stored.size()) {
                Set<String> names = new HashSet<>();
                headers.forEach(h -> names.add(h.key()));
                names.forEach(headers::remove);
                RecordOpener.addAll(headers, m.headers());
            }
            return m.value();
        } catch (Refused refused) {
            throw new SerializationException(topic + ": " + refused.word() + explain(refused, value), refused);
        }
    }

    private String explain(Refused refused, byte[] value) {
        if (!refused.word().equals("tampered") || value == null) {
            return "";
        }
        if (Records.bindsTime(value)) {
            return " (the record's time is bound, which no deserializer sees: use RecordOpener)";
        }
        return sawKeys ? "" : " (no key was seen yet: is key.deserializer this class, too?)";
    }

    @Override
    public void close() {
        if (further != null) {
            further.close();
        }
    }
}
