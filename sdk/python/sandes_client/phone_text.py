"""Phone numbers as people type or paste them: what the SDK drops before it decides what a text is.

The service reads the number itself (docs/protocol/README.md, "Registration").
"""

from __future__ import annotations

import re
import unicodedata

_LIKE_A_NUMBER = re.compile(r"\(?\+?[0-9][0-9 ().\-]{2,30}")


def typed_number(text: str) -> str | None:
    """The number in ASCII if `text` looks like one, otherwise None.

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
