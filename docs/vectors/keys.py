"""The keys of the vectors, how each kind wraps a data key (section 4), and the signers (section 17).

Everything random is derived from a label, so that a run gives the bytes of the run before. These are
test keys: they are published with the vectors and protect nothing.
"""

import base64
import functools
import hashlib
import hmac

from cryptography.hazmat.primitives import keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa, x25519

from encode import array, bstr, integer, mapping, tstr, unsigned

A256KW, RSA_256, RSA_512, ECDH_ES_A256KW = -5, -41, -42, -31
AWS_KMS, MLKEM, VAULT, GCP_KMS = -1935867908, -1935867909, -1935867913, -1935867914
X25519_PROTECTED = bytes.fromhex("a101381e")
KDF_CONTEXT = bytes.fromhex("842483f6f6f683f6f6f68319010044a101381e5840")  # and 64 bytes of other


def derived(label: str, n: int) -> bytes:
    """n bytes that only depend on the label."""
    return hashlib.shake_256(b"streamcrypt vectors " + label.encode()).digest(n)


def expand(prk: bytes, info: bytes, n: int) -> bytes:
    """HKDF-Expand-SHA-256 for n of at most 32 bytes (RFC 5869, 2.3)."""
    return hmac.digest(prk, info + b"\x01", "sha256")[:n]


def extract(secret: bytes) -> bytes:
    """HKDF-Extract-SHA-256 with the empty salt (RFC 5869, 2.2)."""
    return hmac.digest(bytes(32), secret, "sha256")


def recipient(protected: bytes, unprotected: bytes, wrapped: bytes) -> bytes:
    return array(bstr(protected), unprotected, bstr(wrapped))


def labelled(alg: int, kid: bytes, wrapped: bytes) -> bytes:
    """The shape that all kinds but X25519 share."""
    return recipient(b"", mapping((1, integer(alg)), (4, bstr(kid))), wrapped)


def pem_of(private) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def kid_of(public) -> bytes:
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).digest()[:8]


class Local:
    """An AES-256 key."""

    def __init__(self, label: str):
        self.key = derived("local " + label, 32)
        self.kid = expand(self.key, b"streamcrypt/1 kid", 8)
        k = base64.urlsafe_b64encode(self.key).rstrip(b"=").decode()
        self.json = {"kind": "local", "jwk": {"kty": "oct", "alg": "A256KW", "k": k}}

    def wrap(self, dek: bytes) -> bytes:
        return keywrap.aes_key_wrap(self.key, dek)

    def recipient(self, dek: bytes) -> bytes:
        return labelled(A256KW, self.kid, self.wrap(dek))


class X25519:
    """A key agreement key; the ephemeral key is derived from its label and a counter."""

    def __init__(self, label: str):
        self.label, self.made = label, 0
        private = x25519.X25519PrivateKey.from_private_bytes(derived("x25519 " + label, 32))
        self.public, self.kid = private.public_key(), kid_of(private.public_key())
        self.json = {"kind": "x25519", "pem": pem_of(private)}

    def agree(self) -> tuple[bytes, bytes]:
        """A new ephemeral public key and the secret shared by it."""
        self.made += 1
        own = x25519.X25519PrivateKey.from_private_bytes(derived(f"ephemeral {self.label} {self.made}", 32))
        return own.public_key().public_bytes_raw(), own.exchange(self.public)

    def info(self, ephemeral: bytes) -> bytes:
        """COSE_KDF_Context with both public keys."""
        return KDF_CONTEXT + ephemeral + self.public.public_bytes_raw()

    def header(self, ephemeral: bytes) -> bytes:
        return mapping((4, bstr(self.kid)), (-1, mapping((1, integer(1)), (-1, integer(4)), (-2, bstr(ephemeral)))))

    def recipient(self, dek: bytes) -> bytes:
        ephemeral, secret = self.agree()
        return recipient(X25519_PROTECTED, self.header(ephemeral), wrap_agreed(secret, dek, self.info(ephemeral)))


def wrap_agreed(secret: bytes, dek: bytes, info: bytes) -> bytes:
    return keywrap.aes_key_wrap(expand(extract(secret), info, 32), dek)


