"""Headers and times that are bound, changed on the way: step 12."""

from case import Case, reading
from encode import bstr, integer, mapping
from positive import local, record_of
from sealer import ALG, NAMED, POSITION, TIMED, TOMBSTONE, Dek, Message, position, seal

DEK = Dek("negative bound")
RECORD = record_of(DEK)
H = ((b"a", b"1"), (b"b", None), (b"a", b""), (b"c", b"3"))
STREAM = {"medium": "stream", "context": b"ORDERS", "subject": b"enc.orders", "key": None}
ROLLUP, TTL = (b"Streamcrypt-Rollup", b"sub"), (b"Streamcrypt-TTL", b"5s")


def cases() -> list[Case]:
    return all_headers() + counts() + stream_headers() + named_headers() + effects() + times()


def refused(name: str, m: Message, **reader) -> Case:
    records = (record_of(DEK, context=m.context),) if m.by_reference else ()
    return reading(name, "tampered", m, seal(m), False, **({"records": records} | reader))


def all_headers() -> list[Case]:
    m = Message(b"hello", DEK, local(DEK), headers=H)
    r = Message(b"hello", DEK, headers=H)
    changes = {
        "moved-to-the-end": (*H[1:], H[0]),
        "moved-to-the-front": (H[3], *H[:3]),
        "two-swapped": (H[1], H[0], *H[2:]),
        "values-of-one-name-swapped": (H[2], H[1], H[0], H[3]),
        "dropped-first": H[1:],
        "dropped-last": H[:3],
        "dropped-all": (),
        "renamed-in-case": ((b"A", b"1"), *H[1:]),
        "renamed": ((b"x", b"1"), *H[1:]),
        "value-changed": ((b"a", b"2"), *H[1:]),
        "null-is-empty": (H[0], (b"b", b""), *H[2:]),
        "empty-is-null": (*H[:2], (b"a", None), H[3]),
        "put-in-front": ((b"x", b"y"), *H),
        "put-in-the-middle": (*H[:2], (b"x", b"y"), *H[2:]),
        "doubled-in-front": (H[0], *H),
        "dropped-and-another-appended": (*H[:3], (b"x", b"y")),
        "name-and-value-joined-otherwise": ((b"a1", b""), *H[1:]),
        "streamcrypt-in-its-place": ((b"streamcrypt", b"1"), *H[1:]),
        "streamcrypt-renamed-in-case-in-front": ((b"Streamcrypt", b"x"), *H),
    }
    cases = [refused(f"header-{name}", m, headers=headers) for name, headers in changes.items()]
    cases += [
        refused(f"by-reference-header-{name}", r, headers=changes[name])
        for name in ("moved-to-the-end", "dropped-last", "put-in-front", "renamed-in-case")
    ]
    file = Message(b"hello", DEK, local(DEK), headers=H, medium="file")
    tombstone = Message(b"", DEK, local(DEK), headers=H, kind=TOMBSTONE)
    return [
        *cases,
        refused("header-dropped-in-a-record-file", file, headers=H[:3]),
        refused("header-of-a-tombstone-put-in-front", tombstone, headers=((b"x", b"y"), *H)),
    ]


def counts() -> list[Case]:
    """n in the position is another than the number of headers that are sealed in external."""
    cases = []
    m = Message(b"hello", DEK, local(DEK), headers=H)
    for name, n in (
        ("one-larger-than-the-headers", 5),
        ("largest", 65535),
        ("one-smaller-than-the-bound-ones", 3),
        ("zero", 0),
    ):
        protected = mapping((ALG, integer(3)), (POSITION, bstr(position(m, n=n))))
        cases.append(reading(f"bound-headers-{name}", "tampered", m, seal(m, protected=protected), False))
    changed = seal(m)
    at = len(changed.protected) - len(position(m)) + 27
    changed = changed.replace(protected=changed.protected[:at] + b"\x03" + changed.protected[at + 1 :])
    return [*cases, reading("bound-headers-lowered-by-a-stranger", "tampered", m, changed, False, headers=H[:3])]


