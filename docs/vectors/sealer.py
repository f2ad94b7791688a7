"""Seals one message, from the specification alone.

`seal` returns the envelope in parts. A vector with a fault replaces a part, or has the fault sealed in by an
override, so
that the tag is right and the fault is the only one.
"""

import dataclasses
import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from encode import array, boolean, bstr, integer, mapping, nullable, segmented, tstr, unsigned
from keys import derived, expand

ALG, CRIT, KID, IV = 1, 2, 4, 5
POSITION, CHUNKING, SIGNATURE, CODING = -1935867906, -1935867910, -1935867911, -1935867912
A256GCM, A256GCM_CHUNKED = 3, -1935867907
VALUE, TOMBSTONE, KEY_RECORD, END, DICTIONARY = range(5)
NAMED, KEEPS_PARTITION, TIMED, RISING = 1, 2, 4, 8  # masks of form
UNKNOWN = 0xFFFFFF  # as a distance: ordered, the previous offset is unknown
NO_TIME = -62135596800000
CREATED = 1790000000
EFFECTS = (b"KV-Operation", b"Streamcrypt-Msg-Id", b"Streamcrypt-Rollup", b"Streamcrypt-TTL")


class Dek:
    """A data key of one sealing context: one lease, whose counter no two segments share and passes 2^64."""

    def __init__(self, label: str):
        self.key = derived("dek " + label, 32)
        self.commitment = expand(self.key, b"streamcrypt/1 commitment", 32)
        self.kid = self.commitment[:16]
        self.lease = derived("lease " + label, 4)
        self.counter = 2**64 - 3

    def next_iv(self) -> bytes:
        self.counter = (self.counter + 1) % 2**64
        return self.lease + unsigned(self.counter, 8)


@dataclass(frozen=True)
class Coding:
    """Section 16; dictionary is the whole dictionary."""

    compression: int = 0
    padding: int = 0
    dictionary: bytes = b""

    def header(self) -> bytes:
        return bytes([self.compression, self.padding]) + (digest(self.dictionary)[:4] if self.dictionary else bytes(4))


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@dataclass(frozen=True)
class Message:
    """The payload and everything that it is bound to. chunk is the chunk size, or 0 for the single form."""

    payload: bytes
    dek: Dek
    recipients: tuple[bytes, ...] = ()  # encoded; none: by reference
    chunk: int = 0
    message_id: bytes = bytes(16)
    form: int = 0
    source: bytes = bytes(5)
    partition: int = 0
    term: int = 0
    offset: int = 0
    distance: int = 0
    created: int = CREATED
    medium: str = "topic"
    context: bytes = b"orders"
    subject: bytes | None = None
    key: bytes | None = b"k1"
    headers: tuple = ()  # (name, value or None)
    bind: tuple[bytes, ...] = ()  # the names that both sides agreed on, for the form named
    time: int | None = None  # of the record
    kind: int = VALUE
    coding: Coding | None = None
    coded: bytes | None = None  # the coded payload, where there is a coding
    signature: bytes = b""
    passed_over: tuple = ()  # (label, value)

    @property
    def by_reference(self) -> bool:
        return not self.recipients

    @property
    def sealed(self) -> bytes:
        return self.payload if self.coded is None else self.coded


@dataclass(frozen=True)
class Parts:
    """An envelope in pieces; every piece is encoded CBOR."""

    tag: bytes
    array: bytes
    protected: bytes
    unprotected: bytes
    ciphertext: bytes
    recipients: bytes  # empty by reference

    def bytes(self) -> bytes:
        return self.before_recipients() + self.recipients

    def before_recipients(self) -> bytes:
        return self.tag + self.array + self.protected + self.unprotected + self.ciphertext

    def replace(self, **parts: bytes) -> "Parts":
        return dataclasses.replace(self, **parts)


def counted(medium: str, headers: tuple) -> list[tuple]:
    """The headers that the form all counts, in the order of the medium."""
    kept = [h for h in headers if h[0] != b"streamcrypt"]
    if medium != "stream":
        return kept
    ours = (b"Streamcrypt-Key", b"Streamcrypt-Null", b"Streamcrypt-Part")
    return sorted((h for h in kept if h[0] not in ours and not h[0].lower().startswith(b"nats-")), key=lambda h: h[0])


def bound(m: Message) -> bytes:
    """The element bound of external, encoded."""
    if m.form & NAMED:
        names = sorted({*m.bind, *EFFECTS})
        return array(*(array(bstr(n), array(*(nullable(v) for name, v in m.headers if name == n))) for n in names))
    return array(*(array(bstr(n), nullable(v)) for n, v in counted(m.medium, m.headers)))


