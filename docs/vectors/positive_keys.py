"""Vectors that a reader must open: recipients, key records, signatures, labels that are passed over."""

from case import Case, reading
from encode import array, bstr, integer, mapping, tstr
from keys import STRANGER, Signer, derived, gcp, kms, labelled, mlkem, ours, recipient, signers, vault
from positive import CHUNK, DEK, KAFKA, both, local, record_of
from sealer import CREATED, Coding, Dek, Message, key_record, position, seal


def cases() -> list[Case]:
    return recipients() + records() + signed() + extended()


def recipients() -> list[Case]:
    cases = []
    keys = ours()
    mixed = ("local", "rsa2048", "x25519", "rsa3072")

    def add(name: str, recipients: tuple[bytes, ...], *key_names: str) -> None:
        m = Message(b"hello", DEK, recipients)
        cases.append(reading(name, "ok", m, seal(m), keys=key_names))

    for kind in mixed:
        add(f"recipient-{kind}", (keys[kind].recipient(DEK.key),), kind)
    services = (kms(), mlkem(), vault(), gcp())
    for i, kind in enumerate(mixed):
        around = (*services, *(keys[k].recipient(DEK.key) for k in mixed), STRANGER.recipient(DEK.key))
        add(f"recipients-mixed-ours-at-{i + 5}", around, kind)
    add("recipients-several-of-ours", tuple(keys[k].recipient(DEK.key) for k in mixed), *mixed)
    sixteen = (*(kms(f"filler-{i}") for i in range(15)), *local(DEK))
    add("recipients-16-ours-last", sixteen, "local")
    for name, unknown in unknown_kinds().items():
        add(f"recipient-passed-over-{name}", (unknown, *local(DEK)), "local")
    add("recipients-passed-over-all-kinds", (*unknown_kinds().values(), *local(DEK)), "local")
    add("recipient-second-key-of-the-reader-fits", local(DEK), "stranger", "local")
    broken = labelled(-5, keys["local"].kid, bytes(40))
    add("recipient-of-first-key-does-not-unwrap", (broken, keys["x25519"].recipient(DEK.key)), "local", "x25519")
    add("recipient-first-of-our-kid-counts", (*local(DEK), broken), "local")
    return cases


def unknown_kinds() -> dict[str, bytes]:
    """Algs that are not of section 4; none has a known shape."""
    deep = array(array(array(array(integer(0)))))
    return {
        "alg-ecdh-es-hkdf": recipient(
            bytes.fromhex("a101381c"), mapping((-1, mapping((1, integer(1)))), (-20, tstr("x"))), b""
        ),
        "alg-text": recipient(b"", mapping((1, tstr("PRIVATE")), (4, bstr(b"k"))), b"\x00"),
        "alg-text-empty": recipient(b"", mapping((1, tstr(""))), b""),
        "alg-of-64-bits": recipient(b"", mapping((1, integer(-(2**64)))), b""),
        "alg-in-protected-beside-others": recipient(
            mapping((1, integer(-60000)), (4, bstr(b"k"))), mapping((0, integer(1)), (3, tstr("text"))), b"w"
        ),
        "alg-dir": recipient(b"", mapping((1, integer(-6))), b""),
        "alg-private-of-ours-unassigned": recipient(b"", mapping((1, integer(-1935867915))), b""),
        "protected-is-an-empty-map": recipient(mapping(), mapping((1, integer(-29))), b""),
        "nesting-8": recipient(b"", mapping((1, integer(-29)), (-20, deep)), b""),
        "values-of-every-kind": recipient(
            b"",
            mapping(
                (1, integer(-29)),
                (-20, b"\xf6"),
                (-21, b"\xf5"),
                (-22, b"\xf4"),
                (-23, array()),
                (-24, mapping()),
                (-25, tstr("ü")),
            ),
            b"",
        ),
    }


def records() -> list[Case]:
    """By reference: which key record counts."""
    cases = []
    keys = ours()
    other = Dek("positive, another")
    good = record_of(DEK)

    def add(name: str, records: tuple[bytes, ...], key_name: str = "local") -> None:
        m = Message(b"hello", DEK)
        cases.append(reading(name, "ok", m, seal(m), records=records, keys=(key_name,)))

    for kind in ("x25519", "rsa2048", "rsa3072"):
        add(f"record-for-{kind}", (record_of(DEK, (keys[kind].recipient(DEK.key),)),), kind)
    theirs = record_of(DEK, (STRANGER.recipient(DEK.key),))
    add("record-rewrapped-first-is-not-for-us", (theirs, good))
    add("record-first-has-wrong-commitment", (foreign_record(DEK, other), good))
    flipped_tag = seal(key_record(DEK, local(DEK)))
    flipped_tag = flipped_tag.replace(ciphertext=bstr(bytes(16)))
    add("record-with-another-tag-counts", (flipped_tag.bytes(),))
    add("record-of-another-context-counts", (record_of(DEK, context=b"payments"),))
    value = Message(b"", DEK, local(DEK), key=None)
    add("record-of-another-kind-with-an-empty-payload-counts", (seal(value).bytes(),))
    payload = seal(Message(b"x", DEK, local(DEK), key=None)).bytes()
    placed = record_of(DEK, offset=7, source=KAFKA)
    coded = record_of(DEK, coding=Coding(padding=1))
    for name, junk in {
        "another-kid": record_of(other),
        "nothing": b"",
        "rubbish": b"x",
        "half": good[:-1],
        "more-behind": good + b"x",
        "a-payload": payload,
        "a-place": placed,
        "coding": coded,
        "by-reference": seal(Message(b"", DEK)).bytes(),
    }.items():
        add(f"record-passed-over-{name}", (junk, good))
    add("record-sixteenth-try-opens", (foreign_record(DEK, other),) * 15 + (good,))
    add("record-passed-over-ones-are-no-tries", (record_of(other),) * 20 + (good,))
    add("record-for-others-is-no-try", (theirs,) * 20 + (good,))
    return cases


