#!/usr/bin/env python3
"""Holds docs/envelope.cddl against the vectors and mutants of them, with two engines that know nothing of this project.

    pip install -r requirements-cddl.txt        # in a venv of its own: zcbor works with cbor2 5.6.5 only
    python3 cddl_check.py                       # 100,000 mutants
    python3 cddl_check.py --mutants 1000000 --seed 7

Both engines must accept everything that the strict reader accepts, and must do with each negative vector as its
field `grammar`
says. Of the mutants that the strict reader accepts, those of one shape are given to the engines once: a grammar sees
of a byte
string only its size, unless it holds headers.
"""

import argparse
import contextlib
import io
import json
import pathlib
import sys

import cddl_verifier
import zcbor.zcbor.zcbor as zcbor_module

from decode import Fault
from encode import array, bstr, tstr
from mutate import Mutator, shape
from parse import Envelope

FOLDER = pathlib.Path(__file__).parent
GRAMMAR = FOLDER.parent / "envelope.cddl"
SEED = 20260101


class Verifier:
    """PyPI cddl-verifier."""

    name = "cddl-verifier"

    def __init__(self):
        self.validator = cddl_verifier.Validator(GRAMMAR)

    def accepts(self, rule: str, data: bytes) -> bool:
        return bool(self.validator.validate(data, root_type=rule))


class Forgetful(list):
    """In place of a list of errors that would grow with every item."""

    def append(self, _) -> None:
        pass


class Zcbor:
    """zcbor's DataTranslator. Its decoder's errors in .cbor count as mismatches: else they would leave a choice."""

    name = "zcbor"

    def __init__(self):
        loads = zcbor_module.loads

        def checked(data: bytes):
            try:
                return loads(data)
            except Exception as e:
                raise zcbor_module.CddlValidationError(str(e)) from None

        zcbor_module.loads = checked
        self.types = zcbor_module.DataTranslator.from_cddl(GRAMMAR.read_text(), 1 << 20).my_types
        seen = set()
        for item in self.types.values():
            forget(item, seen)

    def accepts(self, rule: str, data: bytes) -> bool:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self.types[rule].validate_str(data)
        except zcbor_module.CddlValidationError:
            return False
        return True


def forget(item, seen: set) -> None:
    """Gives an element of a parsed grammar, and all within it, a list of errors that stays empty."""
    if item is None or id(item) in seen:
        return
    seen.add(id(item))
    item.errors = Forgetful()
    for inner in (item.key, item.cbor, *(item.value if isinstance(item.value, list) else ())):
        forget(inner, seen)


class Check:
    def __init__(self, engines):
        self.engines, self.items, self.wrong = engines, 0, []

    def expect(self, name: str, rule: str, data: bytes, accept: bool) -> None:
        self.items += 1
        for engine in self.engines:
            if engine.accepts(rule, data) != accept:
                self.wrong.append(f"{name}: {engine.name} {'refuses' if accept else 'accepts'} it as {rule}")


def load(name: str):
    return json.loads((FOLDER / name).read_text())


def check_envelopes(check: Check) -> None:
    for v in load("positive.json"):
        data = bytes.fromhex(v["envelope"])
        check.expect(v["name"], "envelope", data, True)
        if v["kind"] in (2, 4):
            check.expect(v["name"], {2: "key-record", 4: "dictionary-record"}[v["kind"]], data, True)
        if "external" in v:
            external, envelope = bytes.fromhex(v["external"]), Envelope(data)
            check.expect(v["name"], "external", external, True)
            name = "Encrypt" if envelope.self_contained else "Encrypt0"
            check.expect(
                v["name"], "Enc_structure", array(tstr(name), bstr(envelope.protected_raw), bstr(external)), True
            )
    for v in load("negative.json"):
        if "grammar" in v:
            check.expect(v["name"], "envelope", bytes.fromhex(v["envelope"]), v["grammar"] == "accepts")


def check_archives(check: Check) -> None:
    rules = {0: "message-body", 1: "end-body", 2: "key-record", 3: "dictionary-record"}
    for v in load("archives.json"):
        data, at = bytes.fromhex(v["file"]), 8
        while v["expect"] == "ok" and at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            kind, body = data[at + 8], data[at + 9 : at + 8 + length]
            if kind in rules:
                check.expect(f"{v['name']} at {at}", rules[kind], body, True)
            at += 8 + length


def check_numbers(check: Check) -> None:
    for v in load("numbers.json"):
        if "cbor" in v:
            check.expect(v["name"], v["rule"], bytes.fromhex(v["cbor"]), True)
            check.expect(v["name"] + ", wrapped", v["rule"], array(bytes.fromhex(v["cbor"])), False)


def check_mutants(check: Check, count: int, seed: int) -> tuple[int, int]:
    """How many of the mutants the strict reader accepts, and in how many shapes."""
    seeds = [bytes.fromhex(v["envelope"]) for name in ("positive.json", "negative.json") for v in load(name)]
    mutator = Mutator([s for s in seeds if 0 < len(s) < 20000], seed)
    accepted, shapes = 0, set()
    for n in range(count):
        mutant = mutator.mutant()
        try:
            Envelope(mutant)
        except Fault:
            continue
        accepted += 1
        form = shape(mutant)
        if form not in shapes:
            shapes.add(form)
            check.expect(f"mutant {n}: {mutant.hex()[:400]}", "envelope", mutant, True)
    return accepted, len(shapes)


def main() -> int:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--mutants", type=int, default=100_000)
    flags.add_argument("--seed", type=int, default=SEED)
    args = flags.parse_args()
    check = Check([Verifier(), Zcbor()])
    for part in (check_envelopes, check_archives, check_numbers):
        part(check)
    fixed = check.items
    accepted, shapes = check_mutants(check, args.mutants, args.seed)
    print(*check.wrong, sep="\n", end="\n" if check.wrong else "")
    print(
        f"cddl_check: {fixed} items of vectors; {args.mutants} mutants, of which the reader accepts {accepted} "
        f"in {shapes} shapes; {len(check.wrong)} disagreements"
    )
    return int(bool(check.wrong))


if __name__ == "__main__":
    sys.exit(main())
