"""Vectors of archives (section 9): files, and what comes out of them before which word."""

import sys

from case import to_hex
from encode import NULL, array, bstr, integer, unsigned
from keys import STRANGER, derived, signers
from positive import local, record_of
from positive_coded import ORDER
from reader import Reader, unhex
from scx import DICTIONARY, KEY, LAST, MAGIC, MESSAGE, Archive, body_of, end_body, receipt, record
from scx_reader import ArchiveReader, judge_receipt
from sealer import CREATED, END, NAMED, Coding, Dek, Message, dictionary_record, seal
from unwrap import Key
from zstd import compress, dictionary

DEK = Dek("archive")
OURS = local(DEK)
THEIRS = (STRANGER.recipient(DEK.key),)
SIGNED = signers()["sealer"].vouch(DEK.commitment, b"", CREATED, CREATED + 900)


def archive(label: str = "archive", recipients: tuple[bytes, ...] = OURS, **fields) -> Archive:
    return Archive(DEK, recipients, label=label, **fields)


def filled(n: int = 3, label: str = "archive", **fields) -> Archive:
    a = archive(label, **fields)
    for i in range(n):
        a.message(b"message %d of %s" % (i, label.encode()), key=b"k%d" % i)
    return a


def vector(name: str, expect: str, made: Archive | bytes, opened: list | None = None, ends: int | None = None, **reader) -> dict:
    """opened and ends: what comes out before the word; of an Archive all of it."""
    whole = isinstance(made, Archive)
    opened = made.opened if opened is None and whole else opened or []
    fields = {"name": name, "file": (made.bytes() if whole else made).hex(), "expect": expect,
              "keys": ["local"], "context": (made.context if whole else b"").hex(),
              "messages": [[to_hex(k), [[n.hex(), to_hex(v)] for n, v in h], t, to_hex(s), to_hex(p)] for k, h, t, s, p in opened]}
    if whole and expect == "ok":
        fields |= {"flags": made.flags, "receipt": made.receipt()}
    if ends is not None:
        fields["ends"] = ends
    return fields | reader


def checked(shared: dict) -> list[dict]:
    vectors = good() + ends() + records() + frames() + bodies() + signed() + receipts()
    wrong = []
    for v in vectors:
        reader = Reader([Key(shared["keys"][k]) for k in v["keys"]], context=unhex(v["context"]),
                        signers=[shared["signers"][s] for s in v.get("signers", ())], skew=v.get("skew", 300))
        found = ArchiveReader(reader, [unhex(n) for n in v.get("bind", ())])
        word = found.read(bytes.fromhex(v["file"]))
        messages = [[to_hex(k), [[n.hex(), to_hex(x)] for n, x in h], t, to_hex(s), to_hex(p)] for k, h, t, s, p in found.messages]
        facts = {"expect": word, "messages": messages, "ends": len(found.ends)}
        if word == "ok":
            facts |= {"flags": found.ends[-1].flags, "receipt": found.ends[-1].receipt()}
        v.setdefault("ends", len(found.ends))
        wrong += [f"{v['name']}: {key} is {str(facts[key])[:200]}" for key in facts if facts[key] != v.get(key)]
        wrong += [f"{v['name']}: receipt {line} {word}" for line, word in v.get("receipts", ())
                  if judge_receipt(found.ends, line) != word]
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
    extra.add(MESSAGE, body_of(b"k", headers, 5, value=envelope.bytes()), body_of(b"k", headers, 5, value=envelope.before_recipients()))
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
    return [vector("archive", "ok", a), vector("archive-empty", "ok", empty), vector("archive-of-four-ends", "ok", grown),
            vector("archive-of-a-context", "ok", other), vector("archive-with-a-header-appended-before-its-end", "ok", extra),
            vector("archive-with-named-headers", "ok", named, bind=[b"tenant".hex()]),
            vector("archive-with-passed-over-records", "ok", opaque), vector("archive-with-flag-1", "ok", flagged),
            *by_reference(), *appended()]


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
    return [vector("archive-by-reference", "ok", a), vector("archive-with-a-dictionary", "ok", coded),
            vector("archive-key-record-behind-its-message", "unknown-key", late, []),
            vector("archive-key-record-for-others", "unknown-key", theirs, [])]


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
    return [vector("archive-appended-with-public-keys", "ok", a),
            vector("archive-of-another-id-without-flag-2", "tampered", b, ends=1),
            vector("archive-of-another-id-that-does-not-begin-at-1", "tampered", c, ends=1),
            vector("archive-that-goes-back-to-its-first-id", "tampered", back, ends=2)]


