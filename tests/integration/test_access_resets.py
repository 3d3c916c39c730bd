"""Tests access resets by the real handlers: two officers, a day to object, and an audit entry for every step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from sandes import runtime
from sandes.administration.roles import access_resets
from sandes.edge.wiring.administration import wire_access
from sandes.model.access_reset import OBJECTION_SECONDS
from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.ids import OrganisationId, administrator_text, id_text
from sandes.model.instant import Instant
from sandes.model.organisation import Organisation
from tests.support.admin_api import AdminApi, Answer, admin_api
from tests.support.administration import Administration
from tests.support.service import Service

DAY = OBJECTION_SECONDS


class Office:
    """Holds a ministry with officers in three units, and somebody who has lost the phone. Time stands still."""

    def __init__(self, api: AdminApi) -> None:
        self.api = api
        self.now = int(time.time())
        self.service = Service(api.client, api.tables, now_ms=self.now * 1000)
        self.staff = Administration(self.service)
        self.id = self.service.organisation()
        self.root = Place.root(self.id)
        self.west, self.east, self.north = (
            Place(self.id, self.service.unit(self.id, name)) for name in ("West", "East", "North")
        )
        self.asha, self.ravi = (
            self.staff.appoint(Role.NODAL_OFFICER, self.root, home=home) for home in (self.west, self.east)
        )
        self.lost = self.staff.appoint(Role.VERIFIER, self.north)
        self.failed: list[Exception] = []

    def ask(self, by: Caller, whose: Caller | None = None, **more: Any) -> Answer:
        return self.api(by, "POST", self.path(whose), {"reason": "phone stolen, identity card seen"}, **more)

    def approve(self, by: Caller, asked: Answer) -> Answer:
        return self.api(by, "POST", f"/approvals/{asked.body['id']}/approve")

    def agreed(self, whose: Caller | None = None) -> None:
        assert self.approve(self.ravi, self.ask(self.asha, whose)).body["state"] == "executed"

    def path(self, whose: Caller | None = None, last: str = "") -> str:
        return f"/people/{administrator_text((whose or self.lost).id)}/access-reset{last}"

    def state(self) -> Answer:
        return self.api(self.asha, "GET", self.path())

    def run(self, later: int = 0) -> int:
        """Run the minute job so many seconds later, by a clock that is ahead of all calls of a test."""
        at = self.now + 600 + later
        return access_resets.work(
            clock=lambda: Instant(at * 1000),
            deps=wire_access(),
            elapsed=lambda: 0.0,
            failed=self.failed.append,
        )

    def actions(self, of: OrganisationId | None = None) -> list[str]:
        return [action for action in self.staff.actions(of or self.id) if action.startswith("access")]


@pytest.fixture
def api() -> Iterator[AdminApi]:
    with admin_api() as made:
        yield made


@pytest.fixture
def office(api: AdminApi) -> Office:
    return Office(api)


def platform(office: Office, *, units: int = 3) -> list[Caller]:
    """Make platform administrators, each in another unit."""
    if office.service.organisations.read(PLATFORM) is None:
        office.service.organisations.create(Organisation(PLATFORM, "Sandes", 0, 1), "ministry")
    desks = [Place(PLATFORM, office.service.unit(PLATFORM, f"Desk {number}")) for number in range(units)]
    return [office.staff.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM), home=desk) for desk in desks]


def test_two_officers_of_different_units_reset_access_after_a_day(office: Office) -> None:
    api, lost = office.api, office.lost
    asked = office.ask(office.asha)
    assert (asked.status, asked.body["operation"], asked.body["state"]) == (202, "access.reset", "pending")
    assert office.run() == 0, "nothing is done before the second officer agrees"
    assert office.approve(office.ravi, asked).body["state"] == "executed"
    assert office.state().body["state"] == "announcing"
    assert office.run() == 1
    ((to, _, text),) = api.mailer.sent
    assert to == lost.administrator.email
    assert "sandes-admin access object" in text
    shown = office.state().body
    assert shown["state"] == "waiting"
    assert "effective_at" in shown
    assert office.run(later=DAY - 1) == 0
    assert (api.pool.locked_out, api.pool.invitations) == ([], [])
    assert office.run(later=DAY) == 3
    assert (api.pool.locked_out, api.pool.invitations) == ([lost.id], [lost.administrator.email])
    assert lost.id in api.pool.signed_out
    assert office.state().status == 404
    assert office.run(later=2 * DAY) == 0
    after = office.staff.caller(lost.administrator, now_seconds=office.now + 2 * DAY)
    assert (after.id, set(after.roles)) == (lost.id, {Role.VERIFIER}), "directory id and roles stay"
    steps = ["reset.requested", "reset", "announce", "replace", "locked", "done"]
    assert office.actions() == [f"access.{step}" for step in steps]
    assert office.failed == []


def test_after_a_reset_tokens_of_earlier_sign_ins_are_refused_at_once(office: Office) -> None:
    """API Gateway accepts an access token for a quarter of an hour, and a refreshed one keeps the time of the
    sign-in.
    """
    api, lost = office.api, office.lost
    office.agreed()
    office.run()
    assert api(lost, "GET", "/me", signed_in_at=office.now).status == 200, "until it is carried out"
    office.run(later=DAY)
    ended = office.now + 600 + DAY
    for before in (office.now, ended - 1, ended):
        refused = api(lost, "GET", "/me", signed_in_at=before)
        assert (refused.status, refused.code) == (401, "token_invalid")
    assert api(lost, "GET", "/me", signed_in_at=ended + 1).status == 200, "who signs in with the new authenticator"
    assert api(office.asha, "GET", "/me", signed_in_at=office.now).status == 200, "nobody else is signed out"


def test_a_reset_that_is_objected_to_ends_no_session(office: Office) -> None:
    office.agreed()
    office.run()
    assert office.api(office.lost, "DELETE", "/me/access-reset").status == 204
    office.run(later=DAY)
    assert office.api(office.lost, "GET", "/me", signed_in_at=office.now).status == 200


def test_the_person_can_object_for_a_day(office: Office) -> None:
    office.agreed()
    office.run()
    assert office.api(office.lost, "DELETE", "/me/access-reset").status == 204
    assert office.api(office.lost, "DELETE", "/me/access-reset").status == 204, "again does nothing more"
    assert office.run(later=DAY) == 0
    assert office.api.pool.locked_out == []
    assert office.actions()[-1] == "access.object"
    assert office.ask(office.asha).status == 202, "another one can be asked for"


def test_a_platform_administrator_as_a_third_person_ends_the_waiting(office: Office) -> None:
    third, *_ = platform(office)
    office.agreed()
    office.run()
    for nobody in (office.asha, office.lost):
        assert office.api(nobody, "POST", office.path(last="/confirm")).status == 404
    assert office.api(third, "POST", office.path(last="/confirm"), signed_in_at=office.now - 301).code == (
        "fresh_sign_in_required"
    )
    confirmed = office.api(third, "POST", office.path(last="/confirm"))
    assert (confirmed.status, confirmed.body["confirmed_by"]) == (200, administrator_text(third.id))
    assert office.api(third, "POST", office.path(last="/confirm")).code == "access_reset_state"
    assert office.run(later=5) == 3
    assert office.api.pool.locked_out == [office.lost.id]
    assert "access.confirm" in office.actions()


def test_a_confirmation_before_the_e_mail_does_not_leave_it_out(office: Office) -> None:
    third, *_ = platform(office)
    office.agreed()
    assert office.api(third, "POST", office.path(last="/confirm")).status == 200
    assert office.run(later=5) == 4
    assert [to for to, *_ in office.api.mailer.sent] == [office.lost.administrator.email]
    assert office.api.pool.locked_out == [office.lost.id]


def test_the_third_person_is_neither_of_the_two(office: Office) -> None:
    first, second, third = platform(office)
    asked = office.ask(first)
    assert office.approve(second, asked).status == 200, "platform administrators may reset everybody's"
    for one in (first, second):
        assert office.api(one, "POST", office.path(last="/confirm")).code == "own_request"
    assert office.api(third, "POST", office.path(last="/confirm")).status == 200


def test_any_officer_takes_a_reset_back_until_it_takes_effect(office: Office) -> None:
    office.agreed()
    office.run()
    assert office.api(office.lost, "DELETE", office.path()).status == 404, "the person objects by another call"
    assert office.api(office.ravi, "DELETE", office.path()).status == 204
    assert office.run(later=DAY) == 0
    assert office.actions()[-1] == "access.withdraw"


def test_nobody_resets_what_they_may_not(office: Office) -> None:
    verifier = office.staff.appoint(Role.VERIFIER, office.root, home=office.west)
    unit_admin = office.staff.appoint(Role.UNIT_ADMIN, office.north, home=office.west)
    elsewhere = Office(office.api)
    assert office.ask(verifier).status == 404
    assert office.ask(elsewhere.asha).status == 404
    assert office.ask(office.asha, office.asha).code == "own_access"
    assert office.ask(unit_admin).status == 202, "of a verifier of the unit"
    higher = office.staff.appoint(Role.MODERATOR, office.north)
    assert office.ask(unit_admin, higher).status in {403, 404}, "whose role they could not grant"
    second = office.staff.appoint(Role.UNIT_ADMIN, office.north, home=office.north)
    both = office.staff.also(second, Role.VERIFIER, office.east)
    assert office.ask(unit_admin, both).code == "role_above_own", "who has a role beyond their reach"
    officer = office.ask(office.asha, office.ravi)
    assert officer.status == 202
    assert office.approve(office.ravi, officer).code == "own_access"
    first, *_ = platform(office)
    assert office.approve(first, officer).status == 200, "where there is no third officer"
    assert office.ask(office.asha, first).status == 404, "platform administrators' access is reset by their own"


def test_the_two_work_in_different_units_and_have_just_signed_in(office: Office) -> None:
    neighbour = office.staff.appoint(Role.NODAL_OFFICER, office.root, home=office.west)
    asked = office.ask(office.asha)
    assert office.approve(neighbour, asked).code == "same_unit"
    assert office.approve(office.asha, asked).code == "own_request"
    assert office.ask(office.asha, signed_in_at=office.now - 301).code == "fresh_sign_in_required"


def test_one_reset_of_a_person_goes_on_at_a_time(office: Office) -> None:
    first, second = office.ask(office.asha), office.ask(office.ravi)
    assert (second.code, second.body["approval"]) == ("already_pending", first.body["id"])
    assert office.approve(office.ravi, first).status == 200
    assert office.ask(office.asha).code == "access_reset_pending"


def test_a_step_that_fails_is_made_a_minute_later_and_keeps_nobody_else_waiting(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = office.staff.appoint(Role.VERIFIER, office.north)
    office.agreed()
    office.agreed(other)
    send, failing = office.api.mailer.send, [office.lost.administrator.email]

    def sometimes(to: str, subject: str, text: str) -> None:
        if to in failing:
            raise EndpointConnectionError(endpoint_url="https://email")
        send(to, subject, text)

    monkeypatch.setattr(office.api.mailer, "send", sometimes)
    assert office.run() == 1
    assert [to for to, *_ in office.api.mailer.sent] == [other.administrator.email]
    assert len(office.failed) == 1
    failing.clear()
    assert office.run(later=60) == 1
    assert office.run(later=DAY) == 3, "the day of the other one, who was told a minute before"
    assert office.run(later=DAY + 60) == 3
    assert office.api.pool.locked_out == [other.id, office.lost.id]


def test_a_repeated_invitation_locks_nobody_out_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job ends right after it has sent the invitation, and the person signs in before it comes again."""
    office.agreed()
    office.run()
    invite = office.api.pool.invite_again

    def cut_short(id: Any, email: str) -> None:
        invite(id, email)
        raise EndpointConnectionError(endpoint_url="https://cognito-idp")

    monkeypatch.setattr(office.api.pool, "invite_again", cut_short)
    office.run(later=DAY)
    assert office.state().body["state"] == "inviting"
    afterwards = office.now + 600 + DAY + 1
    objected = office.api(office.lost, "DELETE", "/me/access-reset", signed_in_at=afterwards)
    assert objected.code == "access_reset_state"
    monkeypatch.setattr(office.api.pool, "invite_again", invite)
    assert office.run(later=DAY + 60) == 1
    assert office.api.pool.locked_out == [office.lost.id], "once"


