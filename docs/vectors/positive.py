"""Vectors that a reader must open: sizes, nonces, kinds, recipients, key records, signatures."""

from case import Case, reading
from encode import array, bstr, integer, mapping, tstr
from keys import STRANGER, Signer, derived, gcp, kms, labelled, mlkem, ours, recipient, signers, vault
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
    position,
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
NATS = source(tstr("nats"), tstr(""), tstr("ORDERS"), integer(1790000000123456789), array(tstr("orders.eu.>")),
              tstr("enc.orders"))
FILE = source(tstr("file"), bstr(derived("file", 16)), bstr(b"orders.ndjson"))
IN_KAFKA = {"form": KEEPS_PARTITION, "source": KAFKA, "partition": 3, "term": 7, "distance": 1}
IN_NATS = {"form": RISING, "source": NATS, "term": 212_000_000_000, "distance": 2, "medium": "stream", "context": b"ORDERS",
           "subject": b"enc.orders.eu.4711"}


def local(dek: Dek) -> tuple[bytes, ...]:
    return (ours()["local"].recipient(dek.key),)


def record_of(dek: Dek, recipients: tuple[bytes, ...] | None = None, context: bytes = b"orders", **fields) -> bytes:
    return seal(key_record(dek, recipients or local(dek), context, **fields)).bytes()


def both(name: str, payload: bytes, *, dek: Dek = DEK, sealing: dict | None = None, reader: dict | None = None,
         **message) -> list[Case]:
    """One message in both profiles."""
    sealing, reader = sealing or {}, reader or {}
    alone = Message(payload, dek, local(dek), **message)
    referring = Message(payload, dek, **message)
    records = (record_of(dek, context=referring.context),)
    return [reading(f"self-contained-{name}", "ok", alone, seal(alone, **sealing), **reader),
            reading(f"by-reference-{name}", "ok", referring, seal(referring, **sealing), **({"records": records} | reader))]


def positives() -> list[Case]:
    return sizes() + nonces() + contexts() + kinds() + positions() + recipients() + records() + signed() + extended()


def sizes() -> list[Case]:
    cases = []
    for n in SINGLE_SIZES:
        cases += both(f"single-{n}", derived(f"payload {n}", n), offset=n, **IN_KAFKA)
    for n in CHUNKED_SIZES:
        cases += both(f"chunked-{n}", derived(f"payload {n}", n), offset=n, chunk=CHUNK,
                      message_id=derived(f"message {n}", 16), **IN_KAFKA)
    chunk = Message(derived("payload 4096", CHUNK), DEK, local(DEK), offset=CHUNK, **IN_KAFKA)
    return [*cases, reading("self-contained-single-4096", "ok", chunk, seal(chunk))]


def nonces() -> list[Case]:
    """Under random nonces, and the last and first value of a counter; a reader sees no difference."""
    drawn = Message(b"all twelve bytes are random", RANDOM_NONCES, local(RANDOM_NONCES))
    edge = Dek("positive, edge of the counter")
    last = Message(b"hello", edge, local(edge))
    return [reading("iv-random", "ok", drawn, seal(drawn, iv=derived("iv", 12))),
            reading("iv-largest", "ok", last, seal(last, iv=b"\xff" * 12)),
            reading("iv-zero", "ok", last, seal(last, iv=bytes(12)))]


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
    return [*cases, reading("key-context-of-its-own", "ok", m, seal(m), key_context=b"payments"),
            reading("key-context-of-its-own-by-reference", "ok", r, seal(r), key_context=b"payments", records=(record,))]


def kinds() -> list[Case]:
    record = key_record(DEK, local(DEK))
    return [*both("tombstone", b"", kind=TOMBSTONE, offset=9, **IN_KAFKA),
            reading("key-record", "ok", record, seal(record)),
            *both("end-of-archive", derived("end", 61), kind=END, key=None, context=b"", medium="file"),
            *both("end-of-archive-signed", derived("end", 133), kind=END, key=None, context=b"", medium="file")]


def positions() -> list[Case]:
    cases = []
    for name, message in {
        "distance-0": IN_KAFKA | {"distance": 0, "offset": 8},
        "distance-unknown": IN_KAFKA | {"distance": UNKNOWN, "offset": 8},
        "partition-not-kept": IN_KAFKA | {"form": 0, "offset": 8},
        "stream": IN_NATS | {"key": None, "offset": 8},
        "file": {"source": FILE, "distance": 1, "offset": 8, "medium": "file"},
        "largest": {"form": KEEPS_PARTITION | RISING, "source": b"\xff" * 5, "partition": 2**16 - 1, "term": 2**40 - 1,
                    "offset": 2**48 - 1, "distance": UNKNOWN, "created": 2**32 - 1},
        "no-place": {"created": 0},
        "source-with-zeros-elsewhere": {"source": KAFKA},
    }.items():
        cases += both(f"position-{name}", b"hello", **message)
    m = Message(b"hello", DEK, local(DEK))
    return [*cases, reading("created-as-far-ahead-as-allowed", "ok", m, seal(m), now=CREATED - 300),
            reading("created-as-old-as-allowed", "ok", m, seal(m), now=CREATED + 60, max_age=60),
            reading("created-long-ago-without-a-highest-age", "ok", m, seal(m), now=CREATED + 10**9),
            reading("created-far-ahead-for-a-reader-without-a-clock", "ok", m, seal(m), skew=0)]


