"""Rows 1 to 5 of section 10: what is not an envelope, ends early, is too large or not CBOR as it must be."""

from case import Case, reading, stored
from encode import (
    ARRAY,
    BREAK,
    BSTR,
    MAP,
    NULL,
    array,
    bstr,
    head,
    integer,
    mapping,
    segmented,
    tstr,
)
from keys import ours
from positive import local, record_of
from sealer import (
    A256GCM,
    ALG,
    IV,
    POSITION,
    Dek,
    Message,
    Parts,
    position,
    protected_headers,
    seal,
)

DEK = Dek("negative format")
ALONE = Message(b"hello", DEK, local(DEK))
REFERRING = Message(b"hello", DEK)
RECORD = record_of(DEK)
NONCE = bstr(bytes(11) + b"\x01")


def cases() -> list[Case]:
    tables = {"not-an-envelope": strangers(), "truncated": cuts(), "too-large": giants(),
              "malformed": broken() | nondeterministic() | misshapen()}
    return [reading(name, word, ALONE, envelope, records=stored(envelope, RECORD))
            for word, table in tables.items() for name, envelope in table.items()]


def alone(**parts: bytes) -> Parts:
    """A good self-contained envelope but for the parts given."""
    return seal(ALONE).replace(**parts)


def strangers() -> dict:
    return {
        "empty-input": b"",
        "plaintext-word": b"hello",
        "plaintext-json": b'{"order":4711}',
        "plaintext-zero-byte": b"\x00",
        "untagged": alone(tag=b""),
        "tag-98-sign": alone(tag=b"\xd8\x62"),
        "tag-17-mac0": seal(REFERRING).replace(tag=b"\xd1"),
        "tag-96-head-in-three-bytes": alone(tag=b"\xd9\x00\x60"),
        "tag-16-head-in-two-bytes": seal(REFERRING).replace(tag=b"\xd8\x10"),
        "self-described-cbor": alone(tag=b"\xd9\xd9\xf7\xd8\x60"),
        "byte-before-the-envelope": alone(tag=b"\x0a\xd8\x60"),
    }


def cuts() -> dict:
    whole, referring = seal(ALONE).bytes(), seal(REFERRING).bytes()
    table = {f"self-contained-cut-{name}": whole[:n] for name, n in {
        "inside-tag": 1, "after-tag": 2, "after-array-head": 3, "inside-protected-head": 4, "inside-protected": 40,
        "after-protected": 70, "inside-unprotected": 72, "inside-iv": 80, "after-unprotected": 85,
        "inside-ciphertext": 100, "after-ciphertext": 107, "after-recipients-head": 108, "inside-recipient": 118,
        "before-last-byte": len(whole) - 1}.items()}
    table |= {f"by-reference-cut-{name}": referring[:n] for name, n in {
        "after-tag": 1, "inside-kid": 50, "before-last-byte": len(referring) - 1}.items()}
    alg_1 = seal(ALONE, protected=mapping((ALG, integer(1)), (POSITION, bstr(position(ALONE)))))
    return table | {
        "ciphertext-claims-2-to-64": alone(ciphertext=head(BSTR, 2**64 - 1) + bytes(21)),
        "ciphertext-claims-one-tebibyte": alone(ciphertext=head(BSTR, 1 << 40) + bytes(21)),
        "ciphertext-claims-one-byte-more": alone(ciphertext=head(BSTR, 22) + bytes(21), recipients=b""),
        "protected-claims-four-gibibyte": alone(protected=head(BSTR, 2**32 - 1) + bytes(65)),
        "recipients-missing-under-array-of-4": alone(recipients=b""),
        "truncated-before-unsupported": alg_1.bytes()[:-1],
        "segments-without-break": seal(REFERRING).replace(ciphertext=segmented(bstr(bytes(29)), bstr(bytes(29)))[:-1]),
    }


def giants() -> dict:
    deep = head(ARRAY, 1) * 20 + NULL
    seventeen = [(-n, NULL) for n in range(1, 18)]
    headers = b"\xa3" + protected_headers(ALONE)[1:]
    filler = bstr(bytes(1025 - len(headers) - 8))
    return {
        "recipients-17": alone(recipients=array(*[local(DEK)[0]] * 17)),
        "recipients-17-of-indefinite-length": alone(recipients=b"\x9f" + local(DEK)[0] * 17 + BREAK),
        "recipients-claim-2-to-64": alone(recipients=head(ARRAY, 2**64 - 1) + local(DEK)[0]),
        "body-of-17-elements": alone(array=head(ARRAY, 17), recipients=NULL * 14),
        "body-claims-2-to-32-and-ends": b"\xd8\x60" + head(ARRAY, 2**32 - 1),
        "unprotected-17-labels": alone(unprotected=mapping((IV, NONCE), *seventeen[:16])),
        "unprotected-claims-2-to-64": alone(unprotected=head(MAP, 2**64 - 1)),
        "recipient-17-labels": alone(recipients=array(array(bstr(b""), mapping(*seventeen), bstr(b"")))),
        "nesting-20-in-unprotected": alone(unprotected=mapping((IV, deep))),
        "nesting-20-in-recipient": alone(recipients=array(array(bstr(b""), mapping((-70000, deep)), bstr(b"")))),
        "nesting-1000-arrays-and-the-end": b"\xd0" + head(ARRAY, 1) * 1000,
        "too-large-before-malformed": alone(recipients=array(*[NULL] * 17)).bytes() + b"\x00",
        "unprotected-1025-bytes": alone(unprotected=mapping((IV, NONCE), (6, bstr(bytes(1025 - 19))))),
        "protected-1025-bytes": seal(ALONE, protected=headers + integer(-1935867999) + filler),
    }


