"""Step 8: signatures (section 17); and steps 13 and 14: time."""

from case import Case, reading
from encode import bstr, mapping, unsigned
from keys import STRANGER, signers
from negative_recipients import flip
from positive import CHUNK, local, record_of
from positive_keys import vouched as vouched_for
from sealer import CREATED, IV, SIGNATURE, Dek, Message, key_record, seal

DEK, OTHER = Dek("negative signed"), Dek("negative signed, another")
MINE = ("sealer",)
ORDER = 2**252 + 27742317777372353535851937790883648493  # of the group of Ed25519


def vouched(**fields) -> bytes:
    return vouched_for(**({"dek": DEK} | fields))


def cases() -> list[Case]:
    return bad() + order() + by_reference() + times()


def bad() -> list[Case]:
    """Signatures that a reader with the signer `sealer` refuses, in the envelope and in the key record."""
    good = vouched()
    scalar = int.from_bytes(good[-32:], "little") + ORDER
    tables = {
        "missing": b"",
        "bad-first-bit": flip(good, 16),
        "bad-last-bit": flip(good, -1),
        "bad-kid": flip(good, 0),
        "zero": bytes(80),
        "all-zero-behind-a-good-kid": good[:16] + bytes(64),
        "signer-unknown": vouched(signer=signers()["mallory"]),
        "signer-unknown-under-a-known-kid": good[:8] + vouched(signer=signers()["mallory"])[8:],
        "of-another-data-key": vouched(dek=OTHER),
        "of-another-context": vouched(context=b"payments"),
        "of-the-empty-context": vouched(context=b""),
        "from-changed": good[:8] + unsigned(CREATED - 1, 4) + good[12:],
        "until-changed": good[:12] + unsigned(CREATED + 2**20, 4) + good[16:],
        "scalar-not-below-the-order": good[:-32] + scalar.to_bytes(32, "little"),
        "created-before-the-window": vouched(since=CREATED + 301),
        "created-behind-the-window": vouched(since=CREATED - 2000, until=CREATED - 301),
        "window-ends-before-it-begins": vouched(since=CREATED + 1000, until=CREATED - 1000),
        "of-an-archive": signers()["sealer"].kid + good[8:16] + signers()["sealer"].sign(bstr(b"x"))[8:],
    }
    cases = []
    for name, signature in tables.items():
        m = Message(b"hello", DEK, local(DEK), signature=signature)
        cases.append(reading(f"signature-{name}", "untrusted", m, seal(m), False, signers=MINE))
        r = Message(b"hello", DEK)
        record = record_of(DEK, signature=signature)
        cases.append(
            reading(f"signature-{name}-by-reference", "untrusted", r, seal(r), False, records=(record,), signers=MINE)
        )
    m = Message(b"hello", DEK, local(DEK), signature=vouched(until=CREATED), created=CREATED + 1)
    long = Message(bytes(CHUNK + 1), DEK, local(DEK), chunk=CHUNK, message_id=bytes(16), signature=vouched(dek=OTHER))
    record = key_record(DEK, local(DEK), signature=vouched(context=b"payments"))
    return [
        *cases,
        reading(
            "signature-created-one-second-behind-without-skew", "untrusted", m, seal(m), False, signers=MINE, skew=0
        ),
        reading("signature-chunked-of-another-data-key", "untrusted", long, seal(long), False, signers=MINE),
        reading("signature-of-a-key-record-of-another-context", "untrusted", record, seal(record), False, signers=MINE),
        reading("signature-created-changed-by-a-stranger", "tampered", *moved(), False, signers=MINE),
    ]


def moved():
    """created moved within the window: the signature still fits, the tag does not."""
    m = Message(b"hello", DEK, local(DEK), signature=vouched())
    parts = seal(m)
    at = len(parts.protected) - 60 + 25
    return m, parts.replace(
        protected=parts.protected[:at] + bytes([parts.protected[at] ^ 1]) + parts.protected[at + 1 :]
    )


def order() -> list[Case]:
    """untrusted comes before unknown-key and behind every fault of the bytes."""
    unsigned_ = Message(b"hello", DEK, local(DEK))
    good = Message(b"hello", DEK, local(DEK), signature=vouched())
    broken = seal(good)
    short = broken.replace(unprotected=mapping((IV, bstr(broken.unprotected[3:15])), (SIGNATURE, bstr(bytes(79)))))
    return [
        reading(
            "untrusted-before-unknown-key",
            "untrusted",
            unsigned_,
            seal(unsigned_),
            False,
            signers=MINE,
            keys=("stranger",),
        ),
        reading(
            "untrusted-before-wrong-key",
            "untrusted",
            unsigned_,
            seal(Message(b"hello", OTHER, local(DEK))),
            False,
            signers=MINE,
        ),
        reading("malformed-before-untrusted", "malformed", good, short, True, signers=MINE),
        reading(
            "unknown-key-behind-a-good-signature",
            "unknown-key",
            good,
            seal(good),
            False,
            signers=MINE,
            keys=("stranger",),
        ),
        reading(
            "tampered-behind-a-good-signature",
            "tampered",
            good,
            broken.replace(ciphertext=flip(broken.ciphertext, -1)),
            False,
            signers=MINE,
        ),
    ]


def by_reference() -> list[Case]:
    good = record_of(DEK, signature=vouched())
    m = Message(b"hello", DEK)
    signed = Message(b"hello", DEK, signature=vouched())
    late = Message(b"hello", DEK, created=CREATED + 900 + 301)
    stale_record = record_of(DEK, signature=vouched(), created=CREATED - 301)
    theirs = record_of(DEK, (STRANGER.recipient(DEK.key),), signature=vouched())
    return [
        reading(
            "signature-on-the-message-only",
            "untrusted",
            signed,
            seal(signed),
            False,
            records=(record_of(DEK),),
            signers=MINE,
        ),
        reading(
            "record-good-message-behind-the-window", "untrusted", late, seal(late), False, records=(good,), signers=MINE
        ),
        reading(
            "record-itself-out-of-its-window", "untrusted", m, seal(m), False, records=(stale_record,), signers=MINE
        ),
        reading("record-missing-with-signers", "unknown-key", m, seal(m), False, records=(), signers=MINE),
        reading(
            "record-signed-but-not-for-us-counts-more-than-untrusted",
            "unknown-key",
            m,
            seal(m),
            False,
            records=(record_of(DEK), theirs),
            signers=MINE,
        ),
    ]


def times() -> list[Case]:
    m = Message(b"hello", DEK, local(DEK))
    flipped = seal(m)
    flipped = flipped.replace(ciphertext=flip(flipped.ciphertext, -1))
    largest = Message(b"hello", DEK, local(DEK), created=2**32 - 1)
    return [
        reading("created-one-second-too-far-ahead", "skewed", m, seal(m), False, now=CREATED - 301),
        reading("created-ahead-without-skew", "skewed", m, seal(m), False, now=CREATED - 1, skew=0),
        reading("created-in-2106", "skewed", largest, seal(largest), False, now=CREATED),
        reading("created-one-second-too-old", "stale", m, seal(m), False, now=CREATED + 61, max_age=60),
        reading("created-at-zero", "stale", *zero(), False, now=CREATED, max_age=10**9),
        reading("tampered-before-stale", "tampered", m, flipped, False, now=CREATED + 61, max_age=60),
        reading("unknown-key-before-skewed", "unknown-key", m, seal(m), False, now=CREATED - 301, keys=("stranger",)),
    ]


def zero():
    m = Message(b"hello", DEK, local(DEK), created=0)
    return m, seal(m)
