"""Vectors of raw files (section 9): forms 1 to 3."""

import sys

from case import payload_fields
from encode import bstr
from keys import STRANGER, derived, signers
from negative_recipients import flip
from positive import local
from raw_reader import read_raw
from reader import Reader, unhex
from sealer import CREATED, Coding, Dek, Message, key_record, seal
from unwrap import Key
from zstd import compress, order

DEK, OTHER = Dek("raw"), Dek("raw, another")
OURS, THEIRS = local(DEK), (STRANGER.recipient(DEK.key),)
LONG = derived("raw, long", 10000)
HOW = {"chunk": 4096, "message_id": derived("raw", 16)}
PLAIN = {"context": b"", "key": None, "medium": "raw"}
VOUCHED = signers()["sealer"].vouch(DEK.commitment, b"", CREATED, CREATED)


def self_contained(payload: bytes, **fields):
    return seal(Message(payload, DEK, OURS, **(PLAIN | fields)))


def reference(payload: bytes = LONG, **fields):
    return seal(Message(payload, DEK, **(PLAIN | HOW | fields)))


def front(recipients=OURS, dek: Dek = DEK, **fields) -> bytes:
    return seal(key_record(dek, recipients, b"", **fields)).bytes()


def checked(shared: dict) -> list[dict]:
    vectors = good() + damaged() + trusted()
    wrong = []
    for v in vectors:
        reader = Reader(
            [Key(shared["keys"][k]) for k in v["keys"]],
            context=unhex(v["context"]),
            signers=[shared["signers"][s] for s in v.get("signers", ())],
            skew=v.get("skew", 300),
            records=[unhex(r) for r in v.get("records", ())],
        )
        word, payload = read_raw(bytes.fromhex(v["file"]), reader)
        if word != v["expect"] or word == "ok" and not payload_fields(payload).items() <= v.items():
            wrong.append(f"{v['name']}: {v['expect']} expected, the reader says {word}")
    if wrong:
        sys.exit("\n".join(wrong))
    return vectors


def vector(name: str, expect: str, file: bytes, payload: bytes | None = None, **reader) -> dict:
    fields = {"name": name, "file": file.hex(), "expect": expect, "keys": ["local"], "context": ""}
    return fields | (payload_fields(payload) if payload is not None else {}) | reader


def good() -> list[dict]:
    orders = b"".join(order(n) for n in range(2000))
    coded = compress(orders)
    return [
        vector("raw-1-empty", "ok", self_contained(b"").bytes(), b""),
        vector("raw-1-single", "ok", self_contained(b"hello").bytes(), b"hello"),
        vector("raw-1-chunked", "ok", self_contained(LONG, **HOW).bytes(), LONG),
        vector(
            "raw-1-of-a-context",
            "ok",
            self_contained(b"hello", context=b"backup").bytes(),
            b"hello",
            context=b"backup".hex(),
        ),
        vector(
            "raw-1-padded",
            "ok",
            self_contained(b"hello", coding=Coding(padding=1), coded=b"hello\x80\x00").bytes(),
            b"hello",
        ),
        vector("raw-2-single", "ok", seal(Message(b"hello", DEK, **PLAIN)).bytes(), b"hello", records=[front().hex()]),
        vector("raw-2-chunked", "ok", reference().bytes(), LONG, records=[front().hex()]),
        vector("raw-3", "ok", front() + reference().bytes(), LONG),
        vector("raw-3-with-a-later-second", "ok", front() + reference(created=CREATED + 1).bytes(), LONG),
        vector(
            "raw-3-compressed",
            "ok",
            front() + reference(orders, coding=Coding(compression=1), coded=coded).bytes(),
            orders,
        ),
        vector("raw-3-rewrapped-for-others-too", "ok", front((*THEIRS, *OURS)) + reference().bytes(), LONG),
    ]


