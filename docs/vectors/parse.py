"""The parsing half of the strict reader: steps 1 to 6 of section 10, one function for each element."""

from decode import Fault, Item, decode
from encode import ARRAY, BSTR, MAP, NINT, TSTR, UINT

POSITION, CHUNKING, SIGNATURE, CODING = -1935867906, -1935867910, -1935867911, -1935867912
CHUNKED = -1935867907
OURS = {1, 4, 5, POSITION, CHUNKING, SIGNATURE, CODING}
PASSED_OVER = range(-1935933440, -1935900673 + 1)
MAX_HEADERS, MAX_RECIPIENTS, MAX_SINGLE, MAX_PASSED = 1 << 10, 16 << 10, (1 << 20) + 16, 256
TAG_SIZE, IV_SIZE = 16, 12

SHORT = range(8, 9)  # sizes of a kid
LONG = range(1, 2049)
KINDS = {  # alg: sizes of the kid and of the wrapped key
    -5: (SHORT, range(40, 41)),
    -41: (SHORT, range(256, 513)),
    -42: (SHORT, range(256, 513)),
    -31: (SHORT, range(40, 41)),
    -1935867908: (LONG, range(1, 6145)),
    -1935867909: (SHORT, range(1168, 1169)),
    -1935867913: (LONG, range(1, 6145)),
    -1935867914: (LONG, range(1, 6145)),
}


def need(ok: bool, word: str = "malformed") -> None:
    if not ok:
        raise Fault(word)


class Envelope:
    """A parsed envelope."""

    def __init__(self, data: bytes):
        need(data != b"\xd8", "truncated")
        need(data[:1] == b"\xd0" or data[:2] == b"\xd8\x60", "not-an-envelope")
        self.raw = data
        self.self_contained = data[:1] == b"\xd8"
        body = decode(data[1 + self.self_contained :])
        need(body.major == ARRAY and body.argument == 3 + self.self_contained and body.shortest)
        self.read_protected(body.children[0])
        self.read_unprotected(body.children[1])
        self.read_ciphertext(body.children[2])
        self.wrapped = self.read_recipients(body.children[3]) if self.self_contained else []
        self.recipients_size = len(body.children[3].raw) if self.self_contained else 0

    def read_protected(self, item: Item) -> None:
        """Step 3."""
        need(item.major == BSTR and item.argument is not None and item.shortest)
        need(len(item.data) <= MAX_HEADERS, "too-large")
        self.protected_raw = item.data
        headers = header_map(item.data)
        labels = [k.value for k, _ in headers.pairs()]
        need(all(label in OURS or is_passed_over(label) for label in labels), "unsupported")
        alg = headers.get(1)
        need(alg is None or alg.is_integer() and alg.value in (3, CHUNKED), "unsupported")
        need(alg is not None)
        self.chunked = alg.value == CHUNKED
        self.position = exact_bytes(headers, POSITION, 60 if self.self_contained else 28)
        self.coding = exact_bytes(headers, CODING, 6) if CODING in labels else None
        chunking = exact_bytes(headers, CHUNKING, 20) if self.chunked else None
        passed = [v for k, v in headers.pairs() if is_passed_over(k.value)]
        need(all(v.major == BSTR and len(v.data) <= MAX_PASSED for v in passed))
        need(len(labels) == 2 + self.chunked + (self.coding is not None) + len(passed))
        self.size = int.from_bytes(chunking[16:], "big") if self.chunked else 0
        need(not self.chunked or 4096 <= self.size <= 1 << 20)
        self.read_position()
        self.check_values()

    def read_position(self) -> None:
        p = self.position
        self.form, self.n = p[0], int.from_bytes(p[26:28], "big")
        self.created = int.from_bytes(p[22:26], "big")
        self.commitment = p[28:]

    def check_values(self) -> None:
        """3g and 3h."""
        coding = self.coding or bytes([1]) + bytes(5)
        need(self.form < 0x10 and coding[0] <= 1 and coding[1] <= 1, "unsupported")
        need(not (self.form & 1 and self.n))
        need(self.position[1:6] != bytes(5) or not self.form & 0x0A and self.position[6:22] == bytes(16))
        need(coding != bytes(6) and (coding[0] == 1 or coding[2:] == bytes(4)))

    def read_unprotected(self, item: Item) -> None:
        """Step 4."""
        need(item.major == MAP)
        need(len(item.raw) <= MAX_HEADERS, "too-large")
        need(item.deterministic() and all(k.is_label() for k, _ in item.pairs()))
        labels = [k.value for k, _ in item.pairs()]
        need(all(label in OURS for label in labels), "unsupported")
        wanted = [4] * (not self.self_contained) + [5] * (not self.chunked) + [SIGNATURE] * (SIGNATURE in labels)
        need(labels == wanted)
        self.kid = b"" if self.self_contained else exact_bytes(item, 4, 16)
        self.iv = b"" if self.chunked else exact_bytes(item, 5, IV_SIZE)
        self.signature = exact_bytes(item, SIGNATURE, 80) if SIGNATURE in labels else None

    def read_ciphertext(self, item: Item) -> None:
        """Step 5."""
        self.ciphertext, self.segments = item, []
        need(item.major == BSTR and self.chunked == (item.argument is None))
        if not self.chunked:
            need(item.shortest and len(item.data) >= TAG_SIZE)
            need(len(item.data) <= MAX_SINGLE, "too-large")
            return
        lengths = [len(s.data) - IV_SIZE - TAG_SIZE for s in item.children]
        need(len(lengths) >= 2 and all(s.shortest for s in item.children))
        need(set(lengths[:-1]) == {self.size} and 1 <= lengths[-1] <= self.size)
        self.segments = [s.data for s in item.children]

    def read_recipients(self, item: Item) -> list[tuple]:
        """Step 6: the recipients of section 4."""
        need(item.major == ARRAY and item.argument is not None and item.shortest and item.children != [])
        need(len(item.raw) <= MAX_RECIPIENTS, "too-large")
        return [r for r in map(recipient, item.children) if r]

    def before_recipients(self) -> bytes:
        return self.raw[: len(self.raw) - self.recipients_size]