class RSA:
    """An RSA key; OAEP is done here because a library would draw its own seed."""

    def __init__(self, label: str, bits: int, alg: int):
        self.label, self.made, self.alg, self.size = label, 0, alg, bits // 8
        self.hash = {RSA_256: "sha256", RSA_512: "sha512"}[alg]
        private = rsa_key(label, bits)
        self.public, self.kid = private.public_key().public_numbers(), kid_of(private.public_key())
        self.json = {"kind": "rsa", "pem": pem_of(private)}

    def wrap(self, dek: bytes, digest: str | None = None, oaep_label: bytes = b"") -> bytes:
        """RSAES-OAEP (RFC 8017, 7.1.1)."""
        digest = digest or self.hash
        self.made += 1
        zero = hashlib.new(digest, oaep_label).digest()
        seed = derived(f"oaep {self.label} {self.made}", len(zero))
        block = zero + bytes(self.size - len(dek) - 2 * len(zero) - 2) + b"\x01" + dek
        block = xor(block, mgf1(seed, len(block), digest))
        seed = xor(seed, mgf1(block, len(seed), digest))
        number = int.from_bytes(b"\x00" + seed + block, "big")
        return pow(number, self.public.e, self.public.n).to_bytes(self.size, "big")

    def recipient(self, dek: bytes) -> bytes:
        return labelled(self.alg, self.kid, self.wrap(dek))


def xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def mgf1(seed: bytes, n: int, digest: str) -> bytes:
    size = hashlib.new(digest).digest_size
    return b"".join(hashlib.new(digest, seed + i.to_bytes(4, "big")).digest() for i in range(-(-n // size)))[:n]


def rsa_key(label: str, bits: int) -> rsa.RSAPrivateKey:
    p, q = prime(f"{label} p", bits // 2), prime(f"{label} q", bits // 2)
    p, q = max(p, q), min(p, q)
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()


def prime(label: str, bits: int) -> int:
    """The first prime from a derived start whose two top bits are set and that 65537 suits."""
    n = int.from_bytes(derived("prime " + label, bits // 8), "big") | 3 << bits - 2 | 1
    while (n - 1) % 65537 == 0 or not probably_prime(n):
        n += 2
    return n


SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


def probably_prime(n: int) -> bool:
    """Miller-Rabin with the first 24 odd primes as bases."""
    if any(n % p == 0 for p in SMALL_PRIMES):
        return False
    twos = ((n - 1) & (1 - n)).bit_length() - 1
    for base in SMALL_PRIMES[:24]:
        x = pow(base, n - 1 >> twos, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


@functools.cache
def ours() -> dict[str, Local | X25519 | RSA]:
    """The keys that readers of the vectors have, by kind."""
    return {
        "local": Local("reader"),
        "x25519": X25519("reader"),
        "rsa2048": RSA("reader 2048", 2048, RSA_256),
        "rsa3072": RSA("reader 3072", 3072, RSA_512),
    }


STRANGER = Local("stranger")


def kms(name: str = "vectors") -> bytes:
    """A recipient for AWS KMS; no reader of the vectors has this key."""
    arn = f"arn:aws:kms:eu-central-1:000000000000:key/{name}".encode()
    return labelled(AWS_KMS, arn, derived("kms " + name, 60))


def mlkem() -> bytes:
    return labelled(MLKEM, derived("ml-kem kid", 8), derived("ml-kem", 1168))


def vault() -> bytes:
    return labelled(VAULT, b"transit/orders", b"vault:v1:" + base64.b64encode(derived("vault", 60)))


def gcp() -> bytes:
    return labelled(GCP_KMS, b"projects/p/locations/eu/keyRings/r/cryptoKeys/orders", derived("gcp", 113))


class Signer:
    """An Ed25519 key of a sealer."""

    def __init__(self, label: str):
        self.private = ed25519.Ed25519PrivateKey.from_private_bytes(derived("ed25519 " + label, 32))
        self.public = self.private.public_key()
        self.kid = kid_of(self.public)
        self.pem = self.public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    def sign(self, *elements: bytes) -> bytes:
        """kid and signature over an array of encoded elements."""
        return self.kid + self.private.sign(array(*elements))

    def vouch(self, commitment: bytes, key_context: bytes, since: int, until: int) -> bytes:
        """The 80 bytes of label -1935867911."""
        signed = self.sign(*sealer_input(commitment, key_context, since, until))
        return signed[:8] + unsigned(since, 4) + unsigned(until, 4) + signed[8:]


def sealer_input(commitment: bytes, key_context: bytes, since: int, until: int) -> tuple[bytes, ...]:
    return (tstr("streamcrypt/1 sealer"), bstr(commitment), bstr(key_context), integer(since), integer(until))


@functools.cache
def signers() -> dict[str, Signer]:
    """The signers by name; readers trust those that a vector lists."""
    return {name: Signer(name) for name in ("sealer", "rotated", "mallory")}
