"""Cursors as somebody might edit them."""

from __future__ import annotations


def edited(cursor: str) -> str:
    """With another character in its middle, for sure: as well-formed as before, and nothing that was ever given out."""
    at = len(cursor) // 2
    return cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
