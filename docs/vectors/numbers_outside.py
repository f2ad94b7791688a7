"""Numbers outside envelopes: identities, inputs of hashes and signatures, message ids, the state of a Gate (sections
3 to 19).

Each is an object with a name, the rule of the section in words, its inputs, and the bytes that follow from them.
`cbor` is the
encoding of the input where that is CBOR, `rule` its name in envelope.cddl.
"""

import base64
import hmac

from encode import array, bstr, integer, tstr, unsigned
from keys import KDF_CONTEXT, derived, expand, ours, sealer_input, signers
from sealer import CREATED, Dek, digest

DEK = Dek("numbers")


def checked() -> list[dict]:
    return sources() + kids() + inputs() + message_ids() + gate_states() + parts()


def value(name: str, section: int, rule: str | None, cbor: bytes | None, **fields) -> dict:
    common = {"name": name, "section": section}
    if cbor is not None:
        common |= {"rule": rule, "cbor": cbor.hex()}
    return common | {k: v.hex() if isinstance(v, bytes) else v for k, v in fields.items()}


def sources() -> list[dict]:
    topic, random = derived("topic id", 16), derived("file", 16)
    created = 1790000000123456789
    cases = {
        "kafka": array(tstr("kafka"), tstr("MkU3OEVBNTcwNTJENDM2Qg"), bstr(topic)),
        "nats-without-filter": array(tstr("nats"), tstr(""), tstr("ORDERS"), integer(created), array(), tstr("")),
        "nats-with-filters": array(
            tstr("nats"),
            tstr("hub"),
            tstr("ORDERS"),
            integer(created),
            array(tstr("orders.eu.>"), tstr("orders.us.*")),
            tstr("enc.>"),
        ),
        "file": array(tstr("file"), bstr(random), bstr(b"orders.ndjson")),
        "standard-input": array(tstr("file"), bstr(random), bstr(b"-")),
    }
    return [value(f"source-{name}", 3, "source-input", cbor, source=digest(cbor)[:5]) for name, cbor in cases.items()]


def kids() -> list[dict]:
    keys, trusted = ours(), signers()
    cka_id = derived("cka id", 20)
    return [
        value("commitment", 6, None, None, dek=DEK.key, commitment=DEK.commitment, kid=DEK.kid),
        *(value(f"kid-{name}", 4, None, None, key=name, kid=keys[name].kid) for name in keys),
        *(value(f"kid-signer-{name}", 17, None, None, signer=name, kid=signer.kid) for name, signer in trusted.items()),
        value("kid-pkcs11-aes", 4, None, None, cka_id=cka_id, kid=digest(cka_id)[:8]),
        value(
            "kid-mlkem768-x25519",
            4,
            None,
            None,
            public=derived("ml-kem public", 1216),
            kid=digest(derived("ml-kem public", 1216))[:8],
        ),
        value(
            "additional-data-of-google-cloud-kms", 4, None, None, key_context=b"orders", data=b"streamcrypt/1\x00orders"
        ),
        value(
            "context-of-vault",
            4,
            None,
            None,
            key_context=b"orders",
            context=base64.b64encode(b"streamcrypt/1\x00orders").decode(),
        ),
    ]


def inputs() -> list[dict]:
    signer = signers()["sealer"]
    sealer = array(*sealer_input(DEK.commitment, b"orders", CREATED, CREATED + 900))
    payload = derived("archive id numbers", 16) + unsigned(2, 4) + b"\x00" + unsigned(1000, 8) + derived("digest", 32)
    archive = array(tstr("streamcrypt/1 archive"), bstr(b"orders"), bstr(payload))
    ephemeral, recipient = derived("ephemeral public", 32), derived("recipient public", 32)
    receipt = f"{payload[:16].hex()} {2:08x} {1000:016x} {payload[29:].hex()}\n"
    return [
        value(
            "signature-of-a-sealer",
            17,
            "sealer-input",
            sealer,
            signer="sealer",
            label=signer.vouch(DEK.commitment, b"orders", CREATED, CREATED + 900),
        ),
        value(
            "signature-of-an-archive",
            9,
            "archive-input",
            archive,
            signer="sealer",
            payload=payload + signer.sign(tstr("streamcrypt/1 archive"), bstr(b"orders"), bstr(payload)),
            receipt=receipt,
        ),
        value(
            "info-of-x25519",
            4,
            "x25519-info",
            KDF_CONTEXT + ephemeral + recipient,
            ephemeral=ephemeral,
            recipient=recipient,
        ),
        value(
            "info-of-mlkem768-x25519", 4, "hpke-info", array(tstr("HPKE Recipient"), integer(3), bstr(b""), bstr(b""))
        ),
    ]


