package io.github.streamcrypt;

import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Key files in PEM (RFC 7468). */
final class Pem {
    private static final Pattern BLOCK =
            Pattern.compile("\\s*-----BEGIN ([A-Z ]+)-----\\s([A-Za-z0-9+/=\\s]+)-----END \\1-----\\s*");

    private Pem() {
    }

    /** The DER bytes of the only block, which must have the given label. */
    static byte[] decode(String text, String label) {
        Matcher block = BLOCK.matcher(text);
        if (!block.matches() || !block.group(1).equals(label)) {
            throw new IllegalArgumentException("not a PEM file of one " + label);
        }
        return Base64.getMimeDecoder().decode(block.group(2));
    }
}