def stream_headers() -> list[Case]:
    sealed = ((b"b", b"1"), (b"a", b"2"), (b"b", b"0"), ROLLUP)
    m = Message(b"hello", DEK, local(DEK), headers=sealed, **STREAM)
    none = Message(b"hello", DEK, local(DEK), **STREAM)
    changes = {
        "appended-behind": (*sealed, (b"z", b"x")),
        "appended-in-front-of-the-order": (*sealed, (b"A", b"x")),
        "value-of-a-name-appended": (*sealed, (b"b", b"2")),
        "dropped": sealed[1:],
        "values-of-one-name-swapped": (sealed[2], sealed[1], sealed[0], sealed[3]),
        "renamed-in-case": ((b"B", b"1"), *sealed[1:]),
        "rollup-dropped": sealed[:3],
        "rollup-changed": (*sealed[:3], (b"Streamcrypt-Rollup", b"all")),
        "ttl-appended": (*sealed, TTL),
        "operation-appended": (*sealed, (b"KV-Operation", b"PURGE")),
        "ours-in-another-case": (*sealed, (b"streamcrypt-key", b"azE")),
    }
    cases = [refused(f"stream-header-{name}", m, headers=headers) for name, headers in changes.items()]
    kafka = Message(
        b"hello",
        DEK,
        local(DEK),
        headers=((b"b", b"1"), (b"a", b"2")),
        context=b"ORDERS",
        subject=b"enc.orders",
        key=None,
    )
    return [
        *cases,
        refused("stream-header-appended-to-none", none, headers=((b"x", b"y"),)),
        refused("stream-header-order-of-a-topic", kafka, medium="stream"),
    ]


def named_headers() -> list[Case]:
    bind, headers = (b"tenant", b"trace"), ((b"tenant", b"acme"), (b"tenant", None))
    m = Message(b"hello", DEK, local(DEK), form=NAMED, bind=bind, headers=headers)
    changes = {
        "value-changed": {"headers": ((b"tenant", b"acmf"), (b"tenant", None))},
        "null-is-empty": {"headers": ((b"tenant", b"acme"), (b"tenant", b""))},
        "values-swapped": {"headers": headers[::-1]},
        "value-dropped": {"headers": headers[:1]},
        "value-appended": {"headers": (*headers, (b"tenant", b"x"))},
        "missing-one-appears": {"headers": (*headers, (b"trace", None))},
        "renamed-in-case": {"headers": ((b"Tenant", b"acme"), headers[1])},
        "name-not-agreed-by-reader": {"bind": (b"tenant",)},
        "nothing-agreed-by-reader": {"bind": ()},
        "name-added-by-reader": {"bind": (*bind, b"x")},
        "name-in-other-case-at-the-reader": {"bind": (b"Tenant", b"trace")},
        "value-under-another-name": {"headers": ((b"trace", b"acme"), (b"trace", None))},
    }
    cases = [refused(f"named-header-{name}", m, **reader) for name, reader in changes.items()]
    cases.append(
        refused(
            "named-header-missing-from-the-list-of-a-by-reference-reader",
            Message(b"hello", DEK, form=NAMED, bind=bind, headers=headers),
            bind=(b"tenant",),
        )
    )
    all_form = Message(b"hello", DEK, local(DEK), headers=((b"tenant", b"acme"),))
    flipped = seal(all_form)
    at = len(flipped.protected) - len(position(all_form))
    named = (
        flipped.protected[:at] + b"\x01" + flipped.protected[at + 1 : at + 26] + bytes(2) + flipped.protected[at + 28 :]
    )
    return [
        *cases,
        reading("form-changed-to-named-by-a-stranger", "tampered", all_form, flipped.replace(protected=named), False),
    ]


def effects() -> list[Case]:
    """The four names that are bound in the form named although nobody lists them."""
    cases = []
    for medium in ("topic", "stream", "file"):
        fields = STREAM if medium == "stream" else {"medium": medium}
        m = Message(b"hello", DEK, local(DEK), form=NAMED, headers=(TTL,), **fields)
        for name, header in {
            "operation": (b"KV-Operation", b"PURGE"),
            "rollup": ROLLUP,
            "message-id": (b"Streamcrypt-Msg-Id", b"next"),
        }.items():
            cases.append(refused(f"effect-{name}-appended-in-a-{medium}", m, headers=(TTL, header)))
        cases.append(refused(f"effect-ttl-dropped-in-a-{medium}", m, headers=()))
    return cases


def times() -> list[Case]:
    cases = []
    m = Message(b"hello", DEK, local(DEK), form=TIMED, time=1790000000123, medium="file")
    none = Message(b"hello", DEK, local(DEK), form=TIMED, medium="file")
    for name, time in {
        "one-millisecond-later": 1790000000124,
        "in-seconds": 1790000000,
        "negative": -1790000000123,
        "none": None,
    }.items():
        cases.append(refused(f"time-{name}", m, time=time))
    cases.append(refused("time-appears-where-none-was", none, time=0))
    cases.append(refused("time-by-reference-changed", Message(b"hello", DEK, form=TIMED, time=5), time=6))
    return [
        *cases,
        refused(
            "time-bound-and-then-stored-in-a-stream",
            Message(b"hello", DEK, local(DEK), form=TIMED, time=5, context=b"ORDERS", subject=b"enc.orders", key=None),
            medium="stream",
        ),
    ]
