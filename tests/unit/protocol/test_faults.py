"""Tests that every invalid field gets a sentence, and that every code is documented."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from pydantic import ValidationError

from sandes.protocol.app_groups_api import NewAppGroup
from sandes.protocol.client_api import NewGroup
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.protocol.faults import REASONS, SHAPES, fault, faults_of, meaning
from sandes.protocol.frames import parse_frame
from tools.backstage import operations

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("code", sorted(REASONS | SHAPES))
def test_every_code_is_documented(code: str) -> None:
    assert f"`{code}`" in (ROOT / "docs/protocol/README.md").read_text()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("at_most_16384_bytes", "This has more than 16384 bytes."),
        (
            "between_60_and_2592000_seconds_from_now",
            "This must be between 60 and 2592000 seconds from now.",
        ),
        ("code_in_otps_only", "Texts of one-time passwords must contain {{ code }}; other texts must not."),
        ("unheard_of", None),
    ],
)
def test_a_code_of_a_use_case_has_a_sentence_with_its_numbers(code: str, text: str | None) -> None:
    assert meaning(code) == text


def test_every_code_that_the_source_gives_has_a_sentence() -> None:
    given: set[str] = set()
    for path in (ROOT / "layers/core/python/sandes").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"invalid", "fault"}:
                code = node.args[2 if node.func.id == "invalid" else 1]
                if isinstance(code, ast.Constant):
                    given.add(str(code.value))
                if isinstance(code, ast.JoinedStr):
                    parts = [part.value if isinstance(part, ast.Constant) else 7 for part in code.values]
                    given.add("".join(map(str, parts)))
    assert len(given) > 15
    assert [code for code in given if meaning(code) is None] == []


def messages(model: type[NewGroup | NewAppGroup], **fields: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"ref": "A" * 22, "name": "A"} | fields)
    errors = [found | {"loc": ("body", *found["loc"])} for found in caught.value.errors()]
    return {found["pointer"]: f"{found['code']}: {found['message']}" for found in faults_of(errors)}


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"name": "x" * 101}, "/name", "too_long: This must have at most 100 characters."),
        ({"name": " "}, "/name", "too_short: This must not be empty."),
        ({"name": 7}, "/name", "string_type: This must be a string."),
        ({"name": "A\n"}, "/name", "value_error: Only visible characters are allowed, in one line."),
        ({"posting": "none"}, "/posting", "literal_error: This must be one of 'all' or 'admins'."),
        (
            {"ref": "short"},
            "/ref",
            "string_pattern_mismatch: This does not have the form that the specification requires.",
        ),
        ({"colour": "red"}, "/colour", "extra_forbidden: This field does not exist."),
    ],
)
def test_a_fault_of_form_is_a_sentence_with_its_limit(fields: dict[str, object], pointer: str, said: str) -> None:
    assert messages(NewGroup, **fields) == {pointer: said}


def test_frames_and_operations_say_it_alike() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_frame('{"type": "sync", "limit": 501}')
    assert caught.value.details["errors"] == [fault("/limit", "less_than_equal", "This must be 500 or less.")]
    with pytest.raises(ProtocolError) as caught:
        operations.parse({"operation": "organisation.create", "name": "x" * 129})
    assert caught.value.details["errors"] == [fault("/name", "too_long", "This must have at most 128 characters.")]


def test_at_most_ten_faults_are_named() -> None:
    assert len(messages(NewGroup, **{f"field{n}": 1 for n in range(12)})) == 10


def test_what_is_not_there_is_named() -> None:
    error = missing("/unit", "unit")
    assert error.code is ErrorCode.NOT_FOUND
    assert error.details["errors"] == [fault("/unit", "not_found", "There is no such unit.")]
    assert invalid(ErrorCode.INVALID_REQUEST, "/role", "not_a_member").details["errors"] == [
        fault("/role", "not_a_member", "This person is not a member of the group.")
    ]
