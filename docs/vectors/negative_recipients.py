"""Recipients: step 6 of section 10, step 9, and section 4."""

from cryptography.hazmat.primitives import keywrap

import curve
from case import Case, reading
from encode import NULL, array, bstr, integer, mapping, tstr
from keys import (
    A256KW,
    AWS_KMS,
    ECDH_ES_A256KW,
    GCP_KMS,
    MLKEM,
    RSA_256,
    STRANGER,
    VAULT,
    X25519_PROTECTED,
    derived,
    gcp,
    kms,
    labelled,
    mlkem,
    ours,
    recipient,
    vault,
    wrap_agreed,
)
from positive import local
from positive_keys import unknown_kinds
from sealer import CRIT, Dek, Message, seal

DEK = Dek("negative recipients")
OURS = ours()
LOCAL, AGREED, RSA = OURS["local"], OURS["x25519"], OURS["rsa2048"]
WRAPPED = LOCAL.wrap(DEK.key)
CRITICAL = (CRIT, array(integer(4)))


def cases() -> list[Case]:
    tables = [
        ("unsupported", True, unsupported()),
        ("malformed", True, misshapen() | algs() | services()),
        ("unknown-key", False, strangers() | unopenable() | agreed() | twisted()),
        ("too-large", False, {"recipients-16385-bytes": too_long()}),
    ]
    return [
        refused(name, word, recipients, grammar)
        for word, grammar, table in tables
        for name, recipients in table.items()
    ] + [
        refused("no-keys-configured", "unknown-key", local(DEK), False, keys=()),
        refused("another-key-configured", "unknown-key", local(DEK), False, keys=("stranger",)),
        refused("local-recipient-for-reader-with-x25519", "unknown-key", local(DEK), False, keys=("x25519",)),
    ]


def refused(name: str, word: str, recipients: tuple[bytes, ...], grammar: bool | None, keys=None) -> Case:
    """A case whose reader has those of our keys whose kid occurs in the recipients, or else the local one."""
    if keys is None:
        keys = tuple(n for n, k in OURS.items() if any(k.kid in r for r in recipients)) or ("local",)
    m = Message(b"hello", DEK, recipients)
    return reading(name, word, m, seal(m), grammar, keys=keys)


def unsupported() -> dict:
    kid = (4, bstr(LOCAL.kid))
    nested = array(bstr(b""), mapping((1, integer(-29))), bstr(b""), array(*local(DEK)))
    return {
        "recipient-nested": (nested,),
        "recipient-nested-behind-a-good-one": (*local(DEK), nested),
        "recipient-of-4-before-its-types": (array(NULL, NULL, NULL, NULL),),
        "recipient-crit-in-unprotected": (recipient(b"", mapping((1, integer(A256KW)), CRITICAL, kid), WRAPPED),),
        "recipient-crit-in-protected": (recipient(mapping(CRITICAL), mapping((1, integer(A256KW)), kid), WRAPPED),),
        "recipient-crit-in-unknown-kind": (recipient(b"", mapping((1, integer(-29)), CRITICAL), b""), *local(DEK)),
        "recipient-crit-before-alg-missing": (recipient(b"", mapping(CRITICAL), b""),),
        "recipient-unsupported-before-a-malformed-one-behind-it": (nested, labelled(A256KW, LOCAL.kid, b"")),
    }


