"""Field types shared by frames and HTTP bodies: bytes as base64url, ids as text, all strict."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, PlainValidator, WithJsonSchema

from sandes.model.ids import (
    ENVELOPE_BYTES,
    INBOX_BYTES,
    AccountId,
    AppId,
    BodyId,
    EnvelopeId,
    GroupId,
    MessageId,
    OrganisationId,
    UnitId,
    account_text,
    app_text,
    base64url_text,
    id_text,
    message_text,
    parse_account,
    parse_app,
    parse_base64url,
    parse_group,
    parse_message,
    parse_organisation,
    parse_unit,
)


class Wire(BaseModel):
    """A message as it travels: every field known, none converted, nothing changed after parsing."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, ser_json_bytes="base64")


_JOINERS = "\u200c\u200d"  # of no width, and needed to write Indian scripts


def _one_line(text: str) -> str:
    """No control characters, line ends, half surrogate pairs, or marks that turn the direction of what follows."""
    if any(unicodedata.category(char) in _UNPRINTABLE and char not in _JOINERS for char in text):
        raise ValueError("only printable characters are allowed, in one line")
    return text


_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

OneLine = AfterValidator(_one_line)
"""For texts of people that others are shown."""


def _text(parse: Callable[[str], Any]) -> PlainValidator:
    def validate(value: object) -> Any:
        if isinstance(value, bytes):  # built by our own code rather than parsed
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
    WithJsonSchema({"type": "string", "pattern": "^[a-z2-7]{13}$"}),
]
AppField = Annotated[
    AppId,
    _text(parse_app),
    PlainSerializer(app_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[a-z2-7]{13}$"}),
]
GroupField = Annotated[
    GroupId,
    _text(parse_group),
    PlainSerializer(id_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[a-z2-7]{13}$"}),
]
OrganisationField = Annotated[
    OrganisationId,
    _text(parse_organisation),
    PlainSerializer(id_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[a-z2-7]{13}$"}),
]
UnitField = Annotated[
    UnitId,
    _text(parse_unit),
    PlainSerializer(id_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[a-z2-7]{13}$"}),
]
MessageIdField = Annotated[
    MessageId,
    _text(parse_message),
    PlainSerializer(message_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "uuid", "description": "UUIDv7, lower case"}),
]
