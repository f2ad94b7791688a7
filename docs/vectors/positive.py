"""Vectors that a reader must open."""

import hashlib

from case import Case, reading
from encode import array, bstr, integer, mapping, tstr
from keys import MLKEM, STRANGER, derived, kms, labelled, ours, recipient
from sealer import END, FIRST, TOMBSTONE, Dek, Message, key_record, seal

SINGLE_SIZES = (0, 1, 7, 8, 23, 24, 100, 239, 240, 255, 256, 1024)
CHUNKED_SIZES = (4097, 8191, 8192, 8193, 12288)
CHUNK = 4096

DEK = Dek("positive")
RANDOM_NONCES, LAST_NONCE = Dek("positive, random nonces"), Dek("positive, last nonce")


def place(*encoded: bytes) -> bytes:
    """The place of section 3."""
    return hashlib.sha256(array(*encoded)).digest()[:7]


KAFKA = place(tstr("kafka"), tstr("MkU3OEVBNTcwNTJENDM2Qg"), bstr(derived("topic id", 16)), integer(3))
KAFKA_OLD = place(tstr("kafka"), tstr("MkU3OEVBNTcwNTJENDM2Qg"), bstr(bytes(16)), integer(0))
NATS = place(tstr("nats"), tstr("ORDERS"), integer(1790000000123456789))
FILE = place(tstr("file"), bstr(derived("file", 16)))


def local(dek: Dek) -> tuple[bytes, ...]:
    return (ours()["local"].recipient(dek.key),)


def record_of(dek: Dek, recipients: tuple[bytes, ...] | None = None, context: bytes = b"orders") -> bytes:
    return seal(key_record(dek, recipients or local(dek), context)).bytes()


def both(name: str, payload: bytes, *, dek: Dek = DEK, sealing: dict | None = None, **message) -> list[Case]:
    """One message in both profiles."""
    sealing = sealing or {}
    alone = Message(payload, dek, local(dek), **message)
    referring = Message(payload, dek, **message)
    records = (record_of(dek, context=referring.context),)
    return [reading(f"self-contained-{name}", "ok", alone, seal(alone, **sealing)),
            reading(f"by-reference-{name}", "ok", referring, seal(referring, **sealing), records=records)]


def positives() -> list[Case]:
    return sizes() + nonces() + bindings() + kinds() + positions() + recipients() + records()


def sizes() -> list[Case]:
    cases = []
    for n in SINGLE_SIZES:
        cases += both(f"single-{n}", derived(f"payload {n}", n), place=KAFKA, offset=n, distance=1)
    for n in CHUNKED_SIZES:
        cases += both(f"chunked-{n}", derived(f"payload {n}", n), place=KAFKA, offset=n, distance=1,
                      chunk=CHUNK, message_id=derived(f"message {n}", 16))
    chunk = Message(derived("payload 4096", CHUNK), DEK, local(DEK), place=KAFKA, offset=CHUNK, distance=1)
    return [*cases, reading("self-contained-single-4096", "ok", chunk, seal(chunk))]


def nonces() -> list[Case]:
    """Under random nonces and under the last of a counter; a reader sees no difference."""
    drawn = Message(b"all twelve bytes are random", RANDOM_NONCES, local(RANDOM_NONCES))
    last = Message(b"hello", LAST_NONCE, local(LAST_NONCE))
    return [reading("iv-random", "ok", drawn, seal(drawn, iv=derived("iv", 12))),
            reading("iv-largest", "ok", last, seal(last, iv=b"\xff" * 12))]


def bindings() -> list[Case]:
    cases = []
    for name, message in {
        "context-empty": {"context": b""},
        "context-24-bytes": {"context": b"orders.eu-central-1.blue"},
        "context-not-utf8": {"context": b"\xff\x00\xfe"},
        "subject": {"context": b"ORDERS", "subject": b"orders.eu.4711", "key": None},
        "subject-empty": {"subject": b"", "key": None},
        "key-null": {"key": None},
        "key-empty": {"key": b""},
        "key-300-bytes": {"key": derived("long key", 300)},
        "bound-one": {"bound": ((b"tenant", (b"acme",)),)},
        "bound-missing": {"bound": ((b"tenant", ()),)},
        "bound-repeated": {"bound": ((b"trace", (b"2", b"1", b"2")),)},
        "bound-null-and-empty": {"bound": ((b"tenant", (None, b"")), (b"trace", (None,)))},
        "bound-bytewise-order": {"bound": ((b"", (b"x",)), (b"B", ()), (b"a", (b"1",)), (b"aa", ()),
                                           (b"\xff", (b"",)))},
        "bound-24-names": {"bound": tuple((b"h%02d" % i, (b"%d" % i,)) for i in range(24))},
    }.items():
        cases += both(name, b"hello", **message)
    return cases