def broken() -> dict:
    """Row 4: no CBOR at all."""
    text = b"\x62\xc3\x28"
    iv_pair = mapping((IV, NONCE))[1:]
    return {
        "trailing-byte": alone().bytes() + b"\x00",
        "trailing-break": alone().bytes() + BREAK,
        "trailing-second-envelope": alone().bytes() * 2,
        "trailing-byte-by-reference": seal(REFERRING).bytes() + b"\x00",
        "reserved-array-head": alone(array=b"\x9c"),
        "reserved-string-head": alone(ciphertext=b"\x5d" + bytes(21)),
        "reserved-head-before-the-end": b"\xd0\x83\x5e",
        "indefinite-integer": alone(ciphertext=b"\x1f"),
        "break-as-element": alone(ciphertext=BREAK),
        "break-as-map-value": alone(unprotected=b"\xbf\x05\xff"),
        "simple-value-in-two-bytes": alone(ciphertext=b"\xf8\x18"),
        "simple-value-in-two-bytes-before-the-end": b"\xd0\x83\xf8\x18",
        "text-in-byte-string-before-the-end": b"\xd0\x83\x40\xa0\x5f\x61t",
        "segmented-in-segmented-before-the-end": b"\xd0\x83\x40\xa0\x5f\x5f",
        "text-not-utf8": alone(unprotected=mapping((IV, text))),
        "text-not-utf8-before-the-end": b"\xd0\x83" + text,
        "unprotected-label-twice": alone(unprotected=b"\xa2" + iv_pair * 2),
        "protected-label-twice": seal(ALONE, protected=mapping((ALG, integer(A256GCM)), (ALG, integer(A256GCM)),
                                                               (POSITION, bstr(position(ALONE))))),
        "recipient-label-twice": alone(recipients=array(array(bstr(b""), mapping((-70000, NULL), (-70000, NULL)),
                                                              bstr(b"")))),
    }


def nondeterministic() -> dict:
    """Row 5, the encoding. What the tag covers is sealed with the fault in it."""
    where = bstr(position(ALONE))
    kid, wrapped = ours()["local"].kid, ours()["local"].wrap(DEK.key)
    alg_3 = (ALG, integer(A256GCM))
    empty, labels, key = bstr(b""), mapping((ALG, integer(-5)), (4, bstr(kid))), bstr(wrapped)

    def lone(protected=empty, unprotected=labels, key=key) -> Parts:
        return alone(recipients=array(array(protected, unprotected, key)))

    good = seal(ALONE)
    ciphertext, unprotected = good.ciphertext[1:], good.unprotected
    headers = protected_headers(ALONE)
    return {
        "long-head-body": alone(array=head(ARRAY, 4, 1)),
        "long-head-body-by-reference": seal(REFERRING).replace(array=head(ARRAY, 3, 8)),
        "long-head-protected": alone(protected=bstr(headers, 2)),
        "long-head-protected-map": seal(ALONE, protected=mapping(alg_3, (POSITION, where), width=1)),
        "long-head-alg": seal(ALONE, protected=mapping((ALG, integer(3, 1)), (POSITION, where))),
        "long-head-alg-label": seal(ALONE, protected=head(MAP, 2) + integer(ALG, 1) + integer(3) +
                                    integer(POSITION) + where),
        "long-head-position-label": seal(ALONE, protected=head(MAP, 2) + integer(ALG) + integer(3) +
                                         integer(POSITION, 8) + where),
        "long-head-position": seal(ALONE, protected=mapping(alg_3, (POSITION, bstr(position(ALONE), 2)))),
        "long-head-unprotected": alone(unprotected=mapping((IV, NONCE), width=2)),
        "long-head-iv-label": alone(unprotected=head(MAP, 1) + integer(IV, 1) + NONCE),
        "long-head-iv": alone(unprotected=mapping((IV, bstr(bytes(12), 1)))),
        "long-head-ciphertext": good.replace(ciphertext=bstr(ciphertext, 1)),
        "long-head-recipients": alone(recipients=array(*local(DEK), width=1)),
        "long-head-recipient": alone(recipients=array(array(empty, labels, key, width=1))),
        "long-head-recipient-protected": lone(protected=bstr(b"", 1)),
        "long-head-recipient-alg": lone(unprotected=mapping((ALG, integer(-5, 1)), (4, bstr(kid)))),
        "long-head-kid": lone(unprotected=mapping((ALG, integer(-5)), (4, bstr(kid, 4)))),
        "long-head-wrapped-key": lone(key=bstr(wrapped, 2)),
        "long-head-in-unknown-recipient": lone(unprotected=mapping((ALG, integer(-29, 8)))),
        "float-in-unknown-recipient-not-shortest": lone(unprotected=mapping((ALG, integer(-29)),
                                                                            (4, b"\xfa\x3f\x80\x00\x00"))),
        "unsorted-protected": seal(ALONE, protected=mapping((POSITION, where), alg_3)),
        "unsorted-unprotected": seal(REFERRING).replace(unprotected=mapping((IV, NONCE), (4, bstr(DEK.kid)))),
        "unsorted-recipient": lone(unprotected=mapping((4, bstr(kid)), (ALG, integer(-5)))),
        "indefinite-body": alone(array=b"\x9f").bytes() + BREAK,
        "indefinite-protected": alone(protected=segmented(bstr(headers[:30]), bstr(headers[30:]))),
        "indefinite-protected-map": seal(ALONE, protected=b"\xbf" + headers[1:] + BREAK),
        "indefinite-unprotected": alone(unprotected=b"\xbf" + unprotected[1:] + BREAK),
        "indefinite-iv": alone(unprotected=mapping((IV, segmented(bstr(bytes(6)), bstr(bytes(6)))))),
        "indefinite-recipients": alone(recipients=b"\x9f" + local(DEK)[0] + BREAK),
        "indefinite-recipient": alone(recipients=b"\x81\x9f" + local(DEK)[0][1:] + BREAK),
        "indefinite-recipient-map": lone(unprotected=b"\xbf\x01\x24\x04" + bstr(kid) + BREAK),
        "indefinite-wrapped-key": lone(key=segmented(bstr(wrapped))),
        "protected-bytes-after-the-map": seal(ALONE, protected=headers + b"\x00"),
        "protected-map-cut": seal(ALONE, protected=headers[:-1]),
    }


