"""Runs the command and unseal.py on the same file and notes where they differ."""

import io
import pathlib
import re
import subprocess
import sys

import lines
from frames import MAGIC, crc32c
from reader import Key
from unseal import Opener, load_key, unseal

WORDS = ("not-an-envelope malformed unsupported truncated too-large unknown-key wrong-key tampered bare-tombstone "
         "reserved-header header").split()


class Lab:
    """A directory with keys, a command, and what was found."""

    def __init__(self, command: pathlib.Path, directory: pathlib.Path):
        self.command, self.dir = command.resolve(), directory
        self.compared, self.differ = 0, []
        self.keys: dict[str, Key] = {}
        for kind, name in (("local", "a"), ("local", "b"), ("x25519", "x"), ("rsa", "r")):
            self.must("keygen", kind, "--out", name)
            self.keys[f"{kind}:{name}"] = load_key(f"{kind}:{self.dir / name}")
            if kind != "local":
                self.write(f"{name}.pub", self.must("keygen", "--public", name))

    def write(self, name: str, data: bytes) -> None:
        path = self.dir / name
        path.touch(mode=0o600)
        path.write_bytes(data)

    def start(self, *args: str) -> subprocess.Popen:
        env = {"STREAMCRYPT_LOG_LEVEL": "error", "STREAMCRYPT_PROGRESS": "none", "GOMAXPROCS": "1"}
        return subprocess.Popen([self.command, *args], cwd=self.dir, env=env,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def must(self, *args: str) -> bytes:
        process = self.start(*args)
        out, err = process.communicate(timeout=60)
        if process.returncode:
            sys.exit(f"{' '.join(args)}: {err.decode()}")
        return out

    def encrypt(self, source: str, to: str, *flags: str) -> bytes:
        self.must("encrypt", "--from", f"file:{source}", "--to", f"file:{to}", "--overwrite", *flags)
        return (self.dir / to).read_bytes()

    def compare(self, name: str, file: str, expect: bytes | None = None, keys=("local:a",), context: str = "",
                bind=(), store: str | None = None, word_only: bool = False) -> None:
        """Both read a file. expect is what must come out of it; None: they need only agree."""
        records = file.endswith((".scx", ".ndjson"))
        flags = ["--key", ",".join(keys), "--context", context, *(f"--bind=header:{b}" for b in bind)]
        flags += [f"--keystore=file:{store}"] if store else []
        process = self.start("decrypt", "--from", f"file:{file}", "--to", "file:-" + "?format=ndjson" * records, *flags)
        opener = Opener([self.keys[k] for k in keys], context.encode(), [b.encode() for b in bind],
                        self.dir / store if store else None)
        out = io.BytesIO()
        word = unseal(opener, self.dir / file, out)
        printed, err = process.communicate(timeout=60)
        says = "ok" if process.returncode == 0 else reason(err.decode())
        self.compared += 1
        content = parsed if records else bytes  # lines may be escaped in more than one way
        if word != says:
            self.differ.append((name, f"unseal.py says {word}, the command {says}"))
        elif (records or word == "ok") and not word_only and content(out.getvalue()) != content(printed):
            self.differ.append((name, f"{word}, but they print different things"))
        elif expect is not None and (word, content(out.getvalue())) != ("ok", content(expect)):
            self.differ.append((name, f"{word}, and it does not come back"))

    def damaged(self, name: str, suffix: str, data: bytes, **reader) -> None:
        """Both read data as a file with this suffix."""
        self.write("damaged" + suffix, data)
        self.compare(name, "damaged" + suffix, **reader)


def reason(stderr: str) -> str:
    """The word in what the command said last, before a hint."""
    said = [line for line in stderr.splitlines() if line.startswith("streamcrypt: ")]
    words = re.findall(r": (" + "|".join(WORDS) + r")(?=:|$)", said[-1]) if said else []
    return words[0] if words else stderr.strip()


def parsed(printed: bytes) -> list:
    return [lines.parse(line) for line in printed.splitlines()]


def flipped(data: bytes, at: int, bit: int = 1) -> bytes:
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1:]


def sequence(parts: list[tuple[int, bytes]]) -> bytes:
    """A sequence of records, each a type and a body."""
    framed = [bytes([kind]) + body for kind, body in parts]
    return MAGIC + b"".join(len(f).to_bytes(4, "big") + crc32c(f).to_bytes(4, "big") + f for f in framed)


def records(data: bytes) -> list[tuple[int, bytes]]:
    at, found = len(MAGIC), []
    while at < len(data):
        length = int.from_bytes(data[at:at + 4], "big")
        found.append((data[at + 8], data[at + 9:at + 8 + length]))
        at += 8 + length
    return found
