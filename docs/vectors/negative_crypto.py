"""Rows 10 to 12 of section 10: well-formed envelopes that do not open, and what the tag must cover."""

from case import Case, reading
from encode import bstr, integer, mapping
from keys import STRANGER, labelled, ours
from negative_recipients import flip
from positive import foreign_record, local, record_of
from sealer import (
    A256GCM,
    ALG,
    IV,
    KEY_RECORD,
    KID,
    POSITION,
    TOMBSTONE,
    VALUE,
    Dek,
    Message,
    Parts,
    key_record,
    position,
    seal,
)

DEK, OTHER = Dek("negative crypto"), Dek("negative crypto, another")
BOUND = ((b"tenant", (b"acme", None)), (b"trace", ()))
ALONE = Message(b"hello", DEK, local(DEK), place=b"\x01" * 7, offset=4711, distance=1, subject=b"orders.eu",
                bound=BOUND)
REFERRING = Message(b"hello", DEK, place=b"\x01" * 7, offset=4711, distance=1, subject=b"orders.eu", bound=BOUND)
RECORD = record_of(DEK)


def cases() -> list[Case]:
    return bindings() + structures() + flips() + commitments() + records()


def bindings() -> list[Case]:
    """A reader that binds other things than the sealer, in both profiles."""
    readers = {
        "context-wrong": {"context": b"invoices"},
        "context-empty-to-reader": {"context": b""},
        "subject-wrong": {"subject": b"orders.us"},
        "subject-null-to-reader": {"subject": None},
        "subject-empty-to-reader": {"subject": b""},
        "key-wrong": {"key": b"k2"},
        "key-null-to-reader": {"key": None},
        "key-and-subject-exchanged": {"key": b"orders.eu", "subject": b"k1"},
        "bound-value-wrong": {"bound": ((b"tenant", (b"acmf", None)), (b"trace", ()))},
        "bound-null-is-empty-to-reader": {"bound": ((b"tenant", (b"acme", b"")), (b"trace", ()))},
        "bound-values-in-other-order": {"bound": ((b"tenant", (None, b"acme")), (b"trace", ()))},
        "bound-value-missing": {"bound": ((b"tenant", (b"acme",)), (b"trace", ()))},
        "bound-missing-header-has-null-value": {"bound": ((b"tenant", (b"acme", None)), (b"trace", (None,)))},
        "bound-name-not-agreed-by-reader": {"bound": ((b"tenant", (b"acme", None)),)},
        "bound-nothing-to-reader": {"bound": ()},
        "bound-name-added-by-reader": {"bound": (*BOUND, (b"x", ()))},
        "bound-value-under-another-name": {"bound": ((b"tenant", ()), (b"trace", (b"acme", None)))},
        "kind-value-read-as-tombstone": {"kind": TOMBSTONE},
        "kind-value-read-as-key-record": {"kind": KEY_RECORD},
    }
    cases = [reading(name, "tampered", ALONE, seal(ALONE), **reader) for name, reader in readers.items()]
    for name in ("subject-wrong", "key-wrong", "bound-value-wrong", "kind-value-read-as-tombstone"):
        cases.append(reading(f"by-reference-{name}", "tampered", REFERRING, seal(REFERRING), records=(RECORD,),
                             **readers[name]))
    sealed_for_others = Message(b"hello", DEK, context=b"invoices")
    cases.append(reading("by-reference-context-wrong", "tampered", sealed_for_others, seal(sealed_for_others),
                         records=(RECORD,), context=b"orders"))
    empty_key = Message(b"hello", DEK, local(DEK), key=b"")
    tombstone = Message(b"", DEK, local(DEK), kind=TOMBSTONE)
    record = key_record(DEK, local(DEK))
    return [*cases, reading("key-empty-is-null-to-reader", "tampered", empty_key, seal(empty_key), key=None),
            reading("kind-tombstone-read-as-value", "tampered", tombstone, seal(tombstone), kind=VALUE),
            reading("kind-key-record-read-as-value", "tampered", record, seal(record), kind=VALUE)]


