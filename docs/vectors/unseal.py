#!/usr/bin/env python3
"""Decrypts files of streamcrypt without streamcrypt: section 9 of the specification, on top of reader.py.

    python3 unseal.py --key local:key.jwk letter.enc > letter.txt
    python3 unseal.py --key x25519:me.pem --key rsa:r.pem --bind header:tenant orders.scx > orders.ndjson

A raw file gives its bytes; .scx, .ndjson and .jsonl give lines of JSON. What is printed has been verified,
but of a sequence only exit code 0 says that it was all of it. A refused file ends in its word on standard
error and exit code 1. Files are read whole: this is a reading of the specification, not a tool for large ones.
"""

import argparse
import hashlib
import itertools
import json
import pathlib
import sys

import lines
from decode import Decoder, Fault
from frames import MAGIC, record
from reader import TAG_SIZE, Envelope, Key, need

VALUE, TOMBSTONE, KEY_RECORD, END = range(4)  # kinds, section 5
HEADER = b"streamcrypt"


class Opener:
    """What both sides agreed on: keys, context, bound names, and where key records are."""

    def __init__(self, keys: list[Key], context: bytes, names: list[bytes], store: pathlib.Path | None):
        self.keys, self.context, self.names, self.store = keys, context, sorted(set(names)), store

    def data_key(self, envelope: Envelope, front: Envelope | None = None) -> bytes:
        """The data key of an envelope: sections 4, 6 and 8. front is the key record in front of it, if there is one."""
        if envelope.self_contained:
            return envelope.unwrap(self.keys)
        if front:
            dek = unwrap_record(front, envelope.kid, self.keys)
            self.open_with(dek, front, KEY_RECORD)
            return dek
        word = "unknown-key"
        for record in self.records(envelope.kid):
            try:
                need(is_key_record(record), "unknown-key")
                return unwrap_record(record, envelope.kid, self.keys)
            except Fault as fault:
                word = "wrong-key" if word == "wrong-key" else fault.word
        raise Fault(word)

    def records(self, kid: bytes):
        """The key records under a kid: in the file named by it, and in KID.1, KID.2 and so on, which were found by
        trying, as the specification does not say how a directory holds several."""
        for n in itertools.count() if self.store else ():
            path = self.store / (kid.hex() + f".{n}" * (n > 0))
            if not path.exists():
                return
            try:
                yield Envelope(path.read_bytes())
            except Fault:
                continue

    def open(self, envelope: Envelope, kind: int, subject=None, key=None, headers=None, front=None) -> bytes:
        """The payload. headers are those of the message; None where there is no message to bind anything of."""
        return self.open_with(self.data_key(envelope, front), envelope, kind, subject, key, headers)

    def open_with(self, dek: bytes, envelope: Envelope, kind: int, subject=None, key=None, headers=None) -> bytes:
        names = self.names if headers is not None else []
        bound = [[name, [v for n, v in headers if n == name]] for name in names]
        payload = envelope.open(dek, [self.context, subject, key, bound, kind])
        need(payload == b"" or kind not in (TOMBSTONE, KEY_RECORD))
        return payload

    def message(self, key, headers: list, subject, value) -> tuple[list, bytes | None, bytes]:
        """Headers and value of a message as they were before sealing, and the tag of its envelope."""
        if value is not None:
            need(all(name != HEADER for name, _ in headers), "reserved-header")
            envelope = Envelope(value)
            return headers, self.open(envelope, VALUE, subject, key, headers), tag(envelope)
        sealed = [v for name, v in headers if name == HEADER]
        need(sealed != [], "bare-tombstone")
        need(len(sealed) == 1, "reserved-header")
        envelope = Envelope(sealed[0] or b"")
        headers = [h for h in headers if h[0] != HEADER]
        self.open(envelope, TOMBSTONE, subject, key, headers)
        return headers, None, tag(envelope)


def is_key_record(envelope: Envelope) -> bool:
    """Whether it has the shape of section 8. Nothing of it but its commitment is needed to open messages."""
    return envelope.self_contained and not envelope.chunked and len(envelope.ciphertext.data) == TAG_SIZE


