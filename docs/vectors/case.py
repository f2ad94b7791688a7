"""A vector: an envelope, what its reader has, and what the reader must say."""

from dataclasses import dataclass

from keys import ours
from sealer import Message, Parts


@dataclass(frozen=True)
class Case:
    name: str
    envelope: bytes
    expect: str
    keys: tuple = ()
    records: tuple[bytes, ...] = ()
    context: bytes = b"orders"
    subject: bytes | None = None
    key: bytes | None = b"k1"
    bound: tuple = ()
    kind: int = 0
    plaintext: bytes | None = None

    def json(self) -> dict:
        """The object of section 14."""
        return {
            "name": self.name,
            "envelope": self.envelope.hex(),
            "expect": self.expect,
            "keys": [k.json for k in self.keys],
            "records": [r.hex() for r in self.records],
            "context": self.context.hex(),
            "subject": to_hex(self.subject),
            "key": to_hex(self.key),
            "bound": [[n.hex(), [to_hex(v) for v in values]] for n, values in self.bound],
            "kind": self.kind,
            "plaintext": to_hex(self.plaintext),
        }


def to_hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


def reading(name: str, expect: str, m: Message, envelope: Parts | bytes, **reader) -> Case:
    """A case whose reader binds what m is bound to and has our local key, unless told otherwise."""
    data = envelope.bytes() if isinstance(envelope, Parts) else envelope
    fields = {"keys": (ours()["local"],), "context": m.context, "subject": m.subject, "key": m.key,
              "bound": m.bound, "kind": m.kind, "plaintext": m.payload if expect == "ok" else None}
    return Case(name, data, expect, **(fields | reader))


def stored(envelope: Parts | bytes, record: bytes) -> tuple[bytes, ...]:
    """The record where the envelope is one by reference, else none."""
    data = envelope.bytes() if isinstance(envelope, Parts) else envelope
    return (record,) if data[:1] == b"\xd0" else ()
