"""Compares unseal.py, which knows the specification only, with the built command.

    python3 unseal_check.py ./streamcrypt     # prints one line; exit code 1 where the two differ

The command makes files of every form, which must come back byte for byte. Then the files are damaged,
and both must print the same records and say the same word.
"""

import argparse
import base64
import dataclasses
import hashlib
import io
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import cbor2

import lines
from keys import STRANGER, ours
from reader import Key
from sealer import Dek, Message, key_record, seal
from unseal import MAGIC, Opener, crc32c, load_key, unseal

WORDS = ("not-an-envelope malformed unsupported truncated too-large unknown-key wrong-key tampered bare-tombstone "
         "reserved-header header").split()
CHUNK = 1 << 16


class Lab:
    """A directory, a command and what was found."""

    def __init__(self, command: pathlib.Path, directory: pathlib.Path):
        self.command, self.dir = command.resolve(), directory
        self.compared, self.differ = 0, []
        self.keys: dict[str, Key] = {}

    def run(self, *args: str) -> subprocess.CompletedProcess:
        env = {"STREAMCRYPT_LOG_LEVEL": "error", "STREAMCRYPT_PROGRESS": "none", "GOMAXPROCS": "1"}
        return subprocess.run([self.command, *args], cwd=self.dir, env=env, capture_output=True, timeout=60)

    def must(self, *args: str) -> bytes:
        done = self.run(*args)
        if done.returncode:
            sys.exit(f"{' '.join(args)}: {done.stderr.decode()}")
        return done.stdout

    def keygen(self) -> None:
        for kind, name in (("local", "a"), ("local", "b"), ("x25519", "x"), ("rsa", "r")):
            self.must("keygen", kind, "--out", name)
            self.keys[f"{kind}:{name}"] = load_key(f"{kind}:{self.dir / name}")
            if kind != "local":
                (self.dir / f"{name}.pub").write_bytes(self.must("keygen", "--public", name))

    def encrypt(self, source: str, to: str, *flags: str) -> bytes:
        self.must("encrypt", "--from", f"file:{source}", "--to", f"file:{to}", "--overwrite", *flags)
        return (self.dir / to).read_bytes()

    def compare(self, name: str, file: str, expect: bytes | None = None, keys=("local:a",), context="",
                bind=(), store=None) -> None:
        """Both readers read a file. expect is what it holds; None: it is damaged, and they need only agree."""
        opener = Opener([self.keys[k] for k in keys], context.encode(), [b.encode() for b in bind],
                        store and self.dir / store)
        out = io.BytesIO()
        word = unseal(opener, self.dir / file, out)
        records = file.endswith(("scx", "ndjson"))
        content = as_records if records else bytes
        flags = ["--key", ",".join(keys), "--context", context, *(f"--bind=header:{b}" for b in bind)]
        flags += ["--keystore", f"file:{store}"] * bool(store)
        to = "file:-?format=ndjson" if records else "file:-"
        done = self.run("decrypt", "--from", f"file:{file}", "--to", to, *flags)
        says = "ok" if done.returncode == 0 else reason(done.stderr.decode())
        self.check(name, word == says, f"unseal says {word}, the command {says}: {done.stderr.decode().strip()}")
        if records or word == "ok":  # of a refused raw file a pipe gets the verified chunks, and unseal prints none
            got, printed = content(out.getvalue()), content(done.stdout)
            self.check(name, got == printed, f"they print different bytes {got} {printed}"[:1000])
        if expect is not None:
            self.check(name, word == "ok" and content(out.getvalue()) == content(expect), f"it does not come back: {word}")

    def damaged(self, name: str, file: str, data: bytes, **reader) -> None:
        path = self.dir / ("damaged" + pathlib.Path(file).suffix)
        path.write_bytes(data)
        self.compare(name, path.name, **reader)

    def check(self, name: str, ok: bool, text: str) -> None:
        self.compared += 1
        if not ok:
            self.differ.append(f"{name}: {text}")


