"""Seals one message, from the specification alone.

`seal` returns the envelope in parts. A vector with a fault replaces a part, or has the fault sealed in
by an override, so that the tag is right and the fault is the only one.
"""

import dataclasses
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from encode import array, boolean, bstr, integer, mapping, nullable, segmented, tstr
from keys import derived, expand

ALG, CRIT, KID, IV = 1, 2, 4, 5
POSITION, CHUNKING = -1935867906, -1935867910
A256GCM, A256GCM_CHUNKED = 3, -1935867907
VALUE, TOMBSTONE, KEY_RECORD, END = range(4)
FIRST = 0xFFFFFFFF  # as a distance: ordered, the previous offset is unknown


class Dek:
    """A data key of one sealing context: lease 1, and a counter that no two segments share."""

    def __init__(self, label: str):
        self.key = derived("dek " + label, 32)
        self.commitment = expand(self.key, b"streamcrypt/1 commitment", 32)
        self.kid = self.commitment[:16]
        self.counter = 0

    def next_iv(self) -> bytes:
        self.counter += 1
        return bytes([0, 0, 0, 1]) + self.counter.to_bytes(8, "big")


@dataclass(frozen=True)
class Message:
    """What is sealed and what it is bound to. chunk is the chunk size, or 0 for the single form."""

    payload: bytes
    dek: Dek
    recipients: tuple[bytes, ...] = ()  # encoded; none: by reference
    chunk: int = 0
    message_id: bytes = bytes(16)
    place: bytes = bytes(7)
    offset: int = 0
    distance: int = 0
    created: int = 1790000000
    context: bytes = b"orders"
    subject: bytes | None = None
    key: bytes | None = b"k1"
    bound: tuple = ()
    kind: int = VALUE

    @property
    def by_reference(self) -> bool:
        return not self.recipients


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
        return b"".join(getattr(self, f.name) for f in dataclasses.fields(self))

    def replace(self, **parts: bytes) -> "Parts":
        return dataclasses.replace(self, **parts)


def position(m: Message, commitment: bytes | None = None) -> bytes:
    fixed = m.place + m.offset.to_bytes(8, "big") + m.distance.to_bytes(4, "big") + m.created.to_bytes(4, "big")
    if commitment is None:
        commitment = b"" if m.by_reference else m.dek.commitment
    return fixed + commitment


def chunking(m: Message) -> bytes:
    return m.message_id + m.chunk.to_bytes(4, "big")


def protected_headers(m: Message) -> bytes:
    where = (POSITION, bstr(position(m)))
    if m.chunk:
        return mapping((ALG, integer(A256GCM_CHUNKED)), where, (CHUNKING, bstr(chunking(m))))
    return mapping((ALG, integer(A256GCM)), where)


def associated_data(m: Message, protected: bytes, index: int, final: bool,
                    name: str | None = None, version: str = "streamcrypt/1") -> bytes:
    """The Enc_structure of section 5."""
    bound = array(*(array(bstr(n), array(*map(nullable, values))) for n, values in m.bound))
    external = array(tstr(version), bstr(m.context), nullable(m.subject), nullable(m.key), bound,
                     integer(m.kind), integer(index), boolean(final))
    name = name or ("Encrypt0" if m.by_reference else "Encrypt")
    return array(tstr(name), bstr(protected), bstr(external))


def split(payload: bytes, size: int) -> list[bytes]:
    return [payload[i:i + size] for i in range(0, len(payload), size)]


def seal_segments(m: Message, protected: bytes, pieces=None, finals=None, ivs=None) -> list[bytes]:
    """The segments, each IV || ciphertext || tag, not yet encoded as byte strings."""
    pieces = split(m.payload, m.chunk) if pieces is None else pieces
    finals = [i == len(pieces) - 1 for i in range(len(pieces))] if finals is None else finals
    segments = []
    for i, (piece, final) in enumerate(zip(pieces, finals, strict=True)):
        iv = ivs[i] if ivs else m.dek.next_iv()
        segments.append(iv + AESGCM(m.dek.key).encrypt(iv, piece, associated_data(m, protected, i, final)))
    return segments


def seal(m: Message, *, protected: bytes | None = None, iv: bytes | None = None, ivs=None,
         pieces=None, finals=None, **structure) -> Parts:
    """The envelope of m. The rest overrides what the specification would have sealed."""
    protected = protected_headers(m) if protected is None else protected
    kid = [(KID, bstr(m.dek.kid))] if m.by_reference else []
    if m.chunk:
        unprotected = mapping(*kid)
        ciphertext = segmented(*map(bstr, seal_segments(m, protected, pieces, finals, ivs)))
    else:
        iv = iv or m.dek.next_iv()
        unprotected = mapping(*kid, (IV, bstr(iv)))
        aad = associated_data(m, protected, **({"index": 0, "final": True} | structure))
        ciphertext = bstr(AESGCM(m.dek.key).encrypt(iv, m.payload, aad))
    tag, elements, recipients = (b"\xd0", 3, b"") if m.by_reference else (b"\xd8\x60", 4, array(*m.recipients))
    return Parts(tag, bytes([0x80 | elements]), bstr(protected), unprotected, ciphertext, recipients)


def key_record(dek: Dek, recipients: tuple[bytes, ...], context: bytes = b"orders") -> Message:
    """The message of a key record (section 8)."""
    return Message(b"", dek, recipients, context=context, key=None, kind=KEY_RECORD)
