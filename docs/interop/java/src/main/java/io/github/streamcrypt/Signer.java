package io.github.streamcrypt;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.interfaces.EdECPublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;

/** The public key of a sealer that a reader trusts: docs/envelope.md, section 17. */
public final class Signer {
    private static final BigInteger ONE = BigInteger.ONE;
    private static final BigInteger PRIME = BigInteger.TWO.pow(255).subtract(BigInteger.valueOf(19));
    static final BigInteger ORDER =
            BigInteger.TWO.pow(252).add(new BigInteger("27742317777372353535851937790883648493"));
    private static final BigInteger CURVE = // d of RFC 8032, 5.1
            BigInteger.valueOf(-121665).multiply(BigInteger.valueOf(121666).modInverse(PRIME)).mod(PRIME);

    final byte[] kid;
    private final PublicKey key;

    private Signer(PublicKey key) {
        this.key = key;
        kid = Arrays.copyOf(Hashes.hashAll(key.getEncoded()), 8);
    }

    /** Reads the file of a public key: SubjectPublicKeyInfo in PEM. */
    public static Signer read(Path path) throws IOException {
        try {
            return parse(Files.readString(path));
        } catch (IllegalArgumentException e) {
            throw new IOException("signer " + path + ": " + e.getMessage());
        }
    }

    /** A signer from the text of its file. */
    public static Signer parse(String text) {
        byte[] der = Pem.decode(text, "PUBLIC KEY");
        try {
            PublicKey key = KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der));
            BigInteger y = ((EdECPublicKey) key).getPoint().getY();
            if (Arrays.equals(key.getEncoded(), der) && y.compareTo(PRIME) < 0 && !isSmall(y)) {
                return new Signer(key);
            }
        } catch (GeneralSecurityException e) {
            throw new IllegalArgumentException("not an Ed25519 public key");
        }
        throw new IllegalArgumentException("an Ed25519 public key that is not canonical or is of small order");
    }

    /** Do three doublings lead to the neutral point? They need x squared, and never its sign. */
    private static boolean isSmall(BigInteger y) {
        for (int i = 0; i < 3; i++) {
            BigInteger yy = y.multiply(y).mod(PRIME);
            BigInteger xx = yy.subtract(ONE).multiply(CURVE.multiply(yy).add(ONE).modInverse(PRIME)).mod(PRIME);
            BigInteger below = ONE.subtract(CURVE.multiply(xx).multiply(yy)).mod(PRIME);
            y = yy.add(xx).multiply(below.modInverse(PRIME)).mod(PRIME);
        }
        return y.equals(ONE);
    }

    /** Does the signature, 64 bytes, verify over the content? */
    boolean verifies(byte[] signature, byte[] content) {
        byte[] s = new byte[32];
        for (int i = 0; i < 32; i++) {
            s[i] = signature[63 - i];
        }
        if (new BigInteger(1, s).compareTo(ORDER) >= 0) {
            return false;
        }
        try {
            Signature verifier = Signature.getInstance("Ed25519");
            verifier.initVerify(key);
            verifier.update(content);
            return verifier.verify(signature);
        } catch (GeneralSecurityException e) {
            return false;
        }
    }
}
