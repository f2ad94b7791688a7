package io.github.streamcrypt;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Messages as lines of JSON: docs/envelope.md, section 9, ndjson. */
final class Lines {
    private static final Set<String> FIELDS =
            Set.of("key", "key64", "value", "value64", "subject", "subject64", "headers", "time");
    private static final Pattern TIME = Pattern.compile("([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})"
            + "(?:\\.([0-9]+))?(?:Z|([-+])([01][0-9]|2[0-3]):([0-5][0-9]))");

    private Lines() {
    }

    /** Calls out for the message of each line of a file that is not blank. */
    static void parseAll(byte[] file, Consumer<Message> out) {
        boolean marked = file.length > 2 && file[0] == (byte) 0xef && file[1] == (byte) 0xbb && file[2] == (byte) 0xbf;
        int at = marked ? 3 : 0;
        while (at < file.length) {
            int end = at;
            boolean blank = true;
            for (; end < file.length && file[end] != '\n'; end++) {
                blank &= file[end] == ' ' || file[end] == '\t' || file[end] == '\r';
            }
            if (!blank) {
                String line = decode(Arrays.copyOfRange(file, at, end));
                Refused.unless(line != null);
                out.accept(parse(line));
            }
            at = end + 1;
        }
    }

    /** The message of a line. */
    static Message parse(String line) {
        try {
            Map<?, ?> fields = (Map<?, ?>) Json.parse(line);
            Refused.unless(FIELDS.containsAll(fields.keySet()));
            Refused.unless(fields.containsKey("value") || fields.containsKey("value64"));
            List<Header> headers = new ArrayList<>();
            for (Object header : fields.get("headers") == null ? List.of() : (List<?>) fields.get("headers")) {
                List<?> pair = (List<?>) header;
                Refused.unless(pair.size() == 2 && pair.get(0) != null);
                headers.add(new Header(readText(pair.get(0)), readText(pair.get(1))));
            }
            String time = (String) fields.get("time");
            return new Message(readField(fields, "key"), headers, time == null ? null : parseTime(time),
                    readField(fields, "subject"), readField(fields, "value"));
        } catch (IllegalArgumentException | ClassCastException | NullPointerException | DateTimeException e) {
            throw new Refused("malformed");
        }
    }

    /** Unix milliseconds, rounded down. */
    private static long parseTime(String text) {
        Matcher m = TIME.matcher(text);
        Refused.unless(m.matches());
        long offset = m.group(3) == null ? 0
                : 60 * Long.parseLong(m.group(4)) + Long.parseLong(m.group(5));
        long seconds = LocalDateTime.parse(m.group(1)).toEpochSecond(ZoneOffset.UTC)
                - ("-".equals(m.group(3)) ? -60 * offset : 60 * offset);
        String fraction = (m.group(2) == null ? "" : m.group(2)) + "000";
        return 1000 * seconds + Long.parseLong(fraction.substring(0, 3));
    }

    private static byte[] readField(Map<?, ?> fields, String name) {
        boolean encoded = fields.containsKey(name + "64");
        Refused.unless(!encoded || !fields.containsKey(name));
        return encoded ? readBase64((String) fields.get(name + "64")) : toBytes((String) fields.get(name));
    }

    private static byte[] readText(Object value) {
        if (value instanceof Map<?, ?> encoded) {
            Refused.unless(encoded.keySet().equals(Set.of("b64")));
            return readBase64((String) encoded.get("b64"));
        }
        return toBytes((String) value);
    }

    private static byte[] toBytes(String text) {
        if (text == null) {
            return null;
        }
        byte[] b = text.getBytes(StandardCharsets.UTF_8);
        Refused.unless(text.equals(decode(b))); // half of a surrogate pair becomes a question mark
        return b;
    }

    private static byte[] readBase64(String text) {
        byte[] b = Base64.getDecoder().decode(text);
        Refused.unless(Base64.getEncoder().encodeToString(b).equals(text));
        return b;
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
