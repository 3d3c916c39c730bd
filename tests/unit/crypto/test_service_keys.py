"""Tests service keys: derivation from a secret, introductions, and the time from which each is in force."""

from __future__ import annotations

import io
import json
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import cbor2
import pytest
from nacl import bindings

from sandes.crypto import introductions
from sandes.crypto.introductions import BadKeySecret, introduction_statement
from sandes.crypto.service_keys import SEALING, ServiceKeys
from sandes.model.introduction import Introduction
from tools.service_keys import NotYet, WrongRoot, end_former, first_with_root, main, next_secret

FIRST = "plain secret as the deployment makes it, 64 characters in all.."
NOW = 1_800_000_000
DAY = 86_400
ROOT = bytes(range(32))


def check_introductions(given: Sequence[Introduction]) -> dict[int, bytes]:
    return introductions.check_introductions(given, SEALING)


def test_a_plain_secret_is_the_first_key() -> None:
    keys = ServiceKeys.of(FIRST.encode())
    key = keys.at(0)
    assert (key.number, keys.oldest) == (1, 1)
    assert key == ServiceKeys.key(1, FIRST.encode())
    assert check_introductions(keys.introductions) == {1: key.public}
    assert keys.introductions[0].signature is None


def test_keys_of_other_secrets_and_numbers_differ_and_are_not_shown() -> None:
    keys = [ServiceKeys.key(1, FIRST.encode()), ServiceKeys.key(2, FIRST.encode()), ServiceKeys.key(1, b"x" * 32)]
    assert len({key.private for key in keys}) == len({key.public for key in keys}) == 3
    assert "private" not in repr(keys[0])
    assert "private" not in repr(ServiceKeys.of(FIRST.encode()))


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(BadKeySecret):
        ServiceKeys.of(b"x" * 31)


def test_the_next_key_is_introduced_by_the_one_before_and_comes_into_force_at_its_time() -> None:
    secret = next_secret(FIRST, now_seconds=NOW, in_force_from=NOW + DAY)
    before, keys = ServiceKeys.of(FIRST.encode()), ServiceKeys.of(secret.encode())
    assert keys.introductions[0] == before.introductions[0]
    assert keys.at(NOW + DAY - 1) == before.at(NOW)
    assert keys.at(NOW + DAY).number == 2
    assert check_introductions(keys.introductions)[2] == keys.at(NOW + DAY).public
    assert keys.oldest == 1


def test_a_third_key_and_the_end_of_the_former_ones() -> None:
    second = next_secret(FIRST, now_seconds=NOW, in_force_from=NOW + DAY)
    third = next_secret(second, now_seconds=NOW + 2 * DAY, in_force_from=NOW + 3 * DAY)
    keys = ServiceKeys.of(third.encode())
    assert [key.number for key in keys.keys] == [2, 3]
    assert len(check_introductions(keys.introductions)) == 3
    with pytest.raises(NotYet):
        end_former(third, now_seconds=NOW + 3 * DAY - 1)
    ended = ServiceKeys.of(end_former(third, now_seconds=NOW + 3 * DAY).encode())
    assert ([key.number for key in ended.keys], ended.oldest) == ([3], 3)
    assert ended.introductions == keys.introductions


def test_a_leaked_key_is_replaced_and_ended_in_one_step() -> None:
    keys = ServiceKeys.of(next_secret(FIRST, now_seconds=NOW, in_force_from=0, leaked=True).encode())
    assert ([key.number for key in keys.keys], keys.oldest) == ([2], 2)
    assert keys.at(0).number == 2