def recipients() -> list[Case]:
    cases = []
    keys = ours()
    mixed = ("local", "rsa2048", "x25519", "rsa3072")

    def add(name: str, recipients: tuple[bytes, ...], *key_names: str) -> None:
        m = Message(b"hello", DEK, recipients)
        cases.append(reading(name, "ok", m, seal(m), keys=key_names))

    for kind in mixed:
        add(f"recipient-{kind}", (keys[kind].recipient(DEK.key),), kind)
    services = (kms(), mlkem(), vault(), gcp())
    for i, kind in enumerate(mixed):
        around = (*services, *(keys[k].recipient(DEK.key) for k in mixed), STRANGER.recipient(DEK.key))
        add(f"recipients-mixed-ours-at-{i + 5}", around, kind)
    add("recipients-several-of-ours", tuple(keys[k].recipient(DEK.key) for k in mixed), *mixed)
    sixteen = (*(kms(f"filler-{i}") for i in range(15)), *local(DEK))
    add("recipients-16-ours-last", sixteen, "local")
    for name, unknown in unknown_kinds().items():
        add(f"recipient-passed-over-{name}", (unknown, *local(DEK)), "local")
    add("recipients-passed-over-all-kinds", (*unknown_kinds().values(), *local(DEK)), "local")
    add("recipient-second-key-of-the-reader-fits", local(DEK), "stranger", "local")
    broken = labelled(-5, keys["local"].kid, bytes(40))
    add("recipient-of-first-key-does-not-unwrap", (broken, keys["x25519"].recipient(DEK.key)), "local", "x25519")
    add("recipient-first-of-our-kid-counts", (*local(DEK), broken), "local")
    return cases


def unknown_kinds() -> dict[str, bytes]:
    """Algs that are not of section 4; none has a known shape."""
    deep = array(array(array(array(integer(0)))))
    return {
        "alg-ecdh-es-hkdf": recipient(bytes.fromhex("a101381c"), mapping((-1, mapping((1, integer(1)))), (-20, tstr("x"))), b""),
        "alg-text": recipient(b"", mapping((1, tstr("PRIVATE")), (4, bstr(b"k"))), b"\x00"),
        "alg-text-empty": recipient(b"", mapping((1, tstr(""))), b""),
        "alg-of-64-bits": recipient(b"", mapping((1, integer(-2**64))), b""),
        "alg-in-protected-beside-others": recipient(mapping((1, integer(-60000)), (4, bstr(b"k"))),
                                                    mapping((0, integer(1)), (3, tstr("text"))), b"w"),
        "alg-dir": recipient(b"", mapping((1, integer(-6))), b""),
        "alg-private-of-ours-unassigned": recipient(b"", mapping((1, integer(-1935867915))), b""),
        "protected-is-an-empty-map": recipient(mapping(), mapping((1, integer(-29))), b""),
        "nesting-8": recipient(b"", mapping((1, integer(-29)), (-20, deep)), b""),
        "values-of-every-kind": recipient(b"", mapping((1, integer(-29)), (-20, b"\xf6"), (-21, b"\xf5"), (-22, b"\xf4"),
                                                       (-23, array()), (-24, mapping()), (-25, tstr("ü"))), b""),
    }


