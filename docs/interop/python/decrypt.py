#!/usr/bin/env python3
"""Opens files of streamcrypt without streamcrypt. Written from docs/envelope.md alone.

    python3 decrypt.py --key key.jwk letter.enc > letter.txt
    python3 decrypt.py --key me.pem --key r.pem --signer sealer.pub orders.scx > orders.ndjson

A raw file gives its bytes; .scx, .ndjson and .jsonl give lines of JSON. What is printed has been verified, but only
exit code 0
says that it was all of it. A refused file ends in its word on standard error and exit code 1. Files are read whole:
this is a
reading of the specification, not a tool for large ones.
"""

import argparse
import hashlib
import pathlib
import sys

import cbor2
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from envelope import Envelope, Refused, must, parsed, read_item
from lines import format_line, parse_line
from opener import END, KEY_RECORD, NO_TIME, TOMBSTONE, VALUE, Kek, Opener, sha

MAGIC, HEADER, BOM = b"SCXSEQ1\n", b"streamcrypt", b"\xef\xbb\xbf"


def open_raw(b, opener):
    """Section 9, raw: forms 1 to 3."""
    record, rest = None, b
    if b[:2] == b"\xd8\x60":
        _, end, _ = read_item(b, 2)
        if end < len(b):
            must(b[end] == 0xD0)
            record, rest = parsed(b[:end]), b[end:]
            must(record)
    e = Envelope(rest)
    if record:
        must(e.chunked)
        must(e.kid == record.commitment[:16], "wrong-key")
        opener.open(record, KEY_RECORD, medium="raw")
        opener.records = lambda kid: [record.whole]
    return opener.open(e, VALUE, medium="raw")[0]


def open_message(opener, key, headers, when, subject, value, bind=()):
    """Headers and value as they were before sealing, and the number of headers that were left out."""
    sealed = [v for n, v in headers if n == HEADER]
    must(value is not None or sealed, "bare-tombstone")
    must(len(sealed) == (value is None), "reserved-header")
    e = Envelope(value if value is not None else sealed[0] or b"")
    kind = VALUE if value is not None else TOMBSTONE
    payload, extra = opener.open(e, kind, subject, key, headers, when, "file", bind)
    kept = [h for h in headers if h[0] != HEADER]
    return kept[: len(kept) - extra], payload if kind == VALUE else None


class Archive:
    """Section 9, seq. ends are (id, number, flags, count, digest) of the verified ends."""

    def __init__(self, opener, bind=()):
        self.opener, self.bind, self.messages, self.ends = opener, bind, [], []
        self.kids, self.store = {}, opener.records
        self.section, self.sections = hashlib.sha256(), hashlib.sha256()
        opener.records = lambda kid: [*self.kids.get(kid, []), *self.store(kid)]

    def run(self, b):
        must(b[:8] == MAGIC, "truncated" if MAGIC.startswith(b) else "malformed")
        at, kind = 8, None
        while at < len(b):
            must(at + 8 <= len(b), "truncated")
            size, crc = int.from_bytes(b[at : at + 4], "big"), int.from_bytes(b[at + 4 : at + 8], "big")
            content, at = b[at + 8 : at + 8 + size], at + 8 + size
            must(at <= len(b), "truncated")
            must(size and crc32c(content) == crc, "truncated" if at == len(b) else "malformed")
            kind = content[0]
            must(kind < 4 or kind > 127)
            self.read_record(kind, content[1:])
        must(kind == 1, "truncated")

    def read_record(self, kind, body):
        if kind == 1:
            return self.read_end(body)
        fields = read_body(body) if kind == 0 else None
        covered = cut_envelope(body, *fields) if kind == 0 else body
        if kind in (2, 3):
            e = parsed(body)
            must(e and e.alone and not e.chunked)
            covered = e.front
        if kind == 2:
            must(len(e.pieces[0]) == 28 and not e.coding and not any(e.position[:22] + e.position[26:28]))
            self.kids.setdefault(e.commitment[:16], []).append(body)
        elif kind == 3:
            self.opener.dictionary_records = [*self.opener.dictionary_records, (None, body)][-16:]
        self.section.update(bytes([kind]) + len(covered).to_bytes(4, "big") + covered)
        if kind == 0:
            key, headers, when, subject, value = fields
            headers, value = open_message(self.opener, key, headers, when, subject, value, self.bind)
            self.messages.append((key, headers, None if when == NO_TIME else when, subject, value))
        return None

    def read_end(self, body):
        *outer, seal = read_body(body)
        must(outer == [None, [], 0, None] and seal is not None)
        p = self.opener.open(Envelope(seal), END)[0]
        must(p[20] < 4, "unsupported")
        signed = ["streamcrypt/1 archive", self.opener.context, p[:61]]
        must(not self.opener.signers or len(p) == 133 and self.opener.verify(p[61:69], p[69:], signed), "untrusted")
        section, self.section = self.section.digest(), hashlib.sha256()
        self.sections.update(section)
        name, number, flags, count, digest = (
            p[:16],
            int.from_bytes(p[16:20], "big"),
            p[20],
            int.from_bytes(p[21:29], "big"),
            p[29:61],
        )
        if self.ends and self.ends[-1][0] == name:
            _, before, set_before, _, last = self.ends[-1]
            must(number == before + 1 and set_before & flags == set_before and digest == sha(last, section), "tampered")
        else:
            first = sha(sha(b"streamcrypt/1 archive", name), self.sections.digest())
            must(number == 1 and digest == first and (not self.ends or flags & 2), "tampered")
        must(count == len(self.messages), "tampered")
        self.ends.append((name, number, flags, count, digest))


