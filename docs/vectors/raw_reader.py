"""Reads raw files: section 9 of the specification, forms 1 to 3, with the strict reader."""

from decode import Decoder, Fault
from parse import Envelope, need
from reader import KEY_RECORD, VALUE, Reader


def read_raw(data: bytes, reader: Reader) -> tuple[str, bytes | None]:
    """The word, and on ok the payload."""
    try:
        record, envelope = split(data)
        if record:
            need(envelope.chunked)
            need(envelope.kid == record.commitment[:16], "wrong-key")
            reader.open(record, KEY_RECORD, "raw")
            reader.records = [record.raw]
        return "ok", reader.open(envelope, VALUE, "raw")
    except Fault as fault:
        return fault.word, None


def split(data: bytes) -> tuple[Envelope | None, Envelope]:
    """The key record in front, if there is one, and the envelope."""
    if data[:2] != b"\xd8\x60":
        return None, Envelope(data)
    decoder = Decoder(data[2:])
    decoder.item(1)
    first, rest = data[: 2 + decoder.at], data[2 + decoder.at :]
    if not rest:
        return None, Envelope(first)
    need(rest[:1] == b"\xd0")
    try:
        record = Envelope(first)
    except Fault:
        raise Fault("malformed") from None
    return record, Envelope(rest)
