"""Read the SMS that the running local engine has taken for a number:  python -m tools.sms +919810000003"""

from __future__ import annotations

import json
import sys
import urllib.error
from urllib.parse import urlsplit

from tools.engine import Engine
from tools.run import ENDPOINTS, FOLDER


def main() -> int:
    if len(sys.argv) != 2 or not sys.argv[1].startswith("+"):
        print("usage: python -m tools.sms +<number in international form, no spaces>", file=sys.stderr)
        return 2
    try:
        port = urlsplit(json.loads(ENDPOINTS.read_text())["http_url"]).port
        texts = Engine(FOLDER, port or 0).sms_to(sys.argv[1])
    except (OSError, urllib.error.URLError):
        print("the local engine is not running: start it with `make run`", file=sys.stderr)
        return 1
    for text in texts:
        print(text)
    if not texts:
        print(f"no SMS for {sys.argv[1]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