def misshapen() -> dict:
    """A kind of section 4 that has not the shape of its row, one good recipient beside it or not."""
    kid = (4, bstr(LOCAL.kid))
    kw = (1, integer(A256KW))
    agreed_kid = (4, bstr(AGREED.kid))
    ephemeral, secret = AGREED.agree()
    wrapped = wrap_agreed(secret, DEK.key, AGREED.info(ephemeral))

    def of_key(*pairs) -> tuple[bytes]:
        return (recipient(X25519_PROTECTED, mapping(agreed_kid, (-1, mapping(*pairs))), wrapped),)

    okp, curve_, public = (1, integer(1)), (-1, integer(4)), (-2, bstr(ephemeral))
    return {
        "local-kid-missing": (recipient(b"", mapping(kw), WRAPPED),),
        "local-kid-7-bytes": (labelled(A256KW, LOCAL.kid[:7], WRAPPED),),
        "local-kid-16-bytes": (labelled(A256KW, LOCAL.kid * 2, WRAPPED),),
        "local-kid-text": (recipient(b"", mapping(kw, (4, tstr("12345678"))), WRAPPED),),
        "local-wrapped-39-bytes": (labelled(A256KW, LOCAL.kid, WRAPPED[:-1]),),
        "local-wrapped-48-bytes": (labelled(A256KW, LOCAL.kid, LOCAL.wrap(DEK.key + bytes(8))),),
        "local-wrapped-empty": (labelled(A256KW, LOCAL.kid, b""),),
        "local-alg-in-protected": (recipient(mapping(kw), mapping(kid), WRAPPED),),
        "local-protected-is-an-empty-map": (recipient(b"\xa0", mapping(kw, kid), WRAPPED),),
        "local-further-label": (recipient(b"", mapping(kw, kid, (-70000, NULL)), WRAPPED),),
        "local-misshapen-behind-a-good-one": (*local(DEK), labelled(A256KW, LOCAL.kid, WRAPPED[:-1])),
        "rsa-kid-9-bytes": (labelled(RSA_256, RSA.kid + b"\x00", RSA.wrap(DEK.key)),),
        "rsa-wrapped-255-bytes": (labelled(RSA_256, RSA.kid, RSA.wrap(DEK.key)[:-1]),),
        "rsa-wrapped-513-bytes": (labelled(RSA_256, RSA.kid, bytes(513)),),
        "x25519-alg-in-unprotected": (
            recipient(
                b"", mapping((1, integer(ECDH_ES_A256KW)), agreed_kid, (-1, mapping(okp, curve_, public))), wrapped
            ),
        ),
        "x25519-ephemeral-missing": (recipient(X25519_PROTECTED, mapping(agreed_kid), wrapped),),
        "x25519-ephemeral-31-bytes": of_key(okp, curve_, (-2, bstr(ephemeral[:-1]))),
        "x25519-ephemeral-33-bytes": of_key(okp, curve_, (-2, bstr(ephemeral + b"\x00"))),
        "x25519-ephemeral-kty-2": of_key((1, integer(2)), curve_, public),
        "x25519-ephemeral-curve-5": of_key(okp, (-1, integer(5)), public),
        "x25519-ephemeral-with-private-part": of_key(okp, curve_, public, (-4, bstr(bytes(32)))),
        "x25519-kid-missing": (recipient(X25519_PROTECTED, mapping((-1, mapping(okp, curve_, public))), wrapped),),
        "x25519-ephemeral-is-bytes": (
            recipient(X25519_PROTECTED, mapping(agreed_kid, (-1, bstr(ephemeral))), wrapped),
        ),
        "x25519-ephemeral-is-an-array": (
            recipient(X25519_PROTECTED, mapping(agreed_kid, (-1, array(bstr(ephemeral)))), wrapped),
        ),
        "x25519-further-label": (
            recipient(
                X25519_PROTECTED, mapping(agreed_kid, (-1, mapping(okp, curve_, public)), (-70000, NULL)), wrapped
            ),
        ),
        "x25519-protected-with-another-label": (
            recipient(mapping((1, integer(-31)), (-70000, NULL)), AGREED.header(ephemeral), wrapped),
        ),
        "x25519-wrapped-48-bytes": (recipient(X25519_PROTECTED, AGREED.header(ephemeral), wrapped + bytes(8)),),
    }


def algs() -> dict:
    """Recipients of other algs have their alg, an integer or text, in just one map."""
    good = local(DEK)
    return {
        "recipient-alg-missing": (recipient(b"", mapping((4, bstr(b"k"))), b""), *good),
        "recipient-headers-empty": (recipient(b"", mapping(), b""), *good),
        "recipient-alg-in-both-maps": (recipient(mapping((1, integer(-29))), mapping((1, integer(-29))), b""), *good),
        "recipient-algs-of-both-maps-differ": (
            recipient(mapping((1, integer(-29))), mapping((1, integer(A256KW))), b""),
            *good,
        ),
        "recipient-alg-null": (recipient(b"", mapping((1, NULL)), b""), *good),
        "recipient-alg-bytes": (recipient(b"", mapping((1, bstr(b"A256KW"))), b""), *good),
        "recipient-alg-array": (recipient(b"", mapping((1, array(integer(A256KW)))), b""), *good),
        "recipient-alg-true": (recipient(b"", mapping((1, b"\xf5")), b""), *good),
    }