def structures() -> list[Case]:
    """A sealer that built another Enc_structure."""
    faults = {"final-false": {"final": False}, "index-1": {"index": 1}, "version-2": {"version": "streamcrypt/2"},
              "name-encrypt0": {"name": "Encrypt0"}, "name-enc-recipient": {"name": "Enc_Recipient"}}
    cases = [reading(f"sealed-with-{name}", "tampered", ALONE, seal(ALONE, **fault)) for name, fault in faults.items()]
    return [*cases, reading("by-reference-sealed-with-name-encrypt", "tampered", REFERRING,
                            seal(REFERRING, name="Encrypt"), records=(RECORD,))]


def flips() -> list[Case]:
    """One bit of each field that the tag covers, and of the tag."""
    cases = []
    for profile, m, records in (("self-contained", ALONE, ()), ("by-reference", REFERRING, (RECORD,))):
        good = seal(m)
        headers = len(good.protected) - len(position(m))
        for field, part, at in (("place", "protected", headers), ("offset", "protected", headers + 14),
                                ("distance", "protected", headers + 18), ("created", "protected", headers + 22),
                                ("iv-lease", "unprotected", -12), ("iv-counter", "unprotected", -1),
                                ("ciphertext", "ciphertext", 1), ("tag", "ciphertext", -1)):
            changed = seal(m)
            changed = changed.replace(**{part: flip(getattr(changed, part), at)})
            cases.append(reading(f"{profile}-flipped-bit-in-{field}", "tampered", m, changed, records=records))
    return cases + structural_flips() + swaps()


def structural_flips() -> list[Case]:
    """One bit of the bytes that hold the envelope together; the word is that of the row that sees it first."""
    whole = seal(ALONE).bytes()
    at = {name: whole.index(start) for name, start in
          {"alg": b"\x01\x03\x3a", "position-label": b"\x3a\x73\x63\x00\x01", "iv-label": b"\x05\x4c",
           "recipient": b"\x83\x40\xa2\x01\x24"}.items()}
    flips = {
        "tag-number": (1, 0x01, "not-an-envelope"),
        "tag-major": (0, 0x20, "not-an-envelope"),
        "array-head-to-5": (2, 0x01, "truncated"),
        "protected-major": (3, 0x20, "malformed"),
        "alg-label": (at["alg"], 0x02, "unsupported"),
        "alg": (at["alg"] + 1, 0x02, "unsupported"),
        "position-label": (at["position-label"] + 4, 0x80, "unsupported"),
        "position-head-one-longer": (at["position-label"] + 6, 0x08, "malformed"),
        "iv-label": (at["iv-label"], 0x02, "unsupported"),
        "iv-label-to-kid": (at["iv-label"], 0x01, "malformed"),
        "recipient-array-head-to-2": (at["recipient"], 0x01, "malformed"),
        "recipient-alg": (at["recipient"] + 4, 0x01, "unknown-key"),
        "recipient-alg-label": (at["recipient"] + 3, 0x03, "unsupported"),
        "recipient-kid": (at["recipient"] + 8, 0x40, "unknown-key"),
        "wrapped-key": (len(whole) - 1, 0x80, "unknown-key"),
    }
    cases = []
    for name, (offset, bit, word) in flips.items():
        changed = whole[:offset] + bytes([whole[offset] ^ bit]) + whole[offset + 1:]
        cases.append(reading(f"flipped-bit-in-{name}", word, ALONE, changed))
    return cases


def swaps() -> list[Case]:
    """Parts of one envelope in another of the same data key."""
    a, b = seal(ALONE), seal(ALONE)
    moved = Message(b"hello", DEK, local(DEK), offset=4712, subject=b"orders.eu", bound=BOUND)
    return [reading("iv-of-another-envelope", "tampered", ALONE, a.replace(unprotected=b.unprotected)),
            reading("ciphertext-of-another-envelope", "tampered", ALONE, a.replace(ciphertext=b.ciphertext)),
            reading("position-of-another-envelope", "tampered", ALONE, a.replace(protected=seal(moved).protected)),
            reading("ciphertext-shortened-to-a-tag", "tampered", ALONE, a.replace(ciphertext=bstr(a.ciphertext[-16:]))),
            reading("ciphertext-one-byte-longer", "tampered", ALONE,
                    a.replace(ciphertext=bstr(a.ciphertext[1:] + b"\x00")))]