def message_ids() -> list[dict]:
    keks = sorted(
        array(integer(alg), bstr(kid))
        for alg, kid in (
            (-5, ours()["local"].kid),
            (-31, ours()["x25519"].kid),
            (-1935867908, b"arn:aws:kms:eu-central-1:000000000000:key/k"),
        )
    )
    keys = array(*keks)
    fingerprint = digest(keys)[:8]
    seeds = {
        "file": digest(derived("id secret file", 40)),
        "ed25519-seed": derived("ed25519 sealer", 32),
        "local-key": ours()["local"].key,
        "x25519-scalar": derived("x25519 reader", 32),
    }
    values = [value("fingerprint-of-keys", 18, "keys-input", keys, fingerprint=fingerprint)]
    for name, prk in seeds.items():
        secret = expand(prk, b"streamcrypt/1 msg-id", 32)
        values.append(
            value(
                f"msg-id-secret-{name}",
                18,
                None,
                None,
                prk=prk,
                secret=secret,
                metadata=expand(secret, b"streamcrypt/1 msg-id name", 4).hex(),
            )
        )
    secret = expand(seeds["local-key"], b"streamcrypt/1 msg-id", 32)
    source = digest(b"some source")[:5]
    for name, purpose, part in (
        ("message", 0, 0),
        ("dead-letter", 1, 0),
        ("part-1", 0, 1),
        ("part-1000", 0, 1000),
        ("second-try", 0, 4294967295),
        ("third-try", 0, 4294967294),
    ):
        cbor = array(
            tstr("streamcrypt/1 msg-id"),
            integer(purpose),
            bstr(source),
            integer(0),
            integer(4711),
            integer(212_000_000_000),
            tstr("SEALED"),
            tstr("enc.orders.eu"),
            integer(part),
            bstr(fingerprint),
        )
        text = base64.urlsafe_b64encode(hmac.digest(secret, cbor, "sha256")).decode()[:24]
        values.append(value(f"msg-id-{name}", 18, "message-id-input", cbor, secret=secret, id=text))
    return values


# The latest refusal of the states: one second before the year 2000, in milliseconds of Unix time.
LATEST = 946_684_799_000


