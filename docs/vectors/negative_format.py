"""Steps 1 and 2 of section 10, and the types of step 3 to 6: not an envelope, cut, too large, not CBOR, another
structure."""

from case import Case, reading, stored
from encode import ARRAY, BREAK, BSTR, MAP, NULL, TAG, TSTR, array, bstr, head, integer, mapping, segmented, tstr
from keys import derived
from positive import local, record_of
from sealer import A256GCM, ALG, IV, POSITION, Dek, Message, Parts, position, protected_headers, seal

DEK = Dek("negative format")
ALONE = Message(b"hello", DEK, local(DEK))
REFERRING = Message(b"hello", DEK)
RECORD = record_of(DEK)
NONCE = bstr(bytes(11) + b"\x01")
OTHER_ALG = (1, integer(-29))


def cases() -> list[Case]:
    tables = [
        ("not-an-envelope", True, strangers()),
        ("not-an-envelope", None, other_tags()),
        ("truncated", True, cuts()),
        ("too-large", True, giants()),
        ("too-large", None, giants_unseen()),
        ("malformed", True, broken()),
        ("malformed", None, broken_unseen()),
        ("malformed", True, misshapen()),
    ]
    return [
        reading(name, word, ALONE, envelope, grammar, records=stored(envelope, RECORD))
        for word, grammar, table in tables
        for name, envelope in table.items()
    ]


def alone(**parts: bytes) -> Parts:
    """A good self-contained envelope but for the parts given."""
    return seal(ALONE).replace(**parts)


def beside(*pairs) -> Parts:
    """A good envelope with a recipient of another alg, with these labels, behind ours."""
    return alone(recipients=array(*local(DEK), array(bstr(b""), mapping(OTHER_ALG, *pairs), bstr(b""))))


def strangers() -> dict:
    return {
        "empty-input": b"",
        "plaintext-word": b"hello",
        "plaintext-json": b'{"order":4711}',
        "plaintext-zero-byte": b"\x00",
        "untagged": alone(tag=b""),
        "tag-98-sign": alone(tag=b"\xd8\x62"),
        "tag-17-mac0": seal(REFERRING).replace(tag=b"\xd1"),
        "byte-before-the-envelope": alone(tag=b"\x0a\xd8\x60"),
    }


def other_tags() -> dict:
    return {
        "tag-96-head-in-three-bytes": alone(tag=b"\xd9\x00\x60"),
        "tag-16-head-in-two-bytes": seal(REFERRING).replace(tag=b"\xd8\x10"),
        "self-described-cbor": alone(tag=b"\xd9\xd9\xf7\xd8\x60"),
    }


def cuts() -> dict:
    whole, referring = seal(ALONE).bytes(), seal(REFERRING).bytes()
    table = {
        f"self-contained-cut-{name}": whole[:n]
        for name, n in {
            "inside-tag": 1,
            "after-tag": 2,
            "after-array-head": 3,
            "inside-protected-head": 4,
            "inside-protected": 40,
            "after-protected": 75,
            "inside-unprotected": 77,
            "inside-iv": 85,
            "after-unprotected": 90,
            "inside-ciphertext": 105,
            "after-ciphertext": 112,
            "after-recipients-head": 113,
            "inside-recipient": 123,
            "before-last-byte": len(whole) - 1,
        }.items()
    }
    table |= {
        f"by-reference-cut-{name}": referring[:n]
        for name, n in {"after-tag": 1, "inside-kid": 50, "before-last-byte": len(referring) - 1}.items()
    }
    alg_1 = seal(ALONE, protected=mapping((ALG, integer(1)), (POSITION, bstr(position(ALONE)))))
    return table | {
        "ciphertext-claims-2-to-64": alone(ciphertext=head(BSTR, 2**64 - 1) + bytes(21)),
        "ciphertext-claims-one-tebibyte": alone(ciphertext=head(BSTR, 1 << 40) + bytes(21)),
        "ciphertext-claims-one-byte-more": alone(ciphertext=head(BSTR, 22) + bytes(21), recipients=b""),
        "protected-claims-four-gibibyte": alone(protected=head(BSTR, 2**32 - 1) + bytes(70)),
        "recipients-missing-under-array-of-4": alone(recipients=b""),
        "truncated-before-unsupported": alg_1.bytes()[:-1],
        "segments-without-break": seal(REFERRING).replace(ciphertext=segmented(bstr(bytes(29)), bstr(bytes(29)))[:-1]),
        "text-cut-before-it-is-seen-not-to-be-utf8": b"\xd0\x83" + head(TSTR, 3) + b"\xc3\x28",
        "head-of-a-tag-cut": b"\xd0\x83\xd9\x00",
        "head-of-a-float-cut": b"\xd0\x83\xfb\x00",
        "head-of-a-simple-value-cut": b"\xd0\x83\xf8",
    }


