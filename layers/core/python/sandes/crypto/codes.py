"""One-time codes. They are random, and stored only as a keyed hash whose key is outside the database."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def new_code(digits: int) -> str:
    return str(secrets.randbelow(10**digits)).zfill(digits)


def code_hash(key: bytes, *, code: str, challenge: str, subject: str, purpose: str) -> bytes:
    """Return HMAC-SHA256 over the four values. Each follows its length (2 bytes), so that no two splits give the same
    input.
    """
    message = b"".join(
        len(part).to_bytes(2, "big") + part for part in (text.encode() for text in (code, challenge, subject, purpose))
    )
    return hmac.new(key, message, hashlib.sha256).digest()


def same(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left, right)