def reason(stderr: str) -> str:
    """The word in what the command said last, before a hint."""
    said = [line for line in stderr.splitlines() if line.startswith("streamcrypt: ")]
    words = re.findall(r": (" + "|".join(WORDS) + r")(?=:|$)", said[-1]) if said else []
    return words[0] if words else stderr.strip()


def as_records(printed: bytes) -> list:
    """What lines say, however they escape it."""
    return [lines.parse(line) for line in printed.splitlines()]


def flipped(data: bytes, at: int, bit: int = 1) -> bytes:
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1:]


PUBLIC = ("local:a", "x25519:x.pub", "rsa:r.pub")
PRIVATE = ("local:a", "x25519:x", "rsa:r")
REF = ("--profile=ref", "--keystore=file:store")


def raw_files(lab: Lab) -> None:
    (lab.dir / "store").mkdir()
    for size in (0, 1, CHUNK, CHUNK + 1, 5 << 20):
        payload = os.urandom(size)
        (lab.dir / "plain").write_bytes(payload)
        for public, private in zip(PUBLIC, PRIVATE, strict=True):
            lab.encrypt("plain", "one", "--key", public)
            lab.compare(f"raw {size} {private}", "one", payload, keys=[private])
        lab.encrypt("plain", "many", "--key", ",".join(PUBLIC), "--context=orders")
        for private in PRIVATE:
            lab.compare(f"raw {size} several {private}", "many", payload, [private], "orders")
        lab.compare(f"raw {size} context", "many", keys=["local:a"], context="order")
        lab.compare(f"raw {size} stranger", "many", keys=["local:b"])
        lab.encrypt("plain", "ref", "--key=local:a", *REF)
        lab.compare(f"raw {size} by reference", "ref", payload, store="store")
        lab.compare(f"raw {size} stranger, by reference", "ref", keys=["local:b"], store="store")
    for chunk in (4096, 1 << 20):
        lab.encrypt("plain", "one", "--key=local:a", f"--chunk-size={chunk}", "--nonce=random")
        lab.compare(f"raw in chunks of {chunk}", "one", payload)


def damaged_raw_files(lab: Lab) -> None:
    (lab.dir / "plain").write_bytes(b"hello")
    single = lab.encrypt("plain", "single", "--key=local:a")
    for at in range(len(single)):
        lab.damaged(f"raw, byte {at} flipped", "single", flipped(single, at))
        if at % 4 == 0:
            lab.damaged(f"raw, cut at {at}", "single", single[:at])
    for name, tail in (("00", b"\x00"), ("d0", b"\xd0"), ("again", single), ("d8", b"\xd8"), ("newline", b"\n")):
        lab.damaged(f"raw, then {name}", "single", single + tail)
    (lab.dir / "plain").write_bytes(os.urandom(10000))
    form3 = lab.encrypt("plain", "form3", "--key=local:a", "--chunk-size=4096")
    other = lab.encrypt("plain", "other", "--key=local:a", "--chunk-size=4096")
    front = form3.index(b"\xd0\x83")
    for at in range(0, front + 300, 3):
        lab.damaged(f"form 3, byte {at} flipped", "form3", flipped(form3, at, 4))
        lab.damaged(f"form 3, cut at {at}", "form3", form3[:at])
    segments = [form3.index(b"\x5f\x59") + 1 + i * (3 + 4124) for i in range(3)]
    lab.damaged("form 3, last segment cut off", "form3", form3[:segments[2]] + b"\xff")
    lab.damaged("form 3, ends after a segment", "form3", form3[:segments[2]])
    lab.damaged("form 3, one segment", "form3", form3[:segments[1]] + b"\xff")
    lab.damaged("form 3, segments swapped", "form3", form3[:segments[0]] + form3[segments[1]:segments[2]]
                + form3[segments[0]:segments[1]] + form3[segments[2]:])
    lab.damaged("form 3, last byte flipped", "form3", flipped(form3, len(form3) - 2))
    lab.damaged("form 3, no break", "form3", form3[:-1])
    lab.damaged("form 3, more behind", "form3", form3 + b"\x00")
    lab.damaged("form 3, another's key record", "form3", other[:other.index(b"\xd0\x83")] + form3[front:])
    lab.damaged("form 3, without the key record", "form3", form3[front:])
    lab.damaged("form 3, only the key record", "form3", form3[:front])
    lab.damaged("form 3, two key records", "form3", form3[:front] + form3)
    lab.damaged("form 3, envelope first", "form3", form3[front:] + form3[:front])


