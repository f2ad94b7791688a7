"""Compares unseal.py, which knows the specification only, with the built command.

    python3 unseal_check.py ./streamcrypt     # exit code 1 where the two differ

The command makes files of every form, which must come back as they were. Then files are damaged, and made
that the command never makes: the two must print the same and say the same word.
"""

import argparse
import collections
import pathlib
import sys
import tempfile

import unseal_crafted
import unseal_files
from unseal_lab import Lab

# Where the two are known to differ, by the name of the comparison, and why.
KNOWN = {
    "form 3, byte 9 flipped": "section 9: what has a fault of its own and something behind it is malformed; unseal.py looks at the fault",
    "form 3, envelope first": "section 10: a reader that streams may meet a later fault first",
    "seq, length 2147483648": "section 11: a reader may limit records; unseal.py does not",
}


def main() -> int:
    flags = argparse.ArgumentParser(description="Compare unseal.py with the built command.")
    flags.add_argument("command", type=pathlib.Path)
    flags.add_argument("-v", "--verbose", action="store_true", help="print the known differences too")
    args = flags.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        lab = Lab(args.command, pathlib.Path(directory))
        for part in (*unseal_files.PARTS, *unseal_crafted.PARTS):
            part(lab)
    found = collections.Counter()
    for name, text in lab.differ:
        known = KNOWN.get(name)
        found[known is None] += 1
        if known is None or args.verbose:
            print(f"{name}: {text}" + (f" (known: {known})" if known else ""))
    print(f"unseal_check: {lab.compared} comparisons, {found[True]} differ, {found[False]} known differences")
    return int(found[True] > 0)


if __name__ == "__main__":
    sys.exit(main())
