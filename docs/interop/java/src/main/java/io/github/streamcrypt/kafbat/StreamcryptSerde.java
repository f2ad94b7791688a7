package io.github.streamcrypt.kafbat;

import io.github.streamcrypt.Header;
import io.github.streamcrypt.Message;
import io.github.streamcrypt.Opener;
import io.github.streamcrypt.Records;
import io.github.streamcrypt.Refused;
import io.github.streamcrypt.Settings;
import io.kafbat.ui.serde.api.DeserializeResult;
import io.kafbat.ui.serde.api.PropertyResolver;
import io.kafbat.ui.serde.api.RecordHeader;
import io.kafbat.ui.serde.api.RecordHeaders;
import io.kafbat.ui.serde.api.SchemaDescription;
import io.kafbat.ui.serde.api.Serde;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Shows sealed records in kafbat-ui. It is the serde of values and of keys,
 * since an envelope is bound to the record's key. The page deserializes the key
 * of a record and then its value, in one thread, and leaves out a null key: so a
 * value is tried with the last key and with none. The tag tells which one it is.
 */
public final class StreamcryptSerde implements Serde {
    private static final String[] TEXTS = {"context", "key.context", "keystore"};
    private static final String[] LISTS = {"keys", "signers", "dictionaries", "bind"};

    private final ThreadLocal<byte[]> lastKey = new ThreadLocal<>();
    private Settings settings;

    @Override
    public void configure(PropertyResolver serde, PropertyResolver cluster, PropertyResolver global) {
        Map<String, Object> configs = new HashMap<>();
        for (String name : TEXTS) {
            serde.getProperty(name, String.class).ifPresent(v -> configs.put("streamcrypt." + name, v));
        }
        for (String name : LISTS) {
            serde.getListProperty(name, String.class).ifPresent(v -> configs.put("streamcrypt." + name, v));
        }
        settings = new Settings(configs);
    }

    @Override
    public Optional<String> getDescription() {
        return Optional.of("Opens records that streamcrypt has sealed");
    }

    @Override
    public Optional<SchemaDescription> getSchema(String topic, Target target) {
        return Optional.empty();
    }

    @Override
    public boolean canDeserialize(String topic, Target target) {
        return true;
    }

    @Override
    public boolean canSerialize(String topic, Target target) {
        return false; // it has no sealing keys
    }

    @Override
    public Serializer serializer(String topic, Target target) {
        throw new UnsupportedOperationException("streamcrypt seals; this only opens");
    }

    @Override
    public Deserializer deserializer(String topic, Target target) {
        Opener opener = settings.findOpener(topic);
        if (target == Target.KEY) {
            return (headers, data) -> {
                lastKey.set(data);
                return show(data, Map.of());
            };
        }
        return (headers, data) -> openValue(opener, headers, data);
    }

    /** A refused value shows its word: an exception would make the page show the sealed bytes as if they were text. */
    private DeserializeResult openValue(Opener opener, RecordHeaders headers, byte[] data) {
        byte[] key = lastKey.get();
        lastKey.remove();
        List<Header> stored = new ArrayList<>();
        for (RecordHeader h : headers) {
            stored.add(new Header(h.key().getBytes(StandardCharsets.UTF_8), h.value()));
        }
        try {
            return show(openWith(opener, stored, key, data), Map.of("streamcrypt", "opened"));
        } catch (Refused refused) {
            String word = refused.word();
            if (word.equals("tampered") && key != null) {
                try {
                    return show(openWith(opener, stored, null, data), Map.of("streamcrypt", "opened"));
                } catch (Refused again) {
                    word = again.word();
                }
            }
            String reason = !word.equals("tampered") ? ""
                    : Records.bindsTime(data) ? " (its time is bound, which no serde sees)"
                    : key == null ? " (no key was seen: the serde of keys must be this one, too)" : "";
            return new DeserializeResult("refused by streamcrypt: " + word + reason, DeserializeResult.Type.STRING,
                    Map.of("streamcrypt", word));
        }
    }

    private static byte[] openWith(Opener opener, List<Header> headers, byte[] key, byte[] data) {
        return Records.open(opener, new Message(key, headers, null, null, data), Opener.Medium.TOPIC).value();
    }

    private static DeserializeResult show(byte[] value, Map<String, Object> properties) {
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(value)).toString();
            return new DeserializeResult(text, DeserializeResult.Type.STRING, properties);
        } catch (CharacterCodingException e) {
            return new DeserializeResult(HexFormat.of().formatHex(value), DeserializeResult.Type.STRING, properties);
        }
    }
}
