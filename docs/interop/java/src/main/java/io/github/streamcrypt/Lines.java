package io.github.streamcrypt;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/** Messages as lines of JSON: docs/envelope.md, section 9, ndjson. */
final class Lines {
    private Lines() {
    }

    /** The message of a line. */
    static Message parse(String line) {
        try {
            Map<?, ?> fields = (Map<?, ?>) Json.parse(line);
            List<Header> headers = new ArrayList<>();
            for (Object header : fields.get("headers") == null ? List.of() : (List<?>) fields.get("headers")) {
                List<?> pair = (List<?>) header;
                Refused.unless(pair.size() == 2 && pair.get(0) != null);
                headers.add(new Header(readText(pair.get(0)), readText(pair.get(1))));
            }
            String time = (String) fields.get("time");
            Long milliseconds = time == null ? null : OffsetDateTime.parse(time).toInstant().toEpochMilli();
            return new Message(readField(fields, "key"), headers, milliseconds, readField(fields, "subject"),
                    readField(fields, "value"));
        } catch (IllegalArgumentException | ClassCastException | ArithmeticException | DateTimeException e) {
            throw new Refused("malformed");
        }
    }

    private static byte[] readField(Map<?, ?> fields, String name) {
        Object encoded = fields.get(name + "64");
        return encoded == null ? readText(fields.get(name)) : Base64.getDecoder().decode((String) encoded);
    }

    private static byte[] readText(Object value) {
        if (value instanceof Map<?, ?> encoded) {
            Refused.unless(encoded.get("b64") != null);
            return Base64.getDecoder().decode((String) encoded.get("b64"));
        }
        return value == null ? null : ((String) value).getBytes(StandardCharsets.UTF_8);
    }

    /** The line of a message, without its end. */
    static String format(Message m) {
        List<String> fields = new ArrayList<>();
        if (m.key() != null) {
            fields.add(formatField("key", m.key()));
        }
        fields.add(formatField("value", m.value()));
        if (!m.headers().isEmpty()) {
            List<String> headers = new ArrayList<>();
            m.headers().forEach(h -> headers.add("[" + formatText(h.name()) + "," + formatText(h.value()) + "]"));
            fields.add("\"headers\":[" + String.join(",", headers) + "]");
        }
        if (m.time() != null) {
            fields.add("\"time\":\"" + formatTime(m.time()) + "\"");
        }
        if (m.subject() != null) {
            fields.add(formatField("subject", m.subject()));
        }
        return "{" + String.join(",", fields) + "}";
    }

    private static String formatTime(long milliseconds) {
        Instant time = Instant.ofEpochMilli(milliseconds);
        int year = time.atOffset(ZoneOffset.UTC).getYear();
        Refused.unless(year >= 0 && year <= 9999);
        return time.toString();
    }

    private static String formatField(String name, byte[] value) {
        String text = decode(value);
        boolean binary = value != null && text == null;
        return Json.quote(binary ? name + "64" : name) + ":" + (binary ? encode(value) : formatText(value));
    }

    private static String formatText(byte[] value) {
        if (value == null) {
            return "null";
        }
        String text = decode(value);
        return text == null ? "{\"b64\":" + encode(value) + "}" : Json.quote(text);
    }

    private static String encode(byte[] value) {
        return Json.quote(Base64.getEncoder().encodeToString(value));
    }

    /** The text, or null if the bytes are no UTF-8. */
    private static String decode(byte[] value) {
        try {
            return value == null ? null : StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(value)).toString();
        } catch (CharacterCodingException e) {
            return null;
        }
    }
}