def record(kind: int, body: bytes) -> bytes:
    content = bytes([kind]) + body
    return len(content).to_bytes(4, "big") + crc32c(content).to_bytes(4, "big") + content


def records(data: bytes) -> list[tuple[int, bytes]]:
    at, found = len(MAGIC), []
    while at < len(data):
        length = int.from_bytes(data[at:at + 4], "big")
        found.append((data[at + 8], data[at + 9:at + 8 + length]))
        at += 8 + length
    return found


def sequence(parts: list[tuple[int, bytes]]) -> bytes:
    return MAGIC + b"".join(itertools.starmap(record, parts))


def messages() -> bytes:
    """Lines with everything that a message can have."""
    found = [
        (b"k1", [(b"tenant", b"t1"), (b"h", b"1"), (b"h", b"2"), (b"g", None)], 1704164645678, b"s.1", b"v1"),
        (b"k1", [(b"tenant", b"t1")], 1704164645000, None, None),
        (None, [], None, None, b""),
        (b"", [(b"", b"")], 0, b"", b"empty key"),
        (b"\xff\x00", [(b"bin", b"\xfe")], -1, None, bytes(range(256))),
        (b"k", [], 253402300799999, None, "<&>\u2028\u0001 \U0001f600\"\\/\x7f\b\f".encode()),
        (None, [], None, b"s.2", None),
        (b"long", [(b"h", b"x" * 3000)], None, None, os.urandom(3 * CHUNK)),
        (b"full", [], None, None, b"y" * CHUNK),
        (b"many", [(b"h%d" % (i % 20), None if i % 3 else b"%d" % i) for i in range(50)], None, None, b"headers"),
    ]
    return b"".join(lines.dump(key, headers, lines.rfc3339(time) if time is not None else None, subject, value)
                    for key, headers, time, subject, value in found)


def sequences(lab: Lab) -> None:
    plain = messages()
    (lab.dir / "plain.ndjson").write_bytes(plain)
    for to in ("all.scx", "all.ndjson"):
        lab.encrypt("plain.ndjson", to, "--key", ",".join(PUBLIC))
        for private in PRIVATE:
            lab.compare(f"{to} {private}", to, plain, [private])
        lab.compare(f"{to} stranger", to, keys=["local:b"])
        lab.compare(f"{to} context", to, context="orders")
        lab.encrypt("plain.ndjson", to, "--key=local:a", "--context=orders", "--bind=header:tenant,header:h,header:none")
        lab.compare(f"{to} bound", to, plain, context="orders", bind=["none", "tenant", "h"])
        lab.compare(f"{to} bound to less", to, context="orders", bind=["tenant"])
        lab.encrypt("plain.ndjson", to, "--key=local:a,local:b", "--window-messages=2", *REF)
        lab.compare(f"{to} by reference", to, plain, ["local:b"], store="store")
        lab.compare(f"{to} without the store", to)
    (lab.dir / "none.ndjson").write_bytes(b"")
    lab.encrypt("none.ndjson", "none.scx", "--key=local:a")
    lab.compare("no message", "none.scx", b"")


def appended(lab: Lab) -> bytes:
    """A sequence of four messages, written in three runs, and so with three end records."""
    source, all_of_it = lab.dir / "grows.ndjson", messages().splitlines(keepends=True)[:4]
    for n in (2, 3, 4):
        source.write_bytes(b"".join(all_of_it[:n]))
        lab.must("encrypt", "--from", "file:grows.ndjson", "--to", "file:grows.scx", "--key=local:a", "--checkpoint=ck")
    lab.compare("appended", "grows.scx", source.read_bytes())
    return (lab.dir / "grows.scx").read_bytes()


