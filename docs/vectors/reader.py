"""A strict reader: sections 4 to 7 and 10 of the specification, one function for each step.

It checks every vector before the vector is written, from its JSON fields alone and without the sealer's
encoder, with which it has the numbers of CBOR's major types in common and nothing else.
"""

import base64
import functools
import hashlib

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from decode import Fault, Item, decode
from encode import ARRAY, BSTR, MAP, NINT, UINT

POSITION, CHUNKING = -1935867906, -1935867910
CHUNKED, KMS = -1935867907, -1935867908
KINDS = {-5, -41, -42, -31, KMS}
MAX_HEADERS, MAX_RECIPIENTS, MAX_SINGLE = 1 << 10, 16 << 10, (1 << 20) + 16
TAG_SIZE, IV_SIZE = 16, 12


def need(ok: bool, word: str = "malformed") -> None:
    if not ok:
        raise Fault(word)


def read(vector: dict) -> tuple[str, bytes | None]:
    """What a reader says to a vector: ("ok", plaintext) or (word, None)."""
    bound = [[unhex(n), [unhex(v) for v in values]] for n, values in vector["bound"]]
    binding = [unhex(vector["context"]), unhex(vector["subject"]), unhex(vector["key"]), bound, vector["kind"]]
    keys = [Key(k) for k in vector["keys"]]
    try:
        envelope = Envelope(unhex(vector["envelope"]))
        if envelope.self_contained:
            dek = envelope.unwrap(keys)
        else:
            dek = look_up(envelope.kid, [unhex(r) for r in vector["records"]], keys, binding[0])
        return "ok", envelope.open(dek, binding)
    except Fault as fault:
        return fault.word, None


def unhex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


class Envelope:
    """A parsed envelope: rows 1 to 9, in that order."""

    def __init__(self, data: bytes):
        need(data != b"\xd8", "truncated")
        need(data[:1] == b"\xd0" or data[:2] == b"\xd8\x60", "not-an-envelope")
        item = decode(data)
        self.self_contained = item.argument == 96
        self.structure(item.children[0])
        self.supported()
        self.shapes()
        self.sizes()

    def structure(self, body: Item) -> None:
        """Row 5. A fourth element of a recipient is left to row 6."""
        majors = [BSTR, MAP, BSTR] + [ARRAY] * self.self_contained
        need(body.major == ARRAY and [c.major for c in body.children] == majors)
        protected, self.unprotected, self.ciphertext = body.children[:3]
        self.recipients = body.children[3].children if self.self_contained else []
        self.recipients_raw = body.children[3].raw if self.self_contained else b""
        for r in self.recipients:
            need(r.major == ARRAY and [c.major for c in r.children] in ([BSTR, MAP, BSTR], [BSTR, MAP, BSTR, ARRAY]))
        need(body.argument is not None and body.shortest)
        need(all(c.deterministic() for c in body.children if c is not self.ciphertext))
        need(self.ciphertext.argument is None or self.ciphertext.shortest)
        need(len(protected.data) <= MAX_HEADERS, "too-large")
        need(len(self.unprotected.raw) <= MAX_HEADERS, "too-large")
        self.protected_raw = protected.data
        self.protected = header_map(protected.data)
        self.recipient_protected = [header_map(r.children[0].data) if r.children[0].data else None
                                    for r in self.recipients]

    def supported(self) -> None:
        """Row 6."""
        known = {1, 4, 5, POSITION, CHUNKING}
        for headers in (self.protected, self.unprotected):
            need(all(k.major in (UINT, NINT) and k.value in known for k, _ in headers.pairs()), "unsupported")
        for r, protected in zip(self.recipients, self.recipient_protected, strict=True):
            need(r.children[1].get(2) is None and (protected is None or protected.get(2) is None), "unsupported")
            need(len(r.children) == 3, "unsupported")
        alg = self.protected.get(1)
        need(alg is None or alg.value in (3, CHUNKED), "unsupported")

    def shapes(self) -> None:
        """Row 7."""
        alg = self.protected.get(1)
        need(alg is not None)
        self.chunked = alg.value == CHUNKED
        need(self.chunked == (self.ciphertext.argument is None))
        self.position = exact_bytes(self.protected, POSITION, 55 if self.self_contained else 23)
        labels = [1, POSITION] + [CHUNKING] * self.chunked
        need([k.value for k, _ in self.protected.pairs()] == labels)
        if self.chunked:
            self.chunk = int.from_bytes(exact_bytes(self.protected, CHUNKING, 20)[16:], "big")
            need(4096 <= self.chunk <= 1 << 20)
        labels = [4] * (not self.self_contained) + [5] * (not self.chunked)
        need([k.value for k, _ in self.unprotected.pairs()] == labels)
        self.kid = b"" if self.self_contained else exact_bytes(self.unprotected, 4, 16)
        self.iv = b"" if self.chunked else exact_bytes(self.unprotected, 5, IV_SIZE)
        need(self.chunked or len(self.ciphertext.data) >= TAG_SIZE)
        need(not self.self_contained or self.recipients != [])
        self.wrapped = [w for w in map(recipient, self.recipients, self.recipient_protected) if w]

    def sizes(self) -> None:
        """Rows 8 and 9."""
        need(self.chunked or len(self.ciphertext.data) <= MAX_SINGLE, "too-large")
        need(len(self.recipients_raw) <= MAX_RECIPIENTS, "too-large")
        if self.chunked:
            lengths = [len(s.data) - IV_SIZE - TAG_SIZE for s in self.ciphertext.children]
            need(len(lengths) >= 2 and all(s.shortest for s in self.ciphertext.children))
            need(set(lengths[:-1]) == {self.chunk} and 1 <= lengths[-1] <= self.chunk)

    def unwrap(self, keys: list["Key"]) -> bytes:
        """Rows 10 and 11 of a self-contained envelope: the data key."""
        fitting = (next((w for w in self.wrapped if k.fits(*w[:2])), None) for k in keys)  # one per key of ours
        found = (k.unwrap(*w) for k, w in zip(keys, fitting) if w is not None)
        dek = next((d for d in found if d is not None), None)
        need(dek is not None, "unknown-key")
        need(commitment(dek) == self.position[23:], "wrong-key")
        return dek

    def open(self, dek: bytes, binding: list) -> bytes:
        """Row 12: the payload."""
        if not self.chunked:
            return self.open_one(dek, self.iv, self.ciphertext.data, binding, 0, True)
        segments = [s.data for s in self.ciphertext.children]
        return b"".join(self.open_one(dek, s[:IV_SIZE], s[IV_SIZE:], binding, i, i == len(segments) - 1)
                        for i, s in enumerate(segments))

    def open_one(self, dek, iv, ciphertext, binding, index, final) -> bytes:
        external = cbor2.dumps(["streamcrypt/1", *binding, index, final])
        name = "Encrypt" if self.self_contained else "Encrypt0"
        try:
            return AESGCM(dek).decrypt(iv, ciphertext, cbor2.dumps([name, self.protected_raw, external]))
        except InvalidTag:
            raise Fault("tampered") from None


