"""The records of a sequence: section 9 of the specification, up to what a body holds."""

import cbor2

from decode import Fault
from reader import need

MAGIC = b"SCXSEQ1\n"


def record(data: bytes, at: int) -> tuple[int, list, int]:
    """Type and body of the record at a place of a sequence, and where the next one begins."""
    need(at + 8 <= len(data), "truncated")
    length, crc = int.from_bytes(data[at:at + 4], "big"), int.from_bytes(data[at + 4:at + 8], "big")
    content, end = data[at + 8:at + 8 + length], at + 8 + length
    need(end <= len(data), "truncated")
    need(length > 0 and crc32c(content) == crc, "truncated" if end == len(data) else "malformed")
    need(content[0] < 2)
    try:
        body = cbor2.loads(content[1:])
        need(cbor2.dumps(body) == content[1:])
    except (cbor2.CBORError, ValueError, TypeError):
        raise Fault("malformed") from None
    need(isinstance(body, list) and len(body) == 5 and isinstance(body[1], list) and type(body[2]) is int)
    need(all(b is None or isinstance(b, bytes) for b in (body[0], body[3], body[4])))
    need(all(isinstance(h, list) and len(h) == 2 and isinstance(h[0], bytes) for h in body[1]))
    need(all(isinstance(v, bytes | None) for _, v in body[1]))
    return content[0], body, end


def crc_table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ 0x82F63B78 * (n & 1)
        yield n


CRC = list(crc_table())


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), slow."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF
