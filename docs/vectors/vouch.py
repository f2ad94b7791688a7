"""How a reader checks signatures: section 17, and of the ends of archives section 9."""

import hashlib

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Signers:
    """The public keys that a reader trusts, and the key context for which they vouch."""

    def __init__(self, pems, key_context: bytes, skew: int):
        publics = [serialization.load_pem_public_key(p.encode()) for p in pems]
        spki = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        self.keys = [(sha256(p.public_bytes(*spki))[:8], p) for p in publics]
        self.key_context, self.skew = key_context, skew

    def vouch(self, envelope, created: int) -> bool:
        """Whether one of them vouches for the data key of a self-contained envelope at a time."""
        if envelope.signature is None:
            return False
        kid, since, until, signature = (envelope.signature[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 80)))
        since, until = int.from_bytes(since, "big"), int.from_bytes(until, "big")
        signed = ["streamcrypt/1 sealer", envelope.commitment, self.key_context, since, until]
        return since - self.skew <= created <= until + self.skew and self.verify(kid, signature, signed)

    def verify(self, kid: bytes, signature: bytes, signed: list) -> bool:
        return any(k == kid and verifies(public, signature, cbor2.dumps(signed)) for k, public in self.keys)


def verifies(public, signature: bytes, data: bytes) -> bool:
    try:
        public.verify(signature, data)
    except InvalidSignature:
        return False
    return True
