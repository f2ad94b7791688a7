"""Files that the command never makes, sealed by the program that makes the vectors."""

import base64
import dataclasses
import hashlib
import json

import cbor2

import lines
from encode import array
from frames import MAGIC
from keys import STRANGER, Local, derived
from reader import Key
from sealer import KEY_RECORD, TOMBSTONE, VALUE, Dek, Message, key_record, seal
from unseal_lab import Lab, flipped, sequence

DEK, OTHER = Dek("crafted"), Dek("crafted other")
READER = Local("reader")
OURS = (READER.recipient(DEK.key),)
THEIRS = (STRANGER.recipient(DEK.key),)
LONG = derived("crafted payload", 10000)
KEYS = ["local:v"]


def envelope(payload: bytes = b"", kind: int = VALUE, key: bytes | None = None, recipients=OURS, **fields) -> bytes:
    return seal(Message(payload, DEK, recipients, context=b"", kind=kind, key=key, **fields)).bytes()


def reference(payload: bytes, **fields) -> bytes:
    return envelope(payload, recipients=(), **fields)


def stored(recipients=OURS, context: bytes = b"", **fields) -> bytes:
    return seal(dataclasses.replace(key_record(DEK, recipients, context), **fields)).bytes()


FRONT = stored()


def reader(lab: Lab) -> None:
    """Gives both readers a key of the vectors."""
    lab.write("v", json.dumps(READER.json["jwk"]).encode())
    lab.keys[KEYS[0]] = Key(READER.json)


def raw(lab: Lab) -> None:
    chunked, referring = envelope(LONG, chunk=4096), reference(LONG, chunk=4096)
    files = {"self-contained, more behind": chunked + b"x", "form 3, more behind": FRONT + referring + b"x"}
    for at in (*range(0, 120, 6), *range(4100, len(chunked), 997)):
        files |= {f"self-contained, cut at {at}": chunked[:at], f"self-contained, {at} flipped": flipped(chunked, at)}
    for name, record in {
        "no recipient of ours": stored(THEIRS), "another context": stored(context=b"c"),
        "a payload": stored(payload=b"x"), "kind 0": envelope(), "chunks": stored(payload=LONG, chunk=4096),
        "an offset": stored(offset=7), "a flipped tag": flipped(FRONT, 95),
    }.items():
        files["form 3, record with " + name] = record + referring
    for name, data in files.items():
        lab.damaged("crafted raw, " + name, "", data, keys=KEYS)
    lab.damaged("crafted raw, self-contained", "", chunked, expect=LONG, keys=KEYS)
    lab.damaged("crafted raw, form 3", "", FRONT + referring, expect=LONG, keys=KEYS)
    lab.damaged("crafted raw, form 3, single", "", FRONT + reference(b"hello"), keys=KEYS)


def store(lab: Lab) -> None:
    """Key records in a directory: the files named by a kid, then by it and .1, .2 and so on."""
    (lab.dir / "crafted").mkdir()
    place = f"crafted/{DEK.kid.hex()}"
    liar = seal(key_record(DEK, (READER.recipient(OTHER.key),), b"")).bytes()  # wraps another key
    another = seal(key_record(OTHER, OURS, b"")).bytes()  # another key's commitment
    theirs = stored(THEIRS)
    referring = reference(b"hello")
    for name, files in {
        "ours": [FRONT], "theirs": [theirs], "theirs, ours": [theirs, FRONT],
        "liar": [liar], "liar, ours": [liar, FRONT], "liar, theirs": [liar, theirs], "theirs, liar": [theirs, liar],
        "theirs, theirs, ours": [theirs, theirs, FRONT],
        "another's": [another], "nothing": [], "an empty file": [b""], "rubbish": [b"x"],
        "rubbish, ours": [b"x", FRONT], "half": [FRONT[:-1]], "ours and more": [FRONT + b"x"],
        "a message": [referring], "a flipped tag": [flipped(FRONT, 95)],
        "another context": [stored(context=b"c")], "kind 0": [envelope()],
        "a payload": [stored(payload=b"x")], "chunks": [stored(payload=LONG, chunk=4096)],
        "an offset": [stored(offset=7)],
    }.items():
        for n in range(3):
            (lab.dir / (place + f".{n}" * (n > 0))).unlink(missing_ok=True)
        for n, data in enumerate(files):
            lab.write(place + f".{n}" * (n > 0), data)
        lab.damaged("crafted store, " + name, "", referring, keys=KEYS, store="crafted")
    lab.write(place, FRONT)
    for name, data in {"more": referring + b"x", "a key record": referring + FRONT,
                       "more, in chunks": reference(LONG, chunk=4096) + b"\x00"}.items():
        lab.damaged("crafted raw, form 2, then " + name, "", data, keys=KEYS, store="crafted")


