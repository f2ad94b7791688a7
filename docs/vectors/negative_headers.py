"""Steps 3 and 4 of section 10: labels, algs, lengths."""

from case import Case, reading, stored
from encode import NULL, array, bstr, integer, mapping, segmented, tstr
from keys import derived
from positive import local, record_of
from positive_keys import vouched
from sealer import (
    A256GCM,
    A256GCM_CHUNKED,
    ALG,
    CHUNKING,
    CODING,
    CRIT,
    IV,
    KID,
    POSITION,
    SIGNATURE,
    Dek,
    Message,
    chunking,
    position,
    protected_headers,
    seal,
    seal_segments,
)

DEK = Dek("negative headers")
ALONE = Message(b"hello", DEK, local(DEK))
REFERRING = Message(b"hello", DEK)
CHUNKED = Message(bytes(29), DEK, local(DEK), chunk=4096)  # too short a payload: used where step 5 is not reached
RECORD = record_of(DEK)
SIGNED = vouched(dek=DEK)

GCM = (ALG, integer(A256GCM))
WHERE = (POSITION, bstr(position(ALONE)))
WHERE_REF = (POSITION, bstr(position(REFERRING)))
NONCE = (IV, bstr(bytes(11) + b"\x01"))
PASSED = -1935900673


def cases() -> list[Case]:
    tables = {"unsupported": unsupported(), "malformed": labels() | lengths() | forms()}
    blind = {
        "chunk-size-4095",
        "chunk-size-0",
        "chunk-size-1048577",
        "chunk-size-4294967295",
        "segments-of-the-form-single",
    }
    return [
        reading(name, word, ALONE, envelope, name not in blind, records=stored(envelope, RECORD))
        for word, table in tables.items()
        for name, envelope in table.items()
    ]


def alone(*protected, unprotected=None, **parts):
    """A self-contained envelope, its headers as given and sealed in."""
    if unprotected is not None:
        parts["unprotected"] = mapping(*unprotected)
    return seal(ALONE, protected=mapping(*protected or (GCM, WHERE))).replace(**parts)


def referring(*protected, unprotected=None, **parts):
    if unprotected is not None:
        parts["unprotected"] = mapping(*unprotected)
    return seal(REFERRING, protected=mapping(*protected or (GCM, WHERE_REF))).replace(**parts)


def unsupported() -> dict:
    critical = array(integer(POSITION))
    filler = bytes(1024 - len(protected_headers(ALONE)) - 8)
    text_label = b"\xa2" + mapping(NONCE)[1:] + tstr("x") + NULL
    return {
        "alg-1-a128gcm": alone((ALG, integer(1)), WHERE),
        "alg-24-chacha20": alone((ALG, integer(24)), WHERE),
        "alg-null": alone((ALG, NULL), WHERE),
        "alg-text": alone((ALG, tstr("A256GCM")), WHERE),
        "alg-private-unknown": alone((ALG, integer(-1935867999)), WHERE),
        "alg-1-by-reference": referring((ALG, integer(1)), WHERE_REF),
        "alg-of-a-recipient-as-content-alg": alone((ALG, integer(-5)), WHERE),
        "crit-in-protected": alone(GCM, (CRIT, critical), WHERE),
        "crit-in-protected-by-reference": referring(GCM, (CRIT, critical), WHERE_REF),
        "crit-in-unprotected": alone(unprotected=((CRIT, critical), NONCE)),
        "label-content-type-in-protected": alone(GCM, (3, integer(0)), WHERE),
        "label-partial-iv-in-unprotected": alone(unprotected=(NONCE, (6, bstr(b"\x01")))),
        "label-private-in-protected": alone(GCM, WHERE, (-1935867999, NULL)),
        "label-private-in-unprotected": alone(unprotected=(NONCE, (-1935867999, NULL))),
        "label-text-in-unprotected": alone().replace(unprotected=text_label),
        "label-text-in-protected": seal(ALONE, protected=b"\xa3" + protected_headers(ALONE)[1:] + tstr("x") + NULL),
        "label-private-in-protected-of-1024-bytes": alone(GCM, WHERE, (-1935867999, bstr(filler))),
        "label-before-the-passed-over-range": alone(GCM, WHERE, (PASSED + 1, bstr(b""))),
        "label-behind-the-passed-over-range": alone(GCM, WHERE, (-1935933441, bstr(b""))),
        "label-passed-over-in-unprotected": alone(unprotected=(NONCE, (PASSED, bstr(b"x")))),
        "label-passed-over-in-unprotected-by-reference": referring(
            unprotected=((KID, bstr(DEK.kid)), NONCE, (PASSED, bstr(b"x")))
        ),
        "alg-of-a-key-service-as-label": alone(GCM, WHERE, (-1935867914, bstr(b""))),
        "unsupported-before-iv-length": alone((ALG, integer(1)), WHERE, unprotected=((IV, bstr(bytes(8))),)),
        "unsupported-before-position-length": alone(GCM, (POSITION, bstr(b"")), (-1935867999, NULL)),
        "unsupported-before-unprotected-is-no-map": alone((ALG, integer(1)), WHERE).replace(unprotected=NULL),
        "unsupported-before-no-recipients": alone((ALG, integer(1)), WHERE, recipients=array()),
        "unsupported-in-unprotected-before-ciphertext-text": alone(
            unprotected=(NONCE, (6, NULL)), ciphertext=tstr("x")
        ),
    }


