"""Prints the e-mails that the running local engine has taken for an address:  python -m tools.emails asha@example.in"""

from __future__ import annotations

import json
import sys
import urllib.error
from urllib.parse import urlsplit

from tools.engine import Engine
from tools.run import ENDPOINTS, FOLDER


def main() -> int:
    address = sys.argv[1].lower() if len(sys.argv) == 2 else ""
    if "@" not in address:
        print("usage: python -m tools.emails <address>", file=sys.stderr)
        return 2
    try:
        port = urlsplit(json.loads(ENDPOINTS.read_text())["http_url"]).port
        texts = Engine(FOLDER, port or 0).emails_to(address)
    except (OSError, urllib.error.URLError):
        print("the local engine is not running: start it with `make run`", file=sys.stderr)
        return 1
    for text in texts:
        print(text)
    if not texts:
        print(f"no e-mails for {address}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