def kinds() -> list[Case]:
    record = key_record(DEK, local(DEK))
    count_and_digest = (3).to_bytes(8, "big") + hashlib.sha256(derived("three tags", 48)).digest()
    return [*both("tombstone", b"", kind=TOMBSTONE, place=KAFKA, offset=9, distance=2),
            reading("key-record", "ok", record, seal(record)),
            *both("end-of-archive", count_and_digest, kind=END, key=None, context=b"")]


def positions() -> list[Case]:
    cases = []
    for name, message in {
        "distance-0": {"place": KAFKA_OLD, "offset": 8},
        "distance-1": {"place": NATS, "offset": 8, "distance": 1},
        "distance-unknown": {"place": FILE, "offset": 0, "distance": FIRST},
        "position-largest": {"place": b"\xff" * 7, "offset": 2**64 - 1, "distance": FIRST, "created": 2**32 - 1},
        "position-zero": {"created": 0},
    }.items():
        cases += both(name, b"hello", **message)
    return cases


def recipients() -> list[Case]:
    cases = []
    keys = ours()
    mixed = ("local", "rsa2048", "x25519", "rsa3072")

    def add(name: str, recipients: tuple[bytes, ...], *key_names: str) -> None:
        m = Message(b"hello", DEK, recipients)
        cases.append(reading(name, "ok", m, seal(m), keys=tuple(keys[k] for k in key_names)))

    for kind in mixed:
        add(f"recipient-{kind}", (keys[kind].recipient(DEK.key),), kind)
    for i, kind in enumerate(mixed):
        around = (kms(DEK.key), *(keys[k].recipient(DEK.key) for k in mixed), STRANGER.recipient(DEK.key))
        add(f"recipients-mixed-ours-at-{i + 1}", around, kind)
    add("recipients-several-of-ours", tuple(keys[k].recipient(DEK.key) for k in mixed), *mixed)
    sixteen = (*(kms(DEK.key, f"filler-{i}") for i in range(15)), *local(DEK))
    add("recipients-16-ours-last", sixteen, "local")
    add("recipients-unknown-kinds-skipped", (*unknown_kinds(), *local(DEK)), "local")
    return cases


def unknown_kinds() -> tuple[bytes, ...]:
    """A reserved alg, an alg of COSE that is not of section 4, and an alg that is text; none has a known shape."""
    return (labelled(MLKEM, derived("ml-kem kid", 8), derived("ml-kem", 100)),
            recipient(bytes.fromhex("a101381c"), mapping((-1, mapping((1, integer(1)))), (-20, tstr("x"))), b""),
            recipient(b"", mapping((1, tstr("PRIVATE")), (4, bstr(b"k"))), b"\x00"))


def records() -> list[Case]:
    """By reference: which key record counts."""
    cases = []
    keys = ours()
    other = Dek("positive, another")

    def add(name: str, records: tuple[bytes, ...], key_name: str = "local") -> None:
        m = Message(b"hello", DEK)
        cases.append(reading(name, "ok", m, seal(m), records=records, keys=(keys[key_name],)))

    for kind in ("x25519", "rsa2048", "rsa3072"):
        add(f"record-for-{kind}", (record_of(DEK, (keys[kind].recipient(DEK.key),)),), kind)
    add("record-among-others", (record_of(other), record_of(DEK)))
    add("record-rewrapped-first-is-not-for-us", (record_of(DEK, (STRANGER.recipient(DEK.key),)), record_of(DEK)))
    add("record-first-has-wrong-commitment", (foreign_record(DEK, other), record_of(DEK)))
    return cases


def foreign_record(named: Dek, wrapped: Dek) -> bytes:
    """A record under the kid of one data key that holds another."""
    m = key_record(wrapped, local(wrapped))
    headers = mapping((1, integer(3)), (-1935867906, bstr(bytes(19) + m.created.to_bytes(4, "big") + named.commitment)))
    return seal(m, protected=headers).bytes()
