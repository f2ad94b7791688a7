"""Steps 10 and 12: well-formed envelopes that do not open, and everything that the tag must cover."""

from case import Case, reading
from encode import bstr, integer, mapping
from keys import STRANGER, labelled, ours
from negative_recipients import flip
from positive import IN_KAFKA, local, record_of
from sealer import A256GCM, ALG, KEY_RECORD, POSITION, TOMBSTONE, VALUE, Dek, Message, Parts, key_record, position, seal

DEK, OTHER = Dek("negative crypto"), Dek("negative crypto, another")
PLACE = IN_KAFKA | {"offset": 4711, "context": b"orders", "subject": b"orders.eu"}
ALONE = Message(b"hello", DEK, local(DEK), **PLACE)
REFERRING = Message(b"hello", DEK, **PLACE)
RECORD = record_of(DEK)


def cases() -> list[Case]:
    return bindings() + structures() + flips() + structural_flips() + swaps() + commitments()


def bindings() -> list[Case]:
    """A reader that binds other things than the sealer, in both profiles. Headers: negative_bound.py."""
    readers = {
        "context-wrong": {"context": b"invoices"},
        "context-empty-to-reader": {"context": b""},
        "subject-wrong": {"subject": b"orders.us"},
        "subject-null-to-reader": {"subject": None},
        "subject-empty-to-reader": {"subject": b""},
        "key-wrong": {"key": b"k2"},
        "key-null-to-reader": {"key": None},
        "key-and-subject-exchanged": {"key": b"orders.eu", "subject": b"k1"},
        "kind-value-read-as-tombstone": {"kind": TOMBSTONE},
    }
    cases = []
    for name, reader in readers.items():
        cases.append(reading(name, "tampered", ALONE, seal(ALONE), False, **reader))
        if name not in ("context-wrong", "context-empty-to-reader"):
            cases.append(
                reading(
                    f"by-reference-{name}", "tampered", REFERRING, seal(REFERRING), False, records=(RECORD,), **reader
                )
            )
    sealed_for_others = Message(b"hello", DEK, context=b"invoices")
    empty_key = Message(b"hello", DEK, local(DEK), key=b"")
    tombstone = Message(b"", DEK, local(DEK), kind=TOMBSTONE)
    record = key_record(DEK, local(DEK))
    value = Message(b"", DEK, local(DEK), key=None)
    return [
        *cases,
        reading(
            "by-reference-context-wrong",
            "tampered",
            sealed_for_others,
            seal(sealed_for_others),
            False,
            records=(RECORD,),
            context=b"orders",
        ),
        reading("key-empty-is-null-to-reader", "tampered", empty_key, seal(empty_key), False, key=None),
        reading("kind-tombstone-read-as-value", "tampered", tombstone, seal(tombstone), False, kind=VALUE),
        reading("kind-key-record-read-as-value", "tampered", record, seal(record), False, kind=VALUE),
        reading("kind-value-read-as-key-record", "tampered", value, seal(value), False, kind=KEY_RECORD),
    ]


def structures() -> list[Case]:
    """A sealer that built another Enc_structure."""
    faults = {
        "final-false": {"final": False},
        "index-1": {"index": 1},
        "version-2": {"version": "streamcrypt/2"},
        "name-encrypt0": {"name": "Encrypt0"},
        "name-enc-recipient": {"name": "Enc_Recipient"},
    }
    cases = [
        reading(f"sealed-with-{name}", "tampered", ALONE, seal(ALONE, **fault), False) for name, fault in faults.items()
    ]
    return [
        *cases,
        reading(
            "by-reference-sealed-with-name-encrypt",
            "tampered",
            REFERRING,
            seal(REFERRING, name="Encrypt"),
            False,
            records=(RECORD,),
        ),
    ]


def flips() -> list[Case]:
    """One bit of each field that the tag covers, and of the tag."""
    cases = []
    fields = {"source": 1, "partition": 7, "term": 12, "offset": 18, "distance": 21, "created": 25}
    for profile, m, records in (("self-contained", ALONE, ()), ("by-reference", REFERRING, (RECORD,))):
        start = len(seal(m).protected) - len(position(m))
        places = [(f"in-{field}", "protected", start + at) for field, at in fields.items()]
        for name, part, at in (
            *places,
            ("in-iv-lease", "unprotected", -12),
            ("in-iv-counter", "unprotected", -1),
            ("in-ciphertext", "ciphertext", 1),
            ("in-tag", "ciphertext", -1),
        ):
            changed = seal(m)
            changed = changed.replace(**{part: flip(getattr(changed, part), at)})
            cases.append(reading(f"{profile}-flipped-bit-{name}", "tampered", m, changed, False, records=records))
        for mask in (1, 2, 4, 8):
            changed = seal(m)
            form = bytes([changed.protected[start] ^ mask])
            changed = changed.replace(protected=changed.protected[:start] + form + changed.protected[start + 1 :])
            cases.append(reading(f"{profile}-flipped-form-{mask:02x}", "tampered", m, changed, False, records=records))
    passed = Message(b"hello", DEK, local(DEK), passed_over=((-1935900673, b"x"),))
    changed = seal(passed)
    return [
        *cases,
        reading(
            "flipped-bit-in-passed-over-label",
            "tampered",
            passed,
            changed.replace(protected=changed.protected[:-1] + b"y"),
            False,
        ),
    ]


