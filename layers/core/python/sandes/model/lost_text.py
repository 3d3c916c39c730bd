"""Texts that nobody wrote: what programs leave behind where letters or values were lost."""

from __future__ import annotations

import re
from typing import Literal

_SPREADSHEET_ERROR = re.compile(
    r"#(?:N/A(?: N/A)?|[^\W\d_][\w/]*[!?]?|\u00a1?\S+[!?])|#+|Err:\d{3}|n/a|\(?null\)?|nan|<na>|undefined",
    re.IGNORECASE,
)
"""What spreadsheets, in any language, and other programs write for a value that they cannot work out or do not have, or
that does not fit its column.
"""

_LOST_LETTERS = re.compile(r"\?\?|\?\w|\ufffd|&(?:#\d+|#x[0-9a-f]+|amp|lt|gt|quot|apos|nbsp);", re.IGNORECASE)


def why_lost(text: str) -> Literal["error_value", "letters_lost"] | None:
    """Return why a text was not written by anybody, or None if somebody may have written it.

    It is an error of a spreadsheet, or letters were lost when a file was saved.
    """
    if _SPREADSHEET_ERROR.fullmatch(text):
        return "error_value"
    if _LOST_LETTERS.search(text) or (text and not text.strip("? .,")):
        return "letters_lost"
    return "letters_lost" if not text.isascii() and _is_misread(text) else None


def _is_misread(text: str) -> bool:
    """Whether this is UTF-8 that was read as Windows-1252 or ISO 8859-1: its bytes are UTF-8 once more."""
    for encoding in ("cp1252", "latin-1"):
        try:
            text.encode(encoding).decode()
        except UnicodeError:
            continue
        return True
    return False