def test_with_a_root_key_nobody_who_has_the_functions_secret_can_introduce_a_key() -> None:
    rooted = first_with_root(FIRST, root=ROOT)
    keys = ServiceKeys.of(rooted.encode())
    assert keys.at(0) == ServiceKeys.of(FIRST.encode()).at(0)
    with pytest.raises(WrongRoot):
        next_secret(rooted, now_seconds=NOW, in_force_from=0)
    with pytest.raises(WrongRoot):
        next_secret(rooted, now_seconds=NOW, in_force_from=0, root=bytes(32))
    second = next_secret(rooted, now_seconds=NOW, in_force_from=0, root=ROOT)
    third = next_secret(second, now_seconds=NOW, in_force_from=0, root=ROOT)
    assert len(check_introductions(ServiceKeys.of(third.encode()).introductions)) == 3
    public = bindings.crypto_sign_seed_keypair(ROOT)[0]
    assert {cbor2.loads(one.statement)[4] for one in ServiceKeys.of(third.encode()).introductions} == {public}
    assert ROOT.hex() not in third


def test_only_the_first_key_can_be_put_under_a_root_before_anybody_has_pinned_it() -> None:
    with pytest.raises(NotYet):
        first_with_root(next_secret(FIRST, now_seconds=NOW, in_force_from=0), root=ROOT)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.pop("oldest"),
        lambda told: told.update(oldest=3),
        lambda told: told.update(oldest=0),
        lambda told: told.update(keys=[]),
        lambda told: told["keys"].reverse(),
        lambda told: told["keys"][1].update(secret="another secret than the one that was introduced"),
        lambda told: told["keys"][1].update(number=3),
        lambda told: told["introductions"].pop(),
        lambda told: told["introductions"].reverse(),
        lambda told: told["introductions"][1].pop("signature"),
        lambda told: told["introductions"][1].update(signature="A" * 86),
        lambda told: told["introductions"][1].update(statement=told["introductions"][0]["statement"]),
    ],
)
def test_a_secret_that_does_not_hold_together_is_refused(change: object) -> None:
    told = json.loads(next_secret(FIRST, now_seconds=NOW, in_force_from=NOW))
    ServiceKeys.of(json.dumps(told).encode())
    change(told)  # type: ignore[operator]
    with pytest.raises(BadKeySecret):
        ServiceKeys.of(json.dumps(told).encode())


def test_introductions_of_another_form_are_refused() -> None:
    good = introduction_statement(1, bytes(32), bytes(32))
    said = cbor2.loads(good)
    for statement in (
        b"",
        b"\x80",
        cbor2.dumps(said | {1: 2}),
        cbor2.dumps(said | {5: 1}),
        cbor2.dumps(said | {2: 0}),
        cbor2.dumps(said | {2: 256}),
        cbor2.dumps(said | {3: bytes(31)}),
        cbor2.dumps(said | {4: bytes(33)}),
        cbor2.dumps({key: said[key] for key in (4, 3, 2, 1)}),
        good + b"\0",
    ):
        with pytest.raises(ValueError, match=r"introduction|number"):
            check_introductions([Introduction(statement, None)])
    with pytest.raises(ValueError, match="no key"):
        check_introductions([])


def test_an_operators_steps_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root.key"

    def run(secret: str, *arguments: str) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(secret + "\n"))
        main(list(arguments))
        return capsys.readouterr().out

    run("", "root", str(root))
    assert stat.S_IMODE(root.stat().st_mode) == 0o600
    with pytest.raises(SystemExit, match="exists"):
        run("", "root", str(root))
    first = run(FIRST, "first", "--root", str(root))
    with pytest.raises(SystemExit, match="root"):
        run(first, "next")
    second = run(first, "next", "--hours", "1", "--root", str(root))
    assert [key.number for key in ServiceKeys.of(second.encode()).keys] == [1, 2]
    assert ServiceKeys.of(second.encode()).at(int(time.time())).number == 1
    with pytest.raises(SystemExit, match="not in force"):
        run(second, "end")
    leaked = run(second, "next", "--leaked", "--root", str(root))
    assert [key.number for key in ServiceKeys.of(leaked.encode()).keys] == [3]
    shown = json.loads(run(leaked, "show"))
    assert (shown["oldest"], len(shown["introductions"])) == (3, 3)
    for made in (first, second, leaked, json.dumps(shown)):
        assert root.read_text().strip() not in made
    with pytest.raises(SystemExit, match="form"):
        run('{"keys": 1}', "show")