def damaged_sequences(lab: Lab) -> None:
    data = appended(lab)
    parts = records(data)
    for at in range(0, len(data), 7):
        lab.damaged(f"seq, byte {at} flipped", "x.scx", flipped(data, at))
        lab.damaged(f"seq, cut at {at}", "x.scx", data[:at])
    for i, (kind, body) in enumerate(parts):
        changed = {"dropped": [], "twice": [(kind, body)] * 2, "type 2": [(2, body)], "other type": [(1 - kind, body)],
                   "tail": [(kind, body + b"\x00")], "empty": [(kind, b"")], "not CBOR": [(kind, b"\xff")],
                   "not an array": [(kind, b"\xa0")]}
        for name, new in changed.items():
            lab.damaged(f"seq, record {i} {name}", "x.scx", sequence(parts[:i] + new + parts[i + 1:]))
        for at in range(0, len(body), 11):
            lab.damaged(f"seq, record {i}, byte {at} flipped under its CRC", "x.scx",
                        sequence(parts[:i] + [(kind, flipped(body, at))] + parts[i + 1:]))
        for length in (0, 1, 1 << 31):
            start = len(sequence(parts[:i]))
            lab.damaged(f"seq, record {i} length {length}", "x.scx", data[:start] + length.to_bytes(4, "big") + data[start + 4:])
    lab.damaged("seq, swapped", "x.scx", sequence([parts[1], parts[0], *parts[2:]]))
    lab.damaged("seq, zeros behind", "x.scx", data + bytes(100))
    lab.damaged("seq, a record of length 0 behind", "x.scx", data + bytes(8))


