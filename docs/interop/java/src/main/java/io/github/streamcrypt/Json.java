package io.github.streamcrypt;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON (RFC 8259), since the JDK has none: Map, List, String, Long or Double, Boolean and null. */
final class Json {
    private static final int DEPTH = 32;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** The only value of a text; IllegalArgumentException where it is not JSON. */
    static Object parse(String text) {
        Json json = new Json(text);
        Object value = json.readValue(DEPTH);
        json.require(json.peek() == 0 && json.at == text.length());
        return value;
    }

    private void require(boolean condition) {
        if (!condition) {
            throw new IllegalArgumentException("not JSON at character " + at);
        }
    }

    /** The next character that is no white space; 0 at the end. */
    private char peek() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        return at < text.length() ? text.charAt(at) : 0;
    }

    private boolean skip(char c) {
        boolean found = peek() == c;
        at += found ? 1 : 0;
        return found;
    }

    private Object readValue(int depth) {
        require(depth > 0);
        switch (peek()) {
            case '{':
                return readObject(depth);
            case '[':
                return readArray(depth);
            case '"':
                return readString();
            default:
                int start = at;
                while (at < text.length() && " \t\r\n,]}:".indexOf(text.charAt(at)) < 0) {
                    at++;
                }
                return toScalar(text.substring(start, at));
        }
    }

    private Object toScalar(String word) {
        switch (word) {
            case "null":
                return null;
            case "true", "false":
                return word.equals("true");
            default:
                require(word.matches("-?(0|[1-9][0-9]{0,18})(\\.[0-9]+)?([eE][-+]?[0-9]{1,3})?"));
                return word.matches("-?[0-9]+") ? (Object) Long.valueOf(word) : Double.valueOf(word);
        }
    }

    private Map<String, Object> readObject(int depth) {
        Map<String, Object> found = new LinkedHashMap<>();
        at++;
        if (skip('}')) {
            return found;
        }
        do {
            require(peek() == '"');
            String name = readString();
            require(skip(':') && !found.containsKey(name));
            found.put(name, readValue(depth - 1));
        } while (skip(','));
        require(skip('}'));
        return found;
    }

    private List<Object> readArray(int depth) {
        List<Object> found = new ArrayList<>();
        at++;
        if (skip(']')) {
            return found;
        }
        do {
            found.add(readValue(depth - 1));
        } while (skip(','));
        require(skip(']'));
        return found;
    }

    private String readString() {
        StringBuilder found = new StringBuilder();
        for (at++;; at++) {
            require(at < text.length() && text.charAt(at) >= ' ');
            char c = text.charAt(at);
            if (c == '"') {
                at++;
                return found.toString();
            }
            found.append(c == '\\' ? readEscape() : c);
        }
    }

    private char readEscape() {
        require(++at < text.length());
        int i = "\"\\/bfnrtu".indexOf(text.charAt(at));
        require(i >= 0);
        if (i < 8) {
            return "\"\\/\b\f\n\r\t".charAt(i);
        }
        require(at + 4 < text.length() && text.substring(at + 1, at + 5).matches("[0-9a-fA-F]{4}"));
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 3, at + 1), 16);
    }

    /** The text as a JSON string. */
    static String quote(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            int i = "\"\\\b\f\n\r\t".indexOf(c);
            if (i >= 0) {
                out.append('\\').append("\"\\bfnrt".charAt(i));
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
