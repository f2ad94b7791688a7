"""Vectors of archives that were cut, spliced, swapped or appended over damage, and of ends that do not fit (section
9)."""

from archive_vector import archive, filled, vector
from encode import unsigned
from keys import derived
from scx import MAGIC, Archive


def cases() -> list[dict]:

    def a(n=3, label="archive") -> Archive:
        made = filled(n, label)
        made.end()
        return made

    def with_end(**overrides) -> Archive:
        made = filled(2, "wrong end")
        made.end(**overrides)
        return made

    one, two = a(), a(3, "another")
    r, s = one.records, two.records
    grown = a(2, "grown")
    earlier = grown.receipt()
    grown.message(b"later")
    grown.end()
    g = grown.records
    opened = one.opened
    table = [
        ("cut-before-its-end", "truncated", r[:3], opened, 0),
        ("cut-to-nothing", "truncated", [], [], 0),
        ("cut-inside-its-end", "truncated", [*r[:3], r[3][:-1]], opened, 0),
        ("with-a-message-behind-its-end", "truncated", [*r, s[0]], [*opened, two.opened[0]], 1),
        ("first-message-dropped", "tampered", r[1:], opened[1:], 0),
        ("last-message-dropped", "tampered", [*r[:2], r[3]], opened[:2], 0),
        ("messages-swapped", "tampered", [r[1], r[0], *r[2:]], [opened[1], opened[0], opened[2]], 0),
        ("message-doubled", "tampered", [r[0], *r], [opened[0], *opened], 0),
        ("message-of-another-archive", "tampered", [*r[:2], s[2], r[3]], [*opened[:2], two.opened[2]], 0),
        ("end-of-another-archive", "tampered", [*r[:3], s[3]], opened, 0),
        ("two-spliced", "tampered", [*r, *s], [*opened, *two.opened], 1),
        ("end-moved-to-the-front", "tampered", [r[3], *r[:3]], [], 0),
        ("end-doubled", "tampered", [*r, r[3]], opened, 1),
        ("first-end-dropped", "tampered", [*g[:2], *g[3:]], grown.opened, 0),
        ("first-section-dropped", "tampered", g[3:], grown.opened[2:], 0),
        ("second-end-first", "tampered", [*g[:2], g[4], g[3], g[2]], grown.opened[:2], 0),
        ("last-end-dropped", "truncated", g[:4], grown.opened, 1),
        ("passed-over-record-dropped", "tampered", opaque_dropped(), [], 0),
    ]
    vectors = [
        vector("archive-" + name, word, MAGIC + b"".join(parts), messages, count)
        for name, word, parts, messages, count in table
    ]
    vectors.append(
        vector(
            "archive-cut-back-to-an-earlier-end",
            "ok",
            MAGIC + b"".join(g[:3]),
            grown.opened[:2],
            1,
            flags=0,
            receipt=earlier,
        )
    )
    damaged = filled(3, "damaged")
    damaged.records[1] = damaged.records[1][:-1] + bytes([damaged.records[1][-1] ^ 1])
    damaged.end(flags=1)
    vectors.append(vector("archive-appended-over-damage", "malformed", damaged.bytes(), damaged.opened[:1], 0))
    repaired = filled(2, "repaired")
    repaired.message(b"behind the repair")
    repaired.end(flags=1)
    vectors.append(vector("archive-repaired", "ok", repaired))
    for name, overrides in {
        "number-0": {"number": bytes(4)},
        "number-2": {"number": unsigned(2, 4)},
        "count-1": {"count": unsigned(1, 8)},
        "count-3": {"count": unsigned(3, 8)},
        "count-2-to-64": {"count": b"\xff" * 8},
        "digest-zero": {"digest": bytes(32)},
        "id-of-another-archive": {"id": derived("another id", 16)},
    }.items():
        vectors.append(vector(f"archive-end-of-{name}", "tampered", with_end(**overrides), ends=0))
    longer = filled(1, "second section")
    longer.end()
    for payload in (b"one", b"two"):
        longer.message(payload)
    longer.end()
    m = longer.records
    swapped = [longer.opened[0], longer.opened[2], longer.opened[1]]
    vectors.append(
        vector(
            "archive-messages-of-its-second-section-swapped",
            "tampered",
            MAGIC + b"".join([*m[:2], m[3], m[2], m[4]]),
            swapped,
            1,
        )
    )
    for number in (0, 1, 3, 2**32 - 1):
        second = filled(1, "second end")
        second.end()
        second.message(b"later")
        second.end(number=unsigned(number, 4))
        vectors.append(vector(f"archive-second-end-of-number-{number}", "tampered", second, ends=1))
    for flags in (4, 0x80, 7):
        vectors.append(vector(f"archive-end-with-flags-{flags}", "unsupported", with_end(flags=flags), ends=0))
    lost = filled(1, "flag lost")
    lost.end(flags=1)
    lost.message(b"later")
    lost.flags = 0
    lost.end()
    vectors.append(vector("archive-flag-lost-by-a-later-end", "tampered", lost, ends=1))
    return vectors


def opaque_dropped() -> list[bytes]:
    a = archive("opaque dropped")
    a.add(200, b"x")
    a.end()
    return a.records[1:]