def body(key=b"k", headers=(), time=0, subject=None, value=None) -> bytes:
    return cbor2.dumps([key, list(headers), time, subject, value])


def message(payload: bytes) -> tuple[int, bytes]:
    return 0, body(value=envelope(payload, key=b"k"))


def end(*before: tuple[int, bytes], count: int | None = None, more=b"", kind=3, recipients=OURS, **fields):
    """The end record over messages whose recipients are ours."""
    sealed = [next(v for v in (value, *(v for _, v in headers)) if v)
              for _, headers, _, _, value in (cbor2.loads(b) for _, b in before)]
    tags = b"".join(s[:-len(array(*OURS))][-16:] for s in sealed)
    payload = (len(sealed) if count is None else count).to_bytes(8, "big") + hashlib.sha256(tags).digest() + more
    return 1, body(**({"key": None, "value": envelope(payload, kind, recipients=recipients)} | fields))


def ends(lab: Lab) -> None:
    m, n = message(b"1"), message(b"2")
    t = 0, body(headers=[[b"streamcrypt", envelope(kind=TOMBSTONE, key=b"k")]])
    for name, parts in {
        "twice": [m, end(m), n, t, end(m, n, t)], "first wrong": [m, end(n), n, end(m, n)],
        "first for another key": [m, end(m, recipients=THEIRS), n, end(m, n)], "two in a row": [m, end(m), end(m)],
        "at the beginning": [end(), m, end(m)], "a message behind it": [m, end(m), n], "alone": [end()], "none": [],
        "count": [m, end(m, count=2)], "more": [m, end(m, more=b"x")], "kind 0": [m, end(m, kind=0)],
        "key": [m, end(m, key=b"")], "time": [m, end(m, time=1)], "header": [m, end(m, headers=[[b"h", b""]])],
        "subject": [m, end(m, subject=b"")], "no seal": [m, end(m, value=None)], "rubbish": [m, end(m, value=b"x")],
        "sealed as a key record": [m, end(m, kind=KEY_RECORD)],
    }.items():
        lab.damaged("crafted seq, end, " + name, ".scx", sequence(parts), keys=KEYS)


