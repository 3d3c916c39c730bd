"""Tests names that others see: every script is accepted, and nothing that hides or imitates."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from sandes.model.ids import account_text, parse_account
from sandes.protocol.admin_people_api import ChangePerson, VerifyPerson
from sandes.protocol.admin_roles_api import NewAssignment
from sandes.protocol.app_api import NewMessage
from sandes.protocol.app_groups_api import ChangeAppGroup, NewAppGroup
from sandes.protocol.client_api import ChangeGroup, ChangeProfile, NewGroup, NewVerificationRequest
from sandes.protocol.fields import AccountField, Moment, Name, OneLine, Wire
from tools.backstage.apps import CreateApp
from tools.backstage.groups import CreateGroup
from tools.backstage.organisations import CreateOrganisation, CreateUnit, RenameOrganisation, RenameUnit
from tools.backstage.verifications import Verify

names: TypeAdapter[str] = TypeAdapter(Annotated[str, Name, Field(min_length=1, max_length=64)])
moments: TypeAdapter[datetime] = TypeAdapter(Moment)
lines: TypeAdapter[str] = TypeAdapter(Annotated[str, OneLine])

FIELDS: list[tuple[type[Wire], str]] = [
    (CreateOrganisation, "name"),
    (RenameOrganisation, "name"),
    (CreateUnit, "name"),
    (RenameUnit, "name"),
    (Verify, "name"),
    (Verify, "post"),
    (CreateGroup, "name"),
    (CreateApp, "name"),
    (CreateApp, "organisation"),
    (NewAppGroup, "name"),
    (ChangeAppGroup, "name"),
    (NewGroup, "name"),
    (ChangeGroup, "name"),
    (ChangeProfile, "name"),
]

HIDING = {
    "line feed": "North\nSouth",
    "tab": "North\tSouth",
    "null": "North\0",
    "right-to-left override": "\u202ehtroN",
    "isolate": "\u2066North\u2069",
    "zero-width space": "North\u200bern",
    "word joiner": "North\u2060ern",
    "byte order mark": "\ufeffNorth",
    "soft hyphen": "North\u00adern",
    "tag letter": "North\U000e0041",
    "line separator": "North\u2028South",
    "half a surrogate pair": "North\ud800",
    "private use": "North\ue000",
    "filler of Hangul": "\u3164",
    "blank of Braille": "\u2800",
    "grapheme joiner": "No\u034frth",
    "variation selector behind a letter": "North\ufe0f",
    "selector of ideographs": "North\U000e0100",
    "joiner in Latin": "No\u200drth",
    "non-joiner in Cyrillic": "\u0421\u200c\u0435\u0432\u0435\u0440",
    "joiner at the start": "\u200dक",
    "two joiners": "क्\u200d\u200dष",
}


@pytest.mark.parametrize(
    "name",
    [
        "राजेश कुमार",
        "क्\u200dष",  # half form
        "श्री\u200cमान",
        "र्\u200dया",  # eyelash ra
        "জেলা র\u200d্যালি",  # Bengali
        "ന്\u200d",  # Malayalam chillu as it was written before Unicode 5.1
        "ශ්\u200dරී ලංකා",  # Sinhala
        "می\u200cخواهم",  # Persian  # noqa: RUF001
        "தமிழ்நாடு",
        "O'Neill-D\u2019Souza",
        "李明",
        "Relief \u2764\ufe0f",
        "24/7",
    ],
)
def test_a_name_of_any_script_stands_as_it_is_written(name: str) -> None:
    assert names.validate_python(name) == name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Ravi  Kumar ", "Ravi Kumar"),
        ("Ravi\u00a0Kumar\u3000", "Ravi Kumar"),
        ("Rav\u0069\u0301", "Rav\u00ed"),
        ("\u0928\u093c", "\u0929"),
    ],
)
def test_one_name_is_kept_in_one_way(given: str, kept: str) -> None:
    assert (names.validate_python(given), lines.validate_python(given)) == (kept, kept)


@pytest.mark.parametrize("text", HIDING.values(), ids=HIDING)
def test_what_hides_or_turns_text_is_refused(text: str) -> None:
    for adapter in (names, lines):
        with pytest.raises(ValidationError, match="only visible characters"):
            adapter.validate_python(text)


@pytest.mark.parametrize("text", ["", " ", "\u00a0\u3000"])
def test_a_name_is_not_blank(text: str) -> None:
    with pytest.raises(ValidationError, match="at least 1"):
        names.validate_python(text)
    assert lines.validate_python(text) == ""


def test_a_name_is_more_than_a_mark() -> None:
    with pytest.raises(ValidationError, match="letter, digit or symbol"):
        names.validate_python("\u0301")


def test_the_length_is_that_of_what_is_kept() -> None:
    assert len(names.validate_python("x" * 64 + " ")) == 64
    with pytest.raises(ValidationError):
        names.validate_python("\u0958" * 33)  # two characters each in normal form C


@pytest.mark.parametrize("mark", "✓✔☑✅🗸🗹√⍻🮱")
def test_a_name_has_no_mark_that_looks_like_a_badge(mark: str) -> None:
    with pytest.raises(ValidationError, match="mark of verified people"):
        names.validate_python(f"Ministry {mark}")
    assert lines.validate_python(f"Done {mark}") == f"Done {mark}"


@pytest.mark.parametrize(("model", "field"), FIELDS, ids=lambda part: part if isinstance(part, str) else part.__name__)
def test_every_name_that_others_are_shown_is_held_to_this(model: type[Wire], field: str) -> None:
    def reason(value: Any) -> str | None:
        try:
            model.model_validate({field: value})
        except ValidationError as error:
            of_field = [fault["type"] for fault in error.errors() if fault["loc"] == (field,)]
            return of_field[0] if of_field else None
        return None

    assert reason("जिला कार्यालय, पुणे") is None
    assert [reason(text) for text in ("North\n", "\u202eN", "North ✔")] == ["value_error"] * 3
    assert (reason("  ") is None) == (model is ChangeProfile)  # there an empty name takes it away


@pytest.mark.parametrize("text", ["2027-03-31T18:30:00Z", "2027-04-01T00:00:00+05:30", "2027-03-31t18:30:00.000z"])
def test_a_time_is_rfc_3339_with_its_offset(text: str) -> None:
    assert moments.validate_json(json.dumps(text)) == datetime(2027, 3, 31, 18, 30, tzinfo=UTC)


NO_TIMES: list[Any] = [
    *(1806517800, 1.8e9, 1806517800000, "1806517800", "2027-03-31", "2027-03-31T18:30:00", "tomorrow", True),
    *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"),
]
"""Pydantic would guess whether numbers are seconds or milliseconds."""


@pytest.mark.parametrize("value", NO_TIMES, ids=repr)
@pytest.mark.parametrize(
    ("model", "rest"),
    [
        (ChangePerson, {}),
        (
            NewAssignment,
            {"organisation": "a" * 13, "role": "verifier", "administrator": "0" * 8 + "-0000-4000-8000-" + "0" * 12},
        ),
        (NewMessage, {"to": {"phone": "+919800000001"}, "body": "x"}),
    ],
    ids=["person", "assignment", "message"],
)
def test_nothing_else_is_taken_for_a_time(model: type[Wire], rest: dict[str, Any], value: Any) -> None:
    model.model_validate_json(json.dumps(rest | {"expires_at": "2027-03-31T18:30:00Z"}))
    with pytest.raises(ValidationError) as refused:
        model.model_validate_json(json.dumps(rest | {"expires_at": value}))
    assert {error["loc"][-1] for error in refused.value.errors()} == {"expires_at"}


def test_the_published_pattern_of_an_id_accepts_what_the_service_accepts() -> None:
    pattern = re.compile(TypeAdapter(AccountField).json_schema()["pattern"])
    for last in "abcdefghijklmnopqrstuvwxyz234567":
        text = "mfrggzdfmztw" + last
        try:
            canonical = account_text(parse_account(text)) == text
        except ValueError:
            canonical = False
        assert bool(pattern.fullmatch(text)) is canonical


@pytest.mark.parametrize("text", ["\u0301Asha", " \u0301\u0301Asha", "\u20ddAsha", "\u093eram"])
def test_a_name_does_not_begin_with_a_mark(text: str) -> None:
    """The mark would be drawn on the character before it on the screen."""
    with pytest.raises(ValidationError, match="cannot be the first character"):
        TypeAdapter[str](Annotated[str, Name]).validate_python(text)


@pytest.mark.parametrize("text", ["????", "#N/A", "As\ufffdha", "N/A", "12345", "--", "Andr\u00c3\u00a9", "&#2352;"])
def test_what_nobody_wrote_is_no_official(text: str) -> None:
    vouched = {"organisation": "a" * 13, "unit": "a" * 13, "phone": "+919876543210", "name": "Asha", "post": "Clerk"}
    vouched |= {"expires_at": "2028-03-31T00:00:00Z"}
    for field in ("name", "post"):
        with pytest.raises(ValidationError) as caught:
            VerifyPerson.model_validate_json(json.dumps(vouched | {field: text}))
        assert [error["loc"] for error in caught.value.errors()] == [(field,)]
        with pytest.raises(ValidationError) as caught:
            NewVerificationRequest.model_validate_json(
                json.dumps({"organisation": "a" * 13, "name": "Asha", "post": "Clerk", field: text})
            )
        assert [error["loc"] for error in caught.value.errors()] == [(field,)]
