"""Vectors that a reader must open: sizes, nonces, contexts, kinds, positions."""

from case import Case, reading
from encode import array, bstr, integer, tstr
from keys import derived, ours
from sealer import (
    CREATED,
    END,
    KEEPS_PARTITION,
    RISING,
    TOMBSTONE,
    UNKNOWN,
    Dek,
    Message,
    digest,
    key_record,
    seal,
)

SINGLE_SIZES = (0, 1, 7, 8, 23, 24, 100, 239, 240, 255, 256, 1024)
CHUNKED_SIZES = (4097, 8191, 8192, 8193, 12288)
CHUNK = 4096

DEK = Dek("positive")
RANDOM_NONCES = Dek("positive, random nonces")


def source(*encoded: bytes) -> bytes:
    """Section 3."""
    return digest(array(*encoded))[:5]


KAFKA = source(tstr("kafka"), tstr("MkU3OEVBNTcwNTJENDM2Qg"), bstr(derived("topic id", 16)))
NATS = source(
    tstr("nats"), tstr(""), tstr("ORDERS"), integer(1790000000123456789), array(tstr("orders.eu.>")), tstr("enc.orders")
)
FILE = source(tstr("file"), bstr(derived("file", 16)), bstr(b"orders.ndjson"))
IN_KAFKA = {"form": KEEPS_PARTITION, "source": KAFKA, "partition": 3, "term": 7, "distance": 1}
IN_NATS = {
    "form": RISING,
    "source": NATS,
    "term": 212_000_000_000,
    "distance": 2,
    "medium": "stream",
    "context": b"ORDERS",
    "subject": b"enc.orders.eu.4711",
}


def local(dek: Dek) -> tuple[bytes, ...]:
    return (ours()["local"].recipient(dek.key),)


def record_of(dek: Dek, recipients: tuple[bytes, ...] | None = None, context: bytes = b"orders", **fields) -> bytes:
    return seal(key_record(dek, recipients or local(dek), context, **fields)).bytes()


def both(
    name: str, payload: bytes, *, dek: Dek = DEK, sealing: dict | None = None, reader: dict | None = None, **message
) -> list[Case]:
    """One message in both profiles."""
    sealing, reader = sealing or {}, reader or {}
    alone = Message(payload, dek, local(dek), **message)
    referring = Message(payload, dek, **message)
    records = (record_of(dek, context=referring.context),)
    return [
        reading(f"self-contained-{name}", "ok", alone, seal(alone, **sealing), **reader),
        reading(f"by-reference-{name}", "ok", referring, seal(referring, **sealing), **({"records": records} | reader)),
    ]


def positives() -> list[Case]:
    return sizes() + nonces() + contexts() + kinds() + positions()


def sizes() -> list[Case]:
    cases = []
    for n in SINGLE_SIZES:
        cases += both(f"single-{n}", derived(f"payload {n}", n), offset=n, **IN_KAFKA)
    for n in CHUNKED_SIZES:
        cases += both(
            f"chunked-{n}",
            derived(f"payload {n}", n),
            offset=n,
            chunk=CHUNK,
            message_id=derived(f"message {n}", 16),
            **IN_KAFKA,
        )
    chunk = Message(derived("payload 4096", CHUNK), DEK, local(DEK), offset=CHUNK, **IN_KAFKA)
    return [*cases, reading("self-contained-single-4096", "ok", chunk, seal(chunk))]


def nonces() -> list[Case]:
    """Under random nonces, and the last and first value of a counter; a reader sees no difference."""
    drawn = Message(b"all twelve bytes are random", RANDOM_NONCES, local(RANDOM_NONCES))
    edge = Dek("positive, edge of the counter")
    last = Message(b"hello", edge, local(edge))
    return [
        reading("iv-random", "ok", drawn, seal(drawn, iv=derived("iv", 12))),
        reading("iv-largest", "ok", last, seal(last, iv=b"\xff" * 12)),
        reading("iv-zero", "ok", last, seal(last, iv=bytes(12))),
    ]


def contexts() -> list[Case]:
    cases = []
    for name, message in {
        "context-empty": {"context": b""},
        "context-24-bytes": {"context": b"orders.eu-central-1.blue"},
        "context-not-utf8": {"context": b"\xff\x00\xfe"},
        "subject-empty": {"subject": b"", "key": None, "medium": "file"},
        "key-null": {"key": None},
        "key-empty": {"key": b""},
        "key-300-bytes": {"key": derived("long key", 300)},
    }.items():
        cases += both(name, b"hello", **message)
    record = record_of(DEK, context=b"payments")
    m = Message(b"hello", DEK, local(DEK))
    r = Message(b"hello", DEK)
    return [
        *cases,
        reading("key-context-of-its-own", "ok", m, seal(m), key_context=b"payments"),
        reading("key-context-of-its-own-by-reference", "ok", r, seal(r), key_context=b"payments", records=(record,)),
    ]


def kinds() -> list[Case]:
    record = key_record(DEK, local(DEK))
    return [
        *both("tombstone", b"", kind=TOMBSTONE, offset=9, **IN_KAFKA),
        reading("key-record", "ok", record, seal(record)),
        *both("end-of-archive", derived("end", 61), kind=END, key=None, context=b"", medium="file"),
        *both("end-of-archive-signed", derived("end", 133), kind=END, key=None, context=b"", medium="file"),
    ]


def positions() -> list[Case]:
    cases = []
    for name, message in {
        "distance-0": IN_KAFKA | {"distance": 0, "offset": 8},
        "distance-unknown": IN_KAFKA | {"distance": UNKNOWN, "offset": 8},
        "partition-not-kept": IN_KAFKA | {"form": 0, "offset": 8},
        "stream": IN_NATS | {"key": None, "offset": 8},
        "file": {"source": FILE, "distance": 1, "offset": 8, "medium": "file"},
        "largest": {
            "form": KEEPS_PARTITION | RISING,
            "source": b"\xff" * 5,
            "partition": 2**16 - 1,
            "term": 2**40 - 1,
            "offset": 2**48 - 1,
            "distance": UNKNOWN,
            "created": 2**32 - 1,
        },
        "no-place": {"created": 0},
        "source-with-zeros-elsewhere": {"source": KAFKA},
    }.items():
        cases += both(f"position-{name}", b"hello", **message)
    m = Message(b"hello", DEK, local(DEK))
    return [
        *cases,
        reading("created-as-far-ahead-as-allowed", "ok", m, seal(m), now=CREATED - 300),
        reading("created-as-old-as-allowed", "ok", m, seal(m), now=CREATED + 60, max_age=60),
        reading("created-long-ago-without-a-highest-age", "ok", m, seal(m), now=CREATED + 10**9),
        reading("created-far-ahead-for-a-reader-without-a-clock", "ok", m, seal(m), skew=0),
    ]
