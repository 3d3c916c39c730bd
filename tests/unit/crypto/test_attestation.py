"""Tests attestations: the signed statement, and that undisclosed fields stay hidden."""

from __future__ import annotations

import io

import pytest

from sandes.crypto.attestation import ATTESTING, AttestationKeys, commitment, sign
from sandes.crypto.introductions import BadKeySecret, check_introductions
from sandes.crypto.service_keys import ServiceKeys
from tools.service_keys import end_former, first_with_root, main, next_secret

FIRST = "plain secret as the deployment makes it, 64 characters in all.."
NOW = 1_800_000_000
ROOT = bytes(range(32))


def test_a_commitment_fits_one_value_and_one_salt() -> None:
    made = commitment("Asha Rao", b"s" * 16)
    assert len(made) == 32
    assert made == commitment("Asha Rao", b"s" * 16)
    assert made != commitment("Asha Rao", b"t" * 16)
    assert made != commitment("Asha Roy", b"s" * 16)


def test_another_secret_is_another_key() -> None:
    one, other = AttestationKeys.of(b"a" * 32).at(0), AttestationKeys.of(b"b" * 32).at(0)
    assert one.public != other.public
    assert sign(b"statement", one) != sign(b"statement", other)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(BadKeySecret, match="32 bytes"):
        AttestationKeys.of(b"a" * 31)


def test_no_secret_shows_in_a_traceback() -> None:
    key = AttestationKeys.of(b"a" * 32).at(0)
    assert key.private.hex()[:16] not in repr(key)
    assert repr(key.private) not in repr(key)


def test_a_key_is_introduced_by_the_one_before_with_or_without_a_root() -> None:
    for root in (None, ROOT):
        first = first_with_root(FIRST, root=root, of=AttestationKeys) if root else FIRST
        second = next_secret(first, now_seconds=NOW, in_force_from=NOW + 10, root=root, of=AttestationKeys)
        keys = AttestationKeys.of(second.encode())
        assert [keys.at(NOW + 9).number, keys.at(NOW + 10).number] == [1, 2]
        assert check_introductions(keys.introductions, ATTESTING)[2] == keys.at(NOW + 10).public
        ended = AttestationKeys.of(end_former(second, now_seconds=NOW + 10, of=AttestationKeys).encode())
        assert ([key.number for key in ended.keys], ended.oldest) == ([2], 2)


def test_keys_of_one_purpose_are_none_of_the_other_also_under_one_root() -> None:
    seals = next_secret(first_with_root(FIRST, root=ROOT), now_seconds=NOW, in_force_from=0, root=ROOT)
    with pytest.raises(BadKeySecret):
        AttestationKeys.of(seals.encode())
    rooted = first_with_root(FIRST, root=ROOT, of=AttestationKeys)
    attests = next_secret(rooted, now_seconds=NOW, in_force_from=0, root=ROOT, of=AttestationKeys)
    with pytest.raises(BadKeySecret):
        ServiceKeys.of(attests.encode())


def test_an_operator_replaces_the_key_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(FIRST + "\n"))
    main(["--of", "attestation", "next", "--leaked"])
    made = capsys.readouterr().out
    keys = AttestationKeys.of(made.strip().encode())
    assert ([key.number for key in keys.keys], keys.oldest) == ([2], 2)
    monkeypatch.setattr("sys.stdin", io.StringIO(made))
    with pytest.raises(SystemExit, match="form"):
        main(["show"])
