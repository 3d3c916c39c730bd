"""Field types shared by frames and HTTP bodies. Bytes are base64url and ids are text. All are strict."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from sandes.model.ids import (
    ENVELOPE_BYTES,
    INBOX_BYTES,
    AccountId,
    AdministratorId,
    AppId,
    BodyId,
    EnvelopeId,
    GroupId,
    ImportId,
    MessageId,
    OrganisationId,
    UnitId,
    account_text,
    administrator_text,
    app_text,
    base64url_text,
    id_text,
    message_text,
    parse_account,
    parse_administrator,
    parse_app,
    parse_base64url,
    parse_group,
    parse_import,
    parse_message,
    parse_organisation,
    parse_unit,
)
from sandes.model.lost_text import why_lost
from sandes.model.mailbox import MAX_DOMAIN_CHARS, MAX_EMAIL_CHARS, mailbox_of, parse_domain, parse_email


class Wire(BaseModel):
    """Parses a message of the protocol. It refuses unknown fields, converts nothing, and is immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, ser_json_bytes="base64")


class Answer(Wire):
    """Holds an answer of the server over HTTPS. It omits fields without a value.

    Every route answers with such models (tests/unit/edge/test_answers.py).
    """

    @model_serializer(mode="wrap")
    def _without_none(self, whole: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]  # a return type would replace the schema
        return {name: value for name, value in whole(self).items() if value is not None}


def _written(value: Any) -> Any:
    """Check that a time is written in RFC 3339. Raises PydanticCustomError otherwise.

    Pydantic would also accept numbers, and texts of digits, and guess whether they are seconds or milliseconds.
    """
    if isinstance(value, datetime) or (isinstance(value, str) and re.match(r"\d{4}-\d{2}-\d{2}[Tt]", value)):
        return value
    raise PydanticCustomError("datetime_parsing", "not a time in RFC 3339")


def _of_our_time(moment: datetime) -> datetime:
    if not 1970 <= moment.year < 2200:
        raise ValueError("this must lie between 1970 and 2200")
    return moment


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written),
    AfterValidator(_of_our_time),
    Field(strict=False, description="RFC 3339"),
]
"""A time with its offset from UTC."""


def seconds_of(moment: datetime | None) -> int | None:
    """Convert a time to epoch seconds."""
    return None if moment is None else int(moment.timestamp())


_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that are drawn as nothing although their category is letter, mark or symbol."""

_JOINERS = "\u200c\u200d"
_WITH_JOINERS_FROM = "\u0600"
"""The first script written with joiners. The scripts from Arabic on, such as those of India, use them. After a letter
of an earlier script, such as Latin, a joiner only makes one name look like another.
"""

MAX_STACKED_MARKS = 4
"""The most marks on one letter (UTS 39, section 5.4; scripts of India need three). More cover the lines above and
below.
"""

_SELECTORS = "\ufe0e\ufe0f"
_BADGES = frozenset("\u2713\u2714\u2611\u2705\u221a\u237b\U0001f5f8\U0001f5f9\U0001fbb1\U00010102")
"""Check marks of all kinds. Clients show one before the names of verified people."""


def _one_line(text: str) -> str:
    """Return the text in normal form C, with single spaces between words.

    Raises ValueError if it contains an invisible character.
    """
    text = unicodedata.normalize("NFC", text)
    if any(_is_hidden(before, char) for before, char in pairwise("\0" + text)):
        raise ValueError("only visible characters are allowed, in one line")
    if not text.isascii() and most_stacked(text) > MAX_STACKED_MARKS:
        raise ValueError(f"at most {MAX_STACKED_MARKS} marks may stand on one letter")
    return " ".join(text.split())


def most_stacked(text: str) -> int:
    """Return the most marks on one letter that take no space of their own. Spacing marks and joiners do not end a
    stack.
    """
    most = stacked = 0
    for char in unicodedata.normalize("NFD", text):
        category = unicodedata.category(char)
        if category in {"Mn", "Me"}:
            stacked += 1
            most = max(most, stacked)
        elif category not in {"Mc", "Cf"}:
            stacked = 0
    return most


def _is_hidden(before: str, char: str) -> bool:
    """Tell whether a character is invisible: also line ends, lone surrogates and marks that change the text
    direction.
    """
    if char in _JOINERS:
        return before < _WITH_JOINERS_FROM or before in _JOINERS
    if char in _SELECTORS:  # they choose how a symbol is drawn
        return unicodedata.category(before) != "So"
    return unicodedata.category(char) in _INVISIBLE or char in _BLANK_LETTERS or _is_selector(char)


def _is_selector(char: str) -> bool:
    return "\u180b" <= char <= "\u180f" or "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _name(text: str) -> str:
    text = _one_line(text)
    if text and not any(unicodedata.category(char)[0] in "LNPS" for char in text):
        raise ValueError("a name needs at least one letter, digit or symbol")
    if text and unicodedata.category(text[0])[0] == "M":
        raise ValueError("a mark stands on a letter, so it cannot be the first character")
    if not _BADGES.isdisjoint(text):
        raise ValueError("a name has no check mark, which would look like the mark of verified people")
    return text


OneLine = AfterValidator(_one_line)
"""Checks texts that are shown to others. It drops blanks at the ends, so put a `min_length` after it."""

Name = AfterValidator(_name)
"""Checks names of people, posts, groups, apps, organisations and units, like `OneLine`."""


def _by_somebody(text: str) -> str:
    if why_lost(text):
        raise ValueError(
            "letters were lost, or this is an error of a spreadsheet, or it stands for a value that is not there; "
            "give the text itself"
        )
    if text and not any(unicodedata.category(char)[0] == "L" for char in text):
        raise ValueError("at least one letter is expected")
    return text


Written = AfterValidator(_by_somebody)
"""Checks names and posts of officials, for which an organisation vouches: a person must have written them, in
letters.
"""

_EMAIL_PATTERN = r"^[!-?A-~]+@[A-Za-z0-9.-]+$"

Email = Annotated[str, OneLine, AfterValidator(parse_email), Field(max_length=MAX_EMAIL_CHARS, pattern=_EMAIL_PATTERN)]
"""A strict address in ASCII. A domain of another script is written as `xn--…`."""

EmailOrNone = Annotated[
    str,
    OneLine,
    AfterValidator(lambda text: parse_email(text) if text else ""),
    Field(max_length=MAX_EMAIL_CHARS, description="an address in ASCII; an empty one removes it"),
]

Mailbox = Annotated[
    str,
    OneLine,
    AfterValidator(lambda text: mailbox_of(parse_email(text))),
    Field(max_length=MAX_EMAIL_CHARS, pattern=_EMAIL_PATTERN, description="converted to lower case, without `+tag`"),
]
"""An administrator's mailbox. Addresses that differ only in their tag are one mailbox, and count as one person."""

