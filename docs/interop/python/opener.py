"""Opens envelopes: docs/envelope.md, sections 4 to 8, 16 and 17, and section 10, steps 7 to 17."""

import base64
import hashlib
import json

import cbor2
import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from envelope import Refused, must, parsed

VALUE, TOMBSTONE, KEY_RECORD, END, DICTIONARY = range(5)
NO_TIME, LARGEST = -62135596800000, 1 << 30
EFFECTS = {b"KV-Operation", b"Streamcrypt-Msg-Id", b"Streamcrypt-Rollup", b"Streamcrypt-TTL"}


def expand(prk, info, n=32):
    return HKDFExpand(hashes.SHA256(), n, info).derive(prk)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def spki_kid(public):
    return sha(public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))[:8]


class Kek:
    """4: a local AES key (JWK), or an X25519 or RSA private key (PEM)."""

    def __init__(self, text):
        if text.lstrip().startswith("{"):
            k = json.loads(text)["k"]
            self.key = base64.urlsafe_b64decode(k + "=" * (-len(k) % 4))
            self.kid, self.algs = expand(self.key, b"streamcrypt/1 kid", 8), (-5,)
            return
        self.key = serialization.load_pem_private_key(text.encode(), None)
        self.kid = spki_kid(self.key.public_key())
        self.algs = (-41, -42) if isinstance(self.key, rsa.RSAPrivateKey) else (-31,)

    def unwrap(self, alg, kid, wrapped, ephemeral):
        if alg == -5:
            return keywrap.aes_key_unwrap(self.key, wrapped)
        if alg == -31:
            must(int.from_bytes(ephemeral, "little") < 2**255 - 19, "unknown-key")
            secret = self.key.exchange(x25519.X25519PublicKey.from_public_bytes(ephemeral))  # refuses an all-zero one
            info = (
                bytes.fromhex("842483f6f6f683f6f6f68319010044a101381e5840")
                + ephemeral
                + self.key.public_key().public_bytes_raw()
            )
            return keywrap.aes_key_unwrap(HKDF(hashes.SHA256(), 32, None, info).derive(secret), wrapped)
        digest = hashes.SHA256() if alg == -41 else hashes.SHA512()
        return self.key.decrypt(wrapped, padding.OAEP(padding.MGF1(digest), digest, None))


