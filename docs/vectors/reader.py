"""A strict reader: sections 3 to 8, 10, 16 and 17 of the specification, one function for each step.

It checks every vector before the vector is written, from its JSON fields alone and without the sealer's encoder,
with which it
has the numbers of CBOR's major types in common and nothing else.
"""

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from coded import decoded, is_dictionary
from decode import Fault
from parse import IV_SIZE, TAG_SIZE, Envelope, need
from unwrap import Key, commitment, unwrap
from vouch import Signers, sha256

VALUE, TOMBSTONE, KEY_RECORD, END, DICTIONARY = range(5)
NAMED, TIMED = 1, 4
NO_TIME = -62135596800000
MAX_TRIES = 16
EFFECTS = (b"KV-Operation", b"Streamcrypt-Msg-Id", b"Streamcrypt-Rollup", b"Streamcrypt-TTL")


class Reader:
    """What a reader is configured with, and what it knows of the message around an envelope."""

    def __init__(
        self,
        keys,
        *,
        context=b"",
        key_context=None,
        signers=(),
        records=(),
        dictionaries=(),
        dictionary_records=(),
        now=None,
        skew=300,
        max_age=None,
        limit=1 << 20,
    ):
        self.keys, self.context = keys, context
        self.key_context = context if key_context is None else key_context
        self.signers = Signers(signers, self.key_context, skew) if signers else None
        self.records, self.dictionaries, self.dictionary_records = records, dictionaries, dictionary_records
        self.now, self.skew, self.max_age, self.limit = now, skew, max_age, limit
        self.extra = 0

    def open(
        self, envelope: Envelope, kind=VALUE, medium="topic", subject=None, key=None, headers=(), bind=(), time=None
    ) -> bytes:
        """Steps 7 to 17. extra is set to the number of headers that are left out."""
        check_kind(envelope, kind)
        dek = self.data_key(envelope)
        bound, self.extra = bindings(envelope, medium, headers, bind)
        time = (NO_TIME if time is None or medium == "stream" else time) if envelope.form & TIMED else None
        binding = [self.context if kind in (VALUE, TOMBSTONE, END) else self.key_context, subject, key, bound, time]
        payload, dictionary = self.decrypt(envelope, dek, binding, kind)
        self.check_time(envelope)
        if envelope.coding:
            payload = decoded(payload, envelope.coding, dictionary, self.limit)
        need(len(payload) <= self.limit or kind != VALUE, "too-large")
        need(payload == b"" or kind not in (TOMBSTONE, KEY_RECORD))
        need(len(payload) in (61, 133) or kind != END)
        need(kind != DICTIONARY or is_dictionary(payload))
        return payload

    def data_key(self, envelope: Envelope) -> bytes:
        """Steps 8 to 10."""
        if not envelope.self_contained:
            return self.look_up(envelope)
        need(self.signers is None or self.signers.vouch(envelope, envelope.created), "untrusted")
        dek = unwrap(envelope, self.keys)
        need(dek is not None, "unknown-key")
        need(commitment(dek) == envelope.commitment, "wrong-key")
        return dek

    def look_up(self, envelope: Envelope) -> bytes:
        """The data key of the first record that counts (section 8)."""
        seen, tries = set(), 0
        for record in filter(None, map(parsed, self.records)):
            if not is_key_record(record) or record.commitment[:16] != envelope.kid:
                continue
            if self.signers and not (
                self.signers.vouch(record, record.created) and self.signers.vouch(record, envelope.created)
            ):
                seen.add("untrusted")
                continue
            if not any(key.fits(*w[:2]) for key in self.keys for w in record.wrapped):
                seen.add("unknown-key")
                continue
            if tries == MAX_TRIES:
                break
            tries += 1
            dek = unwrap(record, self.keys)
            if dek is not None and commitment(dek) == record.commitment:
                return dek
            seen.add("unknown-key" if dek is None else "wrong-key")
        raise Fault(next((w for w in ("wrong-key", "unknown-key", "untrusted") if w in seen), "unknown-key"))

    def decrypt(self, envelope: Envelope, dek: bytes, binding: list, kind: int) -> tuple[bytes, bytes | None]:
        """Steps 11 and 12: the coded payload, and the dictionary that its tag names."""
        hint = envelope.coding[2:] if envelope.coding else bytes(4)
        candidates = [None] if hint == bytes(4) else self.candidates(hint)
        need(candidates != [], "unknown-dictionary")
        need(binding[3] is not None, "tampered")
        for dictionary in candidates:
            aad = [*binding, sha256(dictionary) if dictionary else None, kind]
            try:
                return b"".join(self.segments(envelope, dek, aad)), dictionary
            except InvalidTag:
                continue
        raise Fault("tampered")

    def candidates(self, hint: bytes) -> list[bytes]:
        """The dictionaries whose hash begins with the hint."""
        known = [d for d in self.dictionaries if sha256(d)[:4] == hint and is_dictionary(d)]
        for name, record in self.dictionary_records:
            if name is not None and name[:4] != hint:
                continue
            try:
                dictionary = self.plain().open(Envelope(record), DICTIONARY)
            except Fault:
                continue
            if sha256(dictionary)[:16].startswith(hint if name is None else name):
                known.append(dictionary)
        return known[:MAX_TRIES]

    def plain(self) -> "Reader":
        """The reader of a dictionary record: the same keys and signers, no limit of age."""
        reader = Reader(self.keys, context=self.key_context)
        reader.signers = self.signers
        return reader

    def segments(self, envelope: Envelope, dek: bytes, aad: list):
        pieces = envelope.segments or [envelope.iv + envelope.ciphertext.data]
        name = "Encrypt" if envelope.self_contained else "Encrypt0"
        for i, piece in enumerate(pieces):
            external = cbor2.dumps(["streamcrypt/1", *aad, i, i == len(pieces) - 1])
            structure = cbor2.dumps([name, envelope.protected_raw, external])
            yield AESGCM(dek).decrypt(piece[:IV_SIZE], piece[IV_SIZE:], structure)

    def check_time(self, envelope: Envelope) -> None:
        """Steps 13 and 14."""
        if self.now is None:
            return
        need(envelope.created <= self.now + self.skew, "skewed")
        need(self.max_age is None or envelope.created >= self.now - self.max_age, "stale")


