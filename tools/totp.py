"""Computes the codes that an authenticator app shows (RFC 6238: SHA-1, six digits, thirty seconds).

For experiments without a phone:  python -m tools.totp SECRET
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import sys
import time

STEP_SECONDS = 30


def code(secret: str, *, steps: int = 0) -> str:
    """Return the code for now, or for as many steps of thirty seconds later. `secret` is in base32."""
    counter = int(time.time()) // STEP_SECONDS + steps
    mac = hmac.digest(base64.b32decode(secret), counter.to_bytes(8, "big"), hashlib.sha1)
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at : at + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def main() -> int:
    secret = (sys.argv[1] if len(sys.argv) == 2 else input("secret: ")).replace(" ", "").upper()
    try:
        print(code(secret + "=" * (-len(secret) % 8)))
    except ValueError:
        print("usage: python -m tools.totp SECRET, the secret that `sandes-admin login` showed", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