def header_map(data: bytes) -> Item:
    """A protected header; its bytes are all there, so any fault of theirs is malformed."""
    try:
        item = decode(data)
    except Fault:
        raise Fault("malformed") from None
    need(item.major == MAP and item.deterministic())
    return item


def exact_bytes(headers: Item, label: int, size: int) -> bytes:
    item = headers.get(label)
    need(item is not None and item.major == BSTR and len(item.data) == size)
    return item.data


def recipient(item: Item, protected: Item | None) -> tuple | None:
    """(alg, kid, wrapped key, ephemeral key) of a recipient of our kinds, None of any other (section 4)."""
    unprotected, wrapped = item.children[1], item.children[2].data
    algs = [a for a in (h.get(1) for h in (protected, unprotected) if h is not None) if a is not None]
    need(len(algs) == 1)
    alg = algs[0].value
    if not isinstance(alg, int) or alg not in KINDS:
        return None
    kid = unprotected.get(4)
    need(kid is not None and kid.major == BSTR)
    need(len(kid.data) == 8 or alg == KMS and 1 <= len(kid.data) <= 2048)
    limits = {-5: (40, 40), -31: (40, 40), KMS: (1, 6144)}.get(alg, (256, 512))
    need(limits[0] <= len(wrapped) <= limits[1])
    if alg != -31:
        need(protected is None and [k.value for k, _ in unprotected.pairs()] == [1, 4])
        return alg, kid.data, wrapped, None
    need(item.children[0].data == bytes.fromhex("a101381e") and [k.value for k, _ in unprotected.pairs()] == [4, -1])
    key = unprotected.get(-1)
    need(key.major == MAP and [k.value for k, _ in key.pairs()] == [1, -1, -2])
    need(key.get(1).value == 1 and key.get(-1).value == 4)
    return alg, kid.data, wrapped, exact_bytes(key, -2, 32)


def look_up(kid: bytes, records: list[bytes], keys: list["Key"], context: bytes) -> bytes:
    """The data key of the first record of kid whose commitment verifies (section 8)."""
    word = "unknown-key"
    for record in map(Envelope, records):
        if record.position[23:39] != kid:
            continue
        try:
            dek = record.unwrap(keys)
        except Fault as fault:
            word = "wrong-key" if word == "wrong-key" else fault.word
            continue
        record.open(dek, [context, None, None, [], 2])
        return dek
    raise Fault(word)


def commitment(dek: bytes) -> bytes:
    return HKDFExpand(hashes.SHA256(), 32, b"streamcrypt/1 commitment").derive(dek)


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
        der = self.private.public_key().public_bytes(serialization.Encoding.DER,
                                                     serialization.PublicFormat.SubjectPublicKeyInfo)
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
        info = cbor2.dumps([-5, [None] * 3, [None] * 3, [256, bytes.fromhex("a101381e")]])
        return keywrap.aes_key_unwrap(HKDF(hashes.SHA256(), 32, None, info).derive(secret), wrapped)
