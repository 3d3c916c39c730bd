"""Computes codes of an authenticator, right and wrong ones."""

from __future__ import annotations

from tools.totp import code

__all__ = ["code", "wrong_code"]


def wrong_code(secret: str) -> str:
    """Return a code that is not accepted now."""
    near = {code(secret, steps=steps) for steps in range(-2, 3)}
    return next(one for one in ("000000", "111111", "222222", "333333", "444444", "555555") if one not in near)
