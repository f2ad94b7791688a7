"""Vectors of archives with faults in their records: types, ends, frames, bodies (section 9)."""

from archive_vector import DEK, OURS, THEIRS, archive, filled, vector
from encode import NULL, array, bstr, integer, unsigned
from positive import record_of
from scx import DICTIONARY, KEY, LAST, MAGIC, MESSAGE, body_of, end_body, record
from sealer import END, NAMED, Coding, Message, seal


def cases() -> list[dict]:
    return records() + frames() + bodies()


def sealed_end(**fields) -> bytes:
    """The seal of an end, but for some fields; what it says fits no archive."""
    return seal(
        Message(
            **(
                {
                    "payload": bytes(61),
                    "dek": DEK,
                    "recipients": OURS,
                    "context": b"",
                    "key": None,
                    "kind": END,
                    "medium": "file",
                }
                | fields
            )
        )
    ).bytes()


def records() -> list[dict]:
    """Records of other types, and ends of another shape."""
    key = seal(Message(b"", DEK, OURS, context=b"", key=None, kind=2)).bytes()
    payload = seal(Message(b"x", DEK, OURS, context=b"", key=None)).bytes()
    reference = seal(Message(b"", DEK, context=b"", key=None)).bytes()
    coded = seal(Message(b"", DEK, OURS, context=b"", key=None, kind=2, coding=Coding(padding=1))).bytes()
    placed = seal(Message(b"", DEK, OURS, context=b"", key=None, kind=2, source=b"\x01" * 5)).bytes()
    chunked = seal(Message(bytes(5000), DEK, OURS, context=b"", key=None, kind=4, chunk=4096)).bytes()
    good_end = sealed_end(payload=bytes(61))
    table = {
        "of-type-4": (4, b""),
        "of-type-127": (127, key),
        "of-type-2-empty": (KEY, b""),
        "of-type-2-rubbish": (KEY, b"x"),
        "of-type-2-with-a-byte-behind": (KEY, key + b"\x00"),
        "of-type-2-with-a-payload": (KEY, payload),
        "of-type-2-by-reference": (KEY, reference),
        "of-type-2-in-an-array": (KEY, body_of(value=key)),
        "of-type-2-with-coding": (KEY, coded),
        "of-type-2-with-a-place": (KEY, placed),
        "of-type-3-chunked": (DICTIONARY, chunked),
        "of-type-3-empty": (DICTIONARY, b""),
        "of-type-3-by-reference": (DICTIONARY, reference),
        "of-type-3-in-an-array": (DICTIONARY, body_of(value=key)),
        "end-with-a-key": (LAST, end_body(good_end, key=bstr(b""))),
        "end-with-a-header": (LAST, end_body(good_end, headers=array(array(bstr(b"h"), NULL)))),
        "end-with-a-time": (LAST, end_body(good_end, time=integer(1))),
        "end-with-a-subject": (LAST, end_body(good_end, subject=bstr(b""))),
        "end-without-a-seal": (LAST, array(NULL, b"\x80", b"\x00", NULL, NULL)),
        "end-of-40-bytes": (LAST, end_body(sealed_end(payload=bytes(40)))),
    }
    vectors = [
        vector(f"archive-record-{name}", "malformed", MAGIC + record(kind, body), [])
        for name, (kind, body) in table.items()
    ]
    for name, word, data in (
        ("of-rubbish", "not-an-envelope", b"x"),
        ("of-kind-0", "tampered", sealed_end(kind=0)),
        ("of-kind-2", "tampered", sealed_end(payload=b"", kind=2)),
        ("of-another-context", "tampered", sealed_end(context=b"orders")),
        ("for-others", "unknown-key", sealed_end(recipients=THEIRS)),
        ("of-form-named", "malformed", sealed_end(form=NAMED)),
    ):
        vectors.append(vector(f"archive-end-{name}", word, MAGIC + record(LAST, end_body(data)), []))
    return vectors


