#!/usr/bin/env python3
"""Compares decrypt.py, which knows the specification only, with the built command.

    python3 against_command.py ./streamcrypt     # exit code 1 where the two differ

The command makes files of every form, which must come back as they were. Then files are damaged: the two must print
the same and
say the same word. Files that the command never makes are among the vectors (rawfiles.json, archives.json).
"""

import argparse
import io
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from damage import change_line, flipped, sequence, split_records
from decrypt import run
from envelope import Refused, read_item
from lines import format_line, parse_line
from opener import Kek, Opener

WORDS = (
    "not-an-envelope malformed unsupported truncated too-large unknown-key wrong-key untrusted "
    "unknown-dictionary tampered bare-tombstone reserved-header header"
).split()
CHUNK = 1 << 16
PUBLIC, PRIVATE = ("local:a", "x25519:x.pub", "rsa:r.pub"), ("local:a", "x25519:x", "rsa:r")
REF = ("--profile=ref", "--keystore=file:store")
KNOWN = {}  # comparisons in which the two may differ, and why


class Lab:
    """A directory with keys, a command, and the differences that were found."""

    def __init__(self, command, directory):
        self.command, self.dir, self.compared, self.differ = command.resolve(), directory, 0, []
        for kind, name in (("local", "a"), ("local", "b"), ("x25519", "x"), ("rsa", "r"), ("ed25519", "s")):
            self.must("keygen", kind, "--out", name)
            if kind != "local":
                self.write(f"{name}.pub", self.must("keygen", "--public", name))
        self.keks = {
            k: Kek((self.dir / k.split(":")[1]).read_text()) for k in ("local:a", "local:b", "x25519:x", "rsa:r")
        }
        self.signer = load_pem_public_key((self.dir / "s.pub").read_bytes())

    def write(self, name, data):
        path = self.dir / name
        path.touch(mode=0o600)
        path.write_bytes(data)

    def start(self, *args):
        env = {"STREAMCRYPT_LOG_LEVEL": "error", "STREAMCRYPT_PROGRESS": "none", "GOMAXPROCS": "1"}
        return subprocess.Popen(
            [self.command, *args], cwd=self.dir, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def must(self, *args):
        process = self.start(*args)
        out, err = process.communicate(timeout=60)
        if process.returncode:
            sys.exit(f"{' '.join(args)}: {err.decode()}")
        return out

    def encrypt(self, source, to, *flags):
        self.must("encrypt", "--from", f"file:{source}", "--to", f"file:{to}", "--overwrite", *flags)
        return (self.dir / to).read_bytes()

    def compare(
        self, name, file, expect=None, keys=("local:a",), context="", bind=(), store=None, signed=False, flags=()
    ):
        """Both read a file. expect is what must come out of it; None: they need only agree."""
        records = file.endswith((".scx", ".ndjson"))
        options = ["--key", ",".join(keys), "--context", context, *(f"--bind=header:{b}" for b in bind), *flags]
        options += ([f"--keystore=file:{store}"] if store else []) + (["--signer=s.pub"] if signed else [])
        process = self.start(
            "decrypt", "--from", f"file:{file}", "--to", "file:-" + "?format=ndjson" * records, *options
        )
        folder = self.dir / store if store else None
        opener = Opener(
            [self.keks[k] for k in keys],
            context.encode(),
            signers=[self.signer] * signed,
            records=lambda kid: [p.read_bytes() for p in sorted(folder.glob(kid.hex() + "*"))] if folder else [],
        )
        out, word = io.BytesIO(), "ok"
        try:
            run(self.dir / file, opener, [b.encode() for b in bind], out)
        except Refused as refused:
            word = str(refused)
        printed, err = process.communicate(timeout=60)
        says = "ok" if process.returncode == 0 else reason(err.decode())
        self.compared += 1
        shown = parsed if records else bytes  # lines may be escaped in more than one way
        if word != says:
            self.differ.append((name, f"decrypt.py says {word}, the command {says}"))
        elif (records or word == "ok") and shown(out.getvalue()) != shown(printed):
            self.differ.append((name, f"{word}, but they print different things"))
        elif expect is not None and (word, shown(out.getvalue())) != ("ok", shown(expect)):
            self.differ.append((name, f"{word}, and it does not come back"))

    def damaged(self, name, suffix, data, **reader):
        """Both read data as a file with this suffix."""
        self.write("damaged" + suffix, data)
        self.compare(name, "damaged" + suffix, **reader)


def reason(stderr):
    """The word in the last thing that the command said, before a hint."""
    said = [line for line in stderr.splitlines() if line.startswith("streamcrypt: ") or '"level":"ERROR"' in line]
    words = re.findall(r": (" + "|".join(WORDS) + r")(?=:|$|\")", said[-1]) if said else []
    return words[0] if words else stderr.strip()[-200:]


def parsed(printed):
    return [parse_line(line) for line in printed.splitlines()]


def raw_files(lab):
    (lab.dir / "store").mkdir()
    for size in (0, 1, CHUNK, CHUNK + 1, 5 << 20):
        payload = os.urandom(size // 2) + bytes(size - size // 2)
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
        for name, flags in (
            ("compressed", ["--compress=zstd"]),
            ("padded", ["--pad=padme"]),
            ("both", ["--compress=zstd", "--pad=4096"]),
        ):
            lab.encrypt("plain", name, "--key=local:a", *flags)
            lab.compare(f"raw {size} {name}", name, payload)
        lab.encrypt("plain", "signed", "--key=local:a", "--sign=s")
        lab.compare(f"raw {size} signed", "signed", payload, signed=True)
        lab.compare(f"raw {size} unsigned", "one", keys=["rsa:r"], signed=True)
    for chunk in (4096, 1 << 20):
        lab.encrypt("plain", "one", "--key=local:a", f"--chunk-size={chunk}", "--nonce=random")
        lab.compare(f"raw in chunks of {chunk}", "one", payload)


def damaged_raw(lab):
    lab.write("plain", b"hello")
    single = lab.encrypt("plain", "single", "--key=local:a")
    for at in range(1, len(single), 2):
        lab.damaged(f"raw, byte {at} flipped", "", flipped(single, at))
        if at % 3 == 0:
            lab.damaged(f"raw, cut at {at}", "", single[:at])
    lab.write("plain", os.urandom(10000))
    data, other = (lab.encrypt("plain", "form3", "--key=local:a", "--chunk-size=4096") for _ in range(2))
    front = read_item(data, 2)[1]
    for at in range(0, front + 160, 3):
        lab.damaged(f"form 3, byte {at} flipped", "", flipped(data, at, 4))
        if at % 4 == 0:
            lab.damaged(f"form 3, cut at {at}", "", data[:at])
    for name, bad in {
        "no break": data[:-1],
        "more behind": data + b"\0",
        "another's record": other[:front] + data[front:],
        "no key record": data[front:],
        "only a key record": data[:front],
        "two key records": data[:front] + data,
        "last tag flipped": flipped(data, len(data) - 2),
    }.items():
        lab.damaged("form 3, " + name, "", bad)


def messages():
    """Lines with everything that a message can have."""
    found = [
        (b"k1", [(b"tenant", b"t1"), (b"h", b"1"), (b"h", b"2"), (b"g", None)], 1704164645678, b"s.1", b"v1"),
        (b"k1", [(b"tenant", b"t1")], 1704164645000, None, None),
        (None, [], None, None, b""),
        (b"", [(b"", b"")], 0, b"", b"empty key"),
        (b"\xff\x00", [(b"bin", b"\xfe")], -1, None, bytes(range(256))),
        (b"k", [], 253402300799999, None, '<&>\u2028\u0001 \U0001f600"\\/\x7f\b\f'.encode()),
        (None, [], None, b"s.2", None),
        (b"long", [(b"h", b"x" * 3000)], None, None, os.urandom(3 * CHUNK)),
        (b"full", [], None, None, b"y" * CHUNK),
        (b"many", [(b"h%d" % (i % 20), None if i % 3 else b"%d" % i) for i in range(50)], None, None, b"headers"),
    ]
    return b"".join(format_line(*message) for message in found)


def record_files(lab):
    plain = messages()
    lab.write("plain.ndjson", plain)
    for to in ("all.scx", "all.ndjson"):
        lab.encrypt("plain.ndjson", to, "--key", ",".join(PUBLIC))
        for private in PRIVATE:
            lab.compare(f"{to} {private}", to, plain, [private])
        lab.compare(f"{to} another key", to, keys=["local:b"])
        lab.compare(f"{to} another context", to, context="orders")
        lab.encrypt(
            "plain.ndjson", to, "--key=local:a", "--context=orders", "--bind=header:tenant,header:h,header:none"
        )
        lab.compare(f"{to} named", to, plain, context="orders", bind=["none", "tenant", "h"])
        lab.compare(f"{to} named otherwise", to, context="orders", bind=["tenant"])
        lab.encrypt("plain.ndjson", to, "--key=local:a,local:b", "--window-messages=2", *REF)
        lab.compare(f"{to} by reference", to, plain, ["local:b"], store="store")
        lab.encrypt("plain.ndjson", to, "--key=local:a", "--compress=zstd", "--sign=s")
        lab.compare(f"{to} compressed and signed", to, plain, signed=True)


def damaged_archive(lab):
    plain = b""
    for line in messages().splitlines(keepends=True)[:4]:
        plain += line
        lab.write("grows.ndjson", plain)
        lab.must("encrypt", "--from=file:grows.ndjson", "--to=file:grows.scx", "--key=local:a", "--checkpoint=ck")
    lab.compare("appended to", "grows.scx", plain)
    data = (lab.dir / "grows.scx").read_bytes()
    parts = split_records(data)
    for at in range(0, len(data), 13):
        lab.damaged(f"seq, byte {at} flipped", ".scx", flipped(data, at, 1 if at % 2 else 16))
        if at % 2:
            lab.damaged(f"seq, cut at {at}", ".scx", data[:at])
    for i, (kind, body) in enumerate(parts):
        for name, new in {
            "dropped": [],
            "type 4": [(4, body)],
            "type 128": [(128, body)],
            "more": [(kind, body + b"\0")],
            "empty": [(kind, b"")],
        }.items():
            lab.damaged(f"seq, record {i} {name}", ".scx", sequence(parts[:i] + new + parts[i + 1 :]))
    for name, bad in {"twice": [parts[0], *parts], "swapped": [parts[1], parts[0], *parts[2:]]}.items():
        lab.damaged(f"seq, {name}", ".scx", sequence(bad), flags=["--on=duplicate=pass", "--on=reordered=pass"])


def damaged_lines(lab):
    lab.write("plain.ndjson", b'{"key":"k","value":"v"}\n')
    line = lab.encrypt("plain.ndjson", "line.ndjson", "--key=local:a", "--bind=none").rstrip(b"\n")
    for name, bad in change_line(line).items():
        lab.damaged(f"line, {name}", ".ndjson", bad + b"\n")


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("command", type=pathlib.Path)
    flags.add_argument("-v", "--verbose", action="store_true", help="print the known differences too")
    args = flags.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        lab = Lab(args.command, pathlib.Path(directory))
        for part in (raw_files, damaged_raw, record_files, damaged_archive, damaged_lines):
            part(lab)
    wrong = [(name, said) for name, said in lab.differ if name not in KNOWN]
    for name, said in lab.differ if args.verbose else wrong:
        print(f"{name}: {said}" + (f" (known: {KNOWN[name]})" if name in KNOWN else ""))
    print(
        f"against_command: {lab.compared} comparisons, {len(wrong)} differ, "
        f"{len(lab.differ) - len(wrong)} known differences"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
