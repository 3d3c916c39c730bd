"""Texts that nobody wrote: what programs leave behind where letters or values were lost, and what stands for none."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

_SPREADSHEET_ERROR = re.compile(
    r"#(?:N/A(?: N/A)?|[^\W\d_][\w/]*[!?]?|\u00a1?\S+[!?])|#+|Err:\d{3}|n/a|\(?null\)?|nan|<na>|undefined",
    re.IGNORECASE,
)
"""What spreadsheets, in any language, and other programs write for a value that they cannot work out or do not have, or
that does not fit its column.
"""

_LOST_LETTERS = re.compile(
    r"\?\?|\?\w|\ufffd|&(?:#\d+|#x[0-9a-f]+|[a-z]{2,8}\d{0,2});|_x[0-9a-f]{4}_|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}"
    r"|%20|(?:%[89a-f][0-9a-f]){2}",
    re.IGNORECASE,
)
"""Replaced letters, and letters in the escapes of other formats: HTML, workbooks, JSON, addresses of the web."""

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
"""Words, without what stands between them, that people and programs write where there is no name and no post."""

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
"""Whole texts, without what stands between their words, that are written in place of a name or a post: empty cells of
pivot tables, sums, headings, titles without a name. Each word may be part of a real name or post.
"""

_MAX_CHARS = 1_000
"""So much of a text is looked at. No name, post or reason is as long."""

_WHOLE_PLACEHOLDER = re.compile(r"\\N|\W+do\W+|\[.*\]|x{2,}", re.IGNORECASE | re.DOTALL)
_PLACEHOLDER = re.compile(
    r"x{4}|\*\*|\w\*|\*\w|\{\w*\}|\{[{%#]|[}%#]\}|\$\{|%[sd]\b|<[\w/!%][^<>]*>|«[^«»]*»", re.IGNORECASE
)
"""A ditto mark, a mask over letters, or the place that a template keeps for a value."""


def why_lost(text: str) -> Literal["error_value", "letters_lost", "placeholder"] | None:
    """Return why a text was not written by anybody, or None if somebody may have written it.

    It is an error of a spreadsheet, or letters were lost when a file was saved, or it stands for a value that is not
    there.
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
    """Tell whether a cell of a file holds nothing but question marks for lost letters, or an error of a spreadsheet.

    Narrower than `why_lost`: for texts of any kind, which may hold addresses of the web and questions.
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
    """Tell whether a word is UTF-8 that was read as Windows-1252 or ISO 8859-1: its bytes are UTF-8 once more.

    Other words may be in a script that these encodings do not have.
    """
    for word in text.split():
        for encoding in ("cp1252", "latin-1"):
            try:
                if not word.isascii() and word.encode(encoding).decode():
                    return True
            except UnicodeError:
                continue
    return False
