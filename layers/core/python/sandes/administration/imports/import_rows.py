"""Reads the rows of a file of officials, or finds their faults (docs/admin/imports.md, "Findings").

A finding is a code with a sentence. It contains no content of the row, which may be a phone number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from sandes.administration.imports.import_files import ALIASES, Cells, text_of, unseen
from sandes.crypto.pepper import Pepper
from sandes.model.ids import UnitId, id_text
from sandes.model.imports import Entry
from sandes.model.lost_text import why_lost
from sandes.model.mailbox import parse_email
from sandes.model.organisation import Tree
from sandes.model.phone import PhoneNumber, is_rounded, parse_phone, plain_number
from sandes.model.verification import MAX_SECONDS
from sandes.model.words import folded, name_key
from sandes.protocol.fields import Name, OneLine, Written

_LOST = 'Letters were lost when the file was saved: save it as "CSV UTF-8" or XLSX.'
_ERROR = "The cell holds an error of the spreadsheet, such as #N/A: give the text itself."
_NOTHING = "This stands for a value that is not there, such as TBD, N.A. or ****: give the text itself."
_NO_DATE = "Not a date: 2027-03-31, 31/03/2027, 31-03-2027, 31-Mar-2027, or a cell that is a date."

FINDINGS: Mapping[str, tuple[str, str]] = {
    "ragged": ("row", "The row has more or fewer cells than the header."),
    **{f"formula/{column}": (column, "The cell holds a formula: give its value instead.") for column in ALIASES},
    "hidden": ("row", "The row is hidden in the sheet: show it (remove the filter), or delete it."),
    "merged": ("row", "Cells of the row are merged with others: unmerge them, and give each row its own values."),
    "bad_number": ("phone", "Not a phone number: ten digits of an Indian mobile, or + and the country's code."),
    "bad_number/letters": (
        "phone",
        "A phone number has digits, blanks, dashes, dots and parentheses. Give one number, without masks or words.",
    ),
    "bad_number/rounded": (
        "phone",
        "The spreadsheet has rounded the number (like 9.1982E+11) and its last digits are lost: format the column as "
        "text, and enter the number again. A number that really ends in six zeros needs + and the country's code.",
    ),
    "duplicate": ("phone", "An earlier row has the same number."),
    "verified_elsewhere": ("phone", "The person is verified elsewhere: another organisation, or a unit beyond yours."),
    "nominated_elsewhere": ("phone", "The number awaits verification elsewhere, and whoever came first stays."),
    "not_verified": ("phone", "Nobody with this number is verified here, nor awaits it."),
    "bad_name": ("name", "1 to 64 visible characters in one line are expected, with a letter among them."),
    "bad_name/letters_lost": ("name", _LOST),
    "bad_name/error_value": ("name", _ERROR),
    "bad_name/placeholder": ("name", _NOTHING),
    "bad_post": ("post", "1 to 128 visible characters in one line are expected, with a letter among them."),
    "bad_post/letters_lost": ("post", _LOST),
    "bad_post/error_value": ("post", _ERROR),
    "bad_post/placeholder": ("post", _NOTHING),
    "bad_email": ("email", "Not an e-mail address."),
    "mail_domain_not_allowed": (
        "email",
        "The organisation accepts only addresses at its own domains, each without its subdomains: give one of those.",
    ),
    "unit_unknown": ("unit", "There is no such unit within your reach: give its id, name, or path with slashes."),
    "unit_ambiguous": ("unit", "Several units have this name: give the path with slashes, or the id."),
    "date_missing": ("expires", "Give the day until which the verification is good, or that of retirement."),
    "bad_expires": ("expires", _NO_DATE),
    "bad_retirement": ("retirement", _NO_DATE),
    "date_past": ("expires", "The day is over already."),
    "date_too_far": ("expires", "A verification lasts five years at most."),
    "bad_listed": ("listed", "Yes or no is expected."),
    "bad_action": ("action", "Verify or revoke is expected."),
    "reason_missing": ("reason", "Revoking needs a reason."),
    "bad_reason": ("reason", "At most 256 visible characters in one line are expected."),
    "bad_reason/letters_lost": ("reason", _LOST),
    "bad_reason/error_value": ("reason", _ERROR),
    "bad_reason/placeholder": ("reason", _NOTHING),
    "ending": ("phone", "Groups of the organisation that the person was with are still being left; try again soon."),
    "busy": ("row", "The person or the unit kept changing at the same moment; import the row again."),
}
"""The column and the sentence of each code. A code, once published, keeps its meaning. After a slash stands a cause
with a sentence of its own; the code is the part before the slash.
"""

_INDIA_SECONDS = 5 * 3_600 + 1_800
"""The offset of India Standard Time from UTC. The days of a file end at midnight in India."""

_DAY = 86_400
_EPOCH = date(1970, 1, 1)
_LAST_YEAR = 9_999
"""The last year. A date in it has no representable next day, and means "never"."""

_MIDNIGHT = r"(?:[T ]0?0:00(?::00)?(?:\.0+)?)?"
_ISO = re.compile(rf"(\d{{4}})[/.-](\d{{1,2}})[/.-](\d{{1,2}}){_MIDNIGHT}")
_INDIAN = re.compile(rf"(\d{{1,2}})[/.-](\d{{1,2}})[/.-](\d{{4}}){_MIDNIGHT}")
_DAY_FIRST = re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th)?[ /.,-]*([^\W\d]\D*?)[ /.,-]*(\d{{4}}|\d{{2}}){_MIDNIGHT}")
_MONTH_FIRST = re.compile(r"([^\W\d]\D*?)[ .-]*(\d{1,2})(?:st|nd|rd|th)?[ ,]+(\d{4})")
_YEAR_FIRST = re.compile(r"(\d{4})[ /.,-]*([^\W\d]\D*?)[ /.,-]*(\d{1,2})")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january जनवरी जन",
            "feb february फ़रवरी फरवरी फ़र फर",
            "mar march मार्च",
            "apr april अप्रैल अप्रेल",
            "may मई",
            "jun june जून",
            "jul july जुलाई",
            "aug august अगस्त",
            "sep sept september सितंबर सितम्बर",
            "oct october अक्टूबर अक्तूबर",
            "nov november नवंबर नवम्बर",
            "dec december दिसंबर दिसम्बर",
        ),
        start=1,
    )
    for name in unicodedata.normalize("NFC", names).split()
}
_YES = frozenset(("yes", "y", "true", "1", "हाँ", "हां", "जी"))
_NO = frozenset(("no", "n", "false", "0", "", "नहीं"))
_VERIFY = frozenset(("", "verify", "add", "renew", "सत्यापित"))
_REVOKE = frozenset(("revoke", "off-board", "offboard", "off board", "remove", "हटाएँ", "निरस्त"))
_SEPARATORS = re.compile(r"[ ().\-]+")
_ZEROS = re.compile(r"[1-9]\d{3,8}0{6}(?:\.0+)?")
"""A rounded number written out in full. One real number in a million ends like this."""

_FLOAT = re.compile(r"(\+?\d{7,15})\.0+")

_NAME = TypeAdapter[str](Annotated[str, Name, Written, Field(min_length=1, max_length=64)])
_POST = TypeAdapter[str](Annotated[str, Name, Written, Field(min_length=1, max_length=128)])
_REASON = TypeAdapter[str](Annotated[str, OneLine, Field(min_length=1, max_length=256)])


@dataclass(frozen=True, slots=True)
class BadRow:
    """Holds an invalid row. `faults` are keys of FINDINGS. `index` is the pseudonym of its number, if it has one."""

    row: int
    faults: Sequence[str]
    index: str = ""

    @property
    def codes(self) -> list[str]:
        return [fault.partition("/")[0] for fault in self.faults]


@dataclass(slots=True)
class RowReader:
    """Reads rows. `tree` is the organisation's. The rows must belong to `scope` or below it."""

    tree: Tree
    scope: UnitId
    pepper: Pepper
    now_seconds: int
    _units: dict[str, set[UnitId]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for unit in self.tree.below(self.scope):
            names = [unit_name(self.tree.units[id].name) for id in self.tree.path(unit.id)]
            for length in range(1, len(names) + 1):
                self._units.setdefault(" / ".join(reversed(names[:length])), set()).add(unit.id)
            self._units[id_text(unit.id)] = {unit.id}

    def read(self, cells: Cells) -> Entry | BadRow:
        if cells.fault:
            return BadRow(cells.row, [cells.fault])
        values, faults = cells.values, list[str]()
        phone = self._phone(values.get("phone"), faults)
        index = self.pepper.index("phone", phone) if phone else ""
        action = _word(values.get("action"))
        if action in _REVOKE:
            reason = _valid(_REASON, values.get("reason"), "bad_reason", faults, missing="reason_missing")
            if faults:
                return BadRow(cells.row, faults, index)
            return Entry(cells.row, index, "revoke", self.scope, reason=reason, phone=phone)
        if action not in _VERIFY:
            return BadRow(cells.row, [*faults, "bad_action"], index)
        expires_at, capped = self._expires_at(values, faults)
        entry = Entry(
            row=cells.row,
            index=index,
            action="verify",
            unit=self._unit(text_of(values.get("unit")), faults),
            name=_valid(_NAME, _text(values.get("name")), "bad_name", faults),
            post=_post(_text(values.get("post")), faults),
            email=self._email(values, faults),
            listed=self._listed(values, faults),
            expires_at=expires_at,
            capped=capped,
            phone=phone,
        )
        return BadRow(cells.row, faults, index) if faults else entry

    def _phone(self, cell: object, faults: list[str]) -> PhoneNumber:
        text = text_of(cell)
        try:
            if isinstance(cell, float) and not text.isdecimal():  # negative, or with a fraction
                raise ValueError("not a whole number")
            if _ZEROS.fullmatch(text):
                raise ValueError("rounded")
            return parse_phone(_international(text))
        except ValueError:
            faults.append(_fault_of_number(text))
            return PhoneNumber("")

    def _unit(self, text: str, faults: list[str]) -> UnitId:
        if not text:
            return self.scope
        found = self._units.get(text) or self._units.get(unit_name(text), set())
        if len(found) == 1:
            return next(iter(found))
        faults.append("unit_ambiguous" if found else "unit_unknown")
        return self.scope

    def _email(self, values: Mapping[str, object], faults: list[str]) -> str | None:
        if "email" not in values:
            return None
        text = text_of(values["email"])
        if not text:
            return ""
        try:
            return parse_email(text)
        except ValueError:
            faults.append("bad_email")
            return ""

    def _listed(self, values: Mapping[str, object], faults: list[str]) -> bool | None:
        if "listed" not in values:
            return None
        text = _word(values["listed"])
        if text not in _YES | _NO:
            faults.append("bad_listed")
        return text in _YES

    def _expires_at(self, values: Mapping[str, object], faults: list[str]) -> tuple[int, bool]:
        """Return the end of the earlier of the two days, in India, and whether the five-year limit ends the
        verification.
        """
        ends = [_end(values.get(name), f"bad_{name}", faults) for name in ("expires", "retirement")]
        if len(faults) and faults[-1] in {"bad_expires", "bad_retirement"}:
            return 0, False
        valid_until, retires = ends
        longest = self.now_seconds + MAX_SECONDS
        if valid_until is None and retires is None:
            faults.append("date_missing")
            return 0, False
        if valid_until is not None and valid_until > longest:
            faults.append("date_too_far")
        capped = valid_until is None and retires is not None and retires > longest
        last = longest - (longest + _INDIA_SECONDS) % _DAY  # the last midnight in India before the limit
        at = min(end for end in (valid_until, retires, last if capped else None) if end is not None)
        if at <= self.now_seconds:
            faults.append("date_past")
        return at, capped


def unit_name(text: str) -> str:
    """Return the form in which names and paths of units are compared."""
    return " / ".join(map(name_key, unseen(text).split("/")))


def _international(text: str) -> str:
    """Convert an Indian number as people and spreadsheets write it: without the plus sign, with or without 91 or 0."""
    text = plain_number(text if (found := _FLOAT.fullmatch(text)) is None else found[1])
    digits = _SEPARATORS.sub("", text)
    if not digits.isdecimal():
        return text
    text = digits
    if text.startswith("00"):
        return f"+{text[2:]}"
    if len(text) == 10 and text[0] in "6789":
        return f"+91{text}"
    if len(text) == 11 and text[0] == "0" and text[1] in "6789":
        return f"+91{text[1:]}"
    return f"+{text}" if len(text) == 12 and text.startswith("91") else text


def _fault_of_number(text: str) -> str:
    """Return the fault of a text that is not a number, with causes that a reader of the file cannot see."""
    if is_rounded(text) or _ZEROS.fullmatch(text):
        return "bad_number/rounded"
    try:
        plain_number(text)
    except ValueError:
        return "bad_number/letters"
    return "bad_number"


def _end(cell: object, fault: str, faults: list[str]) -> int | None:
    """Return the end of a cell's day in India in epoch seconds, or None for an empty cell."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    day = _day(cell)
    if day is None:
        faults.append(fault)
        return None
    return ((day + timedelta(days=1)) - _EPOCH).days * _DAY - _INDIA_SECONDS


def _day(cell: object) -> date | None:
    if isinstance(cell, date):
        return date(cell.year, cell.month, cell.day) if cell.year < _LAST_YEAR else None
    text = _plain_date(cell) if isinstance(cell, str) else ""
    if found := _ISO.fullmatch(text):
        year, month, day = found.groups()
    elif found := _INDIAN.fullmatch(text) or _DAY_FIRST.fullmatch(text):
        day, month, year = found.groups()
    elif found := _MONTH_FIRST.fullmatch(text):
        month, day, year = found.groups()
    elif found := _YEAR_FIRST.fullmatch(text):
        year, month, day = found.groups()
    else:
        return None
    if not month.isdecimal():
        month = str(_MONTHS.get(unicodedata.normalize("NFC", month), 0))
    whole = int(year) + (2_000 if len(year) == 2 else 0)  # all these days are in the future
    try:
        return date(whole, int(month), int(day)) if whole < _LAST_YEAR else None
    except ValueError:
        return None


def _plain_date(text: str) -> str:
    """Normalise a text: without invisible marks, in lower case, with one kind of dash."""
    if not text.isascii():
        text = "".join("-" if unicodedata.category(char) == "Pd" else char for char in unseen(text))
    return " ".join(text.casefold().split()).replace("t0", "T0")


@lru_cache(maxsize=4_096)
def _post_of(text: str) -> tuple[str, tuple[str, ...]]:
    """Check a post. It is cached because many people have the same post."""
    faults: list[str] = []
    return _valid(_POST, text, "bad_post", faults), tuple(faults)


def _post(text: str, faults: list[str]) -> str:
    found, wrong = _post_of(text[:1_000])
    faults += wrong
    return found


def _text(cell: object) -> str:
    """Return the text of a cell, but an empty one for yes and no, which are nobody's name."""
    return "" if isinstance(cell, bool) else text_of(cell)


def _word(cell: object) -> str:
    return folded(unseen(text_of(cell)))


def _valid(
    adapter: TypeAdapter[str], cell: object, fault: str, faults: list[str], *, missing: str | None = None
) -> str:
    text = text_of(cell)
    if not text and missing:
        faults.append(missing)
        return ""
    if cause := why_lost(text) or ("letters_lost" if fault == "bad_name" and "?" in text else None):
        faults.append(f"{fault}/{cause}")
        return ""
    try:
        return adapter.validate_python(text[:1_000], strict=True)
    except ValidationError:
        faults.append(fault)
        return ""
