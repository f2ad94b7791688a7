"""The chunked form: 5c of section 10, and the changes that segments must not survive (section 7)."""

from case import Case, reading
from encode import BREAK, BSTR, bstr, head, segmented, tstr
from keys import derived
from negative_recipients import flip
from positive import local, record_of
from sealer import Dek, Message, Parts, protected_headers, seal, seal_segments, split

DEK = Dek("negative chunked")
SIZE = 4096
RECORD = record_of(DEK)


def message(n: int, label: str = "", **fields) -> Message:
    return Message(derived("chunked" + label, n), DEK, chunk=SIZE, message_id=derived("message" + label, 16), **fields)


TWO, THREE = message(SIZE + 1), message(2 * SIZE + 1)  # so many segments, the last of one byte
EXACT = message(2 * SIZE)
UNSEEN = {
    "segments-first-alone-of-two",
    "segments-middle-not-full",
    "segments-first-one-byte-short",
    "segments-last-empty",
    "segments-first-one-byte-long",
    "segments-last-one-byte-long",
    "segments-duplicated-last",
    "segments-size-field-one-larger",
    "segment-head-long-last",
    "segments-then-trailing-byte",
    "segments-last-shorter-than-a-tag",
}


def cases() -> list[Case]:
    tables = [("malformed", misshapen()), ("tampered", rearranged() | altered()), ("truncated", cut())]
    grammar = {"tampered": False, "truncated": True}
    return [
        reading(name, word, TWO, envelope, grammar.get(word, None if name in UNSEEN else True), records=(RECORD,))
        for word, table in tables
        for name, envelope in table.items()
    ] + [other_context(), unknown_first()]


def segments(m: Message, **overrides) -> list[bytes]:
    return seal_segments(m, protected_headers(m), **overrides)


def carrying(m: Message, *encoded: bytes) -> Parts:
    """The envelope of m around the encoded segments."""
    empty = Message(b"", m.dek, m.recipients, chunk=m.chunk, message_id=m.message_id)
    return seal(empty).replace(ciphertext=segmented(*encoded))


def of(m: Message, *segments: bytes) -> Parts:
    return carrying(m, *map(bstr, segments))


def misshapen() -> dict:
    """The segments are well sealed; their number, sizes or encoding are wrong."""
    small = message(101)
    full, last = segments(TWO)
    payload = TWO.payload
    alone = Message(small.payload, DEK, local(DEK), chunk=SIZE)
    return {
        "segments-none": of(TWO),
        "segments-one": of(small, *segments(small)),
        "segments-one-self-contained": of(alone, *segments(alone)),
        "segments-first-alone-of-two": of(TWO, full),
        "segments-middle-not-full": of(small, *segments(small, pieces=[b"x" * 100, b"y"])),
        "segments-first-one-byte-short": of(TWO, *segments(TWO, pieces=[payload[: SIZE - 1], payload[SIZE - 1 :]])),
        "segments-first-one-byte-long": of(TWO, *segments(TWO, pieces=[payload, b"y"])),
        "segments-last-one-byte-long": of(TWO, *segments(TWO, pieces=[payload[:SIZE], payload])),
        "segments-last-empty": of(EXACT, *segments(EXACT, pieces=[payload[:SIZE], b""])),
        "segments-last-shorter-than-a-tag": of(TWO, full, last[:27]),
        "segments-duplicated-last": of(TWO, full, last, last),
        "segments-size-field-one-larger": resized(SIZE + 1, [full, last]),
        "segment-head-long-last": carrying(TWO, bstr(full), bstr(last, 2)),
        "segment-is-text": carrying(TWO, bstr(last), tstr("t" * 29)),
        "segment-is-a-number": carrying(TWO, bstr(last), b"\x00"),
        "segment-is-segmented": carrying(TWO, bstr(last), segmented(bstr(last))),
        "segments-then-trailing-byte": of(TWO, full, last).bytes() + BREAK,
    }


def resized(size: int, segments: list[bytes]) -> Parts:
    m = Message(b"", DEK, chunk=size, message_id=TWO.message_id)
    return of(m, *segments)


def rearranged() -> dict:
    full, last = segments(TWO)
    a, b, c = segments(THREE)
    x, y = segments(EXACT)
    twin = message(SIZE + 1, " twin")
    twin_full, twin_last = segments(twin)
    pieces = split(TWO.payload, SIZE)
    return {
        "segments-dropped-first": of(THREE, b, c),
        "segments-dropped-middle": of(THREE, a, c),
        "segments-dropped-last": of(THREE, a, b),
        "segments-duplicated-first": of(TWO, full, full, last),
        "segments-swapped-full": of(EXACT, y, x),
        "segments-spliced-last": of(TWO, full, twin_last),
        "segments-spliced-first": of(TWO, twin_full, last),
        "segments-final-twice": of(TWO, *segments(TWO, pieces=pieces, finals=[True, True])),
        "segments-final-nowhere": of(TWO, *segments(TWO, pieces=pieces, finals=[False, False])),
        "segments-all-index-0": of(TWO, full, *segments(TWO, pieces=[pieces[1]], finals=[True])),
    }


def altered() -> dict:
    full, last = segments(TWO)
    longer = message(SIZE + 2)
    longer_full, longer_last = segments(longer)
    return {
        "segment-first-iv-flipped-bit": of(TWO, flip(full, 0), last),
        "segment-last-tag-flipped-bit": of(TWO, full, flip(last, -1)),
        "segment-last-shortened": of(longer, longer_full, longer_last[:-1]),
        "message-id-flipped-bit": of(message(SIZE + 1, " twin"), full, last),
    }


def cut() -> dict:
    full, last = segments(TWO)
    alone = Message(b"", DEK, local(DEK), chunk=SIZE)
    whole = of(TWO, full, last).bytes()
    start = len(of(TWO).bytes()) - 1
    return {
        "chunked-cut-before-segments": whole[: start - 1],
        "chunked-cut-before-first-segment": whole[:start],
        "chunked-cut-inside-first-segment": whole[: start + 60],
        "chunked-cut-after-first-segment": whole[: start + len(bstr(full))],
        "chunked-cut-before-break": whole[:-1],
        "chunked-self-contained-cut-before-recipients": of(alone, last, last).replace(recipients=b""),
        "chunked-segment-claims-2-to-64": whole[:start] + head(BSTR, 2**64 - 1) + full[:60],
    }


def other_context() -> Case:
    m = Message(TWO.payload, DEK, local(DEK), chunk=SIZE, message_id=TWO.message_id)
    return reading("chunked-wrong-context", "tampered", m, seal(m), False, context=b"invoices")


def unknown_first() -> Case:
    """5c comes before step 9."""
    m = message(101)
    return reading("segments-one-before-unknown-key", "malformed", m, of(m, *segments(m)), True, records=())
