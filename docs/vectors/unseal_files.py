"""Files that the command makes, and what is left of them when they are damaged."""

import os

import lines
from unseal import item_end
from unseal_lab import Lab, flipped, records, sequence

CHUNK = 1 << 16
PUBLIC = ("local:a", "x25519:x.pub", "rsa:r.pub")
PRIVATE = ("local:a", "x25519:x", "rsa:r")
REF = ("--profile=ref", "--keystore=file:store")


def raw_files(lab: Lab) -> None:
    (lab.dir / "store").mkdir()
    for size in (0, 1, CHUNK, CHUNK + 1, 5 << 20):
        payload = os.urandom(size)
        lab.write("plain", payload)
        for public, private in zip(PUBLIC, PRIVATE, strict=True):
            lab.encrypt("plain", "one", "--key", public)
            lab.compare(f"raw {size} {private}", "one", payload, keys=[private])
        lab.encrypt("plain", "many", "--key", ",".join(PUBLIC), "--context=orders")
        for private in PRIVATE:
            lab.compare(f"raw {size} several {private}", "many", payload, [private], "orders")
        lab.compare(f"raw {size} another context", "many", context="order")
        lab.compare(f"raw {size} another key", "many", keys=["local:b"], context="orders")
        lab.encrypt("plain", "ref", "--key=local:a", *REF)
        lab.compare(f"raw {size} by reference", "ref", payload, store="store")
        lab.compare(f"raw {size} by reference, another key", "ref", keys=["local:b"], store="store")
    for chunk in (4096, 1 << 20):
        lab.encrypt("plain", "one", "--key=local:a", f"--chunk-size={chunk}", "--nonce=random")
        lab.compare(f"raw in chunks of {chunk}", "one", payload)


def damaged_single(lab: Lab) -> None:
    lab.write("plain", b"hello")
    single = lab.encrypt("plain", "single", "--key=local:a")
    for at in range(1, len(single), 2):
        lab.damaged(f"raw, byte {at} flipped", "", flipped(single, at))
        if at % 3 == 0:
            lab.damaged(f"raw, cut at {at}", "", single[:at])
    for name, tail in (("00", b"\x00"), ("d0", b"\xd0"), ("itself", single), ("d8", b"\xd8"), ("newline", b"\n")):
        lab.damaged(f"raw, then {name}", "", single + tail)


def damaged_form3(lab: Lab) -> None:
    lab.write("plain", os.urandom(10000))
    data, other = (lab.encrypt("plain", "form3", "--key=local:a", "--chunk-size=4096") for _ in range(2))
    front = item_end(data)
    first = data.index(b"\x5f\x59\x10\x1c", front) + 1  # the segments are of 4,124 bytes
    second, third = first + 3 + 4124, first + 2 * (3 + 4124)
    for at in range(0, front + 160, 3):
        lab.damaged(f"form 3, byte {at} flipped", "", flipped(data, at, 4))
        if at % 4 == 0:
            lab.damaged(f"form 3, cut at {at}", "", data[:at])
    for name, damaged in {
        "last segment cut off": data[:third] + b"\xff", "ends behind a segment": data[:third],
        "one segment": data[:second] + b"\xff", "no break": data[:-1], "more behind": data + b"\x00",
        "segments swapped": data[:first] + data[second:third] + data[first:second] + data[third:],
        "last tag flipped": flipped(data, len(data) - 2), "another's key record": other[:front] + data[front:],
        "no key record": data[front:], "only a key record": data[:front], "two key records": data[:front] + data,
        "envelope first": data[front:] + data[:front],
    }.items():
        lab.damaged("form 3, " + name, "", damaged)


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
    return b"".join(lines.dump(*message) for message in found)


def record_files(lab: Lab) -> None:
    plain = messages()
    lab.write("plain.ndjson", plain)
    for to in ("all.scx", "all.ndjson"):
        lab.encrypt("plain.ndjson", to, "--key", ",".join(PUBLIC))
        for private in PRIVATE:
            lab.compare(f"{to} {private}", to, plain, [private])
        lab.compare(f"{to} another key", to, keys=["local:b"])
        lab.compare(f"{to} another context", to, context="orders")
        lab.encrypt("plain.ndjson", to, "--key=local:a", "--context=orders",
                    "--bind=header:tenant,header:h,header:none")
        lab.compare(f"{to} bound", to, plain, context="orders", bind=["none", "tenant", "h"])
        lab.compare(f"{to} bound to less", to, context="orders", bind=["tenant"])
        lab.encrypt("plain.ndjson", to, "--key=local:a,local:b", "--window-messages=2", *REF)
        lab.compare(f"{to} by reference", to, plain, ["local:b"], store="store")
        lab.compare(f"{to} by reference, no store", to)
    lab.write("none.ndjson", b"")
    lab.encrypt("none.ndjson", "none.scx", "--key=local:a")
    lab.compare("no message", "none.scx", b"")


def appended(lab: Lab) -> None:
    plain = b""
    for line in messages().splitlines(keepends=True)[:4]:
        plain += line
        lab.write("grows.ndjson", plain)
        lab.must("encrypt", "--from=file:grows.ndjson", "--to=file:grows.scx", "--key=local:a", "--checkpoint=ck")
    lab.compare("appended to", "grows.scx", plain)


def damaged_sequence(lab: Lab) -> None:
    data = (lab.dir / "grows.scx").read_bytes()
    parts = records(data)
    for at in range(0, len(data), 13):
        lab.damaged(f"seq, byte {at} flipped", ".scx", flipped(data, at, 1 if at % 2 else 16))
        if at % 2:
            lab.damaged(f"seq, cut at {at}", ".scx", data[:at])
    for i, (kind, body) in enumerate(parts):
        for name, new in {"dropped": [], "type 2": [(2, body)], "other type": [(1 - kind, body)],
                          "more": [(kind, body + b"\x00")], "empty": [(kind, b"")]}.items():
            lab.damaged(f"seq, record {i} {name}", ".scx", sequence(parts[:i] + new + parts[i + 1:]))
    for i in (1, len(parts) - 1):
        kind, body = parts[i]
        for at in range(0, len(body), 16):
            lab.damaged(f"seq, record {i}, byte {at} flipped under its CRC", ".scx",
                        sequence(parts[:i] + [(kind, flipped(body, at))] + parts[i + 1:]))
    # The command drops messages that it has seen, or that come late; the end record refuses both.
    lab.damaged("seq, twice", ".scx", sequence([parts[0], *parts]), word_only=True)
    lab.damaged("seq, swapped", ".scx", sequence([parts[1], parts[0], *parts[2:]]), word_only=True)
    start = len(sequence(parts[:2]))
    for length in (0, 1, 1 << 20, 1 << 31):
        lab.damaged(f"seq, length {length}", ".scx", data[:start] + length.to_bytes(4, "big") + data[start + 4:])
    lab.damaged("seq, zeros behind", ".scx", data + bytes(100))
    lab.damaged("seq, a record of length 0 behind", ".scx", data + bytes(8))


PARTS = (raw_files, damaged_single, damaged_form3, record_files, appended, damaged_sequence)
