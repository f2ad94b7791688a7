"""Step 15 and 16 of section 10: how a reader undoes padding and compression (section 16)."""

import io

import zstandard

from decode import Fault

FRAME, DICTIONARY = b"\x28\xb5\x2f\xfd", b"\x37\xa4\x30\xec"
MAX_WINDOW, MAX_DICTIONARY = 8 << 20, 112640
STEP = 16  # bytes of input between two looks at the output


def decoded(data: bytes, coding: bytes, dictionary: bytes | None, limit: int) -> bytes:
    """The payload of coded data."""
    if coding[1]:
        data = unpadded(data)
    if coding[0]:
        return inflated(data, dictionary, limit)
    if len(data) > limit:
        raise Fault("too-large")
    return data


def unpadded(data: bytes) -> bytes:
    data = data.rstrip(b"\x00")
    if not data.endswith(b"\x80"):
        raise Fault("malformed")
    return data[:-1]


def inflated(data: bytes, dictionary: bytes | None, limit: int) -> bytes:
    """The content of the one frame that data is."""
    if data[:4] != FRAME:
        raise Fault("malformed")
    window, dictionary_id, size = frame_header(data)
    if dictionary_id not in (0, int.from_bytes(dictionary[4:8], "little") if dictionary else 0):
        raise Fault("malformed")
    if window > MAX_WINDOW or size is not None and size > limit:
        raise Fault("too-large")
    try:
        return inflate(data, dictionary, limit)
    except zstandard.ZstdError:
        raise Fault("malformed") from None


def frame_header(data: bytes) -> tuple[int, int, int | None]:
    """Window, Dictionary_ID and content size, if there is one, of a frame (RFC 8878, 3.1.1.1)."""
    fields = io.BytesIO(data[4:])

    def take(n: int) -> int:
        field = fields.read(n)
        if len(field) < n:
            raise Fault("malformed")
        return int.from_bytes(field, "little")

    descriptor = take(1)
    single = descriptor >> 5 & 1
    if descriptor & 0x08:
        raise Fault("malformed")
    exponent, mantissa = divmod(0 if single else take(1), 8)
    dictionary_id = take((0, 1, 2, 4)[descriptor & 3])
    width = (single, 2, 4, 8)[descriptor >> 6]
    size = take(width) + 256 * (width == 2) if width else None
    return size if single else (1 << 10 + exponent) // 8 * (8 + mantissa), dictionary_id, size


def inflate(data: bytes, dictionary: bytes | None, limit: int) -> bytes:
    options = {"dict_data": zstandard.ZstdCompressionDict(dictionary)} if dictionary else {}
    frame = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW, **options).decompressobj()
    payload, at = b"", 0
    while at < len(data) and not frame.eof:
        payload += frame.decompress(data[at : at + STEP])
        at += STEP
        if len(payload) > limit:
            raise Fault("too-large")
    if not frame.eof or frame.unused_data or at < len(data):
        raise Fault("malformed")
    return payload


def is_dictionary(data: bytes) -> bool:
    """Whether data has the form of RFC 8878, section 5, as far as its magic number and size tell."""
    if not (8 <= len(data) <= MAX_DICTIONARY and data[:4] == DICTIONARY):
        return False
    try:
        zstandard.ZstdDecompressor(
            dict_data=zstandard.ZstdCompressionDict(data, zstandard.DICT_TYPE_FULLDICT)
        ).decompressobj().decompress(FRAME)
    except zstandard.ZstdError:
        return False
    return True
