#!/usr/bin/env python3
"""Which envelopes two stock COSE libraries open, by kind of recipient: the table of section 12 of the specification.

The libraries know nothing of streamcrypt. They are given `external` (a field of the vectors), the KEK, and by
reference the data
key. Exit code 1 where a library does otherwise than the table here says.

    pip install -r requirements-stock.txt && python3 stock.py
"""

import base64
import json
import pathlib
import sys

import cbor2
from cryptography.hazmat.primitives import keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from cwt import COSE, COSEKey
from pycose.keys import OKPKey, RSAKey, SymmetricKey
from pycose.keys.curves import X25519
from pycose.messages import CoseMessage, EncMessage

VECTORS = pathlib.Path(__file__).parent.parent.parent / "vectors"
CASES = [  # the vector and perhaps the reader's key, whether pycose opens it, whether cwt does
    ("recipient-local", True, True),
    ("self-contained-single-1024", True, True),
    ("self-contained-headers-all-24", True, True),
    ("self-contained-tombstone", True, True),
    ("signed-by-the-sealer", True, True),
    ("self-contained-label-passed-over-two", True, True),
    ("self-contained-zstd-by-a-library", True, True),  # and give the coded payload
    ("by-reference-single-1024", True, True),
    ("by-reference-label-passed-over-first", True, True),
    ("recipient-rsa2048", True, False),
    ("recipient-rsa3072", True, False),
    ("recipient-x25519", False, False),
    ("recipient-second-key-of-the-reader-fits", True, True),
    ("recipients-16-ours-last", False, False),  # AWS KMS beside a local one
    ("recipients-mixed-ours-at-5", False, False),
    ("recipients-several-of-ours", True, False),  # A256KW, RSA-OAEP and X25519 together; the key is RSA
    ("recipients-several-of-ours with local", True, False),
    ("recipients-several-of-ours with x25519", False, False),
    ("recipient-passed-over-alg-text", False, False),
    ("self-contained-chunked-8193", False, False),
    ("by-reference-chunked-8193", False, False),
]


class Vector:
    """An envelope as plain CBOR, with the things that a library must be given."""

    def __init__(self, v, shared, key=""):
        self.envelope, self.external = bytes.fromhex(v["envelope"]), bytes.fromhex(v["external"])
        self.tag, self.body = (item := cbor2.loads(self.envelope)).tag, item.value
        self.key = shared["keys"][key or v["keys"][-1]]
        self.records = [cbor2.loads(bytes.fromhex(r)).value for r in v.get("records", ())]
        self.payload = bytes.fromhex(v["plaintext"])
        self.coded = -1935867912 in cbor2.loads(self.body[0])

    def kek(self):
        k = self.key["jwk"]["k"]
        return base64.urlsafe_b64decode(k + "=" * (-len(k) % 4))

    def private(self):
        return serialization.load_pem_private_key(self.key["pem"].encode(), None)

    def data_key(self):
        """By reference: of the key record, which here has one recipient, ours."""
        return keywrap.aes_key_unwrap(self.kek(), self.records[0][3][0][2])


def with_pycose(v):
    message = CoseMessage.decode(v.envelope)
    message.external_aad = v.external
    if not isinstance(message, EncMessage):
        message.key = SymmetricKey(k=v.data_key())
        return message.decrypt()
    refusal = None
    for recipient in message.recipients:
        recipient.key = pycose_key(v)
        try:
            return message.decrypt(recipient)
        except Exception as e:  # the library's own types differ from fault to fault
            refusal = e
    raise refusal


def pycose_key(v):
    if v.key["kind"] == "local":
        return SymmetricKey(k=v.kek())
    private = v.private()
    if isinstance(private, x25519.X25519PrivateKey):
        return OKPKey(crv=X25519, x=private.public_key().public_bytes_raw(), d=private.private_bytes_raw())
    n = private.private_numbers()
    size = private.key_size // 8
    numbers = {
        "n": n.public_numbers.n,
        "e": n.public_numbers.e,
        "d": n.d,
        "p": n.p,
        "q": n.q,
        "dp": n.dmp1,
        "dq": n.dmq1,
        "qinv": n.iqmp,
    }
    return RSAKey(**{name: number.to_bytes(3 if name == "e" else size, "big") for name, number in numbers.items()})


def with_cwt(v):
    if v.tag == 16:
        key = COSEKey.new({1: 4, 3: 3, 2: v.body[1][4], -1: v.data_key()})
    elif v.key["kind"] == "local":
        mine = next(r for r in v.body[3] if r[1].get(1) == -5)
        key = COSEKey.new({1: 4, 3: -5, 2: mine[1][4], -1: v.kek()})
    else:
        alg = "ECDH-ES+A256KW" if v.key["kind"] == "x25519" else "RSA-OAEP-256"
        key = COSEKey.from_pem(v.key["pem"], alg=alg, kid=v.body[3][0][1][4])
    return COSE.new().decode(v.envelope, key, external_aad=v.external)


def main():
    shared = json.loads((VECTORS / "shared.json").read_text())
    vectors = {v["name"]: v for v in json.loads((VECTORS / "positive.json").read_text())}
    wrong = 0
    for name, *expected in CASES:
        vector, _, key = name.partition(" with ")
        v, line = Vector(vectors[vector], shared, key), []
        for library, opens, expect in zip(("pycose", "cwt"), (with_pycose, with_cwt), expected):
            try:
                payload = opens(v)
                opened = payload[:4] == b"\x28\xb5\x2f\xfd" if v.coded else payload == v.payload
                says = "opens" if opened else "another payload"
            except Exception as e:  # reported
                opened, says = False, f"refuses ({type(e).__name__}: {str(e)[:60]})"
            wrong += opened != expect
            line.append(
                f"{library} {says}"
                + (", but should not" if opened > expect else ", but should" if opened < expect else "")
            )
        print(f"{name}: {'; '.join(line)}")
    print(f"stock: {len(CASES)} envelopes, {wrong} otherwise than expected")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
