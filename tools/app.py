"""Implements `make app`: registers a governance app for experiments on the running local engine.

The app is on trial. It has a live key, a test key, an approved template for OTPs (`login`) and one for messages
(`ready`). On AWS, administrators register apps and approve texts: docs/apps/first-otp.md shows that way too.
"""

from __future__ import annotations

import base64
import os
import sys
import urllib.error
from collections.abc import Sequence
from pathlib import Path

from nacl.signing import SigningKey

from sandes.model.ids import base64url_text
from sandes.protocol.errors import ProtocolError
from sandes_client.app import AppCredentials
from sandes_client.keys import IdentityKey
from tools.backstage import Backstage
from tools.engine import Engine, EngineError, deployment_of
from tools.run import FOLDER
from tools.targets import Target

LOGIN = {"en": "{{ code }} is your code for {{ service }}."}
READY = {"en": "Your file {{ file }} is ready."}
SCOPES = ["otp", "msg", "batch", "group", "hook"]
_PKCS8_ED25519 = bytes.fromhex("302e020100300506032b657004220420")
"""Prefix before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410, section 7)."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Target(prog="make app", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--name", default="", help="make app NAME=...: what recipients see as the sender")
    parser.add_argument("--guest", default="", help="make app GUEST=+91...: a number that the app may send to")
    parser.add_argument("--file", type=Path, default=Path("app.json"), help="make app FILE=...: new credentials file")
    parser.add_argument("--engine", type=Path, default=FOLDER, help="folder of the running engine")
    options = parser.parse_args(arguments)
    if options.file.suffix != ".json":
        parser.error(f"FILE={options.file} does not end with .json, as git's ignored files do: it holds a private key")
    if not os.access(options.file.parent, os.W_OK | os.X_OK):
        parser.error(f"the folder {options.file.parent} does not exist or cannot be written to")
    live_file: Path = options.file.with_name(f"{options.file.stem}-live.json")
    pem: Path = options.file.with_suffix(".pem")
    for file in (options.file, live_file, pem):
        if file.exists():
            parser.error(f"{file} exists already: choose another with FILE=... or remove it")
    try:
        test, live = register(options.engine, options.name or "Trial app", [options.guest] if options.guest else [])
    except (OSError, urllib.error.URLError, EngineError):
        print("the local engine is not running: start it with `make run`", file=sys.stderr)
        return 1
    except ProtocolError as error:
        print(f"{error.code}: {error.code.text}", file=sys.stderr)
        return 1
    _write(options.file, test.to_json())
    _write(live_file, live.to_json())
    _write(pem, _pem(test.private_key.seed))
    print(
        f"Registered app {test.app}, on trial, with the approved templates `login` and `ready`.\n\n"
        f"  {options.file}  the test key {test.key_name}: magic recipients such as +990000000001, and guests\n"
        f"  {pem}  the same key for openssl\n"
        f"  {live_file}  the live key {live.key_name}: guests only, while the app is on trial\n\n"
        f"Send a code, and check it:\n\n"
        f"  .venv/bin/sandes app otp send +990000000001 --template login --var service=passports "
        f"--credentials {options.file}\n"
        f"  .venv/bin/sandes app otp check ID 123456 --credentials {options.file}\n\n"
        f"The same with curl: docs/apps/first-otp.md.\n"
        f"An app for another guest: make app GUEST=+91... FILE=another.json.\n"
        f"Guests of an app that administrators registered: sandes-admin app guests --app APP --guest +91..."
    )
    return 0


def register(folder: Path, name: str, guests: list[str]) -> tuple[AppCredentials, AppCredentials]:
    """Register an app with both kinds of key. Return the credentials of the test key and of the live key.

    Raise EngineError or URLError if the engine of `folder` is not running, or ProtocolError if a value is refused.
    """
    engine = Engine.running_in(folder)
    deployment = deployment_of(engine)
    backstage = Backstage.of(engine, deployment)
    keys = {test: SigningKey.generate() for test in (True, False)}
    made = backstage.operate(
        "app.create",
        name=name,
        organisation="Trial",
        scopes=SCOPES,
        guests=guests,
        keys=[{"public": base64url_text(bytes(key.verify_key)), "test": test} for test, key in keys.items()],
    )
    backstage.operate("template.put", app=made["app"], name="login", kind="otp", texts=LOGIN)
    backstage.operate("template.put", app=made["app"], name="ready", kind="message", texts=READY)
    ids = {bool(key["test"]): str(key["id"]).partition(".")[2] for key in made["keys"]}
    test, live = (
        AppCredentials(
            app=made["app"],
            key=ids[kind],
            private_key=IdentityKey(bytes(keys[kind])),
            http_url=deployment.http_url,
            audience=deployment.audience,
        )
        for kind in (True, False)
    )
    return test, live


def _pem(seed: bytes) -> str:
    body = base64.b64encode(_PKCS8_ED25519 + seed).decode("ascii")
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"


def _write(file: Path, text: str) -> None:
    """Write a file that only the owner can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)


if __name__ == "__main__":
    sys.exit(main())
