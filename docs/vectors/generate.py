#!/usr/bin/env python3
"""Writes the files of vectors beside itself.

Every vector is first read by a reader that shares no code with the sealer; a vector of which the reader says another
word than
the vector's `expect` stops the run, and nothing is written. With --check the files are compared and not written.
"""

import argparse
import collections
import json
import pathlib
import sys

import cbor2

import archives
import negative
import numbers_outside
import positive_bound
import positive_coded
import positive_keys
import rawfiles
from case import Case, payload_fields, shared
from positive import positives
from reader import read

FOLDER = pathlib.Path(__file__).parent


def check(cases: list[Case], common: dict) -> list[dict]:
    """The JSON objects of the cases, each of which the reader has agreed to."""
    vectors = [c.json() for c in cases]
    names = collections.Counter(v["name"] for v in vectors)
    wrong = [f"{name}: used twice" for name, n in names.items() if n > 1]
    for vector in vectors:
        word, payload, extra = read(vector, common)
        if word != vector["expect"] or extra != vector.get("extra", 0):
            wrong.append(f"{vector['name']}: {vector['expect']} expected, the reader says {word}, {extra} extra")
        elif word == "ok" and not payload_fields(payload).items() <= vector.items():
            wrong.append(f"{vector['name']}: another payload")
        if word == "ok":
            cross_check(vector["name"], bytes.fromhex(vector["envelope"]))
    if wrong:
        sys.exit("\n".join(wrong))
    return vectors


def cross_check(name: str, envelope: bytes) -> None:
    """A third opinion on the encoding: that of a library which knows nothing of the specification."""
    item = cbor2.loads(envelope)
    assert item.tag in (16, 96) and len(item.value) == {16: 3, 96: 4}[item.tag], name
    if -1935867910 not in cbor2.loads(item.value[0]):
        assert cbor2.dumps(item, canonical=True) == envelope, f"{name}: not deterministic"


def text(vectors: list[dict] | dict) -> str:
    if isinstance(vectors, dict):
        return json.dumps(vectors, indent=1) + "\n"
    return "[\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in vectors) + "\n]\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    compare = parser.parse_args().check
    common = shared()
    files = {
        "shared.json": common,
        "positive.json": check(
            positives() + positive_keys.cases() + positive_bound.cases() + positive_coded.cases(), common
        ),
        "negative.json": check(negative.cases(), common),
        "archives.json": archives.checked(common),
        "rawfiles.json": rawfiles.checked(common),
        "numbers.json": numbers_outside.checked(),
    }
    for name, vectors in files.items():
        path = FOLDER / name
        if not compare:
            path.write_text(text(vectors))
        elif path.read_text() != text(vectors):
            sys.exit(f"{name} is not what the generator makes")
    words = collections.Counter(v["expect"] for vectors in files.values() for v in vectors if "expect" in v)
    print(", ".join(f"{word} {n}" for word, n in sorted(words.items())))


if __name__ == "__main__":
    main()