def giants() -> dict:
    seventeen = [(-n, NULL) for n in range(1, 18)]
    return {
        "recipients-17": alone(recipients=array(*[local(DEK)[0]] * 17)),
        "recipients-17-of-indefinite-length": alone(recipients=b"\x9f" + local(DEK)[0] * 17 + BREAK),
        "recipients-claim-2-to-64": alone(recipients=head(ARRAY, 2**64 - 1) + local(DEK)[0]),
        "body-of-17-elements": alone(array=head(ARRAY, 17), recipients=NULL * 14),
        "body-claims-2-to-32-and-ends": b"\xd8\x60" + head(ARRAY, 2**32 - 1),
        "unprotected-17-labels": alone(unprotected=mapping((IV, NONCE), *seventeen[:16])),
        "unprotected-claims-2-to-64": alone(unprotected=head(MAP, 2**64 - 1)),
        "nesting-20-in-unprotected": alone(unprotected=mapping((IV, head(ARRAY, 1) * 20 + NULL))),
        "nesting-1000-arrays-and-the-end": b"\xd0" + head(ARRAY, 1) * 1000,
        "too-large-before-malformed": alone(recipients=array(*[NULL] * 17)).bytes() + b"\x00",
        "unprotected-1025-bytes": alone(unprotected=mapping((IV, NONCE), (6, bstr(bytes(1025 - 19))))),
    }


def giants_unseen() -> dict:
    """Limits that the grammar does not have."""

    def labelled(n: int) -> Message:
        labels = [(-1935900673 - i, derived("label", 256)) for i in range(3)]
        return Message(b"hello", DEK, local(DEK), passed_over=(*labels, (-1935900690, derived("label", n))))

    over = next(m for m in map(labelled, range(24, 257)) if len(protected_headers(m)) == 1025)
    return {
        "recipient-17-labels": beside(*[(-n, NULL) for n in range(1, 17)]),
        "recipient-array-of-17-elements": beside((-20, array(*[NULL] * 17))),
        "nesting-9-in-recipient": beside(
            (-20, array(array(array(array(array()))))),
        ),
        "nesting-9-maps-in-recipient": beside(
            (-20, array(array(array(array(mapping()))))),
        ),
        "protected-1025-bytes": seal(over),
    }


def broken() -> dict:
    """No CBOR, or none that an envelope may have."""
    text = b"\x62\xc3\x28"
    return {
        "reserved-array-head": alone(array=b"\x9c"),
        "reserved-string-head": alone(ciphertext=b"\x5d" + bytes(21)),
        "reserved-head-before-the-end": b"\xd0\x83\x5e",
        "indefinite-integer": alone(ciphertext=b"\x1f"),
        "break-as-element": alone(ciphertext=BREAK),
        "break-as-map-value": alone(unprotected=b"\xbf\x05\xff"),
        "simple-value-in-two-bytes": alone(ciphertext=b"\xf8\x18"),
        "text-in-byte-string-before-the-end": b"\xd0\x83\x40\xa0\x5f\x61t",
        "segmented-in-segmented-before-the-end": b"\xd0\x83\x40\xa0\x5f\x5f",
        "text-not-utf8": alone(unprotected=mapping((IV, text))),
        "text-not-utf8-before-the-end": b"\xd0\x83" + text,
        "ciphertext-float": alone(ciphertext=b"\xf9\x3c\x00"),
        "ciphertext-undefined": alone(ciphertext=b"\xf7"),
        "tag-inside": alone(unprotected=mapping((IV, head(TAG, 24) + NONCE))),
        "tag-twice": alone(tag=b"\xd8\x60" * 2),
    }


def broken_unseen() -> dict:
    """Faults that some decoders let pass."""
    iv_pair = mapping((IV, NONCE))[1:]
    return {
        "protected-label-twice": seal(
            ALONE,
            protected=mapping((ALG, integer(A256GCM)), (ALG, integer(A256GCM)), (POSITION, bstr(position(ALONE)))[:2]),
        ),
        "unprotected-label-twice": alone(unprotected=b"\xa2" + iv_pair * 2),
        "trailing-byte": alone().bytes() + b"\x00",
        "trailing-break": alone().bytes() + BREAK,
        "trailing-second-envelope": alone().bytes() * 2,
        "trailing-byte-by-reference": seal(REFERRING).bytes() + b"\x00",
        "recipient-label-twice": beside((-70000, NULL), (-70000, NULL)),
        "recipient-label-twice-before-the-end": alone(
            recipients=b"\x81\x83\x40\xa3\x01\x38\x1c" + integer(-70000) + NULL + integer(-70000)
        ),
        "float-in-recipient": beside((-20, b"\xf9\x3c\x00")),
        "float-nan-in-recipient": beside((-20, b"\xf9\x7e\x00")),
        "undefined-in-recipient": beside((-20, b"\xf7")),
        "simple-value-0-in-recipient": beside((-20, b"\xe0")),
        "simple-value-255-in-recipient": beside((-20, b"\xf8\xff")),
        "simple-value-null-in-two-bytes-in-recipient": beside((-20, b"\xf8\x16")),
        "tag-21-in-recipient": beside((-20, b"\xd5\x00")),
        "tag-in-recipient": beside((-20, b"\xc1\x00")),
        "bignum-in-recipient": beside((-20, b"\xc2\x41\x01")),
        "label-float-in-recipient": beside(
            (-20, mapping()),
        ).replace(recipients=array(array(bstr(b""), b"\xa2\x01\x38\x1c\xf9\x3c\x00\xf6", bstr(b"")), *local(DEK))),
    }


