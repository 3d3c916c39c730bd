"""The words of names and posts for searching: one spelling whatever the case, the Unicode form or the script."""

from __future__ import annotations

import unicodedata

MAX_WORD_CHARS = 32
"""The number of characters of a word that count. Searches compare beginnings of words."""

_JOINERS = "\u200c\u200d"  # in words of Indian scripts they only change how letters join


def folded(text: str) -> str:
    """Convert a name to the form for comparison: case-folded, in Unicode's form NFKC."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def name_key(text: str) -> str:
    """Convert a name to a form that ignores case, Unicode form and blanks. Names that people read as the same become
    equal.
    """
    return " ".join("".join(char for char in folded(text) if char not in _JOINERS).split())


def words_of(text: str, *, most: int) -> list[str]:
    """Return the first `most` different words of `text`, case-folded, in Unicode's form NFKC.

    A word consists of letters, digits and marks. Vowel signs are marks, which Python's `\\w` leaves out.
    """
    kept = "".join(
        char if unicodedata.category(char)[0] in "LMN" else " " for char in folded(text) if char not in _JOINERS
    )
    return list(dict.fromkeys(word[:MAX_WORD_CHARS] for word in kept.split()))[:most]
