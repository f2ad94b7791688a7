import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Security;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.HexFormat;
import java.util.regex.Pattern;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.ASN1Encoding;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSAuthEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.Recipient;
import org.bouncycastle.cms.RecipientInfoGenerator;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKEKAuthEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKEKRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JceKeyAgreeAuthEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyAgreeRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JceKeyTransAuthEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;

/**
 * Opens and seals CMS messages of streamcrypt with BouncyCastle.
 *
 * <pre>
 * java -cp 'DIR/*' Cms.java open KIND:FILE MESSAGE PAYLOAD
 * java -cp 'DIR/*' Cms.java seal KIND:FILE KID PAYLOAD MESSAGE
 * </pre>
 *
 * KIND:FILE is the key as streamcrypt has it: local:key.jwk, rsa:key.pem, x25519:key.pem; to seal, the public half
 * (keygen --public). KID is the key's id in hex, the digits behind the colon of its name.
 */
public final class Cms {
    /** dhSinglePass-stdDH-hkdf-sha256-scheme of RFC 8418. */
    static final ASN1ObjectIdentifier HKDF_SHA256_SCHEME = new ASN1ObjectIdentifier("1.2.840.113549.1.9.16.3.19");

    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        if (args.length == 4 && args[0].equals("open")) {
            Files.write(Path.of(args[3]), open(args[1], Files.readAllBytes(Path.of(args[2]))));
        } else if (args.length == 5 && args[0].equals("seal")) {
            byte[] kid = HexFormat.of().parseHex(args[2]);
            Files.write(Path.of(args[4]), seal(args[1], kid, Files.readAllBytes(Path.of(args[3]))));
        } else {
            System.err.println("usage: open KIND:FILE MESSAGE PAYLOAD | seal KIND:FILE KID PAYLOAD MESSAGE");
            System.exit(2);
        }
    }

    static byte[] open(String key, byte[] message) throws Exception {
        String kind = key.substring(0, key.indexOf(':'));
        String file = Files.readString(Path.of(key.substring(kind.length() + 1)));
        Recipient recipient = switch (kind) {
            case "local" -> new JceKEKAuthEnvelopedRecipient(readSecret(file)).setProvider("BC");
            case "rsa" -> new JceKeyTransAuthEnvelopedRecipient(readPrivate("RSA", file)).setProvider("BC");
            case "x25519" -> new JceKeyAgreeAuthEnvelopedRecipient(readPrivate("X25519", file)).setProvider("BC");
            default -> throw new IllegalArgumentException(kind);
        };
        Exception cause = new IOException("no recipient");
        for (RecipientInformation info : new CMSAuthEnvelopedData(message).getRecipientInfos()) {
            try {
                return info.getContent(recipient);
            } catch (Exception e) { // a recipient for another key
                cause = e;
            }
        }
        throw cause;
    }

    static byte[] seal(String key, byte[] kid, byte[] payload) throws Exception {
        String kind = key.substring(0, key.indexOf(':'));
        String file = Files.readString(Path.of(key.substring(kind.length() + 1)));
        RecipientInfoGenerator recipient = switch (kind) {
            case "local" -> new JceKEKRecipientInfoGenerator(kid, readSecret(file)).setProvider("BC");
            case "rsa" -> {
                var oaep = new OAEPParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT);
                var algorithm = new JcaAlgorithmParametersConverter()
                        .getAlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP, oaep);
                yield new JceKeyTransRecipientInfoGenerator(kid, algorithm, readPublic("RSA", file)).setProvider("BC");
            }
            case "x25519" -> {
                KeyPair ephemeral = KeyPairGenerator.getInstance("X25519", "BC").generateKeyPair();
                yield new JceKeyAgreeRecipientInfoGenerator(
                        HKDF_SHA256_SCHEME,
                        ephemeral.getPrivate(), ephemeral.getPublic(), CMSAlgorithm.AES256_WRAP)
                        .addRecipient(kid, readPublic("X25519", file)).setProvider("BC");
            }
            default -> throw new IllegalArgumentException(kind);
        };
        var generator = new CMSAuthEnvelopedDataGenerator();
        generator.addRecipientInfoGenerator(recipient);
        var cipher = new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_GCM).setProvider("BC").build();
        var message = generator.generate(new CMSProcessableByteArray(payload), (OutputAEADEncryptor) cipher);
        return message.toASN1Structure().getEncoded(ASN1Encoding.DER); // BouncyCastle alone would write BER
    }

    /** Reads the AES key in a JWK file. */
    static SecretKeySpec readSecret(String file) {
        var found = Pattern.compile("\"k\"\\s*:\\s*\"([^\"]+)\"").matcher(file);
        if (!found.find()) {
            throw new IllegalArgumentException("no JWK");
        }
        return new SecretKeySpec(Base64.getUrlDecoder().decode(found.group(1)), "AES");
    }

    static PrivateKey readPrivate(String algorithm, String file) throws Exception {
        return KeyFactory.getInstance(algorithm, "BC").generatePrivate(new PKCS8EncodedKeySpec(decodePem(file)));
    }

    static PublicKey readPublic(String algorithm, String file) throws Exception {
        return KeyFactory.getInstance(algorithm, "BC").generatePublic(new X509EncodedKeySpec(decodePem(file)));
    }

    static byte[] decodePem(String file) {
        return Base64.getMimeDecoder().decode(file.replaceAll("-----[^-]+-----", ""));
    }
}
