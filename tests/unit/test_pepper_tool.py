"""Tests the steps by which an operator replaces the pepper (tools/pepper.py)."""

from __future__ import annotations

import io
import json

import pytest

from sandes.crypto.pepper import Pepper
from sandes.model.phone import PhoneNumber
from tools import pepper as tool

FIRST = "f" * 64
NOW = 1_790_000_000
PHONE = PhoneNumber("+919876543210")


def read(secret: str) -> Pepper:
    return Pepper.of(secret.encode())


def stepped() -> tuple[str, str, str, str]:
    """Return the texts of the secret from one value to the next."""
    both = tool.next_value(FIRST, now_seconds=NOW)
    used = tool.use(both, proof=read(both).proof, now_seconds=NOW)
    ended = tool.end(used, proof=read(used).proof, now_seconds=NOW + tool.LONGEST_SECONDS)
    return FIRST, both, used, ended


def test_the_values_of_each_step() -> None:
    first, both, used, ended = map(read, stepped())
    assert (first.number, first.values) == (1, (first,))
    assert both.index("phone", PHONE) == first.index("phone", PHONE)
    assert both.written("phone", PHONE) == (first.index("phone", PHONE), ended.index("phone", PHONE))
    assert used.index("phone", PHONE) == ended.index("phone", PHONE)
    assert used.written("phone", PHONE) == (ended.index("phone", PHONE),)
    assert used.indexes("phone", PHONE) == (ended.index("phone", PHONE), first.index("phone", PHONE))
    assert (ended.number, ended.values) == (2, (ended,))


def test_what_one_step_has_sealed_the_steps_beside_it_open() -> None:
    """Functions have read the secret at different times."""
    texts = [read(text) for text in stepped()]
    for one, other in ((0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)):
        if (one, other) not in {(0, 1), (1, 2), (2, 3)} and texts[one].number not in {
            value.number for value in texts[other].values
        }:
            continue
        assert texts[other].open(texts[one].seal(b"x", b"owner"), b"owner") == b"x"
        assert texts[other].open_phone(texts[one].seal_phone(PHONE, b"owner"), b"owner") == PHONE
        terms = {"code": "123456", "challenge": "c", "subject": "s", "purpose": "p"}
        assert texts[other].is_code(texts[one].code_hash(**terms), **terms)
        assert not texts[other].is_code(texts[one].code_hash(**terms), **terms | {"code": "654321"})


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda one, both, used: tool.next_value(both, now_seconds=NOW), "being replaced already"),
        (lambda one, both, used: tool.next_value(used, now_seconds=NOW), "being replaced already"),
        (lambda one, both, used: tool.use(one, proof="x", now_seconds=NOW), "no added value to use"),
        (lambda one, both, used: tool.use(both, proof="x", now_seconds=NOW), "not the proof"),
        (lambda one, both, used: tool.use(both, proof=read(used).proof, now_seconds=NOW), "not the proof"),
        (lambda one, both, used: tool.end(both, proof=read(both).proof, now_seconds=NOW), "no former value"),
        (lambda one, both, used: tool.end(used, proof=read(both).proof, now_seconds=NOW), "not the proof"),
        (lambda one, both, used: tool.end(used, proof=read(used).proof, now_seconds=NOW + 30 * 86_400), "lives until"),
        (lambda one, both, used: tool.drop(used, now_seconds=NOW), "no unused value"),
    ],
)
def test_a_step_out_of_turn_is_refused(step: object, words: str) -> None:
    one, both, used, _ = stepped()
    with pytest.raises(tool.NotYet, match=words):
        step(one, both, used)  # type: ignore[operator]


def test_a_value_that_is_not_used_yet_can_be_taken_back() -> None:
    both = tool.next_value(FIRST, now_seconds=NOW)
    again = read(tool.drop(both, now_seconds=NOW))
    assert (again.number, len(again.values)) == (1, 1)
    assert again.index("phone", PHONE) == read(FIRST).index("phone", PHONE)


@pytest.mark.parametrize(
    "text",
    [
        "short",
        "{}",
        '{"values": [], "in_use": 1, "since": 0}',
        json.dumps({"values": [{"number": 1, "secret": FIRST}], "in_use": 2, "since": 0}),
        json.dumps({"values": [{"number": n, "secret": FIRST} for n in (1, 2)], "in_use": 1, "since": 0}),
        json.dumps({"values": [{"number": n, "secret": FIRST + str(n)} for n in (1, 2, 3)], "in_use": 1, "since": 0}),
        json.dumps({"values": [{"number": 1, "secret": "short"}], "in_use": 1, "since": 0}),
    ],
)
def test_a_secret_that_does_not_hold_together_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="pepper"):
        read(text)


def test_the_command_says_why_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(FIRST))
    tool.main(["next"])
    both = capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(both))
    with pytest.raises(SystemExit, match="pepper: this is not the proof"):
        tool.main(["use", "--proof", "AAAA"])
    monkeypatch.setattr("sys.stdin", io.StringIO(both))
    tool.main(["show"])
    assert json.loads(capsys.readouterr().out)["following"] == 2