def gate_states() -> list[dict]:
    """States, and the places that they hold; null: no state."""
    s, t = derived("source s", 5), derived("source t", 5)

    def run(*numbers: int) -> bytes:
        return b"".join(unsigned(n, 6 if i < 2 else 5) for i, n in enumerate(numbers))

    def place(rising: bool, source: bytes, partition: int, *runs: tuple) -> bytes:
        return bytes([rising << 7 | len(runs)]) + source + unsigned(partition, 2) + b"".join(run(*r) for r in runs)

    def state(*sections: tuple[int, bytes], version: int = 1) -> bytes:
        return bytes([version]) + b"".join(bytes([k]) + unsigned(len(b), 2) + b for k, b in sections)

    low, high = sorted((s, t))
    one = place(False, low, 3, (0, 9, 7))
    many = [(10 * i, 10 * i + 5, 7) for i in range(175)]
    split = place(False, low, 3, *many[:127]) + place(False, low, 3, *many[127:])

    def full(n: int, rising: bool, *terms: int) -> bytes:
        return b"".join(place(rising, low, p, (0, 9, *terms)) for p in range(n))

    good = {
        "empty": (state(), []),
        "no-places": (state((1, b"")), []),
        "one-run": (state((1, one)), [[low, False, 3, [[0, 9, 7]]]]),
        "two-places": (
            state((1, one + place(False, high, 0, (5, 5, 1), (7, 2**48 - 1, 2**40 - 1)))),
            [[low, False, 3, [[0, 9, 7]]], [high, False, 0, [[5, 5, 1], [7, 2**48 - 1, 2**40 - 1]]]],
        ),
        "rising": (state((1, place(True, low, 0, (1, 9, 100, 200)))), [[low, True, 0, [[1, 9, 100, 200]]]]),
        "equal-before-rising": (
            state((1, one + place(True, low, 3, (1, 9, 100, 200)))),
            [[low, False, 3, [[0, 9, 7]]], [low, True, 3, [[1, 9, 100, 200]]]],
        ),
        "175-runs": (state((1, split)), [[low, False, 3, [list(r) for r in many]]]),
        "120-places": (state((1, full(120, False, 7))), [[low, False, p, [[0, 9, 7]]] for p in range(120)]),
        "100-rising-places": (
            state((1, full(100, True, 7, 8)), (3, b"\x00" + unsigned(LATEST, 6) + unsigned(59, 2) * 18)),
            [[low, True, p, [[0, 9, 7, 8]]] for p in range(100)],
        ),
        "with-its-source": (state((1, one), (2, high)), [[low, False, 3, [[0, 9, 7]]]]),
        "with-refusals": (
            state((1, one), (3, b"\x00" + unsigned(LATEST, 6) + unsigned(0, 2) + unsigned(7, 2))),
            [[low, False, 3, [[0, 9, 7]]]],
        ),
        "with-20-limit-refusals": (state((3, b"\x00" + unsigned(LATEST, 6) + unsigned(59, 2) * 18)), []),
        "with-an-open-breaker": (state((1, one), (3, b"\x01" + unsigned(LATEST, 6))), [[low, False, 3, [[0, 9, 7]]]]),
        "with-an-unknown-section": (state((1, one), (9, b"later")), [[low, False, 3, [[0, 9, 7]]]]),
    }
    bad = {
        "nothing": b"",
        "version-2": state((1, one), version=2),
        "cut": state((1, one))[:-1],
        "byte-behind": state((1, one)) + b"\x00",
        "section-twice": state((1, one), (1, one)),
        "sections-unsorted": state((2, high), (1, one)),
        "place-without-runs": state((1, place(False, low, 3))),
        "run-cut": state((1, one[:-1])),
        "first-behind-last": state((1, place(False, low, 3, (9, 0, 7)))),
        "lowest-above-highest": state((1, place(True, low, 0, (1, 9, 200, 100)))),
        "runs-unsorted": state((1, place(False, low, 3, (5, 9, 7), (0, 3, 7)))),
        "run-twice": state((1, place(False, low, 3, (0, 9, 7), (0, 9, 7)))),
        "places-unsorted": state((1, place(False, high, 0, (0, 9, 7)) + one)),
        "121-places": state((1, full(121, False, 7))),
        "101-rising-places": state((1, full(101, True, 7, 8))),
        "source-of-4-bytes": state((2, b"\x00" * 4)),
        "refusals-cut": state((3, b"\x00" + unsigned(LATEST, 6)[:-1])),
        "refusals-with-half-an-age": state((3, b"\x00" + unsigned(LATEST, 6) + b"\x00")),
        "refusals-in-no-order": state((3, b"\x00" + unsigned(LATEST, 6) + unsigned(7, 2) + unsigned(6, 2))),
        "refusals-of-another-flag": state((3, b"\x02" + unsigned(LATEST, 6))),
        "open-breaker-with-ages": state((3, b"\x01" + unsigned(LATEST, 6) + unsigned(7, 2))),
        "20-refusals": state((3, b"\x00" + unsigned(LATEST, 6) + unsigned(7, 2) * 19)),
        "3073-bytes": state((9, bytes(3073 - 4))),
    }
    values = [
        value(f"gate-state-{name}", 19, None, None, state=data, places=[[p.hex(), *rest] for p, *rest in places])
        for name, (data, places) in good.items()
    ]
    assert all(len(data) <= 3072 for data, _ in good.values())
    return values + [value(f"gate-state-{name}", 19, None, None, state=data, places=None) for name, data in bad.items()]


def parts() -> list[dict]:
    """Values of the header Streamcrypt-Part: number, count and id, or null."""
    text = base64.urlsafe_b64encode(derived("part", 16)).decode().rstrip("=")
    good = {f"1/2/{text}": [1, 2], f"2/2/{text}": [2, 2], f"1000/1000/{text}": [1000, 1000], f"7/10/{text}": [7, 10]}
    bad = [
        "",
        f"0/2/{text}",
        f"3/2/{text}",
        f"1/1/{text}",
        f"1/1001/{text}",
        f"01/2/{text}",
        f"1/02/{text}",
        f"+1/2/{text}",
        f"1/2/{text[:-1]}",
        f"1/2/{text}A",
        f"1/2/{text}==",
        f"1/2/{text[:-1]}B",
        f"1/2/{text[:-1]}+",
        f" 1/2/{text}",
        "1/2",
        f"1/2/{text}/",
    ]
    return [
        value("part-header", 18, None, None, header=h, part=numbers, id=derived("part", 16))
        for h, numbers in good.items()
    ] + [value("part-header-malformed", 18, None, None, header=h, part=None) for h in bad]
