"""Cleans phone numbers that people type or paste, before the SDK decides what a text is.

The service parses the number itself (docs/protocol/README.md, "Registration").
"""

from __future__ import annotations

import re
import unicodedata

_BETWEEN = r" {0,3}\)? ?[.\-]? ?\(? ?"
"""Matches separators between digits. Several dots or dashes in a row stand for omitted digits, so they do not match."""

_LIKE_A_NUMBER = re.compile(rf"(?=.{{3,40}}$)\(?\+? ?\(?[0-9](?:{_BETWEEN}[0-9])+\)?")


def typed_number(text: str) -> str | None:
    """Return the number in ASCII if `text` looks like one, otherwise None.

    Digits may be of any script. Invisible marks and an apostrophe in front are dropped; dashes become hyphens.
    """
    plain = "".join(_plain(char) for char in text).strip().removeprefix("'").strip()
    return plain if _LIKE_A_NUMBER.fullmatch(plain) else None


def _plain(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category == "Cf":
        return ""
    if category == "Zs":
        return " "
    return "-" if category == "Pd" or char == "\u2212" else char