def misshapen() -> dict:
    """Row 5, types and sizes of arrays."""
    float_ = b"\xf9\x3c\x00"
    one = local(DEK)[0]
    ref = seal(REFERRING)
    return {
        "body-is-a-map": alone(array=head(MAP, 2)),
        "body-is-a-string": b"\xd0" + bstr(alone().bytes()),
        "body-of-3-under-tag-96": alone(array=head(ARRAY, 3), recipients=b""),
        "body-of-5-under-tag-96": alone(array=head(ARRAY, 5)).bytes() + NULL,
        "body-empty": b"\xd0\x80",
        "by-reference-with-recipients": ref.replace(array=head(ARRAY, 4), recipients=array(one)),
        "by-reference-of-2": ref.replace(array=head(ARRAY, 2), ciphertext=b""),
        "tag-twice": alone(tag=b"\xd8\x60" * 2),
        "ciphertext-detached": alone(ciphertext=NULL),
        "ciphertext-detached-by-reference": ref.replace(ciphertext=NULL),
        "ciphertext-text": alone(ciphertext=tstr("twenty-one characters")),
        "ciphertext-float": alone(ciphertext=float_),
        "ciphertext-array": alone(ciphertext=array(bstr(bytes(29)), bstr(bytes(29)))),
        "protected-text": alone(protected=tstr("protected")),
        "protected-not-wrapped-in-a-string": alone(protected=protected_headers(ALONE)),
        "protected-null": alone(protected=NULL),
        "protected-empty": seal(ALONE, protected=b""),
        "protected-holds-an-array": seal(ALONE, protected=array(integer(3))),
        "protected-is-no-cbor": seal(ALONE, protected=b"\xff\xff"),
        "position-text": seal(ALONE, protected=mapping((ALG, integer(3)), (POSITION, tstr("p" * 55)))),
        "unprotected-array": alone(unprotected=array(integer(IV), NONCE)),
        "unprotected-string": alone(unprotected=bstr(mapping((IV, NONCE)))),
        "iv-text": alone(unprotected=mapping((IV, tstr("twelve bytes")))),
        "iv-float": alone(unprotected=mapping((IV, float_))),
        "kid-text": ref.replace(unprotected=mapping((4, tstr("k" * 16)), (IV, NONCE))),
        "recipients-null": alone(recipients=NULL),
        "recipients-map": alone(recipients=mapping((1, one))),
        "recipient-not-in-an-array": alone(recipients=one),
        "recipient-null": alone(recipients=array(NULL)),
        "recipient-of-2": alone(recipients=array(array(bstr(b""), mapping()))),
        "recipient-of-5": alone(recipients=array(array(bstr(b""), mapping(), bstr(b""), array(one), NULL))),
        "recipient-wrapped-key-null": alone(recipients=array(array(bstr(b""), mapping((ALG, integer(-6))), NULL))),
        "recipient-wrapped-key-text": alone(recipients=array(array(bstr(b""), mapping((ALG, integer(-29))),
                                                                   tstr("k")))),
        "recipient-protected-map": alone(recipients=array(array(mapping(), mapping((ALG, integer(-29))), bstr(b"")))),
    }
