package io.github.streamcrypt;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.ProviderException;
import java.security.PublicKey;
import java.security.interfaces.RSAPrivateCrtKey;
import java.security.interfaces.XECPrivateKey;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.NamedParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.RSAPublicKeySpec;
import java.security.spec.XECPublicKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;

/** A key encryption key: a local AES key, or an RSA or X25519 private key. docs/envelope.md, section 4. */
public final class Kek {
    private static final byte[] INFO = HexFormat.of().parseHex("842483f6f6f683f6f6f68319010044a101381e5840");
    private static final BigInteger PRIME = BigInteger.TWO.pow(255).subtract(BigInteger.valueOf(19));

    final byte[] kid;
    final Set<Long> algs;
    private final byte[] aes;
    private final PrivateKey key;
    private final byte[] publicBytes; // of an X25519 key

    private Kek(byte[] aes) {
        this.aes = aes;
        key = null;
        publicBytes = null;
        algs = Set.of(-5L);
        kid = Hashes.expand(aes, "streamcrypt/1 kid", 8);
    }

    private Kek(PrivateKey key) throws GeneralSecurityException {
        aes = null;
        this.key = key;
        PublicKey half;
        if (key instanceof RSAPrivateCrtKey rsa) {
            algs = Set.of(-41L, -42L);
            publicBytes = null;
            half = KeyFactory.getInstance("RSA")
                    .generatePublic(new RSAPublicKeySpec(rsa.getModulus(), rsa.getPublicExponent()));
        } else {
            algs = Set.of(-31L);
            byte[] base = new byte[32];
            base[0] = 9;
            publicBytes = agree(base);
            half = toPublicKey(publicBytes);
        }
        kid = Arrays.copyOf(Hashes.hashAll(half.getEncoded()), 8);
    }

    /** Reads a key file: a JWK of an AES-256 key, or PKCS #8 in PEM. */
    public static Kek read(Path path) throws IOException {
        try {
            return parse(Files.readString(path));
        } catch (IllegalArgumentException e) {
            throw new IOException("key " + path + ": " + e.getMessage());
        }
    }

    /** A key from the text of its file. */
    public static Kek parse(String text) {
        if (text.stripLeading().startsWith("{")) {
            boolean octets = Json.parse(text) instanceof Map<?, ?> m && "oct".equals(m.get("kty"));
            Object k = octets ? ((Map<?, ?>) Json.parse(text)).get("k") : null;
            byte[] aes = k instanceof String s ? Base64.getUrlDecoder().decode(s) : new byte[0];
            if (aes.length != 32) {
                throw new IllegalArgumentException("not a JWK of 256 bits");
            }
            return new Kek(aes);
        }
        byte[] der = Pem.decode(text, "PRIVATE KEY");
        for (String kind : new String[] {"X25519", "RSA"}) {
            try {
                PrivateKey key = KeyFactory.getInstance(kind).generatePrivate(new PKCS8EncodedKeySpec(der));
                if (key instanceof XECPrivateKey || key instanceof RSAPrivateCrtKey) {
                    return new Kek(key);
                }
            } catch (GeneralSecurityException e) {
                continue; // a key of the other kind
            }
        }
        throw new IllegalArgumentException("neither an X25519 nor an RSA private key");
    }

    /** The data key, or null if this key does not unwrap it. */
    byte[] unwrap(Envelope.Recipient r) {
        try {
            byte[] dek = switch ((int) r.alg()) {
                case -5 -> unwrapAes(aes, r.wrapped());
                case -31 -> unwrapX25519(r);
                default -> unwrapRsa(r.wrapped(), r.alg() == -41 ? "SHA-256" : "SHA-512");
            };
            return dek != null && dek.length == 32 ? dek : null;
        } catch (GeneralSecurityException | ProviderException e) {
            return null;
        }
    }

    private static byte[] unwrapAes(byte[] kek, byte[] wrapped) throws GeneralSecurityException {
        Cipher cipher = Cipher.getInstance("AESWrap");
        cipher.init(Cipher.UNWRAP_MODE, new SecretKeySpec(kek, "AES"));
        return cipher.unwrap(wrapped, "AES", Cipher.SECRET_KEY).getEncoded();
    }

    private byte[] unwrapRsa(byte[] wrapped, String digest) throws GeneralSecurityException {
        Cipher cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
        var mgf = new MGF1ParameterSpec(digest);
        cipher.init(Cipher.DECRYPT_MODE, key, new OAEPParameterSpec(digest, "MGF1", mgf, PSource.PSpecified.DEFAULT));
        return cipher.doFinal(wrapped);
    }

    private byte[] unwrapX25519(Envelope.Recipient r) throws GeneralSecurityException {
        if (toNumber(r.ephemeral()).compareTo(PRIME) >= 0) {
            return null;
        }
        byte[] secret = agree(r.ephemeral());
        if (Envelope.areZero(secret, 0, secret.length)) {
            return null;
        }
        byte[] info = Arrays.copyOf(INFO, INFO.length + 64);
        System.arraycopy(r.ephemeral(), 0, info, INFO.length, 32);
        System.arraycopy(publicBytes, 0, info, INFO.length + 32, 32);
        return unwrapAes(Hashes.expand(Hashes.extract(secret), info, 32), r.wrapped());
    }

    private byte[] agree(byte[] peer) throws GeneralSecurityException {
        KeyAgreement agreement = KeyAgreement.getInstance("X25519");
        agreement.init(key);
        agreement.doPhase(toPublicKey(peer), true);
        return agreement.generateSecret();
    }

    private static PublicKey toPublicKey(byte[] u) throws GeneralSecurityException {
        return KeyFactory.getInstance("X25519")
                .generatePublic(new XECPublicKeySpec(NamedParameterSpec.X25519, toNumber(u)));
    }

    private static BigInteger toNumber(byte[] littleEndian) {
        byte[] turned = new byte[littleEndian.length];
        for (int i = 0; i < turned.length; i++) {
            turned[i] = littleEndian[turned.length - 1 - i];
        }
        return new BigInteger(1, turned);
    }
}
