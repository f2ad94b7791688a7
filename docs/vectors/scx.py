"""Writes archives: section 9 of the specification, one record after the other."""

from dataclasses import dataclass, field

from encode import NULL, array, bstr, integer, nullable, tstr, unsigned
from keys import Signer, derived
from sealer import END, NO_TIME, TIMED, TOMBSTONE, VALUE, Dek, Message, Parts, digest, seal

MAGIC = b"SCXSEQ1\n"
MESSAGE, LAST, KEY, DICTIONARY = range(4)  # types


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc ^ 0xFFFFFFFF


def record(kind: int, body: bytes) -> bytes:
    content = bytes([kind]) + body
    return unsigned(len(content), 4) + unsigned(crc32c(content), 4) + content


def body_of(key=None, headers=(), time=None, subject=None, value=None) -> bytes:
    pairs = (array(bstr(n), nullable(v)) for n, v in headers)
    return array(
        nullable(key), array(*pairs), integer(NO_TIME if time is None else time), nullable(subject), nullable(value)
    )


@dataclass
class Archive:
    """An archive that grows. Its messages are sealed for recipients, or by reference where there are none."""

    dek: Dek
    recipients: tuple[bytes, ...]
    context: bytes = b""
    label: str = "archive"
    signature: bytes = b""  # of the sealer, in self-contained envelopes
    records: list[bytes] = field(default_factory=list)
    section: bytes = b""  # what the hash of the section will cover
    sections: list[bytes] = field(default_factory=list)  # their hashes
    opened: list[list] = field(default_factory=list)  # what a reader gets
    number: int = 0
    last: bytes = b""  # digest of the last end
    flags: int = 0

    def __post_init__(self):
        self.id = derived("archive id " + self.label, 16)

    def seal(self, payload: bytes, kind: int, **fields) -> Parts:
        signature = self.signature if self.recipients else b""
        return seal(
            Message(
                payload,
                self.dek,
                self.recipients,
                context=self.context,
                kind=kind,
                medium="file",
                signature=signature,
                **fields,
            )
        )

    def add(self, kind: int, body: bytes, covered: bytes | None = None) -> None:
        covered = body if covered is None else covered
        self.section += bytes([kind]) + unsigned(len(covered), 4) + covered
        self.records.append(record(kind, body))

    def message(self, payload: bytes | None, key=b"k", headers=(), time=1790000000123, subject=None, **fields) -> None:
        """A message with its time bound, or a tombstone."""
        outer = {"key": key, "time": time, "subject": subject}
        parts = self.seal(
            payload or b"",
            VALUE if payload is not None else TOMBSTONE,
            headers=headers,
            **({"form": TIMED} | outer | fields),
        )
        whole, cut = parts.bytes(), parts.before_recipients()
        if payload is None:
            self.add(
                MESSAGE,
                body_of(headers=(*headers, (b"streamcrypt", whole)), **outer),
                body_of(headers=(*headers, (b"streamcrypt", cut)), **outer),
            )
        else:
            self.add(
                MESSAGE, body_of(headers=headers, value=whole, **outer), body_of(headers=headers, value=cut, **outer)
            )
        self.opened.append([key, list(headers), time, subject, payload])

    def bare(self, kind: int, parts: Parts) -> None:
        """A key or dictionary record."""
        self.add(kind, parts.bytes(), parts.before_recipients())

    def end(self, *, fresh: str = "", flags: int = 0, signer: Signer | None = None, **overrides) -> None:
        """An end; fresh: of a new id, by an appender that cannot open the last one. The rest replaces fields."""
        self.sections.append(digest(self.section))
        self.section = b""
        if fresh:
            self.id, self.number = derived("archive id " + fresh, 16), 0
            self.flags = 0
        self.number += 1
        self.flags |= flags
        if self.number == 1:
            self.last = digest(digest(b"streamcrypt/1 archive" + self.id) + digest(b"".join(self.sections)))
        else:
            self.last = digest(self.last + self.sections[-1])
        fields = {
            "id": self.id,
            "number": unsigned(self.number, 4),
            "flags": bytes([self.flags]),
            "count": unsigned(len(self.opened), 8),
            "digest": self.last,
        } | overrides
        payload = b"".join(fields[name] for name in ("id", "number", "flags", "count", "digest"))
        if signer:
            payload += signer.sign(
                tstr("streamcrypt/1 archive"), bstr(fields.get("context", self.context)), bstr(payload)
            )
        self.records.append(record(LAST, end_body(self.seal(payload, END, key=None).bytes())))

    def bytes(self) -> bytes:
        return MAGIC + b"".join(self.records)

    def receipt(self) -> str:
        return receipt(self.id, self.number, len(self.opened), self.last)


def end_body(seal: bytes, key=NULL, headers=b"\x80", time=b"\x00", subject=NULL) -> bytes:
    return array(key, headers, time, subject, bstr(seal))


def receipt(archive: bytes, number: int, count: int, last: bytes) -> str:
    return f"{archive.hex()} {number:08x} {count:016x} {last.hex()}\n"