def services() -> dict:
    """The rows of key services and MLKEM768-X25519 are checked by every reader."""
    table = {
        "mlkem-kid-7-bytes": (labelled(MLKEM, bytes(7), bytes(1168)),),
        "mlkem-wrapped-1167-bytes": (labelled(MLKEM, bytes(8), bytes(1167)),),
        "mlkem-wrapped-1169-bytes": (labelled(MLKEM, bytes(8), bytes(1169)),),
        "mlkem-alg-in-protected": (recipient(mapping((1, integer(MLKEM))), mapping((4, bstr(bytes(8)))), bytes(1168)),),
    }
    for name, alg in {"kms": AWS_KMS, "vault": VAULT, "gcp": GCP_KMS}.items():
        table |= {
            f"{name}-kid-empty": (labelled(alg, b"", b"\x00"), *local(DEK)),
            f"{name}-kid-2049-bytes": (labelled(alg, b"a" * 2049, b"\x00"), *local(DEK)),
            f"{name}-kid-text": (recipient(b"", mapping((1, integer(alg)), (4, tstr("arn"))), b"\x00"), *local(DEK)),
            f"{name}-wrapped-empty": (labelled(alg, b"arn", b""), *local(DEK)),
            f"{name}-wrapped-6145-bytes": (labelled(alg, b"arn", bytes(6145)), *local(DEK)),
        }
    return table


def too_long() -> tuple[bytes, ...]:
    """Recipients for AWS KMS whose array is 16,385 bytes long."""
    two = tuple(labelled(AWS_KMS, b"arn", bytes(6144)) for _ in range(2))
    rest = 16385 - len(array(*two)) - len(labelled(AWS_KMS, b"arn", bytes(256))) + 256
    recipients = (*two, labelled(AWS_KMS, b"arn", bytes(rest)))
    assert len(array(*recipients)) == 16385
    return recipients


def strangers() -> dict:
    """No recipient fits a key."""
    return {
        "recipient-of-a-stranger": (STRANGER.recipient(DEK.key),),
        "recipient-kms-only": (kms(),),
        "recipient-mlkem-only": (mlkem(),),
        "recipient-vault-only": (vault(),),
        "recipient-gcp-only": (gcp(),),
        "recipients-of-unknown-kinds-only": tuple(unknown_kinds().values()),
        "recipient-under-a-kid-of-no-key": (labelled(A256KW, derived("no kid", 8), WRAPPED),),
        "recipient-kid-flipped-bit": (labelled(A256KW, flip(LOCAL.kid, 3), WRAPPED),),
        "recipient-alg-a192kw": (labelled(-4, LOCAL.kid, WRAPPED),),
        "recipient-alg-rsa-oaep-sha1": (labelled(-40, RSA.kid, RSA.wrap(DEK.key, "sha1")),),
        "recipient-rsa-alg-with-local-kid": (labelled(RSA_256, LOCAL.kid, RSA.wrap(DEK.key)),),
        "recipient-local-alg-with-rsa-kid": (labelled(A256KW, RSA.kid, WRAPPED),),
    }


