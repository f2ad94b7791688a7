"""Curve25519 as far as the vectors need it: adding points of small order to an ephemeral key."""

P, A = 2**255 - 19, 486662
ORDER_8 = 39382357235489614581723060781553021112529911719440698176882885853963445705823


def root(n: int) -> int | None:
    """A square root modulo P."""
    r = pow(n, (P + 3) // 8, P)
    for candidate in (r, r * pow(2, (P - 1) // 4, P) % P):
        if (candidate * candidate - n) % P == 0:
            return candidate
    return None


def lift(u: int) -> tuple[int, int]:
    v = root((u * u * u + A * u * u + u) % P)
    assert v is not None, "not on the curve"
    return u, v


def add(p: tuple[int, int] | None, q: tuple[int, int] | None) -> tuple[int, int] | None:
    """The sum of two points; None is the point at infinity."""
    if p is None or q is None:
        return q if p is None else p
    (x1, y1), (x2, y2) = p, q
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    if p == q:
        slope = (3 * x1 * x1 + 2 * A * x1 + 1) * pow(2 * y1, -1, P) % P
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P) % P
    x3 = (slope * slope - A - x1 - x2) % P
    return x3, (slope * (x1 - x3) - y1) % P


def cousins(public: bytes) -> list[bytes]:
    """The seven other public keys with which X25519 gives the same secrets."""
    point, twist = lift(int.from_bytes(public, "little")), lift(ORDER_8)
    found = []
    for _ in range(7):
        point = add(point, twist)
        found.append(point[0].to_bytes(32, "little"))
    return found