def foreign_record(named: Dek, wrapped: Dek) -> bytes:
    """A record under the kid of one data key that holds another."""
    m = key_record(wrapped, local(wrapped))
    headers = mapping((1, integer(3)), (-1935867906, bstr(position(m, named.commitment))))
    return seal(m, protected=headers).bytes()


def vouched(
    signer: Signer | None = None,
    context: bytes = b"orders",
    since: int = CREATED,
    until: int = CREATED + 900,
    dek: Dek = DEK,
) -> bytes:
    return (signer or signers()["sealer"]).vouch(dek.commitment, context, since, until)


def signed() -> list[Case]:
    cases = []
    mine, both_ours = ("sealer",), ("rotated", "sealer")

    def add(
        name: str, trusted: tuple, signature: bytes = b"", *, skew: int = 300, reader: dict | None = None, **message
    ) -> None:
        signature = signature or vouched()
        m = Message(b"hello", DEK, local(DEK), signature=signature, **message)
        cases.append(reading(f"signed-{name}", "ok", m, seal(m), signers=trusted, skew=skew, **(reader or {})))
        r = Message(b"hello", DEK, **message)
        record = record_of(DEK, signature=signature)
        cases.append(
            reading(
                f"signed-{name}-by-reference",
                "ok",
                r,
                seal(r),
                records=(record,),
                signers=trusted,
                skew=skew,
                **(reader or {}),
            )
        )

    add("by-the-sealer", mine)
    add("one-of-two-signers", both_ours)
    add("by-a-stranger-for-a-reader-without-signers", (), vouched(signers()["mallory"]))
    add("in-the-last-second-of-the-window", mine, created=CREATED + 900, skew=0)
    add("before-the-window-within-the-skew", mine, vouched(since=CREATED + 300), skew=300, created=CREATED)
    add("behind-the-window-within-the-skew", mine, created=CREATED + 1200)
    add("for-a-key-context", mine, vouched(context=b"payments"), reader={"key_context": b"payments"})
    long = Message(
        derived("signed, long", 5000),
        DEK,
        local(DEK),
        chunk=CHUNK,
        message_id=derived("signed", 16),
        signature=vouched(),
    )
    cases.append(reading("signed-chunked", "ok", long, seal(long), signers=mine))
    other = Message(b"hello", DEK, signature=vouched(signers()["mallory"]))
    cases.append(
        reading(
            "signature-in-a-message-by-reference-is-not-looked-at",
            "ok",
            other,
            seal(other),
            signers=mine,
            records=(record_of(DEK, signature=vouched()),),
        )
    )
    unsigned = record_of(DEK)
    m = Message(b"hello", DEK)
    cases.append(
        reading(
            "record-without-signature-is-passed-over",
            "ok",
            m,
            seal(m),
            signers=mine,
            records=(unsigned, record_of(DEK, signature=vouched())),
        )
    )
    record = key_record(DEK, local(DEK), signature=vouched())
    return [*cases, reading("signed-key-record", "ok", record, seal(record), signers=mine)]


def extended() -> list[Case]:
    """Labels that are passed over."""
    first, last = -1935900673, -1935933440
    cases = []
    for name, labels in {
        "first": ((first, b"x"),),
        "last": ((last, b""),),
        "two": ((first, b"a"), (last, b"b")),
        "256-bytes": ((first - 7, derived("label", 256)),),
        "three-of-256-bytes": tuple((first - n, derived("label", 256)) for n in range(3)),
    }.items():
        cases += both(f"label-passed-over-{name}", b"hello", passed_over=labels)
    cases += both(
        "label-passed-over-chunked",
        derived("passed over", 5000),
        passed_over=((first, b"x"),),
        chunk=CHUNK,
        message_id=derived("passed over", 16),
    )
    record = key_record(DEK, local(DEK), passed_over=((first, b"x"),))
    return [*cases, reading("label-passed-over-in-a-key-record", "ok", record, seal(record))]
