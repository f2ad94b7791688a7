"""CBOR written by hand, one function for each kind of item.

Every function returns encoded bytes and takes encoded bytes for what it contains, so a vector can be
wrong in one place and right in all others. `width` forces a head that is longer than it needs to be.
"""

UINT, NINT, BSTR, TSTR, ARRAY, MAP, TAG = range(7)
NULL = b"\xf6"
BREAK = b"\xff"


def head(major: int, n: int, width: int | None = None) -> bytes:
    """The head of an item; width is the count of argument bytes: 0 (n below 24), 1, 2, 4 or 8."""
    if width is None:
        width = 0 if n < 24 else next(w for w in (1, 2, 4, 8) if n < 1 << 8 * w)
    if width == 0:
        return bytes([major << 5 | n])
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[width]]) + n.to_bytes(width, "big")


def integer(n: int, width: int | None = None) -> bytes:
    return head(UINT, n, width) if n >= 0 else head(NINT, -1 - n, width)


def bstr(data: bytes, width: int | None = None) -> bytes:
    return head(BSTR, len(data), width) + data


def tstr(text: str) -> bytes:
    data = text.encode()
    return head(TSTR, len(data)) + data


def boolean(value: bool) -> bytes:
    return b"\xf5" if value else b"\xf4"


def unsigned(n: int, width: int) -> bytes:
    """An integer inside a byte string."""
    return n.to_bytes(width, "big")


def nullable(data: bytes | None) -> bytes:
    return NULL if data is None else bstr(data)


def array(*items: bytes, width: int | None = None) -> bytes:
    return head(ARRAY, len(items), width) + b"".join(items)


def mapping(*pairs: tuple[int, bytes], width: int | None = None) -> bytes:
    """A map with integer keys, in the order given."""
    return head(MAP, len(pairs), width) + b"".join(integer(k) + v for k, v in pairs)


def segmented(*strings: bytes) -> bytes:
    """An indefinite-length byte string of the encoded strings."""
    return b"\x5f" + b"".join(strings) + BREAK