def test_an_authenticator_is_replaced_by_whoever_has_the_old_one(office: Office) -> None:
    stale = office.api(office.lost, "DELETE", "/me/authenticator", signed_in_at=office.now - 301)
    assert (stale.code, office.api.pool.without_authenticator) == ("fresh_sign_in_required", [])
    assert office.api(office.lost, "DELETE", "/me/authenticator").status == 204
    assert office.api.pool.without_authenticator == [office.lost.id]
    assert office.api.pool.locked_out == [], "the password stays"
    assert office.actions() == ["access.authenticator"]
    ((to, _, _),) = office.api.mailer.sent
    assert to == office.lost.administrator.email


def test_whoever_replaces_the_authenticator_ends_their_sessions_everywhere(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, lost, remove = office.api, office.lost, office.api.pool.remove_authenticator

    def unreachable(_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://cognito-idp")

    monkeypatch.setattr(api.pool, "remove_authenticator", unreachable)
    assert api(lost, "DELETE", "/me/authenticator").status == 503
    assert api(lost, "GET", "/me").status == 200, "nothing was removed: the call can be repeated"
    monkeypatch.setattr(api.pool, "remove_authenticator", remove)
    signed_in_at = int(time.time())
    assert api(lost, "DELETE", "/me/authenticator", signed_in_at=signed_in_at).status == 204
    for before in (office.now, signed_in_at):
        assert api(lost, "GET", "/me", signed_in_at=before).code == "token_invalid"
        assert api(lost, "DELETE", "/me/authenticator", signed_in_at=before).code == "token_invalid"
    assert api(lost, "GET", "/me", signed_in_at=int(time.time()) + 1).status == 200


def test_without_a_sender_of_e_mail_nobody_is_reset_unheard(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office.api.mailer, "sender", "")
    runtime.forget()
    try:
        assert office.ask(office.asha).code == "mail_not_set_up"
    finally:
        runtime.forget()


def test_what_is_asked_for_names_the_person_and_the_reason(office: Office) -> None:
    asked = office.ask(office.asha).body
    assert asked["parameters"] == {
        "administrator": administrator_text(office.lost.id),
        "organisation": id_text(office.id),
        "unit": id_text(office.north.unit),
        "reason": "phone stolen, identity card seen",
    }
