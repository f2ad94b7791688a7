"""Reads archives: section 9 of the specification, in one pass, with the strict reader and without the writer."""

import hashlib
from dataclasses import dataclass

import cbor2

from decode import Fault, decode
from encode import ARRAY, BSTR, NINT, UINT
from parse import Envelope, need
from reader import END, NO_TIME, TOMBSTONE, VALUE, Reader, is_key_record, parsed
from vouch import sha256

MAGIC = b"SCXSEQ1\n"
HEADER = b"streamcrypt"
NULL = b"\xf6"


@dataclass(frozen=True)
class Last:
    """A verified end."""

    id: bytes
    number: int
    flags: int
    count: int
    digest: bytes

    def receipt(self) -> str:
        return f"{self.id.hex()} {self.number:08x} {self.count:016x} {self.digest.hex()}\n"


class ArchiveReader:
    """What was read of an archive: the messages, the ends, and at last the word."""

    def __init__(self, reader: Reader, bind=()):
        self.reader, self.bind = reader, bind
        self.messages, self.ends = [], []
        self.key_records, self.dictionaries = {}, []
        self.sections, self.section = hashlib.sha256(), hashlib.sha256()
        self.closed = False  # whether the last record was an end

    def read(self, data: bytes) -> str:
        try:
            need(data.startswith(MAGIC), "truncated" if MAGIC.startswith(data) else "malformed")
            at = len(MAGIC)
            while at < len(data):
                at = self.record(data, at)
            need(self.closed, "truncated")
        except Fault as fault:
            return fault.word
        return "ok"

    def record(self, data: bytes, at: int) -> int:
        need(at + 8 <= len(data), "truncated")
        length, crc = int.from_bytes(data[at : at + 4], "big"), int.from_bytes(data[at + 4 : at + 8], "big")
        content, end = data[at + 8 : at + 8 + length], at + 8 + length
        need(end <= len(data), "truncated")
        need(length > 0 and crc32c(content) == crc, "truncated" if end == len(data) else "malformed")
        kind, body = content[0], content[1:]
        self.closed = kind == 1
        if kind >= 128:
            self.cover(kind, body)
        else:
            need(kind < 4)
            (self.message, self.end, self.key_record, self.dictionary_record)[kind](body)
        return end

    def cover(self, kind: int, covered: bytes) -> None:
        self.section.update(bytes([kind]) + len(covered).to_bytes(4, "big") + covered)

    def message(self, body: bytes) -> None:
        key, headers, time, subject, value = fields(body)
        sealed = [v for n, v in headers if n == HEADER]
        self.cover(0, covered(key, headers, time, subject, value, body))
        need(value is not None or sealed != [], "bare-tombstone")
        need(len(sealed) == (value is None), "reserved-header")
        envelope = Envelope((sealed[0] or b"") if value is None else value)
        if not envelope.self_contained:
            self.reader.records = self.key_records.get(envelope.kid, [])
        self.reader.dictionary_records = [(None, d) for d in self.dictionaries]
        payload = self.reader.open(
            envelope, TOMBSTONE if value is None else VALUE, "file", subject, key, headers, self.bind, time
        )
        kept = [h for h in headers if h[0] != HEADER]
        if not envelope.form & 1:
            kept = kept[: envelope.n]
        self.messages.append(
            [key, kept, None if time == NO_TIME else time, subject, None if value is None else payload]
        )

    def key_record(self, body: bytes) -> None:
        envelope = parsed(body)
        need(envelope is not None and is_key_record(envelope))
        self.cover(2, envelope.before_recipients())
        self.key_records.setdefault(envelope.commitment[:16], []).append(body)

    def dictionary_record(self, body: bytes) -> None:
        envelope = parsed(body)
        need(envelope is not None and envelope.self_contained and not envelope.chunked)
        self.cover(3, envelope.before_recipients())
        self.dictionaries = [*self.dictionaries, body][-16:]

    def end(self, body: bytes) -> None:
        key, headers, time, subject, seal = fields(body)
        need((key, headers, time, subject) == (None, [], 0, None) and seal is not None)
        envelope = Envelope(seal)
        if not envelope.self_contained:
            self.reader.records = self.key_records.get(envelope.kid, [])
        payload = self.reader.open(envelope, END, "file")
        need(payload[20] < 4, "unsupported")
        if self.reader.signers:
            signed = ["streamcrypt/1 archive", self.reader.context, payload[:61]]
            need(len(payload) == 133 and self.reader.signers.verify(payload[61:69], payload[69:], signed), "untrusted")
        last = Last(
            payload[:16],
            int.from_bytes(payload[16:20], "big"),
            payload[20],
            int.from_bytes(payload[21:29], "big"),
            payload[29:61],
        )
        section = self.section.digest()
        self.sections.update(section)
        self.section = hashlib.sha256()
        need(self.follows(last, section), "tampered")
        self.ends.append(last)

    def follows(self, last: Last, section: bytes) -> bool:
        """Whether an end fits the bytes and the end before it."""
        before = self.ends[-1] if self.ends else None
        if before and before.id == last.id:
            number, digest = before.number + 1, sha256(before.digest + section)
            flags = before.flags & ~last.flags == 0
        else:
            number = 1
            digest = sha256(sha256(b"streamcrypt/1 archive" + last.id) + self.sections.digest())
            flags = before is None or last.flags & 2 != 0
        return flags and (last.number, last.count, last.digest) == (number, len(self.messages), digest)


def fields(body: bytes) -> tuple:
    """The five elements of a body of type 0 or 1."""
    try:
        item = decode(body, limits=False)
    except Fault:
        raise Fault("malformed") from None
    need(item.major == ARRAY and len(item.children) == 5 and item.deterministic())
    key, headers, time, subject, value = item.children
    need(all(c.major == BSTR or c.raw == NULL for c in (key, subject, value)))
    need(headers.major == ARRAY and all(h.major == ARRAY and len(h.children) == 2 for h in headers.children))
    need(all(n.major == BSTR and (v.major == BSTR or v.raw == NULL) for n, v in (h.children for h in headers.children)))
    need(time.major in (UINT, NINT) and -(2**63) <= time.value < 2**63)
    pairs = [(n.data, nullable(v)) for n, v in (h.children for h in headers.children)]
    return nullable(key), pairs, time.value, nullable(subject), nullable(value)


def nullable(item) -> bytes | None:
    return None if item.raw == NULL else item.data


def covered(key, headers, time, subject, value, body: bytes) -> bytes:
    """The bytes of a message that the digest covers."""
    sealed = [v for n, v in headers if n == HEADER]
    found = value if value is not None else sealed[0] if len(sealed) == 1 else None
    envelope = parsed(found or b"")
    if envelope is None or not envelope.self_contained:
        return body
    cut = envelope.before_recipients()
    if value is not None:
        value = cut
    else:
        headers = [(n, cut if n == HEADER else v) for n, v in headers]
    return cbor2.dumps([key, [list(h) for h in headers], time, subject, value])


def judge_receipt(ends: list[Last], line: str) -> str:
    """ok, or how an archive fails a receipt."""
    if any(end.receipt() == line for end in ends):
        return "ok"
    name, number = line.split()[:2]
    numbers = [end.number for end in ends if end.id.hex() == name]
    return "truncated" if numbers and max(numbers) < int(number, 16) else "tampered"


TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ 0x82F63B78 * (n & 1)
    TABLE.append(n)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF
