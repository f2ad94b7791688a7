#!/usr/bin/env python3
"""Holds this decryptor against all vectors of docs/vectors: exit code 1 where it says another word or gives other
bytes."""

import base64
import collections
import hashlib
import hmac
import json
import pathlib
import re
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from decrypt import Archive, check_receipt, open_raw, receipt
from envelope import Envelope, Refused
from opener import Kek, Opener, expand, sha, spki_kid

VECTORS = pathlib.Path(__file__).parent.parent.parent / "vectors"


def load(name):
    return json.loads((VECTORS / name).read_text())


def unhex(text):
    return None if text is None else bytes.fromhex(text)


def opener(v, shared):
    def get(name, default=()):
        return v.get(name, default)

    keks = [Kek(k["pem"] if "pem" in k else json.dumps(k["jwk"])) for k in (shared["keys"][n] for n in v["keys"])]
    signers = [load_pem_public_key(shared["signers"][n].encode()) for n in get("signers")]
    records = list(map(unhex, get("records")))
    return Opener(
        keks,
        unhex(v["context"]),
        unhex(get("key_context", None)),
        signers,
        get("skew", 300),
        get("now", None),
        get("max_age", None),
        get("limit", 1 << 20),
        lambda kid: records,
        list(map(unhex, get("dictionaries"))),
        [(unhex(n), unhex(r)) for n, r in get("dictionary_records")],
    )


def same_payload(v, payload):
    if "plaintext" in v:
        return payload == unhex(v["plaintext"])
    return (len(payload), hashlib.sha256(payload).hexdigest()) == (v["plaintext_length"], v["plaintext_sha256"])


def check_envelope(v, shared):
    headers = [(unhex(n), unhex(x)) for n, x in v.get("headers", ())]
    try:
        payload, extra = opener(v, shared).open(
            Envelope(unhex(v["envelope"])),
            v["kind"],
            unhex(v.get("subject")),
            unhex(v.get("key")),
            headers,
            v.get("time"),
            v["medium"],
            [unhex(n) for n in v.get("bind", ())],
        )
    except Refused as refused:
        return str(refused)
    return "ok" if v["expect"] != "ok" or same_payload(v, payload) and extra == v.get("extra", 0) else "another payload"


def check_rawfile(v, shared):
    try:
        payload = open_raw(unhex(v["file"]), opener(v, shared))
    except Refused as refused:
        return str(refused)
    return "ok" if v["expect"] != "ok" or same_payload(v, payload) else "another payload"


def check_archive(v, shared):
    archive, word = Archive(opener(v, shared), [unhex(n) for n in v.get("bind", ())]), "ok"
    try:
        archive.run(unhex(v["file"]))
    except Refused as refused:
        word = str(refused)
    shown = [
        [to_hex(k), [[n.hex(), to_hex(x)] for n, x in h], t, to_hex(s), to_hex(p)] for k, h, t, s, p in archive.messages
    ]
    if shown != v["messages"] or len(archive.ends) != v["ends"]:
        return f"{word}, but other messages or ends"
    if word == "ok" and (receipt(archive.ends[-1]), archive.ends[-1][2]) != (v["receipt"], v["flags"]):
        return "another last end"
    wrong = [line for line, expect in v.get("receipts", ()) if check_receipt(archive.ends, line) != expect]
    return f"{word}, but receipts {wrong}" if wrong else word


def to_hex(data):
    return None if data is None else data.hex()


def check_number(v, shared):
    """numbers.json: every result that follows from its inputs by a hash, a key derivation or a parser."""
    get = {k: unhex(x) if isinstance(x, str) and re.fullmatch("([0-9a-f]{2})+", x) else x for k, x in v.items()}
    cbor, secret = get.get("cbor"), get.get("secret")
    found = {
        "source": lambda: sha(cbor)[:5],
        "fingerprint": lambda: sha(cbor)[:8],
        "commitment": lambda: expand(get["dek"], b"streamcrypt/1 commitment"),
        "id": lambda: (
            message_id(secret, cbor) if cbor else base64.urlsafe_b64decode(v["header"].split("/")[2] + "==").hex()
        ),
        "secret": lambda: expand(get["prk"], b"streamcrypt/1 msg-id") if "prk" in get else secret,
        "metadata": lambda: expand(secret, b"streamcrypt/1 msg-id name", 4),
        "places": lambda: read_state(get["state"]) if get["state"] else None,
        "part": lambda: read_part(v["header"]),
        "kid": lambda: {
            "cka_id": lambda: sha(get["cka_id"])[:8],
            "public": lambda: sha(get["public"])[:8],
            "dek": lambda: expand(get["dek"], b"streamcrypt/1 commitment")[:16],
            "key": lambda: opener({"keys": [v["key"]], "context": ""}, shared).keks[0].kid,
            "signer": lambda: Signer(shared, v["signer"]).kid,
        }[next(n for n in ("cka_id", "public", "dek", "key", "signer") if n in v)](),
        "label": lambda: get["label"] if Signer(shared, v["signer"]).verifies(get["label"][16:], cbor) else None,
        "payload": lambda: get["payload"] if Signer(shared, v["signer"]).verifies(get["payload"][69:], cbor) else None,
    }
    wrong = [
        name
        for name in found
        if name in v and found[name]() != (v[name] if name in ("id", "places", "part") else get[name])
    ]
    return f"another {', '.join(wrong)}" if wrong else "ok"


def message_id(secret, data):
    return base64.urlsafe_b64encode(hmac.digest(secret, data, "sha256"))[:24].decode()


class Signer:
    def __init__(self, shared, name):
        self.public = load_pem_public_key(shared["signers"][name].encode())
        self.kid = spki_kid(self.public)

    def verifies(self, signature, data):
        return self.public.verify(signature, data) is None


def read_state(b):
    """Section 19: the places of a Gate's state, None where it is none."""
    if b[:1] != b"\x01" or len(b) > 3072:
        return None
    at, last, places = 1, -1, []
    while at < len(b):
        kind, size = b[at], int.from_bytes(b[at + 1 : at + 3], "big")
        section, at = b[at + 3 : at + 3 + size], at + 3 + size
        if at > len(b) or kind <= last or kind == 2 and size != 5:
            return None
        last = kind
        if kind == 1 and not read_places(section, places) or kind == 3 and not are_refusals(section):
            return None
    return places


def are_refusals(b):
    """Section 19, type 3: flags, the time of the latest refusal, and the ages of up to 18 before it."""
    ages = [int.from_bytes(b[i : i + 2], "big") for i in range(7, len(b), 2)]
    if len(b) < 7 or len(b) % 2 == 0 or b[0] > 1 or b[0] == 1 and ages:
        return False
    return len(ages) <= 18 and sorted(ages) == ages


def read_places(b, places):
    at = 0
    while at < len(b):
        rising, count = b[at] >> 7, b[at] & 127
        size = 22 if rising else 17
        runs = [b[i : i + size] for i in range(at + 8, at + 8 + count * size, size)]
        name, at = b[at : at + 8], at + 8 + count * size
        if at > len(b) or not count:
            return False
        runs = [
            [int.from_bytes(r[i:j], "big") for i, j in ((0, 6), (6, 12), (12, 17), (17, 22))[: 3 + rising]]
            for r in runs
        ]
        place = [name[1:6].hex(), bool(rising), int.from_bytes(name[6:], "big")]
        if places and places[-1][:3] == place:
            runs = places.pop()[3] + runs
        order = [(r[1], r[2], r[0]) for r in runs]
        if any(r[0] > r[1] or rising and r[2] > r[3] for r in runs) or sorted(set(order)) != order:
            return False
        places.append([*place, runs])
    order = [(rising, source, partition) for source, rising, partition, _ in places]
    least = sum(30 if rising else 25 for rising, *_ in order)
    return sorted(set(order)) == order and least <= 3014


def read_part(header):
    """Section 18."""
    m = re.fullmatch("([1-9][0-9]*)/([1-9][0-9]*)/([A-Za-z0-9_-]{22})", header)
    if not m or not 2 <= int(m[2]) <= 1000 or int(m[1]) > int(m[2]):
        return None
    plain = base64.urlsafe_b64encode(base64.urlsafe_b64decode(m[3] + "==")).decode().rstrip("=")
    return [int(m[1]), int(m[2])] if plain == m[3] else None


def main():
    shared, counts, wrong = load("shared.json"), collections.Counter(), []
    for name, check in (
        ("positive", check_envelope),
        ("negative", check_envelope),
        ("rawfiles", check_rawfile),
        ("archives", check_archive),
        ("numbers", check_number),
    ):
        for v in load(name + ".json"):
            counts[name] += 1
            word = check(v, shared)
            if word != v.get("expect", "ok"):
                wrong.append(f"{name}: {v['name']}: {v.get('expect', 'ok')} expected, {word}")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"check: {', '.join(f'{n} {name}' for name, n in counts.items())}; {len(wrong)} wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
