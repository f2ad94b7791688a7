"""A vector: an envelope, the things that its reader has, and the word that the reader must say."""

import hashlib
from dataclasses import dataclass

from keys import STRANGER, ours, signers
from sealer import Message, Parts, external

NOW = 1790000000


@dataclass(frozen=True)
class Case:
    name: str
    envelope: bytes
    expect: str
    grammar: bool | None = None  # of a refusal: whether the grammar must refuse it too; None: it cannot tell
    keys: tuple[str, ...] = ("local",)
    records: tuple[bytes, ...] = ()
    dictionaries: tuple[bytes, ...] = ()
    dictionary_records: tuple = ()  # (name in the store, bytes)
    signers: tuple[str, ...] = ()
    now: int | None = None
    skew: int = 300
    max_age: int | None = None
    limit: int = 1 << 20
    medium: str = "topic"
    context: bytes = b"orders"
    key_context: bytes | None = None
    subject: bytes | None = None
    key: bytes | None = b"k1"
    headers: tuple = ()
    bind: tuple[bytes, ...] = ()
    time: int | None = None
    kind: int = 0
    plaintext: bytes | None = None
    extra: int = 0
    external: bytes | None = None

    def json(self) -> dict:
        """The object of README.md; fields that have their default are left out."""
        return {"name": self.name, "envelope": self.envelope.hex(), "expect": self.expect} | {
            name: value
            for name, value in {
                "grammar": {True: "refuses", False: "accepts"}.get(self.grammar),
                "keys": list(self.keys),
                "records": [r.hex() for r in self.records] or None,
                "dictionaries": [d.hex() for d in self.dictionaries] or None,
                "dictionary_records": [[n.hex(), r.hex()] for n, r in self.dictionary_records] or None,
                "signers": list(self.signers) or None,
                "now": self.now,
                "skew": self.skew if self.signers or self.now is not None else None,
                "max_age": self.max_age,
                "limit": self.limit if self.limit != 1 << 20 else None,
                "medium": self.medium,
                "context": self.context.hex(),
                "key_context": to_hex(self.key_context),
                "subject": to_hex(self.subject),
                "key": to_hex(self.key),
                "headers": [[n.hex(), to_hex(v)] for n, v in self.headers] or None,
                "bind": [n.hex() for n in self.bind] or None,
                "time": self.time,
                "kind": self.kind,
                **payload_fields(self.plaintext),
                "extra": self.extra or None,
                "external": to_hex(self.external),
            }.items()
            if value is not None
        }


def payload_fields(payload: bytes | None) -> dict:
    """The payload, or where it is long its length and SHA-256."""
    if payload is None or len(payload) <= 1 << 16:
        return {"plaintext": to_hex(payload)}
    return {"plaintext_length": len(payload), "plaintext_sha256": hashlib.sha256(payload).hexdigest()}


def to_hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


def reading(name: str, expect: str, m: Message, envelope: Parts | bytes, grammar: bool | None = None, **reader) -> Case:
    """A case whose reader has that to which m is bound, and our local key, unless told otherwise."""
    data = envelope.bytes() if isinstance(envelope, Parts) else envelope
    fields = {
        "medium": m.medium,
        "context": m.context,
        "subject": m.subject,
        "key": m.key,
        "headers": m.headers,
        "bind": m.bind,
        "time": m.time,
        "kind": m.kind,
    }
    if expect == "ok":
        fields |= {"plaintext": m.payload, "external": external(m, 0, not m.chunk)}
    return Case(name, data, expect, grammar, **(fields | reader))


def stored(envelope: Parts | bytes, record: bytes) -> tuple[bytes, ...]:
    """The record where the envelope is one by reference, else none."""
    data = envelope.bytes() if isinstance(envelope, Parts) else envelope
    return (record,) if data[:1] == b"\xd0" else ()


def shared() -> dict:
    """The keys that vectors name."""
    keys = ours() | {"stranger": STRANGER}
    return {
        "keys": {name: key.json for name, key in keys.items()},
        "signers": {name: signer.pem for name, signer in signers().items()},
    }
