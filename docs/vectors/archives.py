"""Vectors of archives (section 9): files, and what comes out of them before which word."""

import sys

import archive_ends
import archive_faults
from archive_vector import DEK, OURS, SIGNED, THEIRS, archive, filled, vector
from case import to_hex
from encode import unsigned
from keys import derived, signers
from positive_coded import ORDER
from reader import Reader, unhex
from scx import DICTIONARY, KEY, MESSAGE, Archive, body_of, receipt
from scx_reader import ArchiveReader, judge_receipt
from sealer import NAMED, Coding, Message, dictionary_record, seal
from unwrap import Key
from zstd import compress, dictionary


def checked(shared: dict) -> list[dict]:
    vectors = good() + archive_ends.cases() + signed() + receipts() + archive_faults.cases()
    wrong = []
    for v in vectors:
        reader = Reader(
            [Key(shared["keys"][k]) for k in v["keys"]],
            context=unhex(v["context"]),
            signers=[shared["signers"][s] for s in v.get("signers", ())],
            skew=v.get("skew", 300),
        )
        found = ArchiveReader(reader, [unhex(n) for n in v.get("bind", ())])
        word = found.read(bytes.fromhex(v["file"]))
        messages = [
            [to_hex(k), [[n.hex(), to_hex(x)] for n, x in h], t, to_hex(s), to_hex(p)]
            for k, h, t, s, p in found.messages
        ]
        facts = {"expect": word, "messages": messages, "ends": len(found.ends)}
        if word == "ok":
            facts |= {"flags": found.ends[-1].flags, "receipt": found.ends[-1].receipt()}
        v.setdefault("ends", len(found.ends))
        wrong += [f"{v['name']}: {key} is {str(facts[key])[:200]}" for key in facts if facts[key] != v.get(key)]
        wrong += [
            f"{v['name']}: receipt {line} {word}"
            for line, word in v.get("receipts", ())
            if judge_receipt(found.ends, line) != word
        ]
    if wrong:
        sys.exit("\n".join(wrong))
    return vectors


def good() -> list[dict]:
    a = filled()
    a.message(None, key=b"k1", headers=((b"h", b"1"), (b"h", None)))
    a.message(b"", key=None, time=None, subject=b"orders.eu")
    a.message(derived("long", 5000), headers=((b"tenant", b"acme"),), chunk=4096, message_id=derived("archived", 16))
    a.end()
    empty = archive("empty")
    empty.end()
    grown = filled(2, "grown")
    grown.end()
    grown.message(b"later")
    grown.end()
    grown.end()
    grown.message(None)
    grown.end()
    other = filled(1, "other-context", context=b"orders")
    other.end()
    extra = filled(1, "extra")
    envelope = extra.seal(b"hello", 0, key=b"k", headers=((b"h", b"1"),))
    headers = ((b"h", b"1"), (b"appended", b"x"))
    extra.add(
        MESSAGE,
        body_of(b"k", headers, 5, value=envelope.bytes()),
        body_of(b"k", headers, 5, value=envelope.before_recipients()),
    )
    extra.opened.append([b"k", [(b"h", b"1")], 5, None, b"hello"])
    extra.end()
    named = archive("named")
    named.message(b"hello", headers=((b"tenant", b"acme"), (b"x", b"")), form=NAMED, bind=(b"tenant",), time=7)
    named.end()
    opaque = filled(1, "opaque")
    opaque.add(128, b"")
    opaque.add(255, b"not even CBOR \xff")
    opaque.message(b"behind it")
    opaque.end()
    flagged = filled(2, "flagged")
    flagged.end(flags=1)
    flagged.message(b"later")
    flagged.end()
    return [
        vector("archive", "ok", a),
        vector("archive-empty", "ok", empty),
        vector("archive-of-four-ends", "ok", grown),
        vector("archive-of-a-context", "ok", other),
        vector("archive-with-a-header-appended-before-its-end", "ok", extra),
        vector("archive-with-named-headers", "ok", named, bind=[b"tenant".hex()]),
        vector("archive-with-passed-over-records", "ok", opaque),
        vector("archive-with-flag-1", "ok", flagged),
        *by_reference(),
        *appended(),
    ]


