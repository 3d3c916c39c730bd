"""Words of names and posts, as they are found by: one spelling whatever the case, the form or the script."""

from __future__ import annotations

import unicodedata

MAX_WORD_CHARS = 32
"""More of a word does not count: it is the beginning that is looked for."""

_JOINERS = "\u200c\u200d"  # within words of Indian scripts they change how letters join, not what they are


def folded(text: str) -> str:
    """Convert a name to the form for comparison: case-folded, in Unicode's form NFKC."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def name_key(text: str) -> str:
    """Convert a name so that names which people read as one become equal: ignores case, form and blanks."""
    return " ".join("".join(char for char in folded(text) if char not in _JOINERS).split())


def words_of(text: str, *, most: int) -> list[str]:
    """The first `most` different words of `text`, case-folded, in Unicode's form NFKC.

    A word is letters, digits and marks: vowel signs are marks, which Python's `\\w` leaves out.
    """
    kept = "".join(
        char if unicodedata.category(char)[0] in "LMN" else " " for char in folded(text) if char not in _JOINERS
    )
    return list(dict.fromkeys(word[:MAX_WORD_CHARS] for word in kept.split()))[:most]
