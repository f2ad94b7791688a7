"""How a reader unwraps a data key: section 4, and the commitment of section 6."""

import base64
import functools
import hashlib

import cbor2
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, x25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand


def commitment(dek: bytes) -> bytes:
    return HKDFExpand(hashes.SHA256(), 32, b"streamcrypt/1 commitment").derive(dek)


def unwrap(envelope, keys: list["Key"]) -> bytes | None:
    """The data key, by the first recipient that fits each key, the first that unwraps to 32 bytes."""
    for key in keys:
        fitting = next((w for w in envelope.wrapped if key.fits(*w[:2])), None)
        dek = key.unwrap(*fitting) if fitting else None
        if dek is not None:
            return dek
    return None


@functools.cache
def load(pem: str):
    return serialization.load_pem_private_key(pem.encode(), None)


class Key:
    """A configured key encryption key, from its JSON form."""

    def __init__(self, spec: dict):
        if spec["kind"] == "local":
            k = spec["jwk"]["k"]
            self.secret = base64.urlsafe_b64decode(k + "=" * (-len(k) % 4))
            self.kid = HKDFExpand(hashes.SHA256(), 8, b"streamcrypt/1 kid").derive(self.secret)
            self.algs = {-5: self.unwrap_local}
            return
        self.private = load(spec["pem"])
        der = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.kid = hashlib.sha256(der).digest()[:8]
        if isinstance(self.private, rsa.RSAPrivateKey):
            self.algs = {-41: self.unwrap_rsa(hashes.SHA256()), -42: self.unwrap_rsa(hashes.SHA512())}
        else:
            self.algs = {-31: self.unwrap_x25519}

    def fits(self, alg: int, kid: bytes) -> bool:
        return kid == self.kid and alg in self.algs

    def unwrap(self, alg: int, kid: bytes, wrapped: bytes, ephemeral: bytes | None) -> bytes | None:
        """The data key, or None if it does not unwrap to 32 bytes."""
        try:
            dek = self.algs[alg](wrapped, ephemeral)
        except (ValueError, keywrap.InvalidUnwrap):
            return None
        return dek if len(dek) == 32 else None

    def unwrap_local(self, wrapped, _):
        return keywrap.aes_key_unwrap(self.secret, wrapped)

    def unwrap_rsa(self, digest):
        oaep = padding.OAEP(padding.MGF1(digest), digest, None)
        return lambda wrapped, _: self.private.decrypt(wrapped, oaep)

    def unwrap_x25519(self, wrapped, ephemeral):
        if int.from_bytes(ephemeral, "little") >= 2**255 - 19:  # not canonical
            raise ValueError("ephemeral key")
        secret = self.private.exchange(x25519.X25519PublicKey.from_public_bytes(ephemeral))  # refuses an all-zero one
        other = ephemeral + self.private.public_key().public_bytes_raw()
        info = cbor2.dumps([-5, [None] * 3, [None] * 3, [256, bytes.fromhex("a101381e"), other]])
        return keywrap.aes_key_unwrap(HKDF(hashes.SHA256(), 32, None, info).derive(secret), wrapped)
