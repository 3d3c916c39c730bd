"""The codes that an authenticator app shows (RFC 6238: SHA-1, six digits, thirty seconds)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

STEP_SECONDS = 30


def code(secret: str, *, steps: int = 0) -> str:
    """Now, or as many steps of thirty seconds later; `secret` in base32."""
    counter = int(time.time()) // STEP_SECONDS + steps
    mac = hmac.digest(base64.b32decode(secret), counter.to_bytes(8, "big"), hashlib.sha1)
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at : at + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"