def is_passed_over(label) -> bool:
    return isinstance(label, int) and label in PASSED_OVER


def header_map(data: bytes) -> Item:
    """A protected header; its bytes are all there, so any fault of theirs is malformed."""
    try:
        item = decode(data)
    except Fault:
        raise Fault("malformed") from None
    need(item.major == MAP and item.deterministic() and all(k.is_label() for k, _ in item.pairs()))
    return item


def exact_bytes(headers: Item, label: int, size: int) -> bytes:
    item = headers.get(label)
    need(item is not None and item.major == BSTR and len(item.data) == size)
    return item.data


def recipient(item: Item) -> tuple | None:
    """(alg, kid, wrapped key, ephemeral key) of a recipient of section 4, None of any other."""
    need(item.major == ARRAY and item.argument in (3, 4) and item.shortest)
    need(len(item.children) == 3, "unsupported")
    protected, unprotected, wrapped = item.children
    need([c.major for c in item.children] == [BSTR, MAP, BSTR] and item.deterministic())
    need(all(k.is_label() for k, _ in unprotected.pairs()))
    headers = header_map(protected.data) if protected.data else None
    maps = [h for h in (headers, unprotected) if h is not None]
    need(all(h.get(2) is None for h in maps), "unsupported")
    algs = [a for a in (h.get(1) for h in maps) if a is not None]
    need(len(algs) == 1 and algs[0].major in (UINT, NINT, TSTR))
    alg = algs[0].value
    if alg not in KINDS:
        return None
    labels = [k.value for k, _ in unprotected.pairs()]
    ephemeral = None
    if alg == -31:
        need(protected.data == bytes.fromhex("a101381e") and labels == [4, -1])
        key = unprotected.get(-1)
        need(key.major == MAP and [k.value for k, _ in key.pairs()] == [1, -1, -2])
        need(key.get(1).value == 1 and key.get(-1).value == 4)
        ephemeral = exact_bytes(key, -2, 32)
    else:
        need(protected.data == b"" and labels == [1, 4])
    kid, (kid_sizes, sizes) = unprotected.get(4), KINDS[alg]
    need(kid.major == BSTR and len(kid.data) in kid_sizes and len(wrapped.data) in sizes)
    return alg, kid.data, wrapped.data, ephemeral