def crafted(lab: Lab) -> None:
    """What the command never writes, sealed by the program that makes the vectors."""
    reader = ours()["local"]
    (lab.dir / "v").write_text(json.dumps(reader.json["jwk"]))
    (lab.dir / "v").chmod(0o600)
    lab.keys["local:v"] = Key(reader.json)
    dek = Dek("unseal")
    recipients = (reader.recipient(dek.key),)
    stranger = (STRANGER.recipient(dek.key),)

    def envelope(payload=b"", kind=0, key=None, recipients=recipients, **fields) -> bytes:
        return seal(Message(payload, dek, recipients, context=b"", kind=kind, key=key, **fields)).bytes()

    def raw(name, data, **reader):
        lab.damaged("crafted raw, " + name, "crafted", data, keys=["local:v"], **reader)

    long = os.urandom(10000)
    chunked = envelope(long, chunk=4096)
    raw("self-contained, chunked", chunked, expect=long)
    for at in list(range(0, 120, 5)) + list(range(4100, len(chunked), 997)):
        raw(f"self-contained, chunked, cut at {at}", chunked[:at])
        raw(f"self-contained, chunked, byte {at} flipped", flipped(chunked, at))
    raw("self-contained, chunked, more behind", chunked + b"x")
    front = seal(key_record(dek, recipients, b"")).bytes()
    reference = envelope(b"hello", recipients=())
    raw("form 3, single", front + reference, expect=b"hello")
    raw("form 3, more behind", front + reference + b"x")
    raw("form 3, no recipient of ours", seal(key_record(dek, stranger, b"")).bytes() + reference)
    raw("form 3, record of another context", seal(key_record(dek, recipients, b"c")).bytes() + reference)
    raw("form 3, record with a payload", envelope(b"x", 2) + reference)
    raw("form 3, record of kind 0", envelope() + reference)
    raw("form 3, record in chunks", envelope(long, 2, chunk=4096) + reference)
    raw("form 3, record of a message", envelope(b"", 2, offset=7, place=b"p" * 7) + reference)
    raw("form 3, key that is bound", front + envelope(b"hello", recipients=(), key=b"k"))
    (lab.dir / "vstore").mkdir()
    stored = lab.dir / "vstore" / dek.kid.hex()
    wrong = Dek("other")
    wrong_record = seal(dataclasses.replace(key_record(wrong, recipients, b""), recipients=(reader.recipient(dek.key),)))
    liar = seal(Message(b"", dek, (reader.recipient(wrong.key),), context=b"", key=None, kind=2)).bytes()
    theirs = seal(key_record(dek, stranger, b"")).bytes()
    for name, content in {"the record": front, "two records": theirs + front, "theirs": theirs, "liar": liar,
                          "liar, theirs": liar + theirs, "theirs, liar": theirs + liar, "liar, ours": liar + front,
                          "another's": wrong_record.bytes(), "flipped tag": flipped(front, 95), "cut": front[:-1],
                          "of another context": seal(key_record(dek, recipients, b"c")).bytes(),
                          "not a record": b"x", "empty": b"", "ours, then x": front + b"x", "x, then ours": b"x" + front,
                          "with a payload": envelope(b"x", 2), "chunked": envelope(long, 2, chunk=4096), "reference": reference}.items():
        stored.write_bytes(content)
        raw(f"store has {name}", reference, store="vstore")
    stored.write_bytes(front)
    raw("form 2, more behind", reference + b"x", store="vstore")
    raw("form 2, record behind", reference + front, store="vstore")
    raw("form 2, chunked, more behind", envelope(long, recipients=(), chunk=4096) + b"\x00", store="vstore")

    def message(value=b"v", key=b"k", subject=None, time=0, headers=(), sealed=None) -> tuple[tuple[int, bytes], bytes]:
        sealed = envelope(value, key=key, subject=subject) if sealed is None else sealed
        return (0, cbor2.dumps([key, list(headers), time, subject, sealed])), sealed[-len(recipients_raw) - 16:-len(recipients_raw)]

    recipients_raw = b"\x81" + recipients[0]

    def end(tags, count=None, kind=3, extra=b"", head=(None, [], 0, None), **fields):
        digest = hashlib.sha256(b"".join(tags)).digest()
        count = len(tags) if count is None else count
        return 1, cbor2.dumps([*head, envelope(count.to_bytes(8, "big") + digest + extra, kind, **fields)])

    def tombstone(value=None, payload=b"", kind=1, times=1):
        sealed = envelope(payload, kind, key=b"k")
        return ((0, cbor2.dumps([b"k", [[b"streamcrypt", sealed]] * times, 0, None, value])),
                sealed[-len(recipients_raw) - 16:-len(recipients_raw)])

    def plain(body):
        return (0, body), b""

    def scx(name, *parts, **reader):
        lab.damaged("crafted seq, " + name, "x.scx", sequence(list(parts)), keys=["local:v"], **reader)

    m, n, t = message(b"1"), message(b"2"), tombstone()
    scx("ends twice", m[0], end([m[1]]), n[0], t[0], end([m[1], n[1], t[1]]))
    scx("first end wrong", m[0], end([n[1]]), n[0], end([m[1], n[1]]))
    scx("first end of another key", m[0], end([m[1]], recipients=stranger), n[0], end([m[1], n[1]]))
    scx("two ends in a row", m[0], end([m[1]]), end([m[1]]))
    scx("end first", end([]), m[0], end([m[1]]))
    scx("message behind the end", m[0], end([m[1]]), n[0])
    scx("only an end", end([]))
    scx("nothing")
    scx("count too large", m[0], end([m[1]], 2))
    scx("end with more", m[0], end([m[1]], extra=b"x"))
    scx("end of kind 0", m[0], end([m[1]], kind=0))
    scx("end with a key", m[0], end([m[1]], head=(b"", [], 0, None)))
    scx("end with a time", m[0], end([m[1]], head=(None, [], 1, None)))
    scx("end with a header", m[0], end([m[1]], head=(None, [[b"h", b""]], 0, None)))
    scx("end without seal", m[0], (1, cbor2.dumps([None, [], 0, None, None])))
    scx("end with rubbish", m[0], (1, cbor2.dumps([None, [], 0, None, b"rubbish"])))
    scx("end with an offset", m[0], end([m[1]], offset=3, place=b"p" * 7))
    for name, bad in {
        "tombstone with a payload": tombstone(payload=b"x"), "tombstone of kind 0": tombstone(kind=0),
        "tombstone with a value": tombstone(value=envelope(b"v", key=b"k")), "two tombstones": tombstone(times=2),
        "tombstone with a plain value": tombstone(value=b"plain"), "no tombstone": tombstone(times=0),
        "tombstone null": plain(cbor2.dumps([b"k", [[b"streamcrypt", None]], 0, None, None])),
        "tombstone rubbish": plain(cbor2.dumps([b"k", [[b"streamcrypt", b"x"]], 0, None, None])),
        "value with header": plain(cbor2.dumps([b"k", [[b"streamcrypt", b"x"]], 0, None, envelope(b"v", key=b"k")])),
        "value with Header": message(headers=[[b"Streamcrypt", b"x"]]),
        "plain": message(sealed=b"plain"), "empty value": message(sealed=b""), "record of another key": message(sealed=envelope(b"v", key=b"l")),
        "no key, empty key": plain(cbor2.dumps([None, [], 0, None, envelope(b"v", key=b"")])),
        "no subject, empty subject": plain(cbor2.dumps([None, [], 0, None, envelope(b"v", subject=b"")])),
        "subject": message(subject=b"s"), "kind 1 as value": message(sealed=envelope(b"", 1, key=b"k")),
        "long head": plain(b"\x98\x05" + m[0][1][1:]), "indefinite": plain(b"\x9f" + m[0][1][1:] + b"\xff"),
        "time text": message(time="x"), "time float": message(time=1.5), "time null": message(time=None),
        "time true": message(time=True), "time far": message(time=1 << 62), "time too far": message(time=(1 << 64) - 1), "time far back": message(time=-1 << 62),
        "time year 10000": message(time=253402300800000), "time 64 bits back": message(time=-(1 << 64)), "time big": message(time=1 << 64), "time none": message(time=lines.NO_TIME),
        "tag": plain(b"\xc1" + m[0][1]), "map": plain(cbor2.dumps({})), "four": plain(cbor2.dumps([None, [], 0, None])),
        "six": plain(cbor2.dumps([None, [], 0, None, None, None])), "text key": message(sealed=envelope(b"v"), key="k"),
        "text header": message(headers=[["h", b"v"]]), "null header name": message(headers=[[None, b"v"]]),
        "header of three": message(headers=[[b"h", b"v", b"w"]]), "headers": message(headers=[[b"h%d" % i, None] for i in range(5000)]),
        "4096 headers": message(headers=[[b"h%d" % i, b""] for i in range(4096)]), "no body": plain(b""),
        "undefined": plain(m[0][1].replace(b"\xf6", b"\xf7")), "false": plain(m[0][1].replace(b"\xf6", b"\xf4")),
    }.items():
        scx(name, m[0], bad[0], n[0], end([m[1], bad[1], n[1]]))
    for n_bytes in range(len(MAGIC) + 1):
        lab.damaged(f"crafted seq, {n_bytes} bytes", "x.scx", MAGIC[:n_bytes])
    lab.damaged("crafted seq, another magic", "x.scx", b"SCXSEQ2\n")
    lab.damaged("crafted seq, another name", "x.scx", b"SCXSEX1\n" + bytes(20))
    lab.damaged("crafted seq, an envelope", "x.scx", front)

    def ndjson(name, text, **reader):
        lab.damaged("crafted ndjson, " + name, "x.ndjson", text if isinstance(text, bytes) else text.encode(), keys=["local:v"], **reader)

    e = base64.b64encode(envelope(b"v", key=b"k")).decode()
    bare = base64.b64encode(envelope(b"v")).decode()
    url = base64.urlsafe_b64encode(envelope(b"v", key=b"k")).decode()
    dead = envelope(b"", 1, key=b"k")
    dead64, deadurl = base64.b64encode(dead).decode(), base64.urlsafe_b64encode(dead).decode().rstrip("=")
    ok = '{"key":"k","value64":"%s"}' % e
    for name, text in {
        "ok": ok + "\n", "no newline": ok, "crlf": ok + "\r\n" + ok + "\r\n", "blank line": ok + "\n\n" + ok, "spaces": "  " + ok.replace(",", " , ") + "  \n",
        "blank": "\n", "bom": "\ufeff" + ok, "unknown field": ok[:-1] + ',"x":1}', "field case": ok.replace("key", "Key"),
        "field twice": '{"key":"j",' + ok[1:], "key and key64": '{"key64":"aw==",' + ok[1:], "value and value64": ok[:-1] + ',"value":"x"}',
        "null and value64": ok[:-1] + ',"value":null}',
        "key null": '{"key":null,"value64":"%s"}' % bare, "no key": '{"value64":"%s"}' % bare, "key64 null": '{"key64":null,"value64":"%s"}' % bare,
        "no value": '{"key":"k"}', "value64 null": '{"key":"k","value64":null}', "null": '{"key":"k","value":null}', "text": '{"key":"k","value":"text"}',
        "envelope as text": '{"key":"k","value":"%s"}' % e, "number": '{"key":"k","value":1}', "array": "[]", "string": '"x"', "two values": ok + ok,
        "unpadded": ok.replace("=", ""), "url": '{"key":"k","value64":"%s"}' % url, "bad base64": '{"key":"k","value64":"*"}',
        "line end in base64": '{"key":"k","value64":"%s"}' % (e[:10] + "\\n" + e[10:]),
        "cut": ok[:-1], "cut line behind": ok + "\n" + ok[:50], "not utf-8": b'{"key":"\xff","value64":"x"}', "lone surrogate": '{"key":"\\ud800","value64":"%s"}' % e,
        "time": ok[:-1] + ',"time":"2024-01-02T03:04:05+01:00"}', "time bad": ok[:-1] + ',"time":"x"}', "time number": ok[:-1] + ',"time":1}', "time null": ok[:-1] + ',"time":null}', "time empty": ok[:-1] + ',"time":""}', "time zero": ok[:-1] + ',"time":"0001-01-01T00:00:00Z"}', "time ns": ok[:-1] + ',"time":"2024-01-02T03:04:05.123456789Z"}', "time zeros": ok[:-1] + ',"time":"2024-01-02T03:04:05.100Z"}', "time small": ok[:-1] + ',"time":"2024-01-02t03:04:05z"}',
        "subject null": ok[:-1] + ',"subject":null}', "subject": ok[:-1] + ',"subject":"s"}', "subject empty": ok[:-1] + ',"subject":""}', "subject number": ok[:-1] + ',"subject":1}', "subject64": ok[:-1] + ',"subject64":"cw=="}',
        "headers null": ok[:-1] + ',"headers":null}', "headers empty": ok[:-1] + ',"headers":[]}', "headers map": ok[:-1] + ',"headers":{}}', "headers flat": ok[:-1] + ',"headers":["a","b"]}', "headers one": ok[:-1] + ',"headers":[["a"]]}', "headers three": ok[:-1] + ',"headers":[["a","b","c"]]}', "headers name null": ok[:-1] + ',"headers":[[null,"c"]]}', "headers number": ok[:-1] + ',"headers":[["a",1]]}', "header binary text": ok[:-1] + ',"headers":[["a",{"b64":"YQ=="}]]}', "header binary name": ok[:-1] + ',"headers":[[{"b64":"/w=="},{"b64":"/w=="}]]}',
        "tombstone b64": '{"key":"k","value":null,"headers":[["streamcrypt",{"b64":"%s"}]]}' % dead64,
        "tombstone url": '{"key":"k","value":null,"headers":[["streamcrypt","%s"]]}' % deadurl,
        "tombstone, empty value": '{"key":"k","value":"","headers":[["streamcrypt",{"b64":"%s"}]]}' % dead64,
        "header b64 and more": ok[:-1] + ',"headers":[["a",{"b64":"YQ==","x":1}]]}',
    }.items():
        ndjson(name, text)


def main() -> int:
    flags = argparse.ArgumentParser(description="Compare unseal.py with the built command.")
    flags.add_argument("command", type=pathlib.Path)
    args = flags.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        lab = Lab(args.command, pathlib.Path(directory))
        lab.keygen()
        for part in (raw_files, damaged_raw_files, sequences, damaged_sequences, crafted):
            part(lab)
    for text in lab.differ:
        print(text)
    print(f"unseal_check: {lab.compared} compared, {len(lab.differ)} differ")
    return int(lab.differ != [])


if __name__ == "__main__":
    sys.exit(main())
