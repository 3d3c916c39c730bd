"""Texts that nobody wrote: remains of lost letters or values, and placeholders."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

_SPREADSHEET_ERROR = re.compile(
    r"#(?:N/A(?: N/A)?|[^\W\d_][\w/]*[!?]?|\u00a1?\S+[!?])|#+|Err:\d{3}|n/a|\(?null\)?|nan|<na>|undefined",
    re.IGNORECASE,
)
"""Matches the marks that programs, such as spreadsheets in any language, write for a value that is missing, cannot be
calculated or is too wide for its column.
"""

_LOST_LETTERS = re.compile(
    r"\?\?|\?\w|\ufffd|&(?:#\d+|#x[0-9a-f]+|[a-z]{2,8}\d{0,2});|_x[0-9a-f]{4}_|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}"
    r"|%20|(?:%[89a-f][0-9a-f]){2}",
    re.IGNORECASE,
)
"""Matches replaced letters, and letters in the escapes of HTML, workbooks, JSON and URLs."""

_LOST_CELL = re.compile(
    r"#(?:N/A|REF!|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!|FIELD!|ERROR!)|#{3,}|\ufffd+|\?[? .,]*\?"
)

_NO_VALUES = frozenset(
    unicodedata.normalize("NFKC", word)
    for word in (
        *("na", "nil", "none", "null", "nan", "inf", "undefined", "unknown", "notknown", "notapplicable", "ditto"),
        *("notavailable", "notgiven", "tbd", "tba", "tbc", "tobedecided", "tobeannounced", "vacant", "postvacant"),
        *("vacantpost", "true", "false", "रिक्त", "रिक्तपद", "पदरिक्त", "शून्य", "अज्ञात", "लागूनहीं", "उपलब्धनहीं"),
    )
)
"""Words, without punctuation, that people and programs write if there is no name or post."""

_NO_NAMES = frozenset(
    (
        *(
            "blank",
            "tobefilled",
            "tobefilledin",
            "notfilled",
            "sameasabove",
            "asabove",
            "total",
            "grandtotal",
            "loading",
        ),
        *("name", "fullname", "officername", "nameofofficer", "nameoftheofficer", "employeename", "nameofemployee"),
        *("nameoftheemployee", "post", "designation", "mr", "mrs", "ms", "dr", "wahr", "falsch", "vrai", "faux"),
    )
)
"""Whole texts, without punctuation, that stand in place of a name or post: empty cells of pivot tables, sums, headings,
and titles without a name. Each single word may be part of a real name or post.
"""

_MAX_CHARS = 1_000
"""The number of characters that are examined. No name, post or reason is as long."""

_WHOLE_PLACEHOLDER = re.compile(r"\\N|\W+do\W+|\[.*\]|x{2,}", re.IGNORECASE | re.DOTALL)
_PLACEHOLDER = re.compile(
    r"x{4}|\*\*|\w\*|\*\w|\{\w*\}|\{[{%#]|[}%#]\}|\$\{|%[sd]\b|<[\w/!%][^<>]*>|«[^«»]*»", re.IGNORECASE
)
"""Matches a ditto mark, a mask over letters, or a placeholder of a template."""


def why_lost(text: str) -> Literal["error_value", "letters_lost", "placeholder"] | None:
    """Return why nobody can have written a text, or None if somebody may have written it.

    A text is an error of a spreadsheet, has lost letters when a file was saved, or is a placeholder for a missing
    value.
    """
    text = text[:_MAX_CHARS]
    if _SPREADSHEET_ERROR.fullmatch(text):
        return "error_value"
    if _LOST_LETTERS.search(text) or (text and not text.strip("? .,")):
        return "letters_lost"
    if not text.isascii() and _is_misread(text):
        return "letters_lost"
    return "placeholder" if _stands_for_nothing(text) else None


def is_lost_cell(text: str) -> bool:
    """Tell whether a cell holds only question marks for lost letters, or only an error of a spreadsheet.

    This is narrower than `why_lost`, because texts of any kind may hold URLs and questions.
    """
    return _LOST_CELL.fullmatch(text.strip()) is not None


def _stands_for_nothing(text: str) -> bool:
    if _WHOLE_PLACEHOLDER.fullmatch(text) or _PLACEHOLDER.search(text):
        return True
    words = _words(unicodedata.normalize("NFKC", text).casefold())
    whole = "".join(words)
    return bool(words) and (whole in _NO_VALUES | _NO_NAMES or all(word in _NO_VALUES for word in words))


def _words(text: str) -> list[str]:
    """Return the letters, marks and digits of each word."""
    return "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in text).split()


def _is_misread(text: str) -> bool:
    """Tell whether a word is UTF-8 that was read as Windows-1252 or ISO 8859-1: its bytes are UTF-8 again.

    These encodings cannot express words of other scripts, which are skipped.
    """
    for word in text.split():
        for encoding in ("cp1252", "latin-1"):
            try:
                if not word.isascii() and word.encode(encoding).decode():
                    return True
            except UnicodeError:
                continue
    return False
