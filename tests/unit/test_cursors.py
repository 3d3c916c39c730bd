"""Tests that a cursor reveals nothing to its holder, and is useless for anybody else or another list."""

from __future__ import annotations

import pytest

from sandes.crypto.pepper import Pepper
from sandes.cursors import cursor, position
from sandes.model.ids import AdministratorId, base64url_text, parse_base64url
from sandes.protocol.errors import ErrorCode, ProtocolError

PEPPER = Pepper.of(b"p" * 32)
OWNER, OTHER = AdministratorId(b"a" * 16), AdministratorId(b"b" * 16)
HIDDEN = "R#aaaaaaaaaaaaa#bbbbbbbbbbbbb#trace_approver#AAAAAAAAAAAAAAAAAAAAAQ"


def made(text: str = HIDDEN) -> str:
    return cursor(text, owner=OWNER, of="assignments", pepper=PEPPER)


def refused(text: str, owner: AdministratorId = OWNER, of: str = "assignments", pepper: Pepper = PEPPER) -> bool:
    with pytest.raises(ProtocolError) as caught:
        position(text, owner=owner, of=of, pepper=pepper)
    return caught.value.code is ErrorCode.INVALID_CURSOR


@pytest.mark.parametrize("text", ["", "7", HIDDEN, "x" * 95, "x" * 96, "ünïcode"])
def test_the_position_comes_back_whole(text: str) -> None:
    assert position(made(text), owner=OWNER, of="assignments", pepper=PEPPER) == text


def test_nothing_of_a_position_can_be_read_from_its_cursor() -> None:
    data = parse_base64url(made())
    runs = {HIDDEN[start : start + 4].encode() for start in range(len(HIDDEN) - 3)}
    assert not {run for run in runs if run in data}
    assert made() != made()


def test_the_length_of_a_cursor_does_not_tell_which_role_its_row_is_of() -> None:
    assert {len(made(HIDDEN.replace("trace_approver", role))) for role in ("auditor", "moderator", "x")} == {182}


def test_a_cursor_is_refused_for_another_owner_list_or_secret() -> None:
    assert refused(made(), owner=OTHER)
    assert refused(made(), of="approvals")
    assert refused(made(), pepper=Pepper.of(b"q" * 32))


def test_what_was_not_given_out_is_refused() -> None:
    data = bytearray(parse_base64url(made()))
    for place in (0, 24, len(data) - 1):
        changed = data.copy()
        changed[place] ^= 1
        assert refused(base64url_text(bytes(changed)))
    for bad in ("", "A", "AAAA", "!", base64url_text(bytes(24)), base64url_text(bytes(40)), made()[:-4]):
        assert refused(bad)
    other = base64url_text(PEPPER.seal(HIDDEN.encode(), OWNER))
    assert refused(other)
