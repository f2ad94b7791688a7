package io.github.streamcrypt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Signature;
import java.util.Base64;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Public keys and signatures that section 17 has a reader refuse. */
class SignerTest {
    private static final String PREFIX = "302a300506032b6570032100"; // SubjectPublicKeyInfo of Ed25519

    private static String toPem(byte[] der) {
        return "-----BEGIN PUBLIC KEY-----\n" + Base64.getEncoder().encodeToString(der)
                + "\n-----END PUBLIC KEY-----\n";
    }

    private static Signer parse(String point) {
        return Signer.parse(toPem(HexFormat.of().parseHex(PREFIX + point)));
    }

    @Test
    void takesTheKeyOfRfc8032() {
        assertEquals(8, parse("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").kid.length);
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "0100000000000000000000000000000000000000000000000000000000000000", // order 1
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
        "0000000000000000000000000000000000000000000000000000000000000000", // order 4
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 1 as p + 1
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 3 as p + 3
        "0100000000000000000000000000000000000000000000000000000000000080"  // 1 with a sign
    })
    void refusesKeysOfSmallOrderAndOtherSpellings(String point) {
        assertThrows(IllegalArgumentException.class, () -> parse(point));
    }

    @Test
    void refusesSignaturesThatAreNotBelowTheOrder() throws Exception {
        KeyPair pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
        Signer signer = Signer.parse(toPem(pair.getPublic().getEncoded()));
        byte[] content = "content".getBytes();
        Signature s = Signature.getInstance("Ed25519");
        s.initSign(pair.getPrivate());
        s.update(content);
        byte[] signature = s.sign();
        assertTrue(signer.verifies(signature, content));
        assertFalse(signer.verifies(signature, "another".getBytes()));
        byte[] turned = new byte[33];
        for (int i = 0; i < 32; i++) {
            turned[32 - i] = signature[32 + i];
        }
        byte[] same = new BigInteger(turned).add(Signer.ORDER).toByteArray(); // another spelling of the same S
        for (int i = 0; i < 32; i++) {
            signature[32 + i] = same[same.length - 1 - i];
        }
        assertFalse(signer.verifies(signature, content));
    }
}
