"""Prints the newest SMS that the running local engine has taken for a number:  python -m tools.sms
+919810000003

`--all` prints every SMS, the oldest first.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
from urllib.parse import urlsplit

from tools.engine import Engine
from tools.run import ENDPOINTS, FOLDER


def main() -> int:
    given = [argument for argument in sys.argv[1:] if argument != "--all"]
    phone = re.sub(r"[ ()./-]", "", given[0]) if len(given) == 1 else ""
    if not re.fullmatch(r"\+[0-9]{3,15}", phone):
        print("usage: python -m tools.sms [--all] +<number in international form>", file=sys.stderr)
        return 2
    try:
        port = urlsplit(json.loads(ENDPOINTS.read_text())["http_url"]).port
        texts = Engine(FOLDER, port or 0).sms_to(phone)
    except (OSError, urllib.error.URLError):
        print("the local engine is not running: start it with `make run`", file=sys.stderr)
        return 1
    for text in texts if "--all" in sys.argv else texts[-1:]:
        print(text)
    if not texts:
        print(f"no SMS for {phone}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
