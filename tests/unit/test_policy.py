"""Policy: the whole space of parties and questions."""

from __future__ import annotations

from sandes.model.ids import OrganisationId, UnitId
from sandes.model.standing import Standing
from sandes.policy import Person, Viewer, decide

HERE = Standing(OrganisationId(bytes(8)), UnitId(bytes(8)), 2**31, listed=False)


def test_a_citizen_writes_to_an_official_only_when_invited_or_the_post_is_listed() -> None:
    citizen = Viewer(None)
    assert not decide(citizen, Person(HERE), "message")
    assert decide(citizen, Person(HERE, invites=True), "message")
    assert not decide(citizen, Person(HERE, invites=True, blocks=True), "message")
