"""Mutants of envelopes: bytes changed blindly, and items changed and encoded again."""

import copy
import random

from decode import Fault, Item, decode
from encode import ARRAY, BSTR, MAP, TSTR, head, integer, segmented

INTERESTING = bytes(
    [
        0x00,
        0x01,
        0x17,
        0x18,
        0x1F,
        0x40,
        0x5F,
        0x60,
        0x7F,
        0x80,
        0x9F,
        0xA0,
        0xBF,
        0xC0,
        0xD0,
        0xD8,
        0xF4,
        0xF5,
        0xF6,
        0xF7,
        0xF8,
        0xF9,
        0xFB,
        0xFF,
    ]
)
SIGNATURE = -1935867911
LABELS = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    -1,
    -2,
    -1935867906,
    -1935867910,
    -1935867911,
    -1935867912,
    -1935867913,
    -1935900672,
    -1935900673,
    -1935900674,
    -1935933440,
    -1935933441,
    2**64 - 1,
    -(2**64),
    "x",
    "",
)
ALGS = (
    3,
    -1935867907,
    1,
    -3,
    -5,
    -6,
    -29,
    -31,
    -41,
    -42,
    -43,
    -1935867907,
    -1935867908,
    -1935867909,
    -1935867910,
    -1935867912,
    -1935867913,
    -1935867914,
    -1935867915,
    0,
    2**64 - 1,
    -(2**64),
    "A256KW",
)
SIZES = (0, 1, 7, 8, 9, 12, 16, 20, 28, 32, 39, 40, 41, 60, 80, 256, 257, 512, 513, 1168, 2048, 2049, 6144, 6145)


class Mutator:
    def __init__(self, seeds: list[bytes], seed: int):
        self.seeds, self.random = seeds, random.Random(seed)

    def mutant(self) -> bytes:
        data = self.random.choice(self.seeds)
        if self.random.random() < 0.4:
            return self.bytewise(data)
        front = 1 if data[:1] == b"\xd0" else 2
        try:
            body = decode(data[front:])
        except Fault:
            return self.bytewise(data)
        tree = to_tree(body)
        if self.random.random() < 0.6:
            for _ in range(self.random.choice((1, 2, 3))):
                self.change_well(tree)
        if self.random.random() < 0.5:
            for _ in range(self.random.choice((1, 1, 1, 2, 3))):
                self.change(tree)
        if self.random.random() < 0.05:
            front ^= 3
        return (b"\xd0" if front == 1 else b"\xd8\x60") + encode(tree)

    def bytewise(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.random.choice((1, 1, 2, 4))):
            at = self.random.randrange(min(len(changed), 400) if changed else 1)
            match self.random.randrange(5):
                case 0 if changed:
                    changed[at] ^= 1 << self.random.randrange(8)
                case 1 if changed:
                    changed[at] = self.random.choice(INTERESTING)
                case 2:
                    changed.insert(at, self.random.choice(INTERESTING))
                case 3 if changed:
                    del changed[at]
                case 4:
                    del changed[at + self.random.randrange(1, 60) :]
        return bytes(changed)

    def change(self, tree: list) -> None:
        """Changes one node. The tree is [kind, value] with children in value."""
        nodes = list(walk(tree))
        node = self.random.choice(nodes)
        kind, value = node
        match kind:
            case "bytes":
                size = self.random.choice((len(value) + 1, max(0, len(value) - 1), *SIZES))
                node[1] = (value + bytes(size))[:size]
            case "holder":  # a byte string that holds CBOR
                self.change(value)
            case "int" | "text":
                node[:] = self.scalar()
            case "array" if value and self.random.random() < 0.5:
                value.pop(self.random.randrange(len(value)))
            case "array":
                value.append(self.random.choice(value) if value and self.random.random() < 0.7 else self.leaf())
            case "map":
                self.change_map(value)
            case "segments":
                self.change_segments(value)
            case _:
                node[:] = self.leaf()

    def change_well(self, tree: list) -> None:
        """A change that leaves most envelopes well-formed."""
        if tree[0] != "array" or len(tree[1]) < 3 or [n[0] for n in tree[1][:2]] != ["holder", "map"]:
            return
        (_, (_, protected)), (_, unprotected), ciphertext, *recipients = tree[1]
        match self.random.randrange(5):
            case 0:
                protected.append(
                    [["int", -1935900673 - self.random.randrange(32768)], ["bytes", bytes(self.random.randrange(257))]]
                )
            case 1 if [["int", SIGNATURE], ["bytes", bytes(80)]] not in unprotected:
                unprotected.append([["int", SIGNATURE], ["bytes", bytes(80)]])
            case 2 if ciphertext[0] == "bytes":
                ciphertext[1] = bytes(self.random.randrange(16, 3000))
            case _ if recipients and recipients[0][0] == "array" and len(recipients[0][1]) < 16:
                recipients[0][1].append(self.recipient())

    def recipient(self) -> list:
        """A recipient of another seed, or one of an alg that nobody has."""
        if self.random.random() < 0.5:
            front = self.random.choice(self.seeds)
            try:
                body = to_tree(decode(front[2:])) if front[:2] == b"\xd8\x60" else ["int", 0]
            except Fault:
                body = ["int", 0]
            if body[0] == "array" and body[1] and body[1][-1][0] == "array" and body[1][-1][1]:
                return copy.deepcopy(self.random.choice(body[1][-1][1]))
        labels = [[to_label(label), self.leaf()] for label in self.random.sample(LABELS[4:], self.random.randrange(4))]
        labels.append([["int", 1], to_label(self.random.choice(ALGS))])
        return ["array", [["bytes", b""], ["map", labels], ["bytes", bytes(self.random.choice(SIZES))]]]

    def change_map(self, pairs: list) -> None:
        match self.random.randrange(4):
            case 0 if pairs:
                pairs.pop(self.random.randrange(len(pairs)))
            case 1 if pairs:
                self.random.choice(pairs)[0] = to_label(self.random.choice(LABELS))
            case 2 if pairs:
                self.random.choice(pairs)[1] = self.leaf()
            case _:
                pairs.append([to_label(self.random.choice(LABELS)), self.leaf()])

    def change_segments(self, segments: list) -> None:
        if segments and self.random.random() < 0.5:
            segments.append(self.random.choice(segments))
        elif segments:
            segments.pop(self.random.randrange(len(segments)))

    def leaf(self) -> list:
        match self.random.randrange(7):
            case 0 | 1:
                return ["bytes", bytes(self.random.choice(SIZES))]
            case 2 | 3:
                return self.scalar()
            case 4:
                return ["array", [self.scalar() for _ in range(self.random.randrange(3))]]
            case 5:
                return ["map", [[to_label(self.random.choice(LABELS)), self.scalar()]]]
        return ["other", self.random.choice((b"\xf6", b"\xf5", b"\xf4", b"\xf7", b"\xf9\x3c\x00", b"\xe0"))]

    def scalar(self) -> list:
        value = self.random.choice(ALGS + LABELS)
        return ["text" if isinstance(value, str) else "int", value]


