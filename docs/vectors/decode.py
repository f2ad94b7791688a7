"""A CBOR decoder for step 2 of section 10 and for the encoding: limits, well-formedness, dCBOR."""

from dataclasses import dataclass, field

from encode import ARRAY, BSTR, MAP, NINT, TSTR, UINT

MAX_ELEMENTS, MAX_DEPTH = 16, 8
SIMPLE = 7
FALSE, TRUE, NULL = 20, 21, 22
INDEFINITE = 31


class Fault(Exception):
    """The word of a refusal."""

    def __init__(self, word: str):
        super().__init__(word)
        self.word = word


@dataclass
class Item:
    """A decoded item; raw is its encoding. A map's children are key, value, key, value."""

    major: int
    argument: int | None  # None: indefinite length
    raw: bytes = b""
    data: bytes = b""  # of a string
    children: list["Item"] = field(default_factory=list)
    shortest: bool = True  # the head

    @property
    def value(self):
        """Integers and strings as Python values, anything else as the item itself."""
        match self.major:
            case 0:
                return self.argument
            case 1:
                return -1 - self.argument
            case 2:
                return self.data
            case 3:
                return self.data.decode()
        return self

    def is_label(self) -> bool:
        return self.major in (UINT, NINT, TSTR)

    def is_integer(self) -> bool:
        return self.major in (UINT, NINT)

    def pairs(self) -> list[tuple["Item", "Item"]]:
        return list(zip(self.children[::2], self.children[1::2], strict=True))

    def get(self, label: int) -> "Item | None":
        return next((v for k, v in self.pairs() if k.is_integer() and k.value == label), None)

    def deterministic(self) -> bool:
        if self.argument is None or not self.shortest:
            return False
        keys = [k.raw for k, _ in self.pairs()] if self.major == MAP else []
        return keys == sorted(keys) and all(c.deterministic() for c in self.children)


def decode(data: bytes, limits: bool = True) -> Item:
    """The one item that data is, at depth 1. Without limits it may have any number of elements (seq bodies)."""
    decoder = Decoder(data, limits)
    item = decoder.item(1)
    if decoder.at != len(data):
        raise Fault("malformed")
    return item


class Decoder:
    def __init__(self, data: bytes, limits: bool = True):
        self.input, self.at = data, 0
        self.elements = MAX_ELEMENTS if limits else 1 << 62

    def take(self, n: int) -> bytes:
        if n > len(self.input) - self.at:
            raise Fault("truncated")
        self.at += n
        return self.input[self.at - n : self.at]

    def item(self, depth: int) -> Item:
        start = self.at
        item = self.head()
        match item.major:
            case 2 | 3:
                self.string(item)
            case 4 | 5:
                if depth > MAX_DEPTH:
                    raise Fault("too-large")
                self.container(item, depth)
            case 6:
                raise Fault("malformed")
            case 7 if item.argument not in (FALSE, TRUE, NULL) or self.at - start > 1:
                raise Fault("malformed")
        item.raw = self.input[start : self.at]
        return item

    def head(self) -> Item:
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if info < 24:
            return Item(major, info)
        if info == INDEFINITE and major in (BSTR, TSTR, ARRAY, MAP):
            return Item(major, None)
        if info > 27:
            raise Fault("malformed")
        width = 1 << info - 24
        n = int.from_bytes(self.take(width), "big")
        return Item(major, n, shortest=n >= (24 if width == 1 else 1 << 4 * width))

    def string(self, item: Item) -> None:
        if item.argument is not None:
            item.data = self.take(item.argument)
            check_text(item)
            return
        while not self.at_break():
            part = self.head()
            if part.major != item.major or part.argument is None:
                raise Fault("malformed")
            part.data = self.take(part.argument)
            check_text(part)
            item.children.append(part)
        item.data = b"".join(p.data for p in item.children)

    def container(self, item: Item, depth: int) -> None:
        if item.argument is not None and item.argument > self.elements:
            raise Fault("too-large")
        seen = set()
        count = 0
        while count != item.argument and not (item.argument is None and self.at_break()):
            count += 1
            if count > self.elements:
                raise Fault("too-large")
            child = self.item(depth + 1)
            item.children.append(child)
            if item.major == MAP:
                if child.raw in seen:
                    raise Fault("malformed")
                seen.add(child.raw)
                item.children.append(self.item(depth + 1))

    def at_break(self) -> bool:
        """Whether the next byte is a break, which is then consumed."""
        if self.take(1) == b"\xff":
            return True
        self.at -= 1
        return False


def check_text(item: Item) -> None:
    if item.major != TSTR:
        return
    try:
        item.data.decode()
    except UnicodeDecodeError:
        raise Fault("malformed") from None
