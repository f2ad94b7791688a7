"""3g and 3h, step 7, and step 17: values inside the byte strings of the headers, and rules of each kind."""

from case import Case, reading
from encode import bstr, integer, mapping
from keys import derived
from positive import CHUNK, IN_KAFKA, KAFKA, local, record_of
from sealer import (
    ALG,
    CODING,
    DICTIONARY,
    END,
    KEEPS_PARTITION,
    KEY_RECORD,
    NAMED,
    POSITION,
    RISING,
    TIMED,
    TOMBSTONE,
    Coding,
    Dek,
    Message,
    key_record,
    position,
    seal,
)
from zstd import compress, dictionary

DEK = Dek("negative kinds")
RECORD = record_of(DEK)


def cases() -> list[Case]:
    return forms() + codings() + rules() + payloads()


def with_position(m: Message, where: bytes):
    return seal(m, protected=mapping((ALG, integer(3)), (POSITION, bstr(where))))


def forms() -> list[Case]:
    m = Message(b"hello", DEK, local(DEK))
    r = Message(b"hello", DEK)
    cases = []

    def add(name: str, word: str, m: Message, where: bytes, **reader) -> None:
        cases.append(reading(name, word, m, with_position(m, where), False, **reader))

    for bit in (0x10, 0x20, 0x40, 0x80):
        add(f"form-bit-{bit:02x}", "unsupported", m, bytes([bit]) + position(m)[1:])
    add("form-bit-10-by-reference", "unsupported", r, b"\x10" + position(r)[1:], records=(RECORD,))
    add("form-bit-80-before-n-in-named", "unsupported", m, b"\x81" + position(m, n=1)[1:])
    named = Message(b"hello", DEK, local(DEK), form=NAMED)
    add("form-named-with-bound-headers", "malformed", named, position(named, n=1))
    add("form-named-with-4-bound-headers", "malformed", named, position(named, n=4))
    for name, fields in {
        "partition": {"partition": 1},
        "term": {"term": 1},
        "offset": {"offset": 1},
        "distance": {"distance": 1},
        "largest-offset": {"offset": 2**48 - 1},
        "partition-kept": {"form": KEEPS_PARTITION},
        "terms-rising": {"form": RISING},
    }.items():
        unplaced = Message(b"hello", DEK, local(DEK), **fields)
        add(f"position-without-source-but-{name}", "malformed", unplaced, position(unplaced))
    late = seal(m, protected=mapping((ALG, integer(3)), (POSITION, bstr(b"\x10" + position(m)[1:]))))
    cases.append(
        reading(
            "form-bit-before-iv-length", "unsupported", m, late.replace(unprotected=mapping((5, bstr(bytes(11))))), True
        )
    )
    return cases


def codings() -> list[Case]:
    cases = []

    def add(name: str, word: str, coding: bytes, m: Message | None = None) -> None:
        m = m or Message(b"hello", DEK, local(DEK))
        protected = mapping((ALG, integer(3)), (POSITION, bstr(position(m))), (CODING, bstr(coding)))
        cases.append(reading(name, word, m, seal(m, protected=protected), False))

    add("coding-compression-2", "unsupported", bytes([2, 0, 0, 0, 0, 0]))
    add("coding-compression-255", "unsupported", bytes([255, 0, 0, 0, 0, 0]))
    add("coding-padding-2", "unsupported", bytes([1, 2, 0, 0, 0, 0]))
    add("coding-padding-2-without-compression", "unsupported", bytes([0, 2, 0, 0, 0, 0]))
    add("coding-unsupported-before-dictionary-without-compression", "unsupported", bytes([0, 2, 1, 1, 1, 1]))
    add("coding-all-zero", "malformed", bytes(6))
    add("coding-dictionary-without-compression", "malformed", bytes([0, 0, 1, 2, 3, 4]))
    add("coding-padded-dictionary-without-compression", "malformed", bytes([0, 1, 1, 2, 3, 4]))
    return cases


