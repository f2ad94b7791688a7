"""Envelopes that are not in deterministic encoding. The tag covers the fault where it can: it is sealed in."""

from case import Case, reading, stored
from encode import ARRAY, BREAK, MAP, NULL, array, bstr, head, integer, mapping, segmented
from keys import ours
from positive import local, record_of
from sealer import A256GCM, ALG, IV, POSITION, Dek, Message, Parts, position, protected_headers, seal

DEK = Dek("negative encoding")
ALONE = Message(b"hello", DEK, local(DEK))
REFERRING = Message(b"hello", DEK)
RECORD = record_of(DEK)
NONCE = bstr(bytes(11) + b"\x01")
ALG_3, WHERE = (ALG, integer(A256GCM)), bstr(position(ALONE))


def cases() -> list[Case]:
    tables = [(None, envelope_heads() | recipient_heads() | unsorted() | indefinite()), (True, cut_protected())]
    return [
        reading(name, "malformed", ALONE, envelope, grammar, records=stored(envelope, RECORD))
        for grammar, table in tables
        for name, envelope in table.items()
    ]


def alone(**parts: bytes) -> Parts:
    return seal(ALONE).replace(**parts)


def lone(protected=None, unprotected=None, key=None) -> Parts:
    """An envelope with one recipient, which is ours but for one element."""
    kid, wrapped = ours()["local"].kid, ours()["local"].wrap(DEK.key)
    protected = bstr(b"") if protected is None else protected
    labels = mapping((ALG, integer(-5)), (4, bstr(kid))) if unprotected is None else unprotected
    return alone(recipients=array(array(protected, labels, bstr(wrapped) if key is None else key)))


def envelope_heads() -> dict:
    good, headers = seal(ALONE), protected_headers(ALONE)
    return {
        "long-head-body": alone(array=head(ARRAY, 4, 1)),
        "long-head-body-by-reference": seal(REFERRING).replace(array=head(ARRAY, 3, 8)),
        "long-head-protected": alone(protected=bstr(headers, 2)),
        "long-head-protected-map": seal(ALONE, protected=mapping(ALG_3, (POSITION, WHERE), width=1)),
        "long-head-alg": seal(ALONE, protected=mapping((ALG, integer(3, 1)), (POSITION, WHERE))),
        "long-head-alg-label": seal(
            ALONE, protected=head(MAP, 2) + integer(ALG, 1) + integer(3) + integer(POSITION) + WHERE
        ),
        "long-head-position-label": seal(
            ALONE, protected=head(MAP, 2) + integer(ALG) + integer(3) + integer(POSITION, 8) + WHERE
        ),
        "long-head-position": seal(ALONE, protected=mapping(ALG_3, (POSITION, bstr(position(ALONE), 2)))),
        "long-head-passed-over-value": seal(
            ALONE, protected=mapping(ALG_3, (POSITION, WHERE), (-1935900673, bstr(b"x", 1)))
        ),
        "label-twice-in-two-encodings": seal(
            ALONE,
            protected=head(MAP, 3)
            + integer(ALG)
            + integer(3)
            + integer(ALG, 1)
            + integer(3)
            + integer(POSITION)
            + WHERE,
        ),
        "long-head-unprotected": alone(unprotected=mapping((IV, NONCE), width=2)),
        "long-head-iv-label": alone(unprotected=head(MAP, 1) + integer(IV, 1) + NONCE),
        "long-head-iv": alone(unprotected=mapping((IV, bstr(bytes(12), 1)))),
        "long-head-ciphertext": good.replace(ciphertext=bstr(good.ciphertext[1:], 1)),
        "long-head-recipients": alone(recipients=array(*local(DEK), width=1)),
    }


def recipient_heads() -> dict:
    kid, wrapped = ours()["local"].kid, ours()["local"].wrap(DEK.key)
    labels = mapping((ALG, integer(-5)), (4, bstr(kid)))
    return {
        "long-head-recipient": alone(recipients=array(array(bstr(b""), labels, bstr(wrapped), width=1))),
        "long-head-recipient-protected": lone(protected=bstr(b"", 1)),
        "long-head-recipient-alg": lone(unprotected=mapping((ALG, integer(-5, 1)), (4, bstr(kid)))),
        "long-head-kid": lone(unprotected=mapping((ALG, integer(-5)), (4, bstr(kid, 4)))),
        "long-head-wrapped-key": lone(key=bstr(wrapped, 2)),
        "long-head-in-passed-over-recipient": lone(unprotected=mapping((ALG, integer(-29, 8)))),
        "long-head-in-protected-of-passed-over-recipient": lone(
            protected=bstr(mapping((-70000, integer(1, 4)))), unprotected=mapping((ALG, integer(-29)))
        ),
    }


def unsorted() -> dict:
    kid = ours()["local"].kid
    twenty = (-1935900680, bstr(b"a")), (-1935900673, bstr(b"b"))
    return {
        "unsorted-protected": seal(ALONE, protected=mapping((POSITION, WHERE), ALG_3)),
        "unsorted-passed-over": seal(ALONE, protected=mapping(ALG_3, (POSITION, WHERE), *twenty)),
        "unsorted-unprotected": seal(REFERRING).replace(unprotected=mapping((IV, NONCE), (4, bstr(DEK.kid)))),
        "unsorted-recipient": lone(unprotected=mapping((4, bstr(kid)), (ALG, integer(-5)))),
        "unsorted-in-a-value-of-a-recipient": lone(
            unprotected=mapping((ALG, integer(-29)), (-20, mapping((2, NULL), (1, NULL))))
        ),
        "sorted-by-length-first": lone(
            unprotected=b"\xa3\x01\x38\x1c" + integer(24) + NULL + integer(-1) + NULL
        ).replace(recipients=array(array(bstr(b""), b"\xa3\x01\x38\x1c\x20\xf6\x18\x18\xf6", bstr(b"")))),
    }


def indefinite() -> dict:
    kid, wrapped = ours()["local"].kid, ours()["local"].wrap(DEK.key)
    good, headers = seal(ALONE), protected_headers(ALONE)
    return {
        "indefinite-body": alone(array=b"\x9f").bytes() + BREAK,
        "indefinite-protected": alone(protected=segmented(bstr(headers[:30]), bstr(headers[30:]))),
        "indefinite-protected-map": seal(ALONE, protected=b"\xbf" + headers[1:] + BREAK),
        "indefinite-unprotected": alone(unprotected=b"\xbf" + good.unprotected[1:] + BREAK),
        "indefinite-iv": alone(unprotected=mapping((IV, segmented(bstr(bytes(6)), bstr(bytes(6)))))),
        "indefinite-recipients": alone(recipients=b"\x9f" + local(DEK)[0] + BREAK),
        "indefinite-recipient": alone(recipients=b"\x81\x9f" + local(DEK)[0][1:] + BREAK),
        "indefinite-recipient-map": lone(unprotected=b"\xbf\x01\x24\x04" + bstr(kid) + BREAK),
        "indefinite-wrapped-key": lone(key=segmented(bstr(wrapped))),
        "indefinite-text-in-recipient": lone(unprotected=mapping((ALG, integer(-29)), (-20, b"\x7f\x61a\xff"))),
        "protected-bytes-after-the-map": seal(ALONE, protected=headers + b"\x00"),
    }


def cut_protected() -> dict:
    headers = protected_headers(ALONE)
    return {
        "protected-map-cut": seal(ALONE, protected=headers[:-1]),
        "protected-map-of-17": seal(ALONE, protected=head(MAP, 17) + headers[1:]),
    }