class Opener:
    """10, steps 7 to 17. records(kid) are the key records of a store, dictionaries are (name or None, bytes)."""

    def __init__(
        self,
        keks,
        context=b"",
        key_context=None,
        signers=(),
        skew=300,
        now=None,
        max_age=None,
        limit=LARGEST,
        records=lambda kid: [],
        dictionaries=(),
        dictionary_records=(),
    ):
        self.keks, self.context, self.key_context = keks, context, context if key_context is None else key_context
        self.signers, self.skew, self.now, self.max_age, self.limit = signers, skew, now, max_age, limit
        self.records, self.dictionaries, self.dictionary_records = records, dictionaries, dictionary_records

    def open(self, e, kind=VALUE, subject=None, key=None, headers=(), when=None, medium="file", bind=()):
        """The payload, and how many headers nothing authenticates."""
        must(kind == VALUE or not e.chunked and not e.coding)
        must(kind not in (KEY_RECORD, DICTIONARY) or e.alone)
        must(kind < KEY_RECORD or not any(e.position[:22] + e.position[26:28]))
        dek = self.dek(e)
        hint = e.coding[2:] if e.coding and any(e.coding[2:]) else None
        known = self.known(hint) if hint else [None]
        must(known, "unknown-dictionary")
        bound, extra = self.bound(e, headers, medium, bind)
        when = (NO_TIME if when is None or medium == "stream" else when) if e.form & 4 else None
        context = self.key_context if kind in (KEY_RECORD, DICTIONARY) else self.context
        payload = None
        for dictionary in known[:16]:
            external = [
                "streamcrypt/1",
                context,
                subject,
                key,
                bound,
                when,
                sha(dictionary) if dictionary else None,
                kind,
            ]
            try:
                payload = b"".join(
                    AESGCM(dek).decrypt(
                        p[:12],
                        p[12:],
                        cbor2.dumps(
                            [
                                "Encrypt" if e.alone else "Encrypt0",
                                e.protected,
                                cbor2.dumps([*external, i, i == len(e.pieces) - 1]),
                            ]
                        ),
                    )
                    for i, p in enumerate(e.pieces)
                )
                break
            except InvalidTag:
                pass
        must(payload is not None, "tampered")
        must(self.now is None or e.created <= self.now + self.skew, "skewed")
        must(self.now is None or self.max_age is None or e.created >= self.now - self.max_age, "stale")
        payload = undo_coding(payload, e.coding, dictionary, self.limit) if e.coding else payload
        must(kind != VALUE or len(payload) <= self.limit, "too-large")
        must(kind not in (TOMBSTONE, KEY_RECORD) or payload == b"")
        must(kind != END or len(payload) in (61, 133))
        must(kind != DICTIONARY or is_dictionary(payload))
        return payload, extra

    def dek(self, e):
        if e.alone:
            must(not self.signers or self.vouched(e, e.created), "untrusted")
            dek = self.unwrap(e)
            must(dek, "unknown-key")
            must(expand(dek, b"streamcrypt/1 commitment") == e.commitment, "wrong-key")
            return dek
        words, tries = set(), 0
        for r in filter(None, map(parsed, self.records(e.kid))):
            plain = r.alone and not r.chunked and not r.coding and not any(r.position[:22] + r.position[26:28])
            if not plain or len(r.pieces[0]) != 28 or r.commitment[:16] != e.kid:
                continue
            if self.signers and not (self.vouched(r, r.created) and self.vouched(r, e.created)):
                words.add("untrusted")
                continue
            tries += any(r2[0] in kek.algs and r2[1] == kek.kid for kek in self.keks for r2 in r.recipients)
            dek = self.unwrap(r) if tries <= 16 else None
            if dek and expand(dek, b"streamcrypt/1 commitment") == r.commitment:
                return dek
            words |= {"wrong-key" if dek else "unknown-key"}
        raise Refused(next((w for w in ("wrong-key", "unknown-key", "untrusted") if w in words), "unknown-key"))

    def unwrap(self, e):
        for kek in self.keks:
            fitting = next((r for r in e.recipients if r[0] in kek.algs and r[1] == kek.kid), None)
            try:
                dek = kek.unwrap(*fitting) if fitting else b""
            except (ValueError, keywrap.InvalidUnwrap, Refused):
                continue
            if len(dek) == 32:
                return dek
        return None

    def vouched(self, e, created):
        """17."""
        if e.signature is None:
            return False
        kid, since, until = (
            e.signature[:8],
            int.from_bytes(e.signature[8:12], "big"),
            int.from_bytes(e.signature[12:16], "big"),
        )
        signed = ["streamcrypt/1 sealer", e.commitment, self.key_context, since, until]
        return since - self.skew <= created <= until + self.skew and self.verify(kid, e.signature[16:], signed)

    def verify(self, kid, signature, signed):
        for public in (p for p in self.signers if spki_kid(p) == kid):
            try:
                return public.verify(signature, cbor2.dumps(signed)) is None
            except InvalidSignature:
                pass
        return False

    def bound(self, e, headers, medium, bind):
        """5."""
        if e.form & 1:
            return [[n, [v for name, v in headers if name == n]] for n in sorted({*bind, *EFFECTS})], 0
        ours = {b"streamcrypt"} | (
            {b"Streamcrypt-Key", b"Streamcrypt-Null", b"Streamcrypt-Part"} if medium == "stream" else set()
        )
        counted = [
            [n, v] for n, v in headers if n not in ours and not (medium == "stream" and n.lower().startswith(b"nats-"))
        ]
        must(len(counted) == e.n if medium == "stream" else len(counted) >= e.n, "tampered")
        if medium == "stream":
            counted.sort(key=lambda h: h[0])
        return counted[: e.n], len(counted) - e.n

    def known(self, hint):
        """16: dictionaries with these first four bytes of SHA-256."""
        found = [d for d in self.dictionaries if sha(d)[:4] == hint and is_dictionary(d)]
        plain = Opener(self.keks, self.key_context, signers=self.signers, skew=self.skew)
        for name, record in self.dictionary_records:
            e = parsed(record)
            try:
                d = plain.open(e, DICTIONARY)[0] if e and (name or hint)[:4] == hint else b""
            except Refused:
                continue
            found += [d] if d and sha(d).startswith(name or hint) else []
        return found


def undo_coding(b, coding, dictionary, limit):
    """16."""
    if coding[1]:
        b = b.rstrip(b"\0")
        must(b[-1:] == b"\x80")
        b = b[:-1]
    if not coding[0]:
        return b
    must(len(b) > 5 and b[:4] == b"\x28\xb5\x2f\xfd" and not b[4] & 8)
    single, at = b[4] >> 5 & 1, 5
    window = 0 if single else (8 + (b[5] & 7)) << 7 + (b[5] >> 3)
    at += not single
    width, wide = (0, 1, 2, 4)[b[4] & 3], (single, 2, 4, 8)[b[4] >> 6]
    must(len(b) >= at + width + wide)
    name, size = (
        int.from_bytes(b[at : at + width], "little"),
        int.from_bytes(b[at + width : at + width + wide], "little"),
    )
    size += 256 * (wide == 2)
    must(name in (0, int.from_bytes(dictionary[4:8], "little") if dictionary else 0))
    must(max(window, size * single) <= 8 << 20 and size <= limit, "too-large")
    options = {"dict_data": zstandard.ZstdCompressionDict(dictionary)} if dictionary else {}
    frame, out, at = zstandard.ZstdDecompressor(**options).decompressobj(), bytearray(), 0
    try:
        while at < len(b) and not frame.eof:
            out += frame.decompress(b[at : at + 16])
            at += 16
            must(len(out) <= limit, "too-large")
    except zstandard.ZstdError:
        raise Refused("malformed") from None
    must(frame.eof and not frame.unused_data and at >= len(b))
    return bytes(out)


def is_dictionary(d):
    if not (8 <= len(d) <= 112640 and d[:4] == b"\x37\xa4\x30\xec"):
        return False
    try:
        zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(d)).decompress(
            b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00"
        )
    except zstandard.ZstdError:
        return False
    return True
