"""What the vectors of archives have in common: archives that are made the same way each time, and the object of a
vector."""

from case import to_hex
from keys import STRANGER, signers
from positive import local
from scx import Archive
from sealer import CREATED, Dek

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


def vector(
    name: str, expect: str, made: Archive | bytes, opened: list | None = None, ends: int | None = None, **reader
) -> dict:
    """opened and ends: what comes out before the word; of an Archive all of it."""
    whole = isinstance(made, Archive)
    opened = made.opened if opened is None and whole else opened or []
    fields = {
        "name": name,
        "file": (made.bytes() if whole else made).hex(),
        "expect": expect,
        "keys": ["local"],
        "context": (made.context if whole else b"").hex(),
        "messages": [
            [to_hex(k), [[n.hex(), to_hex(v)] for n, v in h], t, to_hex(s), to_hex(p)] for k, h, t, s, p in opened
        ],
    }
    if whole and expect == "ok":
        fields |= {"flags": made.flags, "receipt": made.receipt()}
    if ends is not None:
        fields["ends"] = ends
    return fields | reader