def labels() -> dict:
    return {
        "alg-missing": alone(WHERE),
        "alg-in-unprotected": alone(WHERE, unprotected=(GCM, NONCE)),
        "alg-in-both": alone(unprotected=(GCM, NONCE)),
        "position-missing": alone(GCM),
        "position-in-unprotected": alone(GCM, unprotected=(NONCE, WHERE)),
        "position-in-both": alone(unprotected=(NONCE, WHERE)),
        "headers-empty": alone(unprotected=()).replace(protected=bstr(b"\xa0")),
        "iv-missing": alone(unprotected=()),
        "iv-in-protected": alone(GCM, NONCE, WHERE, unprotected=()),
        "iv-in-both": alone(GCM, NONCE, WHERE),
        "kid-missing-by-reference": referring(unprotected=(NONCE,)),
        "kid-in-protected-by-reference": referring(GCM, (KID, bstr(DEK.kid)), WHERE_REF, unprotected=(NONCE,)),
        "kid-in-both-by-reference": referring(GCM, (KID, bstr(DEK.kid)), WHERE_REF),
        "kid-in-self-contained": alone(unprotected=((KID, bstr(DEK.kid)), NONCE)),
        "chunking-in-unprotected": alone(unprotected=(NONCE, (CHUNKING, bstr(chunking(CHUNKED))))),
        "signature-in-protected": alone(GCM, WHERE, (SIGNATURE, bstr(SIGNED))),
        "coding-in-unprotected": alone(unprotected=(NONCE, (CODING, bstr(bytes([1]) + bytes(5))))),
        "malformed-in-protected-before-unsupported-in-unprotected": alone(GCM, unprotected=(NONCE, (6, NULL))),
        "malformed-before-unknown-key": alone(
            unprotected=((IV, bstr(bytes(11))),), recipients=array(bytes.fromhex("8340a101381c40"))
        ),
    }