def records() -> list[Case]:
    """By reference: which key record counts."""
    cases = []
    keys = ours()
    other = Dek("positive, another")
    good = record_of(DEK)

    def add(name: str, records: tuple[bytes, ...], key_name: str = "local") -> None:
        m = Message(b"hello", DEK)
        cases.append(reading(name, "ok", m, seal(m), records=records, keys=(key_name,)))

    for kind in ("x25519", "rsa2048", "rsa3072"):
        add(f"record-for-{kind}", (record_of(DEK, (keys[kind].recipient(DEK.key),)),), kind)
    theirs = record_of(DEK, (STRANGER.recipient(DEK.key),))
    add("record-rewrapped-first-is-not-for-us", (theirs, good))
    add("record-first-has-wrong-commitment", (foreign_record(DEK, other), good))
    flipped_tag = seal(key_record(DEK, local(DEK)))
    flipped_tag = flipped_tag.replace(ciphertext=bstr(bytes(16)))
    add("record-with-another-tag-counts", (flipped_tag.bytes(),))
    add("record-of-another-context-counts", (record_of(DEK, context=b"payments"),))
    value = Message(b"", DEK, local(DEK), key=None)
    add("record-of-another-kind-with-an-empty-payload-counts", (seal(value).bytes(),))
    payload = seal(Message(b"x", DEK, local(DEK), key=None)).bytes()
    placed = record_of(DEK, offset=7, source=KAFKA)
    for name, junk in {"another-kid": record_of(other), "nothing": b"", "rubbish": b"x", "half": good[:-1],
                       "more-behind": good + b"x", "a-payload": payload, "a-place": placed,
                       "by-reference": seal(Message(b"", DEK)).bytes()}.items():
        add(f"record-passed-over-{name}", (junk, good))
    add("record-sixteenth-try-opens", (theirs,) * 15 + (good,))
    add("record-passed-over-ones-are-no-tries", (record_of(other),) * 20 + (good,))
    return cases


def foreign_record(named: Dek, wrapped: Dek) -> bytes:
    """A record under the kid of one data key that holds another."""
    m = key_record(wrapped, local(wrapped))
    headers = mapping((1, integer(3)), (-1935867906, bstr(position(m, named.commitment))))
    return seal(m, protected=headers).bytes()


def vouched(signer: Signer | None = None, context: bytes = b"orders", since: int = CREATED, until: int = CREATED + 900,
            dek: Dek = DEK) -> bytes:
    return (signer or signers()["sealer"]).vouch(dek.commitment, context, since, until)


def signed() -> list[Case]:
    cases = []
    mine, both_ours = ("sealer",), ("rotated", "sealer")

    def add(name: str, trusted: tuple, signature: bytes = b"", *, skew: int = 300, reader: dict | None = None,
            **message) -> None:
        signature = signature or vouched()
        m = Message(b"hello", DEK, local(DEK), signature=signature, **message)
        cases.append(reading(f"signed-{name}", "ok", m, seal(m), signers=trusted, skew=skew, **(reader or {})))
        r = Message(b"hello", DEK, **message)
        record = record_of(DEK, signature=signature)
        cases.append(reading(f"signed-{name}-by-reference", "ok", r, seal(r), records=(record,), signers=trusted, skew=skew,
                             **(reader or {})))

    add("by-the-sealer", mine)
    add("one-of-two-signers", both_ours)
    add("by-a-stranger-for-a-reader-without-signers", (), vouched(signers()["mallory"]))
    add("in-the-last-second-of-the-window", mine, created=CREATED + 900, skew=0)
    add("before-the-window-within-the-skew", mine, vouched(since=CREATED + 300), skew=300, created=CREATED)
    add("behind-the-window-within-the-skew", mine, created=CREATED + 1200)
    add("for-a-key-context", mine, vouched(context=b"payments"), reader={"key_context": b"payments"})
    long = Message(derived("signed, long", 5000), DEK, local(DEK), chunk=CHUNK, message_id=derived("signed", 16),
                   signature=vouched())
    cases.append(reading("signed-chunked", "ok", long, seal(long), signers=mine))
    other = Message(b"hello", DEK, signature=vouched(signers()["mallory"]))
    cases.append(reading("signature-in-a-message-by-reference-is-not-looked-at", "ok", other, seal(other), signers=mine,
                         records=(record_of(DEK, signature=vouched()),)))
    unsigned = record_of(DEK)
    m = Message(b"hello", DEK)
    cases.append(reading("record-without-signature-is-passed-over", "ok", m, seal(m), signers=mine,
                         records=(unsigned, record_of(DEK, signature=vouched()))))
    record = key_record(DEK, local(DEK), signature=vouched())
    return [*cases, reading("signed-key-record", "ok", record, seal(record), signers=mine)]


def extended() -> list[Case]:
    """Labels that are passed over."""
    first, last = -1935900673, -1935933440
    cases = []
    for name, labels in {"first": ((first, b"x"),), "last": ((last, b""),), "two": ((first, b"a"), (last, b"b")),
                         "256-bytes": ((first - 7, derived("label", 256)),),
                         "three-of-256-bytes": tuple((first - n, derived("label", 256)) for n in range(3))}.items():
        cases += both(f"label-passed-over-{name}", b"hello", passed_over=labels)
    cases += both("label-passed-over-chunked", derived("passed over", 5000), passed_over=((first, b"x"),), chunk=CHUNK,
                  message_id=derived("passed over", 16))
    record = key_record(DEK, local(DEK), passed_over=((first, b"x"),))
    return [*cases, reading("label-passed-over-in-a-key-record", "ok", record, seal(record))]