def to_label(value) -> list:
    return ["text" if isinstance(value, str) else "int", value]


def to_tree(item: Item, protected: bool = True) -> list:
    """[kind, value]; byte strings that hold a map, where headers stand, are opened."""
    match item.major:
        case 0 | 1:
            return ["int", item.value]
        case 2 if item.argument is None:
            return ["segments", [["bytes", s.data] for s in item.children]]
        case 2:
            inner = as_map(item.data) if protected else None
            return ["holder", inner] if inner else ["bytes", item.data]
        case 3:
            return ["text", item.value]
        case 4:
            return ["array", [to_tree(c, i == 0 or c.major == ARRAY) for i, c in enumerate(item.children)]]
        case 5:
            return ["map", [[to_tree(k, False), to_tree(v, False)] for k, v in item.pairs()]]
    return ["other", item.raw]


def as_map(data: bytes) -> list | None:
    try:
        item = decode(data)
    except Fault:
        return None
    return to_tree(item, False) if item.major == MAP else None


def walk(node: list):
    yield node
    kind, value = node
    if kind == "holder":
        yield from walk(value)
    elif kind in ("array", "segments"):
        for child in value:
            yield from walk(child)
    elif kind == "map":
        for _, v in value:
            yield from walk(v)


def encode(node: list) -> bytes:
    """The tree in deterministic encoding."""
    kind, value = node
    match kind:
        case "int":
            return integer(value)
        case "text":
            return head(TSTR, len(value.encode())) + value.encode()
        case "bytes":
            return head(BSTR, len(value)) + value
        case "holder":
            inner = encode(value)
            return head(BSTR, len(inner)) + inner
        case "segments":
            return segmented(*(encode(s) for s in value))
        case "array":
            return head(ARRAY, len(value)) + b"".join(map(encode, value))
        case "map":
            pairs = sorted((encode(k), encode(v)) for k, v in value)
            return head(MAP, len(pairs)) + b"".join(k + v for k, v in pairs)
    return value


def shape(data: bytes) -> bytes:
    """The envelope with its byte strings zeroed but for headers: all that a grammar can see of it."""
    front = 1 if data[:1] == b"\xd0" else 2
    tree = to_tree(decode(data[front:]))
    for node in walk(tree):
        if node[0] == "bytes":
            node[1] = bytes(len(node[1]))
    return data[:front] + encode(tree)