def lengths() -> dict:
    where, where_ref = position(ALONE), position(REFERRING)
    passed = (PASSED, bstr(derived("label", 257)))
    return {
        "position-59-bytes": alone(GCM, (POSITION, bstr(where[:-1]))),
        "position-61-bytes": alone(GCM, (POSITION, bstr(where + b"\x00"))),
        "position-28-bytes-in-self-contained": alone(GCM, WHERE_REF),
        "position-55-bytes-as-it-was-once": alone(GCM, (POSITION, bstr(where[:55]))),
        "position-27-bytes-by-reference": referring(GCM, (POSITION, bstr(where_ref[:-1]))),
        "position-60-bytes-by-reference": referring(GCM, WHERE),
        "position-empty": alone(GCM, (POSITION, bstr(b""))),
        "iv-11-bytes": alone(unprotected=((IV, bstr(bytes(11))),)),
        "iv-13-bytes": alone(unprotected=((IV, bstr(bytes(13))),)),
        "iv-empty": alone(unprotected=((IV, bstr(b"")),)),
        "kid-15-bytes": referring(unprotected=((KID, bstr(DEK.kid[:15])), NONCE)),
        "kid-32-bytes": referring(unprotected=((KID, bstr(DEK.commitment)), NONCE)),
        "signature-79-bytes": alone(unprotected=(NONCE, (SIGNATURE, bstr(SIGNED[:-1])))),
        "signature-64-bytes": alone(unprotected=(NONCE, (SIGNATURE, bstr(SIGNED[16:])))),
        "signature-text": alone(unprotected=(NONCE, (SIGNATURE, tstr("s" * 80)))),
        "signature-79-bytes-by-reference": referring(
            unprotected=((KID, bstr(DEK.kid)), NONCE, (SIGNATURE, bstr(SIGNED[:-1])))
        ),
        "coding-5-bytes": alone(GCM, WHERE, (CODING, bstr(b"\x01" + bytes(4)))),
        "coding-7-bytes": alone(GCM, WHERE, (CODING, bstr(b"\x01" + bytes(6)))),
        "coding-null": alone(GCM, WHERE, (CODING, NULL)),
        "passed-over-257-bytes": alone(GCM, WHERE, passed),
        "passed-over-text": alone(GCM, WHERE, (PASSED, tstr("x"))),
        "passed-over-null": alone(GCM, WHERE, (PASSED, NULL)),
        "passed-over-array": alone(GCM, WHERE, (PASSED, array())),
        "ciphertext-15-bytes": alone(ciphertext=bstr(bytes(15))),
        "ciphertext-empty": alone(ciphertext=bstr(b"")),
        "recipients-none": alone(recipients=array()),
        "recipients-cut-off-to-look-by-reference": seal(ALONE).replace(tag=b"\xd0", array=b"\x83", recipients=b""),
    }


def forms() -> dict:
    """Alg and form that do not belong together, and the chunking header. Two segments, where there are any."""
    chunked = (ALG, integer(A256GCM_CHUNKED))
    how = (CHUNKING, bstr(chunking(CHUNKED)))
    good = protected_headers(CHUNKED)

    def in_segments(protected: bytes, size: int = 4096) -> bytes:
        pieces = [bytes(size), bytes(30)]
        return segmented(*map(bstr, seal_segments(CHUNKED, protected, pieces)))

    def resized(size: int, pieces_of: int) -> bytes:
        header = mapping(chunked, WHERE, (CHUNKING, bstr(bytes(16) + size.to_bytes(4, "big"))))
        return alone().replace(protected=bstr(header), unprotected=mapping(), ciphertext=in_segments(header, pieces_of))

    def headed(*pairs, unprotected=()) -> bytes:
        header = mapping(*pairs)
        return alone().replace(
            protected=bstr(header), unprotected=mapping(*unprotected), ciphertext=in_segments(header, 4096)
        )

    return {
        "form-one-string-with-chunked-alg": alone().replace(protected=bstr(good), unprotected=mapping()),
        "form-segments-with-single-alg": alone(ciphertext=segmented(bstr(bytes(10)))),
        "segments-of-the-form-single": alone(ciphertext=segmented(bstr(bytes(21)))),
        "form-segments-with-single-alg-and-no-iv": alone(
            unprotected=(), ciphertext=segmented(bstr(bytes(29)), bstr(bytes(29)))
        ),
        "form-chunking-with-single-alg": alone(GCM, WHERE, how),
        "form-chunked-with-iv": headed(chunked, WHERE, how, unprotected=(NONCE,)),
        "chunking-missing": headed(chunked, WHERE),
        "chunking-19-bytes": headed(chunked, WHERE, (CHUNKING, bstr(bytes(19)))),
        "chunking-24-bytes": headed(chunked, WHERE, (CHUNKING, bstr(bytes(24)))),
        "chunk-size-0": resized(0, 4096),
        "chunk-size-4095": resized(4095, 4095),
        "chunk-size-1048577": resized(1048577, 4096),
        "chunk-size-4294967295": resized(2**32 - 1, 4096),
    }
