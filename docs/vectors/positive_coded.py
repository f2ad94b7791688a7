"""Vectors that a reader must open: compression, padding, dictionaries (section 16)."""

from case import Case, reading
from encode import array
from keys import STRANGER, derived
from positive import CHUNK, DEK, both, local
from sealer import Coding, Dek, Message, dictionary_record, digest, seal
from zstd import bomb, compress, dictionary, frame, order, raw_block, sized

ORDER = order(77777)
LONG = b"".join(order(n) for n in range(90000, 90400))
KEEPER = Dek("dictionary")


def padded(data: bytes, size: int = 0) -> bytes:
    data += b"\x80"
    return data + bytes(-len(data) % size if size else 0)


def cases() -> list[Case]:
    return compressed() + padding() + with_dictionary() + dictionary_records()


def compressed() -> list[Case]:
    cases = []
    zstd = Coding(compression=1)
    for name, payload, coded in (
        ("by-a-library", ORDER * 3, compress(ORDER * 3)),
        ("without-checksum", ORDER * 3, compress(ORDER * 3, checksum=False)),
        ("without-content-size", ORDER * 3, compress(ORDER * 3, write_content_size=False)),
        ("raw-block", b"hello", frame(raw_block(b"hello"))),
        ("content-size-in-8-bytes", b"hello", sized(5, raw_block(b"hello"))),
        ("two-blocks-one-empty", b"hello", frame(raw_block(b"hello", last=False), raw_block(b""))),
        ("empty", b"", frame(raw_block(b""))),
        ("window-8-mib", b"hello", frame(raw_block(b"hello"), window=0x68)),
        ("inflates-to-the-limit", bytes(1 << 20), bomb(1 << 20)),
    ):
        cases += both(f"zstd-{name}", payload, coding=zstd, coded=coded)
    coded = compress(LONG)
    assert len(coded) > CHUNK
    return cases + both("zstd-chunked", LONG, coding=zstd, coded=coded, chunk=CHUNK, message_id=derived("coded", 16))


def padding() -> list[Case]:
    cases = []
    pad = Coding(padding=1)
    for name, payload, coded in (
        ("to-64", b"hello", padded(b"hello", 64)),
        ("mark-only", b"hello", padded(b"hello")),
        ("empty", b"", padded(b"", 16)),
        ("payload-ends-in-zeros", b"hello\x00\x00", padded(b"hello\x00\x00", 16)),
        ("payload-ends-in-a-mark", b"hello\x80\x00", padded(b"hello\x80\x00", 16)),
    ):
        cases += both(f"padded-{name}", payload, coding=pad, coded=coded)
    for name, n, size in (
        ("across-the-border", CHUNK - 100, 2 * CHUNK),
        ("last-chunk-is-padding", CHUNK - 1, CHUNK + 1),
        ("mark-begins-a-chunk", CHUNK, CHUNK + 16),
    ):
        payload = derived(f"padded {name}", n)
        cases += both(
            f"padded-chunked-{name}",
            payload,
            coding=pad,
            coded=padded(payload, size),
            chunk=CHUNK,
            message_id=derived("padded", 16),
        )
    return cases + both("zstd-and-padded", ORDER * 3, coding=Coding(1, 1), coded=padded(compress(ORDER * 3), 256))


def with_dictionary() -> list[Case]:
    ours, other = dictionary(), dictionary("other")
    coding = Coding(1, 0, ours)
    reader = {"dictionaries": (other, ours)}
    cases = both("dictionary", ORDER, coding=coding, coded=compress(ORDER, ours), reader=reader)
    cases += both(
        "dictionary-id-left-out", ORDER, coding=coding, coded=compress(ORDER, ours, write_dict_id=False), reader=reader
    )
    cases += both(
        "dictionary-and-padded",
        ORDER,
        coding=Coding(1, 1, ours),
        coded=padded(compress(ORDER, ours), 128),
        reader=reader,
    )
    cases += both(
        "dictionary-not-used-by-the-frame", b"hello", coding=coding, coded=frame(raw_block(b"hello")), reader=reader
    )
    return cases + both(
        "dictionary-chunked",
        LONG,
        coding=coding,
        coded=compress(LONG, ours),
        chunk=CHUNK,
        message_id=derived("dictionary", 16),
        reader=reader,
    )


def dictionary_records() -> list[Case]:
    ours, other = dictionary(), dictionary("other")
    name = digest(ours)[:16]
    record = dictionary_record(ours, KEEPER, local(KEEPER))
    parts = seal(record)
    sealed, theirs = parts.bytes(), parts.replace(recipients=array(STRANGER.recipient(KEEPER.key))).bytes()
    lying = seal(dictionary_record(other, KEEPER, local(KEEPER))).bytes()
    m = Message(ORDER, DEK, local(DEK), coding=Coding(1, 0, ours), coded=compress(ORDER, ours))
    cases = [reading("dictionary-record", "ok", record, seal(record))]
    for label, records in {
        "found": ((name, sealed),),
        "among-others": ((digest(other)[:16], lying), (name, sealed)),
        "first-under-the-name-is-another": ((name, lying), (name, sealed)),
        "for-others-is-no-try": ((name, theirs),) * 20 + ((name, sealed),),
        "sixteenth-try-opens": ((name, lying),) * 15 + ((name, sealed),),
        "first-with-the-hint-is-rubbish": ((name[:4] + bytes(12), b"x"), (name, sealed)),
    }.items():
        cases.append(reading(f"dictionary-record-{label}", "ok", m, seal(m), dictionary_records=records))
    return cases