def committed(m: Message, commitment: bytes) -> bytes:
    """The protected headers of m with another commitment."""
    return mapping((ALG, integer(A256GCM)), (POSITION, bstr(position(m, commitment))))


def commitments() -> list[Case]:
    """Row 11. The tag is right in all but the last, under the key that the recipients hold."""
    def case(name: str, envelope: Parts, m: Message = ALONE, word: str = "wrong-key") -> Case:
        return reading(name, word, m, envelope)

    swapped = labelled(-5, ours()["local"].kid, ours()["local"].wrap(OTHER.key))
    from_other = Message(b"hello", DEK, (swapped,))
    both_wrong = seal(ALONE, protected=committed(ALONE, OTHER.commitment))
    both_wrong = both_wrong.replace(ciphertext=flip(both_wrong.ciphertext, -1))
    no_key = Message(b"hello", DEK, (STRANGER.recipient(DEK.key),))
    return [
        case("commitment-of-another-key", seal(ALONE, protected=committed(ALONE, OTHER.commitment))),
        case("commitment-zero", seal(ALONE, protected=committed(ALONE, bytes(32)))),
        case("commitment-flipped-first-bit", seal(ALONE, protected=committed(ALONE, flip(DEK.commitment, 0)))),
        case("commitment-flipped-bit-behind-kid", seal(ALONE, protected=committed(ALONE, flip(DEK.commitment, 16)))),
        case("commitment-flipped-last-bit", seal(ALONE, protected=committed(ALONE, flip(DEK.commitment, -1)))),
        case("recipient-holds-another-key", seal(from_other), from_other),
        case("wrong-key-before-tampered", both_wrong),
        case("unknown-key-before-wrong-key", seal(no_key, protected=committed(no_key, bytes(32))), no_key,
             "unknown-key"),
    ]


def records() -> list[Case]:
    """By reference: key records that do not help."""
    plain = Message(b"hello", DEK)

    def case(name: str, word: str, records: tuple[bytes, ...], envelope: Parts | None = None) -> Case:
        return reading(name, word, plain, envelope or seal(plain), records=records)

    def kid(value: bytes) -> Parts:
        parts = seal(plain)
        return parts.replace(unprotected=mapping((KID, bstr(value)), (IV, parts.unprotected[-13:])))

    record = key_record(DEK, local(DEK))
    same_kid = seal(record, protected=committed(record, flip(DEK.commitment, 16))).bytes()
    flipped = seal(plain)
    flipped = flipped.replace(ciphertext=flip(flipped.ciphertext, -1))
    return [
        case("record-missing", "unknown-key", ()),
        case("record-of-another-kid-only", "unknown-key", (record_of(OTHER),)),
        case("record-missing-before-tampered", "unknown-key", (), flipped),
        case("kid-flipped-first-bit", "unknown-key", (RECORD,), kid(flip(DEK.kid, 0))),
        case("kid-flipped-last-bit", "unknown-key", (RECORD,), kid(flip(DEK.kid, -1))),
        case("kid-of-another-record", "tampered", (RECORD, record_of(OTHER)), kid(OTHER.kid)),
        case("record-wrapped-for-a-stranger", "unknown-key", (record_of(DEK, (STRANGER.recipient(DEK.key),)),)),
        case("record-wrapped-key-flipped-bit", "unknown-key",
             (record_of(DEK, (labelled(-5, ours()["local"].kid, flip(ours()["local"].wrap(DEK.key), 9)),)),)),
        case("record-under-the-kid-holds-another-key", "wrong-key", (foreign_record(DEK, OTHER),)),
        case("record-kid-right-commitment-wrong-behind-it", "wrong-key", (same_kid,)),
    ]