MailDomain = Annotated[
    str,
    OneLine,
    AfterValidator(parse_domain),
    Field(max_length=MAX_DOMAIN_CHARS, pattern=r"^[A-Za-z0-9.-]+$", description="converted to lower case"),
]
"""The domain of e-mail addresses. A domain of another script is written as `xn--…`."""


def _text(parse: Callable[[str], Any]) -> PlainValidator:
    def validate(value: object) -> Any:
        if isinstance(value, bytes):  # from our own code, not parsed
            return value
        if not isinstance(value, str):
            raise ValueError("expected a string")
        return parse(value)

    return PlainValidator(validate)


def _sized(minimum: int, maximum: int) -> Callable[[str], bytes]:
    def parse(text: str) -> bytes:
        data = parse_base64url(text)
        if not minimum <= len(data) <= maximum:
            raise ValueError(
                f"expected {minimum} bytes" if minimum == maximum else f"expected {minimum} to {maximum} bytes"
            )
        return data

    return parse


def _base64url(minimum: int, maximum: int) -> tuple[PlainValidator, PlainSerializer, WithJsonSchema]:
    return (
        _text(_sized(minimum, maximum)),
        PlainSerializer(base64url_text, return_type=str),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": "^[A-Za-z0-9_-]*$",
                "minLength": (minimum * 4 + 2) // 3,
                "maxLength": (maximum * 4 + 2) // 3,
                "contentEncoding": "base64url",
            }
        ),
    )


Salt16 = Annotated[bytes, *_base64url(16, 16)]
Key32 = Annotated[bytes, *_base64url(32, 32)]
Signature64 = Annotated[bytes, *_base64url(64, 64)]
Bytes = Annotated[bytes, *_base64url(0, 128 * 1024)]
BodyIdField = Annotated[BodyId, *_base64url(INBOX_BYTES, INBOX_BYTES)]
EnvelopeIdField = Annotated[EnvelopeId, *_base64url(ENVELOPE_BYTES, ENVELOPE_BYTES)]

AccountField = Annotated[
    AccountId,
    _text(parse_account),
    PlainSerializer(account_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[a-z2-7]{12}[acegikmoqsuwy246]$"}),
]
AppField = Annotated[
    AppId,
    _text(parse_app),
    PlainSerializer(app_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[a-z2-7]{12}[acegikmoqsuwy246]$"}),
]
GroupField = Annotated[
    GroupId,
    _text(parse_group),
    PlainSerializer(id_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[a-z2-7]{12}[acegikmoqsuwy246]$"}),
]
AdministratorField = Annotated[
    AdministratorId,
    _text(parse_administrator),
    PlainSerializer(administrator_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "uuid", "description": "lower case"}),
]
ImportField = Annotated[
    ImportId,
    _text(parse_import),
    PlainSerializer(base64url_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{32}$"}),
]
OrganisationField = Annotated[
    OrganisationId,
    _text(parse_organisation),
    PlainSerializer(id_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[a-z2-7]{12}[acegikmoqsuwy246]$"}),
]
UnitField = Annotated[
    UnitId,
    _text(parse_unit),
    PlainSerializer(id_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[a-z2-7]{12}[acegikmoqsuwy246]$"}),
]
MessageIdField = Annotated[
    MessageId,
    _text(parse_message),
    PlainSerializer(message_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "uuid", "description": "UUIDv7, lower case"}),
]