def ends() -> list[dict]:
    """Archives cut, spliced, swapped, appended over damage; and ends that do not fit."""
    def a(n=3, label="archive") -> Archive:
        made = filled(n, label)
        made.end()
        return made

    def with_end(**overrides) -> Archive:
        made = filled(2, "wrong end")
        made.end(**overrides)
        return made

    one, two = a(), a(3, "another")
    r, s = one.records, two.records
    grown = a(2, "grown")
    earlier = grown.receipt()
    grown.message(b"later")
    grown.end()
    g = grown.records
    opened = one.opened
    table = [
        ("cut-before-its-end", "truncated", r[:3], opened, 0),
        ("cut-to-nothing", "truncated", [], [], 0),
        ("cut-inside-its-end", "truncated", [*r[:3], r[3][:-1]], opened, 0),
        ("with-a-message-behind-its-end", "truncated", [*r, s[0]], [*opened, two.opened[0]], 1),
        ("first-message-dropped", "tampered", r[1:], opened[1:], 0),
        ("last-message-dropped", "tampered", [*r[:2], r[3]], opened[:2], 0),
        ("messages-swapped", "tampered", [r[1], r[0], *r[2:]], [opened[1], opened[0], opened[2]], 0),
        ("message-doubled", "tampered", [r[0], *r], [opened[0], *opened], 0),
        ("message-of-another-archive", "tampered", [*r[:2], s[2], r[3]], [*opened[:2], two.opened[2]], 0),
        ("end-of-another-archive", "tampered", [*r[:3], s[3]], opened, 0),
        ("two-spliced", "tampered", [*r, *s], [*opened, *two.opened], 1),
        ("end-moved-to-the-front", "tampered", [r[3], *r[:3]], [], 0),
        ("end-doubled", "tampered", [*r, r[3]], opened, 1),
        ("first-end-dropped", "tampered", [*g[:2], *g[3:]], grown.opened, 0),
        ("first-section-dropped", "tampered", g[3:], grown.opened[2:], 0),
        ("second-end-first", "tampered", [*g[:2], g[4], g[3], g[2]], grown.opened[:2], 0),
        ("last-end-dropped", "truncated", g[:4], grown.opened, 1),
        ("passed-over-record-dropped", "tampered", opaque_dropped(), [], 0),
    ]
    vectors = [vector("archive-" + name, word, MAGIC + b"".join(parts), messages, count)
               for name, word, parts, messages, count in table]
    vectors.append(vector("archive-cut-back-to-an-earlier-end", "ok", MAGIC + b"".join(g[:3]), grown.opened[:2], 1, flags=0,
                          receipt=earlier))
    damaged = filled(3, "damaged")
    damaged.records[1] = damaged.records[1][:-1] + bytes([damaged.records[1][-1] ^ 1])
    damaged.end(flags=1)
    vectors.append(vector("archive-appended-over-damage", "malformed", damaged.bytes(), damaged.opened[:1], 0))
    repaired = filled(2, "repaired")
    repaired.message(b"behind the repair")
    repaired.end(flags=1)
    vectors.append(vector("archive-repaired", "ok", repaired))
    for name, overrides in {
        "number-0": {"number": bytes(4)}, "number-2": {"number": unsigned(2, 4)}, "count-1": {"count": unsigned(1, 8)},
        "count-3": {"count": unsigned(3, 8)}, "count-2-to-64": {"count": b"\xff" * 8}, "digest-zero": {"digest": bytes(32)},
        "id-of-another-archive": {"id": derived("another id", 16)},
    }.items():
        vectors.append(vector(f"archive-end-of-{name}", "tampered", with_end(**overrides), ends=0))
    for flags in (4, 0x80, 7):
        vectors.append(vector(f"archive-end-with-flags-{flags}", "unsupported", with_end(flags=flags), ends=0))
    lost = filled(1, "flag lost")
    lost.end(flags=1)
    lost.message(b"later")
    lost.flags = 0
    lost.end()
    vectors.append(vector("archive-flag-lost-by-a-later-end", "tampered", lost, ends=1))
    return vectors


def opaque_dropped() -> list[bytes]:
    a = archive("opaque dropped")
    a.add(200, b"x")
    a.end()
    return a.records[1:]


