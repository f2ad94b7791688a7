"""By reference: key records that do not help (section 8)."""

from case import Case, reading
from encode import bstr, integer, mapping
from keys import STRANGER, labelled, ours
from negative_recipients import flip
from positive import local, record_of
from positive_keys import foreign_record
from sealer import ALG, IV, KID, POSITION, Dek, Message, Parts, key_record, position, seal

DEK, OTHER = Dek("negative records"), Dek("negative records, another")
PLAIN = Message(b"hello", DEK)
RECORD = record_of(DEK)


def cases() -> list[Case]:
    def case(name: str, word: str, records: tuple[bytes, ...], envelope: Parts | None = None) -> Case:
        return reading(name, word, PLAIN, envelope or seal(PLAIN), False, records=records)

    def kid(value: bytes) -> Parts:
        parts = seal(PLAIN)
        return parts.replace(unprotected=mapping((KID, bstr(value)), (IV, parts.unprotected[-13:])))

    record = key_record(DEK, local(DEK))
    behind = flip(DEK.commitment, 16)
    same_kid = seal(record, protected=mapping((ALG, integer(3)), (POSITION, bstr(position(record, behind))))).bytes()
    flipped = seal(PLAIN)
    flipped = flipped.replace(ciphertext=flip(flipped.ciphertext, -1))
    theirs = record_of(DEK, (STRANGER.recipient(DEK.key),))
    lying = foreign_record(DEK, OTHER)
    broken = record_of(DEK, (labelled(-5, ours()["local"].kid, flip(ours()["local"].wrap(DEK.key), 9)),))
    payload = seal(Message(b"x", DEK, local(DEK), key=None)).bytes()
    return [
        case("record-missing", "unknown-key", ()),
        case("record-of-another-kid-only", "unknown-key", (record_of(OTHER),)),
        case("record-missing-before-tampered", "unknown-key", (), flipped),
        case("kid-flipped-first-bit", "unknown-key", (RECORD,), kid(flip(DEK.kid, 0))),
        case("kid-flipped-last-bit", "unknown-key", (RECORD,), kid(flip(DEK.kid, -1))),
        case("kid-of-another-record", "tampered", (record_of(OTHER),), kid(OTHER.kid)),
        case("record-wrapped-for-a-stranger", "unknown-key", (theirs,)),
        case("record-wrapped-key-flipped-bit", "unknown-key", (broken,)),
        case("record-under-the-kid-holds-another-key", "wrong-key", (lying,)),
        case("record-wrong-key-counts-more-than-unknown-key", "wrong-key", (theirs, lying, theirs)),
        case("record-kid-right-commitment-wrong-behind-it", "wrong-key", (same_kid,)),
        case("record-malformed-only", "unknown-key", (RECORD + b"\x00", RECORD[:-1], b"")),
        case("record-with-a-payload-only", "unknown-key", (payload,)),
        case("record-with-a-place-only", "unknown-key", (record_of(DEK, source=b"\x01" * 5),)),
        case("record-by-reference-only", "unknown-key", (seal(Message(b"", DEK)).bytes(),)),
        case("record-seventeenth-try-is-not-made", "unknown-key", (broken,) * 16 + (RECORD,)),
        case("record-tries-stop-at-wrong-keys-too", "wrong-key", (lying,) * 16 + (RECORD,)),
    ]