def rules() -> list[Case]:
    """Step 7: what a kind must not have. The rest is sealed well."""
    cases = []
    pad = Coding(padding=1)
    long = derived("a long payload of a kind", CHUNK + 1)
    chunked = {"chunk": CHUNK, "message_id": derived("kinds", 16)}
    plain = {"key": None, "medium": "file"}
    for name, kind, payload, fields in (
        ("tombstone-chunked", TOMBSTONE, long, chunked),
        ("tombstone-coded", TOMBSTONE, b"", {"coding": pad, "coded": b"\x80"}),
        ("end-chunked", END, long, plain | chunked),
        ("end-coded", END, bytes(61), plain | {"coding": pad, "coded": bytes(61) + b"\x80"}),
        ("end-with-a-place", END, bytes(61), plain | {"source": KAFKA}),
        ("end-with-an-offset", END, bytes(61), plain | IN_KAFKA | {"offset": 3, "form": 0}),
        ("end-of-form-named", END, bytes(61), plain | {"form": NAMED}),
        ("end-with-time", END, bytes(61), plain | {"form": TIMED}),
        ("end-with-a-bound-header", END, bytes(61), plain | {"headers": ((b"h", b"v"),)}),
        ("key-record-chunked", KEY_RECORD, long, plain | chunked),
        ("key-record-coded", KEY_RECORD, b"", plain | {"coding": pad, "coded": b"\x80"}),
        ("key-record-with-a-place", KEY_RECORD, b"", plain | {"source": KAFKA}),
        ("key-record-of-form-named", KEY_RECORD, b"", plain | {"form": NAMED}),
        ("key-record-with-time", KEY_RECORD, b"", plain | {"form": TIMED}),
        ("key-record-with-a-bound-header", KEY_RECORD, b"", plain | {"headers": ((b"h", b"v"),)}),
        ("dictionary-record-chunked", DICTIONARY, long, plain | chunked),
        ("dictionary-record-with-a-place", DICTIONARY, dictionary(), plain | {"source": KAFKA}),
        (
            "dictionary-record-coded",
            DICTIONARY,
            dictionary(),
            plain | {"coding": Coding(compression=1), "coded": compress(dictionary())},
        ),
    ):
        m = Message(payload, DEK, local(DEK), kind=kind, **fields)
        cases.append(reading(f"kind-{name}", "malformed", m, seal(m), False))
    for kind, payload in ((KEY_RECORD, b""), (DICTIONARY, dictionary())):
        m = Message(payload, DEK, kind=kind, key=None)
        cases.append(reading(f"kind-{kind}-by-reference", "malformed", m, seal(m), False, records=(RECORD,)))
    m = Message(b"", DEK, local(DEK), kind=END, source=KAFKA, key=None, medium="file")
    return [*cases, reading("kind-rule-before-unknown-key", "malformed", m, seal(m), False, keys=("stranger",))]


def payloads() -> list[Case]:
    cases = []
    plain = {"key": None, "medium": "file"}
    for name, kind, payload, fields in (
        ("tombstone-with-a-payload", TOMBSTONE, b"x", {}),
        ("key-record-with-a-payload", KEY_RECORD, b"\x00", plain),
        ("end-of-40-bytes-as-it-was-once", END, bytes(40), plain),
        ("end-of-60-bytes", END, bytes(60), plain),
        ("end-of-62-bytes", END, bytes(62), plain),
        ("end-of-132-bytes", END, bytes(132), plain),
        ("end-empty", END, b"", plain),
        ("dictionary-without-magic", DICTIONARY, b"\x00" + dictionary()[1:], plain),
        ("dictionary-empty", DICTIONARY, b"", plain),
        ("dictionary-cut", DICTIONARY, dictionary()[:20], plain),
        ("dictionary-112641-bytes", DICTIONARY, dictionary() + bytes(112641 - len(dictionary())), plain),
    ):
        m = Message(payload, DEK, local(DEK), kind=kind, **fields)
        cases.append(reading(f"payload-{name}", "malformed", m, seal(m), False))
    tampered = seal(key_record(DEK, local(DEK)))
    m = Message(b"x", DEK, local(DEK), kind=TOMBSTONE)
    flipped = seal(m)
    flipped = flipped.replace(ciphertext=flipped.ciphertext[:-1] + bytes([flipped.ciphertext[-1] ^ 1]))
    return [
        *cases,
        reading("tampered-before-payload", "tampered", m, flipped, False),
        reading(
            "key-record-of-another-context",
            "tampered",
            key_record(DEK, local(DEK)),
            tampered,
            False,
            context=b"payments",
        ),
    ]