def misshapen() -> dict:
    """Types, and sizes of arrays."""
    one = local(DEK)[0]
    ref = seal(REFERRING)

    def other(*elements: bytes) -> Parts:
        return alone(recipients=array(array(*elements)))

    return {
        "body-is-a-map": alone(array=head(MAP, 2)),
        "body-is-a-string": b"\xd0" + bstr(alone().bytes()),
        "body-of-3-under-tag-96": alone(array=head(ARRAY, 3), recipients=b""),
        "body-of-5-under-tag-96": alone(array=head(ARRAY, 5)).bytes() + NULL,
        "body-empty": b"\xd0\x80",
        "by-reference-with-recipients": ref.replace(array=head(ARRAY, 4), recipients=array(one)),
        "by-reference-of-2": ref.replace(array=head(ARRAY, 2), ciphertext=b""),
        "ciphertext-detached": alone(ciphertext=NULL),
        "ciphertext-detached-by-reference": ref.replace(ciphertext=NULL),
        "ciphertext-text": alone(ciphertext=tstr("twenty-one characters")),
        "ciphertext-array": alone(ciphertext=array(bstr(bytes(29)), bstr(bytes(29)))),
        "protected-text": alone(protected=tstr("protected")),
        "protected-not-wrapped-in-a-string": alone(protected=protected_headers(ALONE)),
        "protected-null": alone(protected=NULL),
        "protected-empty": seal(ALONE, protected=b""),
        "protected-holds-an-array": seal(ALONE, protected=array(integer(3))),
        "protected-is-no-cbor": seal(ALONE, protected=b"\xff\xff"),
        "position-text": seal(ALONE, protected=mapping((ALG, integer(3)), (POSITION, tstr("p" * 60)))),
        "unprotected-array": alone(unprotected=array(integer(IV), NONCE)),
        "unprotected-string": alone(unprotected=bstr(mapping((IV, NONCE)))),
        "iv-text": alone(unprotected=mapping((IV, tstr("twelve bytes")))),
        "kid-text": ref.replace(unprotected=mapping((4, tstr("k" * 16)), (IV, NONCE))),
        "recipients-null": alone(recipients=NULL),
        "recipients-map": alone(recipients=mapping((1, one))),
        "recipient-not-in-an-array": alone(recipients=one),
        "recipient-null": alone(recipients=array(NULL)),
        "recipient-of-2": other(bstr(b""), mapping()),
        "recipient-of-5": other(bstr(b""), mapping(), bstr(b""), array(one), NULL),
        "recipient-wrapped-key-null": other(bstr(b""), mapping((ALG, integer(-6))), NULL),
        "recipient-wrapped-key-text": other(bstr(b""), mapping(OTHER_ALG), tstr("k")),
        "recipient-unprotected-array": other(bstr(b""), array(), bstr(b"")),
        "recipient-unprotected-bytes": other(bstr(b""), bstr(mapping(OTHER_ALG)), bstr(b"")),
        "recipient-protected-map": other(mapping(), mapping(OTHER_ALG), bstr(b"")),
        "recipient-protected-holds-an-array": other(bstr(array()), mapping(OTHER_ALG), bstr(b"")),
        "recipient-protected-is-no-cbor": other(bstr(b"\xa1"), mapping(OTHER_ALG), bstr(b"")),
        "recipient-label-of-bytes": other(bstr(b""), b"\xa2" + mapping(OTHER_ALG)[1:] + bstr(b"x") + NULL, bstr(b"")),
        "recipient-label-of-an-array": other(bstr(b""), b"\xa2" + mapping(OTHER_ALG)[1:] + array() + NULL, bstr(b"")),
        "recipient-label-null": other(bstr(b""), b"\xa2" + mapping(OTHER_ALG)[1:] + NULL + NULL, bstr(b"")),
        "recipient-protected-label-of-bytes": other(bstr(b"\xa1" + bstr(b"x") + NULL), mapping(OTHER_ALG), bstr(b"")),
        "label-of-bytes-in-unprotected": alone(unprotected=b"\xa2" + mapping((IV, NONCE))[1:] + bstr(b"x") + NULL),
        "label-null-in-unprotected": alone(unprotected=b"\xa2" + mapping((IV, NONCE))[1:] + NULL + NULL),
        "label-of-bytes-in-protected": seal(
            ALONE, protected=b"\xa3" + protected_headers(ALONE)[1:] + bstr(b"x") + NULL
        ),
        "label-of-an-array-in-protected": seal(
            ALONE, protected=b"\xa3" + protected_headers(ALONE)[1:] + array() + NULL
        ),
    }