def sealed_end(**fields) -> bytes:
    """The seal of an end, but for some fields; what it says fits no archive."""
    return seal(Message(**({"payload": bytes(61), "dek": DEK, "recipients": OURS, "context": b"", "key": None, "kind": END,
                            "medium": "file"} | fields))).bytes()


def records() -> list[dict]:
    """Records of other types, and ends of another shape."""
    key = seal(Message(b"", DEK, OURS, context=b"", key=None, kind=2)).bytes()
    payload = seal(Message(b"x", DEK, OURS, context=b"", key=None)).bytes()
    reference = seal(Message(b"", DEK, context=b"", key=None)).bytes()
    good_end = sealed_end(payload=bytes(61))
    table = {
        "of-type-4": (4, b""), "of-type-127": (127, key), "of-type-2-empty": (KEY, b""), "of-type-2-rubbish": (KEY, b"x"),
        "of-type-2-with-a-byte-behind": (KEY, key + b"\x00"), "of-type-2-with-a-payload": (KEY, payload),
        "of-type-2-by-reference": (KEY, reference), "of-type-2-in-an-array": (KEY, body_of(value=key)),
        "of-type-3-empty": (DICTIONARY, b""), "of-type-3-by-reference": (DICTIONARY, reference),
        "of-type-3-in-an-array": (DICTIONARY, body_of(value=key)),
        "end-with-a-key": (LAST, end_body(good_end, key=bstr(b""))),
        "end-with-a-header": (LAST, end_body(good_end, headers=array(array(bstr(b"h"), NULL)))),
        "end-with-a-time": (LAST, end_body(good_end, time=integer(1))),
        "end-with-a-subject": (LAST, end_body(good_end, subject=bstr(b""))),
        "end-without-a-seal": (LAST, array(NULL, b"\x80", b"\x00", NULL, NULL)),
        "end-of-40-bytes": (LAST, end_body(sealed_end(payload=bytes(40)))),
    }
    vectors = [vector(f"archive-record-{name}", "malformed", MAGIC + record(kind, body), []) for name, (kind, body) in table.items()]
    for name, word, data in (
        ("of-rubbish", "not-an-envelope", b"x"), ("of-kind-0", "tampered", sealed_end(kind=0)),
        ("of-kind-2", "tampered", sealed_end(payload=b"", kind=2)), ("of-another-context", "tampered", sealed_end(context=b"orders")),
        ("for-others", "unknown-key", sealed_end(recipients=THEIRS)), ("of-form-named", "malformed", sealed_end(form=NAMED)),
    ):
        vectors.append(vector(f"archive-end-{name}", word, MAGIC + record(LAST, end_body(data)), []))
    return vectors


def frames() -> list[dict]:
    a = filled(2)
    a.end()
    data, start = a.bytes(), len(MAGIC) + len(a.records[0])
    second = a.records[1]

    def replaced(new: bytes) -> bytes:
        return data[:start] + new + data[start + len(second):]

    one = a.opened[:1]
    table = [(f"cut-to-{n}-bytes", "truncated", MAGIC[:n], []) for n in range(8)]
    table += [
        ("of-another-magic", "malformed", b"SCXSEQ2\n" + data[8:], []), ("that-is-an-envelope", "malformed", record_of(DEK), []),
        ("with-a-crc-flipped", "malformed", replaced(second[:4] + b"\x00" + second[5:]), one),
        ("with-a-type-flipped", "malformed", replaced(second[:8] + b"\x80" + second[9:]), one),
        ("with-a-length-of-0", "malformed", replaced(bytes(4) + second[4:]), one),
        ("with-a-length-of-1", "malformed", replaced(unsigned(1, 4) + second[4:]), one),
        ("with-a-length-beyond-the-file", "truncated", replaced(unsigned(1 << 20, 4) + second[4:]), one),
        ("with-a-length-of-4-gib", "truncated", replaced(b"\xff" * 4 + second[4:]), one),
        ("with-7-bytes-behind", "truncated", data + bytes(7), a.opened), ("with-a-record-of-length-0-behind", "truncated", data + bytes(8), a.opened),
        ("with-zeros-behind", "malformed", data + bytes(100), a.opened),
        ("with-the-crc-of-its-last-record-wrong", "truncated", data[:-1] + bytes([data[-1] ^ 1]), a.opened),
    ]
    return [vector("archive-" + name, word, made, opened) for name, word, made, opened in table]


