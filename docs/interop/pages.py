#!/usr/bin/env python3
"""Runs the commands of docs/interop.md and docs/ten-years.md: exit code 1 where one prints other things than the page.

    python3 pages.py
    python3 pages.py --path streamcrypt=../../bin --path interop-python=VENV/bin --path interop-stock=VENV/bin

A block of console behind <!-- run: NEEDS --> is run. NEEDS are names that --path gives, or programs. Where one is
missing, the block is not run, and this is said. Lines that begin with "$ " are commands, lines with "> " go on with
them, the others are what they print, errors too. All blocks of a page run in one folder, in which docs is docs, and
share the variables and functions of their shell. Needs nothing but Python and sh.
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

DOCS = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"<!-- run:([^>]*)-->\n```console\n(.*?)```\n", re.DOTALL)
END = "=== end of a command: "


def read_commands(block):
    """[command, what it prints] of each command of a block."""
    commands = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            commands.append([line[2:], ""])
        elif line.startswith("> ") or line == ">\n":
            commands[-1][0] += line[2:] or "\n"
        else:
            commands[-1][1] += line
    return commands


def run_blocks(blocks, folder):
    """What each command of (first directories of PATH, commands) prints, with its exit code where that is not 0."""
    script = "first=$PATH\n"
    for paths, commands in blocks:
        script += f"PATH={shlex.quote(''.join(p + os.pathsep for p in paths))}$first\n"
        script += "".join(f'{command}code=$?; printf "{END}%s\\n" $code\n' for command, _ in commands)
    (script_file := pathlib.Path(folder, ".commands")).write_text(script)
    printed = subprocess.run(
        ["sh", script_file],
        cwd=folder,
        env=dict(os.environ, LC_ALL="C.UTF-8", STREAMCRYPT_LOG_LEVEL="error", STREAMCRYPT_PROGRESS="none"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    ).stdout
    found = []
    for _, commands in blocks:
        found.append([])
        for _ in commands:
            shown, _, printed = printed.partition(END)
            code, _, printed = printed.partition("\n")
            found[-1].append(shown + ("" if code == "0" else f"[exit code {code}]\n"))
    return found


def check_page(page, paths, write):
    text, wrong, missing, blocks, places = page.read_text(), 0, set(), [], []
    for match in BLOCK.finditer(text):
        needs = match[1].split()
        lacking = {n for n in needs if n not in paths and not shutil.which(n)}
        missing |= lacking
        if not lacking:
            blocks.append(([paths[n] for n in needs if n in paths], read_commands(match[2])))
            places.append(match.span(2))
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(DOCS, os.path.join(folder, "docs"))
        found = run_blocks(blocks, folder)
    for (start, end), (_, commands), prints in reversed(list(zip(places, blocks, found, strict=True))):
        new = ""
        for (command, expect), printed in zip(commands, prints, strict=True):
            new += "$ " + command.rstrip("\n").replace("\n", "\n> ").replace("> \n", ">\n") + "\n" + printed
            if printed != expect and not write:
                wrong += 1
                print(f"{page.name}: $ {command}--- the page says\n{expect}--- it prints\n{printed}")
        text = text[:start] + new + text[end:]
    if write:
        page.write_text(text)
    ran = sum(len(commands) for _, commands in blocks)
    print(f"{page.name}: {ran} commands, {wrong} print other things")
    if missing:
        print(f"{page.name}: NOT RUN are the blocks that need {', '.join(sorted(missing))}", file=sys.stderr)
    return wrong + (ran == 0 and not missing)


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--path", action="append", default=[], metavar="NAME=DIR", help="goes first in PATH")
    flags.add_argument("--write", action="store_true", help="write into the pages what the commands print")
    flags.add_argument("page", nargs="*", type=pathlib.Path)
    args = flags.parse_args()
    paths = {name: os.path.abspath(directory) for name, directory in (p.split("=", 1) for p in args.path)}
    pages = args.page or [DOCS / "interop.md", DOCS / "ten-years.md"]
    return int(sum(check_page(page, paths, args.write) for page in pages) > 0)


if __name__ == "__main__":
    sys.exit(main())