def unwrap_record(record: Envelope, kid: bytes, keys: list[Key]) -> bytes:
    dek = record.unwrap(keys)  # and compares the 32 bytes of its own commitment
    need(record.position[23:39] == kid, "wrong-key")
    return dek


def item_end(data: bytes) -> int:
    decoder = Decoder(data)
    decoder.item(1)
    return decoder.at


def tag(envelope: Envelope) -> bytes:
    return envelope.ciphertext.data[-TAG_SIZE:]  # the last segment's, in the chunked form


def raw(opener: Opener, data: bytes):
    """One payload: forms 1, 2 and 3."""
    front = None
    if data[:2] == b"\xd8\x60":
        end = item_end(data)
        if data[end:end + 1] == b"\xd0":
            front, data = Envelope(data[:end]), data[end:]
    envelope = Envelope(data)
    need(front is None or envelope.chunked, "malformed")
    yield opener.open(envelope, VALUE, front=front)


def seq(opener: Opener, data: bytes):
    """A sequence of messages; they are given out before the end is known to be good."""
    need(data.startswith(MAGIC), "truncated" if MAGIC.startswith(data) else "malformed")
    at, count, digest, ended = len(MAGIC), 0, hashlib.sha256(), False
    while at < len(data):
        kind, body, at = record(data, at)
        key, headers, time, subject, value = body
        ended = kind == 1
        if ended:
            need(body[:4] == [None, [], 0, None] and value is not None)
            payload = opener.open(Envelope(value), END)
            need(len(payload) == 40)
            need(payload == count.to_bytes(8, "big") + digest.digest(), "tampered")
            continue
        headers, value, its_tag = opener.message(key, headers, subject, value)
        count += 1
        digest.update(its_tag)
        yield lines.dump(key, headers, time, subject, value)
    need(ended, "truncated")


def ndjson(opener: Opener, data: bytes):
    """Lines of JSON whose values are envelopes. Nothing says whether the last line is there."""
    for line in filter(bytes.strip, data.split(b"\n")):
        key, headers, time, subject, value = lines.parse(line)
        headers, value, _ = opener.message(key, headers, subject, value)
        yield lines.dump(key, headers, time, subject, value)


def load_key(url: str) -> Key:
    kind, _, path = url.partition(":")
    content = pathlib.Path(path).read_text()
    return Key({"kind": kind, "jwk": json.loads(content)} if kind == "local" else {"kind": kind, "pem": content})


def unseal(opener: Opener, file: pathlib.Path, out) -> str:
    """Writes what a file holds, and says "ok" or why that is not all of it."""
    form = {".scx": seq, ".ndjson": ndjson, ".jsonl": ndjson}.get(file.suffix, raw)
    try:
        for piece in form(opener, file.read_bytes()):
            out.write(piece)
    except Fault as fault:
        return fault.word
    return "ok"


def main() -> int:
    flags = argparse.ArgumentParser(description="Decrypt a file of streamcrypt to standard output.")
    flags.add_argument("--key", action="append", required=True, type=load_key, metavar="KIND:FILE", dest="keys",
                       help="local:JWK, x25519:PEM or rsa:PEM, private; may be repeated")
    flags.add_argument("--context", default="")
    flags.add_argument("--bind", action="append", default=[], metavar="header:NAME")
    flags.add_argument("--store", type=pathlib.Path, metavar="DIR", help="where key records are")
    flags.add_argument("file", type=pathlib.Path)
    args = flags.parse_args()
    names = [b.removeprefix("header:").encode() for b in args.bind]
    opener = Opener(args.keys, args.context.encode(), names, args.store)
    word = unseal(opener, args.file, sys.stdout.buffer)
    if word != "ok":
        sys.stdout.flush()
        print(f"{args.file.name}: {word}", file=sys.stderr)
    return int(word != "ok")


if __name__ == "__main__":
    sys.exit(main())
