"""Reads the bytes of an envelope strictly: docs/envelope.md, section 10, steps 1 to 6. Needs nothing but Python.

Written from the page; shares no code with streamcrypt or with docs/vectors.
"""

POSITION, CHUNKING, SIGNATURE, CODING, CHUNKED = (-1935867905 - n for n in (1, 5, 6, 7, 2))
ROWS = {
    -5: (8, 8, 40, 40),
    -41: (8, 8, 256, 512),
    -42: (8, 8, 256, 512),
    -31: (8, 8, 40, 40),
    -1935867908: (1, 2048, 1, 6144),
    -1935867909: (8, 8, 1168, 1168),
    -1935867913: (1, 2048, 1, 6144),
    -1935867914: (1, 2048, 1, 6144),
}  # 4: kid, wrapped key


class Refused(Exception):
    pass


def must(condition, word="malformed"):
    if not condition:
        raise Refused(word)


class Map(list):  # of (label, value)
    def labels(self):
        return [k for k, _ in self]

    def get(self, label):
        return next((v for k, v in self if type(k) is int and k == label), None)


class Segments(list):
    pass


def read_head(b, i):
    """Major type, argument (None: indefinite length), where the head ends, and whether it is the shortest."""
    must(i < len(b), "truncated")
    major, info, i = b[i] >> 5, b[i] & 31, i + 1
    if info < 24:
        return major, info, i, True
    if info == 31:
        must(2 <= major <= 5)
        return major, None, i, False
    must(info < 28)
    end = i + (1 << info - 24)
    must(end <= len(b), "truncated")
    n = int.from_bytes(b[i:end], "big")
    return major, n, end, n > (23, 0xFF, 0xFFFF, 0xFFFFFFFF)[info - 24] and major < 7


def read_item(b, i=0, depth=1, limits=True):
    """Step 2: the item at i, where it ends, and whether it is in deterministic encoding."""
    major, n, i, short = read_head(b, i)
    if major < 2:
        return (-1 - n if major else n), i, short
    if major < 4:
        return read_string(b, i, major, n, short)
    if major > 5:
        must(major == 7 and short and 20 <= n <= 22)
        return (False, True, None)[n - 20], i, True
    must(depth <= 8 and (n is None or n <= 16 or not limits), "too-large")
    found, names, last, good = (Map() if major == 5 else []), set(), b"", short
    while len(found) != n if n is not None else b[i : i + 1] != b"\xff":
        must(len(found) < 16 or not limits, "too-large")
        start = i
        value, i, ok = read_item(b, i, depth + 1, limits)
        if major == 5:
            name, label = b[start:i], value
            must(name not in names)
            value, i, fine = read_item(b, i, depth + 1, limits)
            ok, value, last = ok and fine and name > last, (label, value), name
            names.add(name)
        good = good and ok
        found.append(value)
    return found, i + (n is None), good


def read_string(b, i, major, n, short):
    if n is None:
        parts = Segments()
        while b[i : i + 1] != b"\xff":
            kind, length, at, ok = read_head(b, i)
            must(kind == major and length is not None)
            piece, i, _ = read_string(b, at, major, length, ok)
            parts.append((piece, ok))
        return (parts if major == 2 else "".join(p for p, _ in parts)), i + 1, False
    must(i + n <= len(b), "truncated")
    try:
        return (b[i : i + n] if major == 2 else b[i : i + n].decode()), i + n, short
    except UnicodeDecodeError:
        raise Refused("malformed") from None


def read_headers(b):
    """A map in protected bytes; its faults are all malformed."""
    try:
        found, end, good = read_item(b)
    except Refused:
        raise Refused("malformed") from None
    must(end == len(b) and good and isinstance(found, Map) and all(type(k) in (int, str) for k in found.labels()))
    return found


def sized(value, low, high=None):
    return isinstance(value, bytes) and low <= len(value) <= (high or low)