def damaged() -> list[dict]:
    single, chunked, record = self_contained(b"hello").bytes(), self_contained(LONG, **HOW).bytes(), front()
    good_reference = reference()
    whole = record + good_reference.bytes()
    broken = seal(key_record(DEK, OURS, b""))
    unsupported = single[:6] + b"\x02" + single[7:]
    table = [
        ("empty", "not-an-envelope", b""),
        ("plain", "not-an-envelope", b"hello"),
        ("1-cut", "truncated", chunked[:5000]),
        ("1-with-a-byte-behind", "malformed", single + b"\x00"),
        ("1-with-a-newline-behind", "malformed", single + b"\n"),
        ("1-twice", "malformed", single * 2),
        ("1-with-d0-behind", "truncated", single + b"\xd0"),
        ("1-with-d8-behind", "malformed", single + b"\xd8"),
        ("1-with-a-fault-and-something-behind", "malformed", unsupported + b"\xd0"),
        ("1-with-a-fault", "unsupported", unsupported),
        ("2-with-a-byte-behind", "malformed", good_reference.bytes() + b"\x00"),
        ("2-and-a-key-record-behind", "malformed", good_reference.bytes() + record),
        ("3-key-record-alone", "tampered", record),
        ("3-key-record-twice", "malformed", record + whole),
        ("3-single", "malformed", record + seal(Message(b"hello", DEK, **PLAIN)).bytes()),
        ("3-of-another-kid", "wrong-key", front(local(OTHER), OTHER) + good_reference.bytes()),
        ("3-behind-a-value", "tampered", single + good_reference.bytes()),
        ("3-behind-a-value-of-nothing", "tampered", self_contained(b"").bytes() + good_reference.bytes()),
        ("3-behind-a-chunked-envelope", "malformed", chunked + good_reference.bytes()),
        ("3-with-a-byte-behind", "malformed", whole + b"\x00"),
        ("3-cut-in-the-record", "truncated", whole[:100]),
        (
            "3-cut-behind-a-segment",
            "truncated",
            whole[: len(record) + len(good_reference.before_recipients()) - 1 - 1811],
        ),
        ("3-cut-before-the-break", "truncated", whole[:-1]),
        (
            "3-record-tag-flipped",
            "tampered",
            broken.replace(ciphertext=bstr(flip(broken.ciphertext[1:], 3))).bytes() + good_reference.bytes(),
        ),
        (
            "3-record-created-changed",
            "tampered",
            record[:40] + bytes([record[40] ^ 1]) + record[41:] + good_reference.bytes(),
        ),
        (
            "3-record-of-another-context",
            "tampered",
            seal(key_record(DEK, OURS, b"backup")).bytes() + good_reference.bytes(),
        ),
        ("3-record-for-others", "unknown-key", front(THEIRS) + good_reference.bytes()),
        ("3-last-tag-flipped", "tampered", whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:]),
    ]
    vectors = [vector("raw-" + name, word, data) for name, word, data in table]
    return [
        *vectors,
        vector("raw-1-for-another-context", "tampered", single, context=b"backup".hex()),
        vector("raw-2-without-a-store", "unknown-key", good_reference.bytes()),
    ]


def trusted() -> list[dict]:
    mine = {"signers": ["sealer"]}
    late = reference(created=CREATED + 301).bytes()
    return [
        vector("raw-1-signed", "ok", self_contained(b"hello", signature=VOUCHED).bytes(), b"hello", **mine),
        vector("raw-3-signed", "ok", front(signature=VOUCHED) + reference(created=CREATED + 1).bytes(), LONG, **mine),
        vector("raw-1-unsigned", "untrusted", self_contained(b"hello").bytes(), **mine),
        vector("raw-3-unsigned", "untrusted", front() + reference().bytes(), **mine),
        vector("raw-3-signed-and-written-too-late", "untrusted", front(signature=VOUCHED) + late, **mine),
        vector(
            "raw-3-one-second-late-without-skew",
            "untrusted",
            front(signature=VOUCHED) + reference(created=CREATED + 1).bytes(),
            skew=0,
            **mine,
        ),
    ]
