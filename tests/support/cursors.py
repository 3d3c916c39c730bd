"""Edits cursors as an attacker might."""

from __future__ import annotations


def edited(cursor: str) -> str:
    """Replace the character in the middle by another one. The result is well-formed, and the service never
    issued it.
    """
    at = len(cursor) // 2
    return cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
