#!/usr/bin/env python3
"""JWE between streamcrypt and jwcrypto, both ways (docs/convert.md).

    pip install -r requirements-jwe.txt
    python3 jwe.py ./streamcrypt     # exit code 1 where one does not open what the other has made
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from jwcrypto import jwe, jwk

PAYLOAD = "a payload: Grüße\n".encode() * 100
KINDS = {"local": "A256KW", "x25519": "ECDH-ES+A256KW", "rsa": "RSA-OAEP-256"}


def main():
    command = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        lab = Lab(command)
        lab.check_ours()
        lab.check_theirs()
        lab.check_refusals()
    print(f"jwcrypto: {lab.checked} checks, {len(lab.wrong)} wrong")
    for text in lab.wrong:
        print("  " + text)
    sys.exit(1 if lab.wrong else 0)


class Lab:
    """A directory with a key of each kind, and what was found wrong."""

    def __init__(self, command):
        self.command, self.checked, self.wrong, self.keys = command, 0, [], {}
        pathlib.Path("plain").write_bytes(PAYLOAD)
        for kind in KINDS:
            self.run("keygen", kind, "--out", kind)
            text = pathlib.Path(kind).read_bytes()
            self.keys[kind] = jwk.JWK.from_json(text.decode()) if kind == "local" else jwk.JWK.from_pem(text)

    def run(self, *arguments):
        """Returns the outcome of the command, and what it has logged."""
        done = subprocess.run([self.command, *arguments], capture_output=True, text=True)
        return done.returncode, done.stderr

    def expect(self, what, right, more=""):
        self.checked += 1
        if not right:
            self.wrong.append(f"{what} {more}")

    def check_ours(self):
        """jwcrypto opens what encrypt and convert make, for one key and for all of them."""
        for kinds in [[kind] for kind in KINDS] + [list(KINDS)]:
            flags = [f"--key={kind}:{kind}" for kind in kinds]
            self.run("encrypt", "--format=jwe", "--from=plain", "--to=sealed", "--overwrite", *flags)
            self.open_ours("encrypt", kinds)
            self.run("encrypt", "--from=plain", "--to=cose", "--overwrite", "--key=local:local")
            self.run("convert", "--format=jwe", "--from=cose", "--to=sealed", "--overwrite", "--old-key=local:local", *flags)
            self.open_ours("convert", kinds)

    def open_ours(self, made, kinds):
        for kind in kinds:
            token = jwe.JWE()
            try:
                token.deserialize(pathlib.Path("sealed").read_text(), self.keys[kind])
                payload = token.payload
            except Exception as e:  # whatever it is, it is a difference
                payload = repr(e)
            self.expect(f"jwcrypto opens {made} for {kinds} with {kind}", payload == PAYLOAD, payload[:80])

    def check_theirs(self):
        """decrypt opens what jwcrypto makes, in each form, and convert makes an envelope of it."""
        for kind, alg in KINDS.items():
            for form in "compact", "flattened", "general":
                pathlib.Path("sealed").write_text(self.make(form, alg, self.keys[kind]))
                self.run("decrypt", "--accept=jwe", "--from=sealed", "--to=out", "--overwrite", f"--key={kind}:{kind}")
                self.same(f"decrypt opens {form} for {kind}")
                self.run("convert", "--format=cose", "--from=sealed", "--to=cose", "--overwrite",
                         f"--old-key={kind}:{kind}", "--key=local:local")
                self.run("decrypt", "--from=cose", "--to=out", "--overwrite", "--key=local:local")
                self.same(f"convert opens {form} for {kind}")

    def same(self, what):
        out = pathlib.Path("out")
        self.expect(what, out.exists() and out.read_bytes() == PAYLOAD)
        out.unlink(missing_ok=True)

    def make(self, form, alg, key, **header):
        if form != "general":
            token = jwe.JWE(PAYLOAD, json.dumps({"alg": alg, "enc": "A256GCM", **header}))
            token.add_recipient(key)
            return token.serialize(compact=form == "compact")
        token = jwe.JWE(PAYLOAD, json.dumps({"enc": "A256GCM", **header}))
        token.add_recipient(jwk.JWK.generate(kty="oct", size=256), json.dumps({"alg": "A256KW", "kid": "somebody else"}))
        token.add_recipient(key, json.dumps({"alg": alg}))
        return token.serialize()

    def check_refusals(self):
        """What jwcrypto makes and docs/convert.md refuses."""
        local = self.keys["local"]
        secret = jwk.JWK(kty="oct", k=local.export(as_dict=True)["k"])
        for what, text, word in (
            ("zip", self.make("compact", "A256KW", local, zip="DEF"), "unsupported"),
            ("dir", self.make("compact", "dir", secret), "unsupported"),
            ("RSA-OAEP with SHA-1", self.make("compact", "RSA-OAEP", self.keys["rsa"]), "unsupported"),
            ("AES-CBC", self.make_cbc(local), "unsupported"),
            ("another key", self.make("compact", "A256KW", jwk.JWK.generate(kty="oct", size=256)), "unknown-key"),
        ):
            pathlib.Path("sealed").write_text(text)
            code, log = self.run("decrypt", "--accept=jwe", "--from=sealed", "--to=out", "--key=local:local", "--key=rsa:rsa")
            self.expect(f"decrypt refuses {what}", code == 1 and word in log and not os.path.exists("out"), log)

    def make_cbc(self, key):
        token = jwe.JWE(PAYLOAD, json.dumps({"alg": "A256KW", "enc": "A256CBC-HS512"}))
        token.add_recipient(key)
        return token.serialize(compact=True)


if __name__ == "__main__":
    main()
