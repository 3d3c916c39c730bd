"""Implements `make admin`: creates a platform administrator on the running local engine.

It runs `sandes-admin administrator create`, and reads the e-mail that Cognito would have sent.
"""

from __future__ import annotations

import json
import sys
import urllib.error
from urllib.parse import urlsplit

from sandes_client.cli.administration.administrators import told_of
from sandes_client.operator import Operator, OperatorRefused, OperatorUnreachable
from tools.engine import Engine
from tools.run import ENDPOINTS, FOLDER, ROOT
from tools.targets import Target


def main() -> int:
    parser = Target(prog="make admin", description=__doc__.partition("\n")[0])
    parser.add_argument("--email", required=True, help="make admin EMAIL=...")
    parser.add_argument("--name", required=True, help="make admin NAME=...")
    parser.add_argument("--unit", required=True, help="make admin UNIT=...: name of a unit of the platform")
    options = parser.parse_args()
    if not (options.email and options.name and options.unit):
        parser.error('name the administrator: make admin EMAIL=farah@example.in NAME="Farah Khan" UNIT=Onboarding')
    try:
        port = urlsplit(json.loads(ENDPOINTS.read_text())["http_url"]).port
        engine = Engine(FOLDER, port or 0)
        made = Operator.read(ENDPOINTS).call(
            "administrator.create", email=options.email, name=options.name, unit=options.unit
        )
        mails = engine.emails_to(options.email.lower()) if made["done"] != "change" else []
    except (OSError, urllib.error.URLError, OperatorUnreachable):
        print("the local engine is not running: start it with `make run`", file=sys.stderr)
        return 1
    except OperatorRefused as error:
        faults = "; ".join(f"{fault.get('pointer')}: {fault.get('message')}" for fault in error.errors)
        print(f"{error.code}: {faults or error.message}", file=sys.stderr)
        return 1
    print("\n".join(told_of(made, options.email, options.unit)))
    if mails:
        print(
            f"\nThe last e-mail to {options.email}:\n\n  {mails[-1]}\n\n(The password is valid only until the "
            "first sign-in.)"
        )
    print(
        f"\nSign in, in a terminal:\n\n  export SANDES_ENDPOINTS={ENDPOINTS.relative_to(ROOT)}\n"
        f"  .venv/bin/sandes-admin login {options.email}\n  .venv/bin/sandes-admin whoami"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