def structural_flips() -> list[Case]:
    """One bit of the bytes that hold the envelope together; the word is that of the step that sees it first."""
    whole = seal(ALONE).bytes()
    at = {
        name: whole.index(start)
        for name, start in {
            "alg": b"\x01\x03\x3a",
            "position-label": b"\x3a\x73\x63\x00\x01",
            "iv-label": b"\x05\x4c",
            "recipient": b"\x83\x40\xa2\x01\x24",
        }.items()
    }
    flips = {
        "tag-number": (1, 0x01, "not-an-envelope", True),
        "tag-major": (0, 0x20, "not-an-envelope", True),
        "array-head-to-5": (2, 0x01, "truncated", True),
        "protected-major": (3, 0x20, "malformed", True),
        "alg-label": (at["alg"], 0x02, "unsupported", True),
        "alg": (at["alg"] + 1, 0x02, "unsupported", True),
        "position-label": (at["position-label"] + 4, 0x08, "unsupported", True),
        "position-label-to-passed-over": (at["position-label"] + 3, 0x80, "malformed", True),
        "position-head-one-longer": (at["position-label"] + 6, 0x01, "malformed", True),
        "iv-label": (at["iv-label"], 0x02, "unsupported", True),
        "iv-label-to-kid": (at["iv-label"], 0x01, "malformed", True),
        "recipient-array-head-to-2": (at["recipient"], 0x01, "malformed", True),
        "recipient-alg": (at["recipient"] + 4, 0x01, "unknown-key", False),
        "recipient-alg-label": (at["recipient"] + 3, 0x03, "unsupported", True),
        "recipient-kid": (at["recipient"] + 8, 0x40, "unknown-key", False),
        "wrapped-key": (len(whole) - 1, 0x80, "unknown-key", False),
    }
    cases = []
    for name, (offset, bit, word, grammar) in flips.items():
        changed = whole[:offset] + bytes([whole[offset] ^ bit]) + whole[offset + 1 :]
        cases.append(reading(f"flipped-bit-in-{name}", word, ALONE, changed, grammar))
    return cases


def swaps() -> list[Case]:
    """Parts of one envelope in another of the same data key."""
    a, b = seal(ALONE), seal(ALONE)
    moved = Message(b"hello", DEK, local(DEK), **(PLACE | {"offset": 4712}))
    tables = {
        "iv-of-another-envelope": a.replace(unprotected=b.unprotected),
        "ciphertext-of-another-envelope": a.replace(ciphertext=b.ciphertext),
        "position-of-another-envelope": a.replace(protected=seal(moved).protected),
        "ciphertext-shortened-to-a-tag": a.replace(ciphertext=bstr(a.ciphertext[-16:])),
        "ciphertext-one-byte-longer": a.replace(ciphertext=bstr(a.ciphertext[1:] + b"\x00")),
    }
    return [reading(name, "tampered", ALONE, envelope, False) for name, envelope in tables.items()]


def committed(m: Message, commitment: bytes) -> bytes:
    """The protected headers of m with another commitment."""
    return mapping((ALG, integer(A256GCM)), (POSITION, bstr(position(m, commitment))))


def commitments() -> list[Case]:
    """Step 10. The tag is right in all but the last, under the key that the recipients hold."""

    def case(name: str, envelope: Parts, m: Message = ALONE, word: str = "wrong-key") -> Case:
        return reading(name, word, m, envelope, False)

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
        case(
            "recipient-holds-another-key-and-a-further-one-holds-ours",
            seal(Message(b"hello", DEK, (swapped, ours()["x25519"].recipient(DEK.key)))),
            from_other,
        ),
        case("wrong-key-before-tampered", both_wrong),
        case(
            "unknown-key-before-wrong-key", seal(no_key, protected=committed(no_key, bytes(32))), no_key, "unknown-key"
        ),
    ]