def bodies() -> list[dict]:
    envelope = seal(Message(b"v", DEK, OURS, context=b"", key=b"k", medium="file")).bytes()
    dead = seal(Message(b"", DEK, OURS, context=b"", key=b"k", medium="file", kind=1)).bytes()
    timed = seal(Message(b"v", DEK, OURS, context=b"", key=b"k", medium="file", form=4, time=5)).bytes()
    mark = (b"streamcrypt", dead)
    good = body_of(b"k", time=5, value=envelope)
    shape = {
        "long-head": b"\x98\x05" + good[1:], "indefinite": b"\x9f" + good[1:] + b"\xff", "tagged": b"\xc1" + good,
        "time-float": good.replace(b"\x80\x05", b"\x80\xf9\x45\x00", 1), "time-null": good.replace(b"\x80\x05", b"\x80\xf6", 1),
        "time-2-to-63": body_of(b"k", time=2**63, value=envelope), "time-text": good.replace(b"\x80\x05", b"\x80\x61x", 1),
        "map": b"\xa0", "of-4": b"\x84" + good[1:-len(bstr(envelope))], "of-6": b"\x86" + good[1:] + NULL,
        "text-key": b"\x85\x61k" + good[3:], "empty": b"", "undefined-subject": good.replace(b"\x05\xf6", b"\x05\xf7", 1),
        "byte-behind": good + b"\x00", "cut": good[:-1], "header-null": body_of(b"k", time=5, value=envelope).replace(
            b"\x80\x05", b"\x81\x82\xf6\xf6\x05", 1), "header-of-3": good.replace(b"\x80\x05", b"\x81\x83\x40\x40\x40\x05", 1),
    }
    words = {
        "tombstone-bare": ("bare-tombstone", body_of(b"k")), "tombstone-twice": ("reserved-header", body_of(b"k", (mark, mark))),
        "tombstone-beside-a-value": ("reserved-header", body_of(b"k", (mark,), value=envelope)),
        "tombstone-null": ("not-an-envelope", body_of(b"k", ((b"streamcrypt", None),))),
        "tombstone-in-capitals": ("bare-tombstone", body_of(b"k", ((b"Streamcrypt", dead),))),
        "tombstone-of-kind-0": ("tampered", body_of(b"k", ((b"streamcrypt", envelope),))),
        "plain": ("not-an-envelope", body_of(b"k", value=b"plain")), "value-empty": ("not-an-envelope", body_of(b"k", value=b"")),
        "key-changed": ("tampered", body_of(b"l", value=envelope)), "subject-added": ("tampered", body_of(b"k", subject=b"", value=envelope)),
        "time-changed": ("tampered", body_of(b"k", time=6, value=timed)), "time-removed": ("tampered", body_of(b"k", value=timed)),
    }
    vectors = [vector(f"archive-body-{name}", "malformed", MAGIC + record(MESSAGE, bad), []) for name, bad in shape.items()]
    vectors += [vector(f"archive-message-{name}", word, MAGIC + record(MESSAGE, bad), []) for name, (word, bad) in words.items()]
    many = archive("many headers")
    many.message(b"v", headers=((b"h", None),) * 4096)
    many.end()
    return [*vectors, vector("archive-message-of-4096-headers", "ok", many)]


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
        vector("archive-signed", "ok", good, **trusted), vector("archive-signed-and-grown", "ok", grown, **trusted),
        vector("archive-signed-by-reference", "ok", reference, **trusted),
        vector("archive-signed-for-a-reader-without-signers", "ok", made("signed, not asked", signer=mallory)),
        vector("archive-end-unsigned", "untrusted", made("end unsigned", signer=None), ends=0, **trusted),
        vector("archive-end-signed-by-a-stranger", "untrusted", made("end of a stranger", signer=mallory), ends=0, **trusted),
        vector("archive-end-signed-for-another-context", "untrusted", made("end of another context", context=b"orders"), ends=0, **trusted),
        vector("archive-end-signed-and-lying", "tampered", lying, ends=0, **trusted),
        vector("archive-end-signed-with-unknown-flags", "unsupported", made("end of flags", signer=None, flags=8), ends=0, **trusted),
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
    lines += [[first, "ok"], [second, "ok"],
              [receipt(a.id, 3, 4, derived("later", 32)), "truncated"],
              [receipt(a.id, 1, 2, derived("other", 32)), "tampered"], [receipt(a.id, 2, 2, a.last), "tampered"],
              [receipt(a.id, 0, 0, bytes(32)), "tampered"], [receipt(derived("other id", 16), 1, 2, a.last), "tampered"]]
    return [vector("archive-and-its-receipts", "ok", a, receipts=lines)]