def position(m: Message, commitment: bytes | None = None, n: int | None = None) -> bytes:
    """Section 3."""
    if n is None:
        n = 0 if m.form & NAMED else len(counted(m.medium, m.headers))
    fields = bytes([m.form]) + m.source + unsigned(m.partition, 2) + unsigned(m.term, 5) + unsigned(m.offset, 6)
    fields += unsigned(m.distance, 3) + unsigned(m.created, 4) + unsigned(n, 2)
    if commitment is None:
        commitment = b"" if m.by_reference else m.dek.commitment
    return fields + commitment


def chunking(m: Message) -> bytes:
    return m.message_id + unsigned(m.chunk, 4)


def protected_pairs(m: Message) -> list[tuple[int, bytes]]:
    pairs = [(ALG, integer(A256GCM_CHUNKED if m.chunk else A256GCM)), (POSITION, bstr(position(m)))]
    if m.chunk:
        pairs.append((CHUNKING, bstr(chunking(m))))
    if m.coding:
        pairs.append((CODING, bstr(m.coding.header())))
    return pairs + [(label, bstr(value)) for label, value in m.passed_over]


def protected_headers(m: Message) -> bytes:
    return mapping(*protected_pairs(m))


def external(m: Message, index: int, final: bool, version: str = "streamcrypt/1") -> bytes:
    """Section 5."""
    time = m.time if m.time is not None else NO_TIME
    dictionary = digest(m.coding.dictionary) if m.coding and m.coding.dictionary else None
    return array(
        tstr(version),
        bstr(m.context),
        nullable(m.subject),
        nullable(m.key),
        bound(m),
        integer(time) if m.form & TIMED else nullable(None),
        nullable(dictionary),
        integer(m.kind),
        integer(index),
        boolean(final),
    )


def associated_data(
    m: Message, protected: bytes, index: int, final: bool, name: str | None = None, version: str = "streamcrypt/1"
) -> bytes:
    """Enc_structure."""
    name = name or ("Encrypt0" if m.by_reference else "Encrypt")
    return array(tstr(name), bstr(protected), bstr(external(m, index, final, version)))


def split(payload: bytes, size: int) -> list[bytes]:
    return [payload[i : i + size] for i in range(0, len(payload), size)]


def seal_segments(m: Message, protected: bytes, pieces=None, finals=None) -> list[bytes]:
    """The segments, each IV || ciphertext || tag, not yet encoded as byte strings."""
    pieces = split(m.sealed, m.chunk) if pieces is None else pieces
    finals = [i == len(pieces) - 1 for i in range(len(pieces))] if finals is None else finals
    segments = []
    for i, (piece, final) in enumerate(zip(pieces, finals, strict=True)):
        iv = m.dek.next_iv()
        segments.append(iv + AESGCM(m.dek.key).encrypt(iv, piece, associated_data(m, protected, i, final)))
    return segments


def seal(
    m: Message, *, protected: bytes | None = None, iv: bytes | None = None, pieces=None, finals=None, **structure
) -> Parts:
    """The envelope of m. The rest overrides the bytes that the specification would have sealed."""
    protected = protected_headers(m) if protected is None else protected
    unprotected = [(KID, bstr(m.dek.kid))] if m.by_reference else []
    if m.chunk:
        ciphertext = segmented(*map(bstr, seal_segments(m, protected, pieces, finals)))
    else:
        iv = iv or m.dek.next_iv()
        unprotected.append((IV, bstr(iv)))
        aad = associated_data(m, protected, **({"index": 0, "final": True} | structure))
        ciphertext = bstr(AESGCM(m.dek.key).encrypt(iv, m.sealed, aad))
    if m.signature:
        unprotected.append((SIGNATURE, bstr(m.signature)))
    tag, elements, recipients = (b"\xd0", 3, b"") if m.by_reference else (b"\xd8\x60", 4, array(*m.recipients))
    return Parts(tag, bytes([0x80 | elements]), bstr(protected), mapping(*unprotected), ciphertext, recipients)


def key_record(dek: Dek, recipients: tuple[bytes, ...], context: bytes = b"orders", **fields) -> Message:
    """The message of a key record (section 8)."""
    return Message(b"", dek, recipients, context=context, key=None, kind=KEY_RECORD, **fields)


def dictionary_record(dictionary: bytes, dek: Dek, recipients: tuple[bytes, ...], **fields) -> Message:
    return Message(dictionary, dek, recipients, key=None, kind=DICTIONARY, **fields)