def read_body(b):
    """The five elements of a body of type 0 or 1."""
    try:
        found, end, good = read_item(b, limits=False)
    except Refused:
        raise Refused("malformed") from None
    must(end == len(b) and good and type(found) is list and len(found) == 5 and type(found[1]) is list)
    key, headers, when, subject, value = found
    must(
        all(x is None or isinstance(x, bytes) for x in (key, subject, value))
        and type(when) is int
        and -(2**63) <= when < 2**63
    )
    must(all(type(h) is list and len(h) == 2 and isinstance(h[0], bytes) for h in headers))
    must(all(v is None or isinstance(v, bytes) for _, v in headers))
    return key, headers, when, subject, value


def cut_envelope(body, key, headers, when, subject, value):
    """The body with its envelope cut off before the recipients: what the digest covers."""
    sealed = [v for n, v in headers if n == HEADER]
    e = parsed(value if value is not None else sealed[0] if len(sealed) == 1 and sealed[0] else b"")
    if not (e and e.alone):
        return body
    if value is None:
        headers = [[n, e.front if n == HEADER else v] for n, v in headers]
    return cbor2.dumps([key, headers, when, subject, e.front if value is not None else None])


def crc_table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ 0x82F63B78 * (n & 1)
        yield n


CRC = list(crc_table())


def crc32c(b):
    crc = 0xFFFFFFFF
    for x in b:
        crc = crc >> 8 ^ CRC[(crc ^ x) & 255]
    return crc ^ 0xFFFFFFFF


def receipt(end):
    name, number, _, count, digest = end
    return f"{name.hex()} {number:08x} {count:016x} {digest.hex()}\n"


def check_receipt(ends, line):
    """Section 9: the word for an archive with these ends."""
    numbers = [end[1] for end in ends if end[0].hex() == line.split()[0]]
    if line in map(receipt, ends):
        return "ok"
    return "truncated" if numbers and max(numbers) < int(line.split()[1], 16) else "tampered"


def run(path, opener, bind, out, line=None):
    """Writes what a file holds. line is a receipt that an archive must satisfy."""
    b = path.read_bytes()
    if path.suffix in (".ndjson", ".jsonl"):
        for key, headers, when, subject, value in map(parse_line, filter(bytes.strip, b.removeprefix(BOM).split(b"\n"))):
            headers, value = open_message(opener, key, headers, when, subject, value, bind)
            out.write(format_line(key, headers, when, subject, value))
    elif path.suffix == ".scx":
        archive = Archive(opener, bind)
        try:
            archive.run(b)
        finally:
            for message in archive.messages:
                out.write(format_line(*message))
        must(line is None or check_receipt(archive.ends, line) == "ok", line and check_receipt(archive.ends, line))
        must(not archive.ends[-1][2], f"complete, but flags are set: {archive.ends[-1][2]}")
    else:
        out.write(open_raw(b, opener))


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument(
        "--key", action="append", required=True, type=pathlib.Path, help="private key: JWK or PEM; may be repeated"
    )
    flags.add_argument(
        "--signer", action="append", default=[], type=pathlib.Path, help="public key of a sealer; may be repeated"
    )
    flags.add_argument("--context", default="")
    flags.add_argument("--bind", action="append", default=[], metavar="header:NAME")
    flags.add_argument("--store", type=pathlib.Path, metavar="DIR", help="where key and dictionary records are")
    flags.add_argument("--dictionary", action="append", default=[], type=pathlib.Path)
    flags.add_argument("--receipt", type=pathlib.Path)
    flags.add_argument("file", type=pathlib.Path)
    args = flags.parse_args()
    records = sorted(args.store.glob("*"), key=lambda p: (len(p.name), p.name)) if args.store else []
    opener = Opener(
        [Kek(p.read_text()) for p in args.key],
        args.context.encode(),
        signers=[load_pem_public_key(p.read_bytes()) for p in args.signer],
        records=lambda kid: [p.read_bytes() for p in records if p.name.split(".")[0] == kid.hex()],
        dictionaries=[p.read_bytes() for p in args.dictionary],
        dictionary_records=[(bytes.fromhex(p.name), p.read_bytes()) for p in records if len(p.name) == 32],
    )
    try:
        run(
            args.file,
            opener,
            [n.removeprefix("header:").encode() for n in args.bind],
            sys.stdout.buffer,
            args.receipt and args.receipt.read_text(),
        )
    except Refused as refused:
        sys.stdout.flush()
        print(f"{args.file.name}: {refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