def check_kind(envelope: Envelope, kind: int) -> None:
    """Step 7."""
    need(kind == VALUE or not envelope.chunked and not envelope.coding)
    need(kind not in (KEY_RECORD, DICTIONARY) or envelope.self_contained)
    unplaced = envelope.position[:22] + envelope.position[26:28]  # all but created
    need(kind in (VALUE, TOMBSTONE) or unplaced == bytes(24))


def is_key_record(envelope: Envelope) -> bool:
    try:
        check_kind(envelope, KEY_RECORD)
    except Fault:
        return False
    return len(envelope.ciphertext.data) == TAG_SIZE


def parsed(data: bytes) -> Envelope | None:
    try:
        return Envelope(data)
    except Fault:
        return None


def bindings(envelope: Envelope, medium: str, headers, bind) -> tuple[list | None, int]:
    """The element bound, None where the headers cannot be those that were sealed; and the number of extra headers."""
    if envelope.form & NAMED:
        return [[name, [v for n, v in headers if n == name]] for name in sorted({*bind, *EFFECTS})], 0
    counted = [[n, v] for n, v in headers if counts(n, medium)]
    if medium == "stream":
        counted.sort(key=lambda h: h[0])
        return (counted, 0) if len(counted) == envelope.n else (None, 0)
    return (counted[: envelope.n], len(counted) - envelope.n) if len(counted) >= envelope.n else (None, 0)


def counts(name: bytes, medium: str) -> bool:
    if name == b"streamcrypt":
        return False
    ours = (b"Streamcrypt-Key", b"Streamcrypt-Null", b"Streamcrypt-Part")
    return medium != "stream" or name not in ours and name[:5].lower() != b"nats-"


def read(vector: dict, shared: dict) -> tuple[str, bytes | None, int]:
    """What a reader says to a vector: ("ok", payload, extra headers) or (word, None, 0)."""
    get = vector.get
    reader = Reader(
        [Key(shared["keys"][k]) for k in vector["keys"]],
        context=unhex(vector["context"]),
        key_context=unhex(get("key_context")),
        signers=[shared["signers"][s] for s in get("signers", ())],
        records=list(map(unhex, get("records", ()))),
        dictionaries=list(map(unhex, get("dictionaries", ()))),
        dictionary_records=[(unhex(n), unhex(r)) for n, r in get("dictionary_records", ())],
        now=get("now"),
        skew=get("skew", 300),
        max_age=get("max_age"),
        limit=get("limit", 1 << 20),
    )
    try:
        payload = reader.open(
            Envelope(unhex(vector["envelope"])),
            vector["kind"],
            vector["medium"],
            unhex(get("subject")),
            unhex(get("key")),
            [(unhex(n), unhex(v)) for n, v in get("headers", ())],
            list(map(unhex, get("bind", ()))),
            get("time"),
        )
        return "ok", payload, reader.extra
    except Fault as fault:
        return fault.word, None, 0


def unhex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
