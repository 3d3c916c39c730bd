"""Phone numbers in one spelling, E.164, checked with Google's numbering data.

phonenumbers reads letters as keys of a telephone and drops characters that it does not know. A masked number would
become somebody else's number. This module therefore passes only a plus sign and digits to it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NewType

import phonenumbers

PhoneNumber = NewType("PhoneNumber", str)
"""A number in E.164 with the plus sign, for example +919876543210."""

MAX_PHONE_CHARS = 64
"""The most characters of a number as people write it, with blanks, punctuation and invisible marks."""

_APOSTROPHES = ("'", "\u2018", "\u2019", "\u02bc", "\uff07")
"""An apostrophe before a number tells a spreadsheet that the cell is text. It does not belong to the number."""

_DASHES = frozenset("\u2043\u2212\u02d7")
"""Bullet hyphen, minus sign and modifier minus sign. Unicode counts all other dashes as dash punctuation (Pd)."""

_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that are drawn as nothing, although Unicode does not count them as format characters (Cf)."""

_FRACTION = re.compile(r"\d{7}\.0+")
"""A whole number with the fraction that programs add (9876543210.0). Dropping only the point would add digits."""

_ROUNDED = re.compile(r"\+?\d(?:[.,]\d+)?[eE][+\-]?\d{1,3}")

_BETWEEN = r" ?\)? ?[.\-]? ?\(? ?"
"""A blank, a dash, a dot, a parenthesis, or one of each. Several dots or dashes in a row stand for omitted digits."""

_SPELLED = re.compile(rf"\(?\+? ?\(?[0-9](?:{_BETWEEN}[0-9])*\)?")
_PARENTHESES = re.compile(r"[^()]*(?:\([^()]+\)[^()]*)*")


def parse_phone(text: str) -> PhoneNumber:
    """Parse a phone number. Raises ValueError unless `text` is a valid number in international form.

    The digits may be of any script. One blank, dash or dot, or a pair of parentheses, may stand between them. Invisible
    marks, a leading apostrophe, and blanks at the ends are dropped. Letters, masks and other characters are refused.
    """
    written = plain_number(text)
    digits = "".join(char for char in written if char in "+0123456789")
    if not digits.startswith("+"):
        raise ValueError("write one number in international form, for example +91 98765 43210")
    try:
        number = phonenumbers.parse(digits, None)
    except phonenumbers.NumberParseException as error:
        raise ValueError("this is not a phone number") from error
    if not phonenumbers.is_valid_number(number):
        raise ValueError("no such phone number can exist")
    return PhoneNumber(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def plain_number(text: str) -> str:
    """Convert a number to ASCII: digits separated by a blank, hyphen, dot or parenthesis, with an optional leading plus
    sign.

    Drops invisible characters. Raises ValueError if `text` contains any other character, if dots, dashes or parentheses
    stand in place of digits, or if the number ends in a fraction such as `.0`.
    """
    if len(text) > MAX_PHONE_CHARS:
        raise ValueError(f"a phone number has at most {MAX_PHONE_CHARS} characters")
    text = _single_blanks(text)
    if not _SPELLED.fullmatch(text):  # most numbers are plain already
        text = "".join(map(_plain, text)).strip()
        text = _single_blanks(text[1:] if text.startswith(_APOSTROPHES) else text)
        if is_rounded(text):
            raise ValueError(
                "a spreadsheet has rounded this number (like 9.1982E+11) and its last digits are lost: format the "
                "column as text, and enter the number again"
            )
        if not _SPELLED.fullmatch(text):
            raise ValueError(
                "a phone number has digits, single dashes, dots and parentheses between them, and nothing else"
            )
    if _FRACTION.search(text) and text.count(".") == 1 and text.partition(".")[2].strip("0") == "":
        raise ValueError("this phone number was saved as a number with a fraction; write it as text")
    if not _PARENTHESES.fullmatch(text) or (text.endswith(")") and not (text.startswith("(") and text.count("(") == 1)):
        raise ValueError("parentheses of a phone number come in pairs, and none is at its end")
    return text


def is_rounded(text: str) -> bool:
    """Tell whether a number is in the form in which spreadsheets show long numbers in a numeric column."""
    return _ROUNDED.fullmatch(text) is not None


def _single_blanks(text: str) -> str:
    return " ".join(filter(None, text.strip().split(" ")))


def _plain(char: str) -> str:
    if char.isascii():
        return char
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category == "Cf" or char in _UNSEEN or "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef":
        return ""  # direction marks, zero-width characters, soft hyphens, variation selectors
    if category == "Zs":
        return " "
    if category == "Pd" or char in _DASHES:
        return "-"
    return {"\uff0b": "+", "\uff08": "(", "\uff09": ")", "\uff0e": "."}.get(char, char)