class Envelope:
    """10, steps 1 to 6."""

    def __init__(self, b):
        must(b != b"\xd8", "truncated")
        must(b[:1] == b"\xd0" or b[:2] == b"\xd8\x60", "not-an-envelope")
        self.whole, self.alone = b, b[0] == 0xD8
        at = 1 + self.alone
        body, end, _ = read_item(b, at)
        must(end == len(b) and b[at] == 0x83 + self.alone)
        spans, at = [], at + 1
        for _ in body:
            spans.append(read_item(b, at, 2) + (at,))
            at = spans[-1][1]
        self.read_protected(spans[0])
        self.read_unprotected(spans[1])
        self.read_ciphertext(spans[2])
        self.recipients, self.front = [], b
        if self.alone:
            found, end, _, start = spans[3]
            must(isinstance(found, list) and not isinstance(found, Map) and found and b[start] == 0x80 + len(found))
            must(end - start <= 16384, "too-large")
            self.front, at = b[:start], start + 1
            for _ in found:
                recipient, at = self.read_recipient(b, at)
                self.recipients += [recipient] if recipient else []

    def read_protected(self, span):
        self.protected, _, good, _ = span
        must(isinstance(self.protected, bytes) and good)
        must(len(self.protected) <= 1024, "too-large")
        h = read_headers(self.protected)
        over = [k for k in h.labels() if type(k) is int and -1935933440 <= k <= -1935900673]
        must({*h.labels()} <= {1, 4, 5, POSITION, CHUNKING, SIGNATURE, CODING, *over}, "unsupported")
        alg = h.get(1)
        must(1 not in h.labels() or type(alg) is int and alg in (3, CHUNKED), "unsupported")
        self.chunked = alg == CHUNKED
        self.coding = h.get(CODING)
        p = self.position = h.get(POSITION)
        chunking = h.get(CHUNKING)
        rest = (
            {1, POSITION, *over}
            | ({CHUNKING} if self.chunked else set())
            | ({CODING} if CODING in h.labels() else set())
        )
        must(
            {*h.labels()} == rest
            and sized(p, 60 if self.alone else 28)
            and (CODING not in rest or sized(self.coding, 6))
        )
        must(all(sized(h.get(k), 0, 256) for k in over) and (not self.chunked or sized(chunking, 20)))
        self.size = int.from_bytes(chunking[16:], "big") if self.chunked else 0
        must(not self.chunked or 4096 <= self.size <= 1 << 20)
        self.form, self.created, self.n = p[0], int.from_bytes(p[22:26], "big"), int.from_bytes(p[26:28], "big")
        self.commitment, c = p[28:], self.coding or b"\1" + bytes(5)
        must(self.form < 16 and c[0] < 2 and c[1] < 2, "unsupported")
        must((not self.form & 1 or self.n == 0) and (any(p[1:6]) or not any(p[6:22]) and not self.form & 10))
        must(any(c) and (c[0] or not any(c[2:])))

    def read_unprotected(self, span):
        h, end, good, start = span
        must(isinstance(h, Map))
        must(end - start <= 1024, "too-large")
        must(good and all(type(k) in (int, str) for k in h.labels()))
        must({*h.labels()} <= {1, 4, 5, POSITION, CHUNKING, SIGNATURE, CODING}, "unsupported")
        self.kid, self.iv, self.signature = h.get(4), h.get(5), h.get(SIGNATURE)
        must(h.labels() == [4] * (not self.alone) + [5] * (not self.chunked) + [SIGNATURE] * (SIGNATURE in h.labels()))
        must((self.alone or sized(self.kid, 16)) and (self.chunked or sized(self.iv, 12)))
        must(SIGNATURE not in h.labels() or sized(self.signature, 80))

    def read_ciphertext(self, span):
        found, _, good, _ = span
        if not self.chunked:
            must(isinstance(found, bytes) and good and len(found) >= 16)
            must(len(found) <= (1 << 20) + 16, "too-large")
            self.pieces = [self.iv + found]
            return
        must(isinstance(found, Segments) and len(found) > 1 and all(ok for _, ok in found))
        self.pieces = [s for s, _ in found]
        lengths = [len(s) - 28 for s in self.pieces]
        must({*lengths[:-1]} == {self.size} and 1 <= lengths[-1] <= self.size)

    def read_recipient(self, b, start):
        """4: (alg, kid, wrapped key, ephemeral key), None for algorithms that are passed over."""
        r, end, good = read_item(b, start, 3)
        must(type(r) is list and b[start] in (0x83, 0x84))
        must(len(r) == 3, "unsupported")
        protected, h, wrapped = r
        must(isinstance(protected, bytes) and isinstance(h, Map) and isinstance(wrapped, bytes) and good)
        must(all(type(k) in (int, str) for k in h.labels()))
        maps = [h, read_headers(protected) if protected else Map()]
        must(not any(2 in m.labels() for m in maps), "unsupported")
        algs = [m.get(1) for m in maps if 1 in m.labels()]
        must(len(algs) == 1 and type(algs[0]) in (int, str))
        if algs[0] not in ROWS:
            return None, end
        kid, low, high, least, most = h.get(4), *ROWS[algs[0]]
        must(sized(kid, low, high) and sized(wrapped, least, most))
        if algs[0] != -31:
            must(protected == b"" and h.labels() == [1, 4])
            return (algs[0], kid, wrapped, None), end
        key = h.get(-1)
        must(
            protected == b"\xa1\x01\x38\x1e"
            and h.labels() == [4, -1]
            and isinstance(key, Map)
            and key.labels() == [1, -1, -2]
        )
        must(
            [type(key.get(1)), key.get(1), type(key.get(-1)), key.get(-1)] == [int, 1, int, 4]
            and sized(key.get(-2), 32)
        )
        return (-31, kid, wrapped, key.get(-2)), end


def parsed(b):
    try:
        return Envelope(b)
    except Refused:
        return None
