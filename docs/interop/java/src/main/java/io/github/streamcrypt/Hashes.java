package io.github.streamcrypt;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** SHA-256 and HKDF (RFC 5869). */
final class Hashes {
    private Hashes() {
    }

    static MessageDigest newSha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    static byte[] hashAll(byte[]... parts) {
        MessageDigest digest = newSha256();
        Arrays.stream(parts).forEach(digest::update);
        return digest.digest();
    }

    private static byte[] mac(byte[] key, byte[]... parts) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            Arrays.stream(parts).forEach(mac::update);
            return mac.doFinal();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    /** HKDF-Expand of at most 32 bytes. */
    static byte[] expand(byte[] prk, byte[] info, int size) {
        return Arrays.copyOf(mac(prk, info, new byte[] {1}), size);
    }

    static byte[] expand(byte[] prk, String info, int size) {
        return expand(prk, info.getBytes(StandardCharsets.US_ASCII), size);
    }

    /** HKDF-Extract with an empty salt. */
    static byte[] extract(byte[] secret) {
        return mac(new byte[32], secret);
    }
}