def by_reference() -> list[dict]:
    a = archive("by reference", ())
    a.bare(KEY, seal(Message(b"", DEK, THEIRS, context=b"", key=None, kind=2)))
    a.bare(KEY, seal(Message(b"", DEK, OURS, context=b"", key=None, kind=2)))
    a.message(b"hello")
    a.message(None)
    a.message(derived("long", 5000), chunk=4096, message_id=derived("archived by reference", 16))
    a.end()
    coded = archive("dictionary")
    ours = dictionary()
    coded.bare(DICTIONARY, seal(dictionary_record(dictionary("other"), DEK, OURS, context=b"")))
    coded.bare(DICTIONARY, seal(dictionary_record(ours, DEK, OURS, context=b"")))
    coded.message(ORDER, coding=Coding(1, 0, ours), coded=compress(ORDER, ours))
    coded.end()
    late = archive("late", ())
    late.message(b"hello")
    late.bare(KEY, seal(Message(b"", DEK, OURS, context=b"", key=None, kind=2)))
    late.end()
    theirs = archive("theirs", ())
    theirs.bare(KEY, seal(Message(b"", DEK, THEIRS, context=b"", key=None, kind=2)))
    theirs.message(b"hello")
    theirs.end()
    return [
        vector("archive-by-reference", "ok", a),
        vector("archive-with-a-dictionary", "ok", coded),
        vector("archive-key-record-behind-its-message", "unknown-key", late, []),
        vector("archive-key-record-for-others", "unknown-key", theirs, []),
    ]


def appended() -> list[dict]:
    """Ends of an appender that could not open the one before."""
    a = filled(2, "first")
    a.end()
    a.message(b"later")
    a.end(fresh="second", flags=2)
    a.message(b"again")
    a.end()
    b = filled(2, "first again")
    b.end()
    b.message(b"later")
    b.end(fresh="third")
    c = filled(2, "first more")
    c.end()
    c.message(b"later")
    c.end(fresh="fourth", flags=2, number=unsigned(2, 4))
    back = filled(1, "and back")
    back.end()
    first = back.id, back.last
    back.end(fresh="fifth", flags=2)
    back.id, back.last, back.number = *first, 1
    back.end(flags=2)
    return [
        vector("archive-appended-with-public-keys", "ok", a),
        vector("archive-of-another-id-without-flag-2", "tampered", b, ends=1),
        vector("archive-of-another-id-that-does-not-begin-at-1", "tampered", c, ends=1),
        vector("archive-that-goes-back-to-its-first-id", "tampered", back, ends=2),
    ]


def signed() -> list[dict]:
    trusted = {"signers": ["sealer"]}
    sealer, mallory = signers()["sealer"], signers()["mallory"]

    def made(label: str, signature=SIGNED, signer=sealer, **overrides) -> Archive:
        a = filled(2, label, signature=signature)
        a.end(signer=signer, **overrides)
        return a

    good = made("signed")
    grown = made("signed and grown")
    grown.message(b"later")
    grown.end(signer=sealer)
    reference = archive("signed by reference", ())
    reference.bare(KEY, seal(Message(b"", DEK, OURS, context=b"", key=None, kind=2, signature=SIGNED)))
    reference.message(b"hello")
    reference.end(signer=sealer)
    unsigned_messages = made("messages unsigned", signature=b"")
    lying = filled(2, "signed, lying", signature=SIGNED)
    lying.end(signer=sealer, count=unsigned(1, 8))
    return [
        vector("archive-signed", "ok", good, **trusted),
        vector("archive-signed-and-grown", "ok", grown, **trusted),
        vector("archive-signed-by-reference", "ok", reference, **trusted),
        vector("archive-signed-for-a-reader-without-signers", "ok", made("signed, not asked", signer=mallory)),
        vector("archive-end-unsigned", "untrusted", made("end unsigned", signer=None), ends=0, **trusted),
        vector(
            "archive-end-signed-by-a-stranger",
            "untrusted",
            made("end of a stranger", signer=mallory),
            ends=0,
            **trusted,
        ),
        vector(
            "archive-end-signed-for-another-context",
            "untrusted",
            made("end of another context", context=b"orders"),
            ends=0,
            **trusted,
        ),
        vector("archive-end-signed-and-lying", "tampered", lying, ends=0, **trusted),
        vector(
            "archive-end-signed-with-unknown-flags",
            "unsupported",
            made("end of flags", signer=None, flags=8),
            ends=0,
            **trusted,
        ),
        vector("archive-messages-unsigned", "untrusted", unsigned_messages, [], **trusted),
    ]


def receipts() -> list[dict]:
    a = filled(2, "receipts")
    lines = []
    a.end()
    first = a.receipt()
    a.message(b"later")
    a.end()
    second = a.receipt()
    lines += [
        [first, "ok"],
        [second, "ok"],
        [receipt(a.id, 3, 4, derived("later", 32)), "truncated"],
        [receipt(a.id, 1, 2, derived("other", 32)), "tampered"],
        [receipt(a.id, 2, 2, a.last), "tampered"],
        [receipt(a.id, 0, 0, bytes(32)), "tampered"],
        [receipt(derived("other id", 16), 1, 2, a.last), "tampered"],
    ]
    return [vector("archive-and-its-receipts", "ok", a, receipts=lines)]
