#!/usr/bin/env python3
"""Opens the single-form positive vectors for a local key with pycose and with cwt.

It shows that an envelope is a COSE object: two libraries that know nothing of streamcrypt find the
recipient, unwrap the data key and verify the tag. What they cannot know is given to them: the
external_aad and, for an envelope by reference, the data key, taken from its key record here.
They may refuse a message for a recipient of a private alg, even where another recipient is theirs.

    pip install pycose==1.1.0 cwt==3.3.0
"""

import base64
import json
import pathlib
import sys

import cbor2
from cryptography.hazmat.primitives import keywrap
from cwt import COSE, COSEKey
from pycose.keys import SymmetricKey
from pycose.messages import CoseMessage, EncMessage

from keys import expand

HERE = pathlib.Path(__file__).parent
POSITION, CHUNKING = -1935867906, -1935867910
KTY, KID, ALG, K, SYMMETRIC = 1, 2, 3, -1, 4


class Opened:
    """A vector's envelope as plain CBOR, with what a library must be given."""

    def __init__(self, vector: dict):
        self.envelope = bytes.fromhex(vector["envelope"])
        self.tag, self.body = (item := cbor2.loads(self.envelope)).tag, item.value
        k = vector["keys"][0].get("jwk", {}).get("k", "")
        self.kek = base64.urlsafe_b64decode(k + "=" * (-len(k) % 4))
        self.records = [cbor2.loads(bytes.fromhex(r)).value for r in vector["records"]]
        bound = [[bytes.fromhex(n), [unhex(v) for v in values]] for n, values in vector["bound"]]
        self.aad = cbor2.dumps(["streamcrypt/1", bytes.fromhex(vector["context"]), unhex(vector["subject"]),
                                unhex(vector["key"]), bound, vector["kind"], 0, True])

    def data_key(self) -> bytes:
        """By reference: the key of the record that has our kid, unwraps and keeps its commitment."""
        kid = self.body[1][4]
        for protected, _, _, recipients in self.records:
            for _, _, wrapped in recipients:
                try:
                    dek = keywrap.aes_key_unwrap(self.kek, wrapped)
                except keywrap.InvalidUnwrap:
                    continue
                commitment = expand(dek, b"streamcrypt/1 commitment", 32)
                if commitment == cbor2.loads(protected)[POSITION][23:] and commitment[:16] == kid:
                    return dek
        raise ValueError("no key record opens")


def unhex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def with_pycose(v: Opened) -> bytes:
    message = CoseMessage.decode(v.envelope)
    message.external_aad = v.aad
    if not isinstance(message, EncMessage):
        message.key = SymmetricKey(k=v.data_key())
        return message.decrypt()
    refusal = None
    for recipient in message.recipients:
        recipient.key = SymmetricKey(k=v.kek)
        try:
            return message.decrypt(recipient)
        except Exception as e:  # the library's own types differ from fault to fault
            refusal = e
    raise refusal


def with_cwt(v: Opened) -> bytes:
    if v.tag == 16:
        key = {KTY: SYMMETRIC, ALG: 3, KID: v.body[1][4], K: v.data_key()}
    else:
        kid = expand(v.kek, b"streamcrypt/1 kid", 8)
        key = {KTY: SYMMETRIC, ALG: -5, KID: kid, K: v.kek}
    return COSE.new().decode(v.envelope, COSEKey.new(key), external_aad=v.aad)


def usable(vector: dict) -> bool:
    """Single form, and local keys are what the reader has."""
    protected = cbor2.loads(cbor2.loads(bytes.fromhex(vector["envelope"])).value[0])
    return CHUNKING not in protected and {k["kind"] for k in vector["keys"]} == {"local"}


def main() -> None:
    vectors = [v for v in json.loads((HERE / "positive.json").read_text()) if usable(v)]
    wrong = []
    for name, library in (("pycose", with_pycose), ("cwt", with_cwt)):
        opened, refusals = 0, []
        for vector in vectors:
            try:
                plaintext = library(Opened(vector))
            except Exception as e:  # reported below
                refusals.append(f"  {vector['name']}: {type(e).__name__}: {e}")
                continue
            opened += 1
            if plaintext != bytes.fromhex(vector["plaintext"]):
                wrong.append(f"{name}: {vector['name']}: another plaintext")
        print(f"{name}: {opened} of {len(vectors)} opened", *refusals, sep="\n")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