def flip(data: bytes, at: int) -> bytes:
    """data with one bit of the byte at `at` flipped."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def unopenable() -> dict:
    """A recipient fits a key and does not unwrap, or not to 32 bytes."""

    def local_of(wrapped: bytes) -> tuple[bytes]:
        return (labelled(A256KW, LOCAL.kid, wrapped),)

    def rsa(wrapped: bytes) -> tuple[bytes]:
        return (labelled(RSA_256, RSA.kid, wrapped),)

    return {
        "local-wrapped-flipped-first-bit": local_of(flip(WRAPPED, 0)),
        "local-wrapped-flipped-last-bit": local_of(flip(WRAPPED, -1)),
        "local-wrapped-zero": local_of(bytes(40)),
        "local-wrapped-second-of-our-kid-is-not-tried": (labelled(A256KW, LOCAL.kid, flip(WRAPPED, -1)), *local(DEK)),
        "local-wrapped-by-another-key-under-our-kid": local_of(STRANGER.wrap(DEK.key)),
        "rsa-wrapped-flipped-bit": rsa(flip(RSA.wrap(DEK.key), -1)),
        "rsa-wrapped-zero": rsa(bytes(256)),
        "rsa-wrapped-larger-than-the-modulus": rsa(b"\xff" * 256),
        "rsa-wrapped-of-another-modulus-length": rsa(RSA.wrap(DEK.key) + bytes(128)),
        "rsa-oaep-with-label": rsa(RSA.wrap(DEK.key, oaep_label=b"streamcrypt")),
        "rsa-oaep-sha1-called-sha256": rsa(RSA.wrap(DEK.key, "sha1")),
        "rsa-oaep-sha512-called-sha256": rsa(RSA.wrap(DEK.key, "sha512")),
        "rsa-unwraps-to-16-bytes": rsa(RSA.wrap(DEK.key[:16])),
        "rsa-unwraps-to-33-bytes": rsa(RSA.wrap(DEK.key + b"\x00")),
        "rsa-unwraps-to-nothing": rsa(RSA.wrap(b"")),
    }


def agreed() -> dict:
    """X25519: ephemeral keys, and other key derivations."""
    ephemeral, secret = AGREED.agree()
    info = AGREED.info(ephemeral)
    wrapped = wrap_agreed(secret, DEK.key, info)

    def of(wrapped: bytes, ephemeral: bytes = ephemeral) -> tuple[bytes]:
        return (recipient(X25519_PROTECTED, AGREED.header(ephemeral), wrapped),)

    def zero(ephemeral: bytes) -> tuple[bytes]:
        return of(
            wrap_agreed(bytes(32), DEK.key, AGREED.info(ephemeral)), ephemeral
        )  # for a reader that takes a zero secret

    top = ephemeral[:-1] + bytes([ephemeral[-1] | 0x80])
    without_other = bytes.fromhex("842483f6f6f683f6f6f68219010044a101381e")
    return {
        "x25519-wrapped-flipped-bit": of(flip(wrapped, 20)),
        "x25519-ephemeral-flipped-bit": of(wrapped, flip(ephemeral, 5)),
        "x25519-ephemeral-zero": zero(bytes(32)),
        "x25519-ephemeral-one": zero(b"\x01" + bytes(31)),
        "x25519-ephemeral-of-order-8": zero(curve.ORDER_8.to_bytes(32, "little")),
        "x25519-ephemeral-p": zero((2**255 - 19).to_bytes(32, "little")),
        "x25519-ephemeral-p-plus-9": of(
            wrap_agreed(secret, DEK.key, AGREED.info((2**255 - 10).to_bytes(32, "little"))),
            (2**255 - 10).to_bytes(32, "little"),
        ),
        "x25519-ephemeral-with-the-unused-bit-set": of(wrap_agreed(secret, DEK.key, AGREED.info(top)), top),
        "x25519-kdf-without-protected": of(
            wrap_agreed(secret, DEK.key, bytes.fromhex("842483f6f6f683f6f6f68319010040") + info[19:])
        ),
        "x25519-kdf-without-public-keys": of(wrap_agreed(secret, DEK.key, without_other)),
        "x25519-kdf-with-public-keys-exchanged": of(
            wrap_agreed(secret, DEK.key, info[:-64] + info[-32:] + info[-64:-32])
        ),
        "x25519-raw-secret-as-key": of(keywrap.aes_key_wrap(secret, DEK.key)),
    }


def twisted() -> dict:
    """The seven ephemeral keys that differ by a point of small order and give the same secret."""
    ephemeral, secret = AGREED.agree()
    wrapped = wrap_agreed(secret, DEK.key, AGREED.info(ephemeral))
    return {
        f"x25519-ephemeral-plus-{n}-times-a-point-of-order-8": (
            recipient(X25519_PROTECTED, AGREED.header(other), wrapped),
        )
        for n, other in enumerate(curve.cousins(ephemeral), 1)
    }