def bodies(lab: Lab) -> None:
    m = message(b"1")
    good, sealed, dead = m[1], envelope(b"v", key=b"k"), envelope(kind=TOMBSTONE, key=b"k")
    mark = [b"streamcrypt", dead]
    for name, bad in {
        "tombstone with a payload": body(headers=[[b"streamcrypt", envelope(b"x", TOMBSTONE, b"k")]]),
        "tombstone of kind 0": body(headers=[[b"streamcrypt", envelope(key=b"k")]]),
        "tombstone and value": body(headers=[mark], value=sealed), "two tombstones": body(headers=[mark, mark]),
        "tombstone and plain value": body(headers=[mark], value=b"plain"), "no tombstone": body(),
        "tombstone null": body(headers=[[b"streamcrypt", None]]),
        "tombstone rubbish": body(headers=[[b"streamcrypt", b"x"]]),
        "header in capitals": body(headers=[[b"Streamcrypt", dead]]), "plain": body(value=b"plain"),
        "empty": body(value=b""), "another key": body(b"l", value=sealed), "value of kind 1": body(value=dead),
        "null key for an empty one": body(None, value=envelope(b"v", key=b"")),
        "subject": body(subject=b"", value=sealed),
        "long head": b"\x98\x05" + good[1:], "indefinite": b"\x9f" + good[1:] + b"\xff", "tagged": b"\xc1" + good,
        "time text": body(time="x", value=sealed), "time float": body(time=1.5, value=sealed),
        "time null": body(time=None, value=sealed), "time true": body(time=True, value=sealed),
        "time 2^64": body(time=1 << 64, value=sealed), "time none": body(time=lines.NO_TIME, value=sealed),
        "time far": body(time=1 << 62, value=sealed), "map": cbor2.dumps({}), "four": cbor2.dumps([None, [], 0, None]),
        "six": cbor2.dumps([None, [], 0, None, sealed, None]), "text key": body("k", value=sealed), "nothing": b"",
        "text header": body(headers=[["h", b"v"]], value=sealed), "undefined": good.replace(b"\xf6", b"\xf7"),
        "header null": body(headers=[[None, b"v"]], value=sealed), "not CBOR": b"\xff",
        "header of three": body(headers=[[b"h", b"v", b"w"]], value=sealed),
        "4096 headers": body(headers=[[b"h", None]] * 4096, value=sealed),
    }.items():
        lab.damaged("crafted seq, " + name, ".scx", sequence([m, (0, bad), m]), keys=KEYS)
    for size in range(len(MAGIC) + 1):
        lab.damaged(f"crafted seq, {size} bytes", ".scx", MAGIC[:size])
    for name, data in {"another magic": b"SCXSEQ2\n" + bytes(20), "an envelope": FRONT}.items():
        lab.damaged("crafted seq, " + name, ".scx", data)


def ndjson(lab: Lab) -> None:
    value, dead = envelope(b"v", key=b"k"), envelope(kind=TOMBSTONE, key=b"k")
    text, url = base64.b64encode(value).decode(), base64.urlsafe_b64encode(dead).decode().rstrip("=")
    mark = ["streamcrypt", {"b64": base64.b64encode(dead).decode()}]
    good = {"key": "k", "value64": text}
    for name, fields in {
        "good": good, "tombstone": {"key": "k", "value": None, "headers": [mark]},
        "tombstone in base64url": {"key": "k", "value": None, "headers": [["streamcrypt", url]]},
        "empty value": {"key": "k", "value": "", "headers": [mark]}, "bare": {"key": "k", "value": None},
        "key64": {"key64": "aw==", "value64": text}, "key null": {"key": None, "value64": text},
        "no key": {"value64": text},
        "text": {"key": "k", "value": text}, "plain": {"key": "k", "value": "plain"}, "no value": {"key": "k"},
        "number": good | {"value64": 1}, "unpadded": good | {"value64": text.rstrip("=")},
        "no base64": good | {"value64": "*"},
        "null time": good | {"time": None}, "time": good | {"time": "2024-01-02T03:04:05.123456789Z"},
        "subject": good | {"subject": ""}, "null subject": good | {"subject": None},
        "subject number": good | {"subject": 1},
        "null headers": good | {"headers": None}, "no headers": good | {"headers": []},
        "flat": good | {"headers": ["a", "b"]},
        "one": good | {"headers": [["a"]]}, "three": good | {"headers": [["a", "b", "c"]]},
        "binary": good | {"headers": [[{"b64": "/w=="}, {"b64": "/w=="}], ["a", {"b64": "YQ=="}]]},
    }.items():
        lab.damaged("crafted ndjson, " + name, ".ndjson", json.dumps(fields).encode() + b"\n", keys=KEYS)
    line = json.dumps(good).encode()
    for name, data in {"no newline": line, "CR": line + b"\r\n" + line + b"\r\n", "two in a line": line * 2 + b"\n",
                       "array": b"[]\n", "bad second": line + b"\n{}\n",
                       "not UTF-8": b'{"key":"\xff","value":""}\n'}.items():
        lab.damaged("crafted ndjson, " + name, ".ndjson", data, keys=KEYS)


PARTS = (reader, raw, store, ends, bodies, ndjson)
