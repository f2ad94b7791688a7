"""Vectors that a reader must open: headers and times that are bound, in each medium."""

from case import Case
from positive import both
from sealer import NAMED, TIMED

AB = ((b"a", b"1"), (b"b", None), (b"a", b""))
NATS = {"medium": "stream", "context": b"ORDERS", "subject": b"enc.orders", "key": None}


def cases() -> list[Case]:
    return all_headers() + stream_headers() + named_headers() + times()


def all_headers() -> list[Case]:
    cases = []
    for name, headers in {
        "one": ((b"tenant", b"acme"),),
        "null-and-empty": ((b"a", None), (b"b", b"")),
        "repeated-and-unsorted": ((b"z", b"1"), (b"a", b"2"), (b"z", b"3")),
        "name-empty": ((b"", b"x"),),
        "name-not-utf8": ((b"\xff\xfe", b"x"),),
        "24": tuple((b"h%02d" % i, b"%d" % i) for i in range(24)),
        "300": tuple((b"h", None) for _ in range(300)),
        "with-effects": ((b"KV-Operation", b"DEL"), (b"Nats-Rollup", b"all"), (b"Streamcrypt-TTL", b"5s")),
    }.items():
        cases += both(f"headers-all-{name}", b"hello", headers=headers)
    cases += both(
        "headers-all-streamcrypt-is-not-counted",
        b"hello",
        headers=((b"streamcrypt", b"x"), (b"a", b"1")),
        reader={"headers": ((b"a", b"1"), (b"streamcrypt", b"x"))},
    )
    cases += both(
        "headers-all-appended-behind",
        b"hello",
        headers=AB,
        reader={"headers": (*AB, (b"trace", b"9"), (b"a", b"1")), "extra": 2},
    )
    cases += both("headers-all-appended-behind-none", b"hello", reader={"headers": AB, "extra": 3})
    cases += both(
        "headers-all-appended-behind-streamcrypt",
        b"",
        headers=AB,
        kind=1,
        reader={"headers": (*AB, (b"streamcrypt", b"x"), (b"t", b"9")), "extra": 1},
    )
    return cases + both(
        "headers-all-in-a-record-file",
        b"hello",
        headers=AB,
        medium="file",
        reader={"headers": (*AB, (b"x", b"")), "extra": 1},
    )


def stream_headers() -> list[Case]:
    ours = (
        (b"Nats-Msg-Id", b"x"),
        (b"nats-Rollup", b"all"),
        (b"Streamcrypt-Key", b"azE"),
        (b"Streamcrypt-Null", b"value"),
        (b"Streamcrypt-Part", b"1/2/AAAAAAAAAAAAAAAAAAAAAA"),
        (b"streamcrypt", b"x"),
    )
    sealed = ((b"b", b"1"), (b"a", b"2"), (b"b", b"0"), (b"B", b"3"), (b"Streamcrypt-Rollup", b"sub"))
    mixed = (
        (b"b", b"1"),
        *ours[:3],
        (b"Streamcrypt-Rollup", b"sub"),
        (b"b", b"0"),
        *ours[3:],
        (b"B", b"3"),
        (b"a", b"2"),
    )
    cases = both("headers-stream-sorted-by-name", b"hello", headers=sealed, **NATS)
    cases += both(
        "headers-stream-names-reordered",
        b"hello",
        headers=sealed,
        reader={"headers": (sealed[4], sealed[3], sealed[0], sealed[1], sealed[2])},
        **NATS,
    )
    cases += both("headers-stream-ours-are-not-counted", b"hello", headers=sealed, reader={"headers": mixed}, **NATS)
    cases += both("headers-stream-none", b"hello", reader={"headers": ours}, **NATS)
    cases += both("headers-stream-key", b"hello", headers=sealed, **(NATS | {"key": b"k1"}))
    archive = {"medium": "file", "headers": tuple(sorted(sealed, key=lambda h: h[0]))}
    return cases + both("headers-stream-opened-from-an-archive", b"hello", headers=sealed, reader=archive, **NATS)


def named_headers() -> list[Case]:
    cases = []
    effects = ((b"Streamcrypt-Rollup", b"all"), (b"KV-Operation", b"PURGE"), (b"Streamcrypt-TTL", None))
    for name, bind, headers, reader in (
        ("none", (), (), {"headers": AB}),
        ("one", (b"tenant",), ((b"tenant", b"acme"),), {"headers": ((b"x", b""), (b"tenant", b"acme"), (b"y", None))}),
        ("missing", (b"tenant",), (), {"headers": ((b"Tenant", b"x"),)}),
        ("repeated", (b"trace",), ((b"trace", b"2"), (b"trace", b"1"), (b"trace", b"2")), {}),
        ("null-and-empty", (b"tenant", b"trace"), ((b"tenant", None), (b"trace", None), (b"tenant", b"")), {}),
        ("bytewise-order", (b"aa", b"\xff", b"a", b"B", b""), ((b"a", b"1"), (b"", b"x"), (b"\xff", b"")), {}),
        ("name-given-twice", (b"tenant", b"tenant", b"KV-Operation"), ((b"tenant", b"acme"),), {}),
        ("effects", (), effects, {"headers": (*effects[::-1], *AB)}),
        ("24", tuple(b"h%02d" % i for i in range(24)), tuple((b"h%02d" % i, b"%d" % i) for i in range(24)), {}),
    ):
        cases += both(f"headers-named-{name}", b"hello", form=NAMED, bind=bind, headers=headers, reader=reader)
    return cases + both(
        "headers-named-in-a-stream",
        b"hello",
        form=NAMED,
        bind=(b"tenant",),
        headers=((b"tenant", b"acme"),),
        reader={"headers": ((b"Nats-Msg-Id", b"x"), (b"tenant", b"acme"))},
        **NATS,
    )


def times() -> list[Case]:
    cases = []
    for name, time in {
        "bound": 1790000000123,
        "zero": 0,
        "negative": -1,
        "none": None,
        "smallest": -(2**63),
        "largest": 2**63 - 1,
    }.items():
        cases += both(f"time-{name}", b"hello", form=TIMED, time=time, medium="file")
    cases += both("time-not-bound-may-change", b"hello", time=5, reader={"time": 6})
    cases += both("time-in-a-stream-is-none", b"hello", form=TIMED, reader={"time": 6}, **NATS)
    return cases + both("time-bound-and-headers-named", b"hello", form=TIMED | NAMED, time=7, headers=AB, bind=(b"a",))
