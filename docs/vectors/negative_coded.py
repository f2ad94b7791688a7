"""Steps 11, 15 and 16: dictionaries, padding and frames (section 16). Everything is sealed well; the coded payload
is wrong."""

from case import Case, reading
from keys import derived
from negative_recipients import flip
from positive import CHUNK, local
from positive_coded import KEEPER, ORDER, padded
from positive_keys import vouched
from sealer import CREATED, Coding, Dek, Message, dictionary_record, digest, seal
from zstd import (
    MAGIC,
    bomb,
    compress,
    dictionary,
    frame,
    little,
    raw_block,
    rle_block,
    sized,
    skippable,
)

DEK = Dek("negative coded")
ZSTD, PAD = Coding(compression=1), Coding(padding=1)


def cases() -> list[Case]:
    return frames() + sizes() + padding() + dictionaries() + chunked() + order()


def refused(name: str, word: str, coded: bytes, coding: Coding = ZSTD, **reader) -> Case:
    m = Message(b"", DEK, local(DEK), coding=coding, coded=coded)
    return reading(name, word, m, seal(m), False, **reader)


def frames() -> list[Case]:
    good = compress(ORDER * 3)
    hello = raw_block(b"hello")
    tables = {
        "empty": b"",
        "of-plain-text": b"hello, I am not compressed",
        "magic-only": MAGIC,
        "without-its-last-byte": good[:-1],
        "half": good[: len(good) // 2],
        "without-a-last-block": frame(raw_block(b"hello", last=False)),
        "with-a-byte-behind": good + b"\x00",
        "with-many-bytes-behind": good + bytes(100),
        "twice": good * 2,
        "of-16-bytes-with-a-byte-behind": frame(raw_block(b"7 bytes")) + b"\x00",
        "of-16-bytes-twice": frame(raw_block(b"7 bytes")) * 2,
        "two-of-one-block": frame(hello) + frame(hello),
        "skippable-in-front": skippable(b"x") + good,
        "skippable-behind": good + skippable(b"x"),
        "skippable-only": skippable(good),
        "with-a-wrong-checksum": flip(good, -1),
        "of-the-old-magic": b"\x27" + good[1:],
        "with-a-reserved-bit": MAGIC + bytes([0x08, 0x40]) + hello,
        "with-a-reserved-block": frame(little(5 << 3 | 3 << 1 | 1, 3) + b"hello"),
        "with-a-content-size-too-small": sized(4, hello),
        "with-a-content-size-too-large": sized(6, hello),
        "with-a-block-cut": frame(little(9 << 3 | 1, 3) + b"hello"),
        "with-a-dictionary-id": frame(hello, dictionary_id=7),
        "padded-without-saying-so": padded(good, 512),
    }
    return [refused(f"frame-{name}", "malformed", coded) for name, coded in tables.items()]


def sizes() -> list[Case]:
    return [
        refused("bomb-one-byte-over-the-limit", "too-large", bomb((1 << 20) + 1)),
        refused("bomb-64-mib", "too-large", bomb(64 << 20)),
        refused("bomb-4-gib-in-its-head", "too-large", sized(4 << 30, raw_block(b"hello"))),
        refused("bomb-2-to-64-in-its-head", "too-large", sized(2**64 - 3, raw_block(b"hello"))),
        refused("bomb-with-a-frame-behind", "too-large", bomb(2 << 20) + frame(raw_block(b"x"))),
        refused("bomb-by-a-library", "too-large", compress(bytes(3 << 20))),
        refused("bomb-over-a-small-limit", "too-large", compress(ORDER * 3), limit=100),
        refused("window-one-step-over-8-mib", "too-large", frame(raw_block(b"hello"), window=0x69)),
        refused("window-of-128-mib", "too-large", frame(raw_block(b"hello"), window=0x88)),
        refused("window-largest", "too-large", frame(raw_block(b"hello"), window=0xFF)),
        refused(
            "window-by-a-single-segment-over-8-mib",
            "too-large",
            sized((8 << 20) + 1, rle_block(b"\x00", 1 << 17)),
            limit=16 << 20,
        ),
        reading("payload-over-the-limit", "too-large", *plain(101), False, limit=100),
        refused("payload-padded-over-the-limit", "too-large", padded(bytes(range(1, 102))), PAD, limit=100),
    ]


def plain(n: int):
    m = Message(derived("plain", n), DEK, local(DEK))
    return m, seal(m)


def padding() -> list[Case]:
    tables = {
        "empty": b"",
        "of-zeros-only": bytes(16),
        "without-mark": b"hello",
        "zeros-behind-text": b"hello" + bytes(11),
        "mark-81": b"hello\x81" + bytes(10),
        "mark-in-the-middle": b"\x80hello" + bytes(10),
        "one-byte-behind-zeros": b"\x80" + bytes(5) + b"\x01",
    }
    cases = [refused(f"padding-{name}", "malformed", coded, PAD) for name, coded in tables.items()]
    both = Coding(1, 1)
    return [
        *cases,
        refused("padding-and-zstd-without-mark", "malformed", compress(ORDER * 3), both),
        refused("padding-under-the-frame", "malformed", compress(padded(ORDER, 512))[:-1], both),
        refused("padding-and-two-frames", "malformed", padded(compress(ORDER) * 2, 64), both),
    ]


def dictionaries() -> list[Case]:
    ours, other = dictionary(), dictionary("other")
    coding = Coding(1, 0, ours)
    coded = compress(ORDER, ours)
    record = seal(dictionary_record(ours, KEEPER, local(KEEPER)))
    name = digest(ours)[:16]
    flipped = record.replace(ciphertext=flip(record.ciphertext, -1)).bytes()
    lying = seal(dictionary_record(other, KEEPER, local(KEEPER))).bytes()
    not_kind_4 = seal(Message(ours, KEEPER, local(KEEPER), key=None)).bytes()
    elsewhere = seal(dictionary_record(ours, KEEPER, local(KEEPER), context=b"payments")).bytes()
    cases = [
        refused("dictionary-missing", "unknown-dictionary", coded, coding),
        refused("dictionary-another-only", "unknown-dictionary", coded, coding, dictionaries=(other,)),
        refused(
            "dictionary-record-tampered", "unknown-dictionary", coded, coding, dictionary_records=((name, flipped),)
        ),
        refused(
            "dictionary-record-of-another", "unknown-dictionary", coded, coding, dictionary_records=((name, lying),)
        ),
        refused(
            "dictionary-record-of-kind-0", "unknown-dictionary", coded, coding, dictionary_records=((name, not_kind_4),)
        ),
        refused(
            "dictionary-record-of-another-context",
            "unknown-dictionary",
            coded,
            coding,
            dictionary_records=((name, elsewhere),),
        ),
        refused("dictionary-record-rubbish", "unknown-dictionary", coded, coding, dictionary_records=((name, b"x"),)),
        refused(
            "dictionary-record-under-another-name",
            "unknown-dictionary",
            coded,
            coding,
            dictionary_records=((b"\x00" * 16, record.bytes()),),
        ),
        reading(
            "dictionary-record-unsigned",
            "unknown-dictionary",
            *signed(coding, coded),
            False,
            signers=("sealer",),
            dictionary_records=((name, record.bytes()),),
        ),
        refused("dictionary-id-of-another", "malformed", compress(ORDER, other), coding, dictionaries=(ours, other)),
        refused("dictionary-named-by-the-frame-only", "malformed", coded, ZSTD, dictionaries=(ours,)),
    ]
    m = Message(ORDER, DEK, local(DEK), coding=Coding(1, 0, ours), coded=coded)
    other_hash = Message(ORDER, DEK, local(DEK), coding=Swapped(1, 0, other, ours), coded=coded)
    return [
        *cases,
        reading(
            "dictionary-hash-of-another-in-the-tag",
            "tampered",
            other_hash,
            seal(other_hash),
            False,
            dictionaries=(ours, other),
        ),
        reading("dictionary-hint-flipped", "unknown-dictionary", m, flip_hint(m), False, dictionaries=(ours,)),
    ]


class Swapped(Coding):
    """A coding whose hint is that of one dictionary and whose hash in external that of another."""

    def __init__(self, compression, padding, dictionary, hinted):
        super().__init__(compression, padding, dictionary)
        object.__setattr__(self, "hinted", hinted)

    def header(self) -> bytes:
        return bytes([self.compression, self.padding]) + digest(self.hinted)[:4]


def signed(coding: Coding, coded: bytes):
    m = Message(ORDER, DEK, local(DEK), coding=coding, coded=coded, signature=vouched(dek=DEK))
    return m, seal(m)


def flip_hint(m: Message):
    parts = seal(m)
    return parts.replace(protected=flip(parts.protected, -1))


def chunked() -> list[Case]:
    """Two chunks that are sealed well."""
    cases = []
    noise = derived("noise", CHUNK + 500)
    for name, word, coding, coded in (
        ("padding-without-mark", "malformed", PAD, noise + b"\x01" + bytes(100)),
        ("padding-of-zeros-only", "malformed", PAD, bytes(CHUNK + 1)),
        ("frame-cut", "malformed", ZSTD, compress(noise)[:-10]),
        ("frame-twice", "malformed", ZSTD, compress(noise[:CHUNK]) * 2),
        ("bomb", "too-large", ZSTD, bomb(256 << 20)),
    ):
        m = Message(
            b"", DEK, local(DEK), coding=coding, coded=coded, chunk=CHUNK, message_id=derived("chunked coded", 16)
        )
        cases.append(reading(f"chunked-{name}", word, m, seal(m), False))
    return cases


def order() -> list[Case]:
    """Of two faults the first."""
    ours = dictionary()
    m = Message(b"", DEK, local(DEK), coding=ZSTD, coded=b"no frame")
    flipped = seal(m)
    flipped = flipped.replace(ciphertext=flip(flipped.ciphertext, -1))
    named = Message(b"", DEK, local(DEK), coding=Coding(1, 0, ours), coded=b"no frame")
    named_flipped = seal(named)
    named_flipped = named_flipped.replace(ciphertext=flip(named_flipped.ciphertext, -1))
    return [
        reading("tampered-before-frame", "tampered", m, flipped, False),
        reading("unknown-dictionary-before-tampered", "unknown-dictionary", named, named_flipped, False),
        reading("unknown-key-before-unknown-dictionary", "unknown-key", named, seal(named), False, keys=("stranger",)),
        reading("stale-before-frame", "stale", m, seal(m), False, now=CREATED + 100, max_age=10),
        refused(
            "frame-with-a-wrong-dictionary-id-before-its-window",
            "malformed",
            frame(raw_block(b"hello"), window=0x88, dictionary_id=7),
        ),
    ]