def frames() -> list[dict]:
    a = filled(2)
    a.end()
    data, start = a.bytes(), len(MAGIC) + len(a.records[0])
    second = a.records[1]

    def replaced(new: bytes) -> bytes:
        return data[:start] + new + data[start + len(second) :]

    one = a.opened[:1]
    table = [(f"cut-to-{n}-bytes", "truncated", MAGIC[:n], []) for n in range(8)]
    table += [
        ("of-another-magic", "malformed", b"SCXSEQ2\n" + data[8:], []),
        ("that-is-an-envelope", "malformed", record_of(DEK), []),
        ("with-a-crc-flipped", "malformed", replaced(second[:4] + b"\x00" + second[5:]), one),
        ("with-a-type-flipped", "malformed", replaced(second[:8] + b"\x80" + second[9:]), one),
        ("with-a-length-of-0", "malformed", replaced(bytes(4) + second[4:]), one),
        ("with-a-length-of-1", "malformed", replaced(unsigned(1, 4) + second[4:]), one),
        ("with-a-length-beyond-the-file", "truncated", replaced(unsigned(1 << 20, 4) + second[4:]), one),
        ("with-a-length-of-4-gib", "truncated", replaced(b"\xff" * 4 + second[4:]), one),
        ("with-7-bytes-behind", "truncated", data + bytes(7), a.opened),
        ("with-a-record-of-length-0-behind", "truncated", data + bytes(8), a.opened),
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
        "long-head": b"\x98\x05" + good[1:],
        "indefinite": b"\x9f" + good[1:] + b"\xff",
        "tagged": b"\xc1" + good,
        "time-float": good.replace(b"\x80\x05", b"\x80\xf9\x45\x00", 1),
        "time-null": good.replace(b"\x80\x05", b"\x80\xf6", 1),
        "time-2-to-63": body_of(b"k", time=2**63, value=envelope),
        "time-text": good.replace(b"\x80\x05", b"\x80\x61x", 1),
        "map": b"\xa0",
        "of-4": b"\x84" + good[1 : -len(bstr(envelope))],
        "of-6": b"\x86" + good[1:] + NULL,
        "text-key": b"\x85\x61k" + good[3:],
        "empty": b"",
        "undefined-subject": good.replace(b"\x05\xf6", b"\x05\xf7", 1),
        "byte-behind": good + b"\x00",
        "cut": good[:-1],
        "header-null": body_of(b"k", time=5, value=envelope).replace(b"\x80\x05", b"\x81\x82\xf6\xf6\x05", 1),
        "headers-null": good.replace(b"\x80\x05", b"\xf6\x05", 1),
        "headers-a-map": good.replace(b"\x80\x05", b"\xa0\x05", 1),
        "header-value-a-number": good.replace(b"\x80\x05", b"\x81\x82\x40\x00\x05", 1),
        "header-of-3": good.replace(b"\x80\x05", b"\x81\x83\x40\x40\x40\x05", 1),
    }
    words = {
        "tombstone-bare": ("bare-tombstone", body_of(b"k")),
        "tombstone-twice": ("reserved-header", body_of(b"k", (mark, mark))),
        "tombstone-beside-a-value": ("reserved-header", body_of(b"k", (mark,), value=envelope)),
        "tombstone-null": ("not-an-envelope", body_of(b"k", ((b"streamcrypt", None),))),
        "tombstone-in-capitals": ("bare-tombstone", body_of(b"k", ((b"Streamcrypt", dead),))),
        "tombstone-of-kind-0": ("tampered", body_of(b"k", ((b"streamcrypt", envelope),))),
        "plain": ("not-an-envelope", body_of(b"k", value=b"plain")),
        "value-empty": ("not-an-envelope", body_of(b"k", value=b"")),
        "key-changed": ("tampered", body_of(b"l", value=envelope)),
        "subject-added": ("tampered", body_of(b"k", subject=b"", value=envelope)),
        "time-changed": ("tampered", body_of(b"k", time=6, value=timed)),
        "time-removed": ("tampered", body_of(b"k", value=timed)),
    }
    vectors = [
        vector(f"archive-body-{name}", "malformed", MAGIC + record(MESSAGE, bad), []) for name, bad in shape.items()
    ]
    vectors += [
        vector(f"archive-message-{name}", word, MAGIC + record(MESSAGE, bad), []) for name, (word, bad) in words.items()
    ]
    many = archive("many headers")
    many.message(b"v", headers=((b"h", None),) * 4096)
    many.end()
    return [*vectors, vector("archive-message-of-4096-headers", "ok", many)]
