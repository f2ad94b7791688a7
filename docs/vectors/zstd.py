"""Frames of RFC 8878 for the vectors: by a library, and written by hand where a frame must be wrong."""

import functools
import json

import zstandard

from keys import derived

MAGIC = b"\x28\xb5\x2f\xfd"


def little(n: int, width: int) -> bytes:
    return n.to_bytes(width, "little")


def compress(payload: bytes, dictionary: bytes = b"", checksum: bool = True, **options) -> bytes:
    options |= {"dict_data": zstandard.ZstdCompressionDict(dictionary)} if dictionary else {}
    return zstandard.ZstdCompressor(write_checksum=checksum, **options).compress(payload)


def raw_block(data: bytes, last: bool = True) -> bytes:
    return little(len(data) << 3 | last, 3) + data


def rle_block(byte: bytes, n: int, last: bool = True) -> bytes:
    return little(n << 3 | 1 << 1 | last, 3) + byte


def frame(*blocks: bytes, window: int = 0x40, dictionary_id: int | None = None) -> bytes:
    """A frame without content size; window is the Window_Descriptor: 0x40 is 256 KiB, 0x68 is 8 MiB."""
    if dictionary_id is None:
        return MAGIC + bytes([0, window]) + b"".join(blocks)
    return MAGIC + bytes([3, window]) + little(dictionary_id, 4) + b"".join(blocks)


def sized(size: int, *blocks: bytes, checksum: bytes = b"") -> bytes:
    """A frame of a single segment with its content size in 8 bytes."""
    return MAGIC + bytes([0xE0 | (4 if checksum else 0)]) + little(size, 8) + b"".join(blocks) + checksum


def bomb(size: int) -> bytes:
    """RLE blocks of 128 KiB."""
    blocks = [rle_block(b"\x00", min(1 << 17, size - at), at + (1 << 17) >= size) for at in range(0, size, 1 << 17)]
    return frame(*blocks)


def skippable(data: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + little(len(data), 4) + data


def order(n: int) -> bytes:
    r = derived(f"order {n}", 12)
    return json.dumps(
        {
            "order_id": 100000 + n,
            "customer": f"C{r[0]:03d}{r[1]:03d}",
            "currency": ("EUR", "USD", "CHF")[r[2] % 3],
            "amount": int.from_bytes(r[3:5], "big"),
            "status": ("new", "paid", "shipped")[r[5] % 3],
            "items": [{"sku": f"SKU-{b}", "quantity": b % 5 + 1} for b in r[6:9]],
        }
    ).encode()


@functools.cache
def dictionary(label: str = "orders") -> bytes:
    """A dictionary of 1 KiB that was trained on orders."""
    start = {"orders": 0, "other": 5000}[label]
    return zstandard.train_dictionary(
        1024, [order(start + n) for n in range(400)], dict_id=unsigned_id(label), level=3
    ).as_bytes()


def unsigned_id(label: str) -> int:
    return int.from_bytes(b"\x01" + derived("dictionary " + label, 3), "big")
