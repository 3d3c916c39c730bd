"""Tests organisations, roles and approvals by the real handlers: how an organisation begins, and attacks on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from sandes.administration.roles.admin_identity import identify
from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.ids import AdministratorId, OrganisationId, administrator_text, id_text, parse_organisation
from sandes.model.organisation import Organisation
from sandes.store.transaction import transact
from tests.support.admin_api import AdminApi, Answer, admin_api
from tests.support.administration import Administration
from tests.support.cursors import edited
from tests.support.service import Service


class Ministry:
    """Holds a ministry of two zones, with two nodal officers who work in one each."""

    def __init__(self, api: AdminApi) -> None:
        self.api = api
        self.service = Service(api.client, api.tables, now_ms=time.time_ns() // 1_000_000)
        self.staff = Administration(self.service)
        self.id = self.service.organisation()
        self.root = Place.root(self.id)
        self.west, self.east = (Place(self.id, self.service.unit(self.id, name)) for name in ("West", "East"))
        self.asha = self.staff.appoint(Role.NODAL_OFFICER, self.root, home=self.west)
        self.ravi = self.staff.appoint(Role.NODAL_OFFICER, self.root, home=self.east)

    def ask(self, by: Caller, role: str, place: Place | None = None, **fields: Any) -> Answer:
        """Request a role, by default for a new person in the western zone."""
        at = place or self.root
        if not {"administrator", "person"} & fields.keys():
            fields["person"] = {"email": f"{role}@example.gov.in", "name": "Usha", "home": id_text(self.west.unit)}
        where = {"organisation": id_text(at.organisation), "unit": id_text(at.unit)}
        return self.api(by, "POST", "/assignments", where | {"role": role} | fields)

    def approve(self, by: Caller, asked: Answer) -> Answer:
        return self.api(by, "POST", f"/approvals/{asked.body['id']}/approve")

    def roles(self, id: AdministratorId) -> set[Role]:
        now = int(time.time())
        return set(identify(id, signed_in_at=now, now_seconds=now, administrators=self.staff.store).roles)

    def take(self, by: Caller, whose: Caller, **more: Any) -> Answer:
        return self.api(by, "DELETE", f"/assignments/{whose.assignments[0].key}", **more)


@pytest.fixture(scope="module")
def api() -> Iterator[AdminApi]:
    with admin_api() as made:
        yield made


@pytest.fixture
def ministry(api: AdminApi) -> Ministry:
    return Ministry(api)


def platform(ministry: Ministry) -> tuple[Caller, Caller]:
    """Make two platform administrators of different units."""
    if ministry.service.organisations.read(PLATFORM) is None:
        ministry.service.organisations.create(Organisation(PLATFORM, "Sandes", 0, 1), "ministry")
    names = [f"Desk {number} for {id_text(ministry.id)}" for number in (1, 2)]
    desks = [Place(PLATFORM, ministry.service.unit(PLATFORM, name)) for name in names]
    first, second = (ministry.staff.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM), home=desk) for desk in desks)
    return first, second


def test_an_organisation_comes_to_life_by_two_people_and_then_runs_itself(ministry: Ministry) -> None:
    api, (first, second) = ministry.api, platform(ministry)
    officer = {"email": "Usha.Menon@example.gov.in", "name": "Usha Menon"}
    asked = api(first, "POST", "/organisations", {"name": "Ministry of Ports", "officer": officer})
    assert (asked.status, asked.body["state"]) == (202, "pending")
    assert api(first, "POST", f"/approvals/{asked.body['id']}/approve").code == "own_request"
    done = ministry.approve(second, asked)
    assert (done.status, done.body["state"]) == (200, "executed")
    ports = parse_organisation(asked.body["parameters"]["organisation"])
    usha = ministry.api.pool.people["usha.menon@example.gov.in"]
    known = ministry.staff.store.read(usha)
    assert known
    assert (known[0].home, {one.role for one in known[1]}) == (Place.root(ports), {Role.NODAL_OFFICER})
    caller = ministry.staff.caller(known[0])
    unit = api(caller, "POST", "/units", {"organisation": id_text(ports), "name": "Docks", "kind": "department"})
    more = {"email": "ajit@example.gov.in", "name": "Ajit", "home": unit.body["id"]}
    ministry.approve(second, api(first, "POST", f"/organisations/{id_text(ports)}/officers", more))
    assert ministry.staff.store.officers(ports) == 2
    third = api(first, "POST", f"/organisations/{id_text(ports)}/officers", more | {"email": "c@example.gov.in"})
    assert third.code == "has_officers"
    assert "organisation.create" in ministry.staff.actions(PLATFORM)
    assert ministry.staff.actions(ports)[-1] == "officer.appoint"
    assert "usha" not in str(ministry.staff.entries(PLATFORM)).lower()


def test_a_role_is_granted_by_two_to_a_third_who_is_invited_when_it_is(ministry: Ministry) -> None:
    asked = ministry.ask(ministry.asha, "verifier", ministry.west)
    assert "verifier@example.gov.in" not in ministry.api.pool.people
    assert ministry.approve(ministry.ravi, asked).body["state"] == "executed"
    assert ministry.roles(ministry.api.pool.people["verifier@example.gov.in"]) == {Role.VERIFIER}
    assert ministry.approve(ministry.ravi, asked).code == "approval_state"


def test_nobody_grants_themselves_anything_by_id_or_by_address(ministry: Ministry) -> None:
    own = {"email": ministry.asha.administrator.email.upper(), "name": "A", "home": id_text(ministry.west.unit)}
    assert (
        ministry.ask(ministry.asha, "auditor", administrator=administrator_text(ministry.asha.id)).code == "own_roles"
    )
    assert ministry.ask(ministry.asha, "auditor", person=own).code == "own_roles"
    other = {"email": ministry.ravi.administrator.email, "name": "R", "home": id_text(ministry.west.unit)}
    asked = ministry.ask(ministry.asha, "moderator", person=other)
    assert ministry.approve(ministry.ravi, asked).code == "own_roles"
    elsewhere = {"email": "alias@example.gov.in", "name": "R", "home": id_text(ministry.west.unit)}
    asked = ministry.ask(ministry.asha, "verifier", person=elsewhere)
    ministry.api.pool.people["alias@example.gov.in"] = ministry.ravi.id
    assert ministry.approve(ministry.ravi, asked).code == "own_roles"
    assert ministry.roles(ministry.ravi.id) == {Role.NODAL_OFFICER}
    assert ministry.take(ministry.asha, ministry.asha).code == "own_roles"


def test_a_tag_makes_no_second_person_of_a_mailbox(ministry: Ministry) -> None:
    def tagged(whose: Caller) -> dict[str, Any]:
        local, _, domain = whose.administrator.email.partition("@")
        return {"email": f"{local}+latha@{domain}", "name": "Latha", "home": id_text(ministry.west.unit)}

    assert ministry.ask(ministry.asha, "auditor", person=tagged(ministry.asha)).code == "own_roles"
    asked = ministry.ask(ministry.asha, "moderator", person=tagged(ministry.ravi))
    assert ministry.approve(ministry.ravi, asked).code == "own_roles"


def test_two_sign_ins_of_one_mailbox_do_not_approve_each_other(ministry: Ministry) -> None:
    known = ministry.staff.store.read(ministry.ravi.id)
    assert known
    local, _, domain = ministry.asha.administrator.email.partition("@")
    alias = replace(known[0], email=f"{local.upper()}+second@{domain}")
    replacing = ministry.staff.store.replacing(known[0], alias)
    transact(ministry.service.client, [replacing])
    asked = ministry.ask(ministry.asha, "verifier", ministry.west)
    assert ministry.approve(ministry.ravi, asked).code == "own_request"


def test_whoever_approves_is_warned_of_a_name_or_address_that_looks_like_somebody_elses(ministry: Ministry) -> None:
    known = ministry.ravi.administrator
    person = {
        "email": f"x{known.email}",
        "name": known.name.replace("a", "\u0430"),
        "home": id_text(ministry.west.unit),
    }
    asked = ministry.ask(ministry.asha, "verifier", person=person)
    seen = ministry.api(ministry.ravi, "GET", f"/approvals/{asked.body['id']}").body["warnings"]
    assert {
        "pointer": "/parameters/person/email",
        "code": "looks_like",
        "name": known.name,
        "email": known.email,
    } in seen
    other = {
        "email": "somebody.quite.different@example.gov.in",
        "name": "Zubin Zz",
        "home": id_text(ministry.west.unit),
    }
    asked = ministry.ask(ministry.asha, "moderator", person=other)
    assert "warnings" not in ministry.api(ministry.ravi, "GET", f"/approvals/{asked.body['id']}").body


def test_an_address_that_only_looks_like_one_is_refused(ministry: Ministry) -> None:
    for email in ("l\u0430tha@ports.example", "latha@p\u043erts.example", "latha@[127.0.0.1]", "latha@ports.example."):
        person = {"email": email, "name": "Latha", "home": id_text(ministry.west.unit)}
        assert ministry.ask(ministry.asha, "moderator", person=person).code == "invalid_request"


def test_nobody_grants_a_role_above_their_own(ministry: Ministry) -> None:
    west = ministry.staff.appoint(Role.UNIT_ADMIN, ministry.root)
    for role in ("nodal_officer", "trace_requester", "auditor", "platform_admin", "app_manager", "moderator"):
        assert ministry.ask(west, role).code == "role_above_own"
    assert ministry.ask(ministry.asha, "platform_admin").code == "role_above_own"
    assert ministry.take(west, ministry.asha).code == "role_above_own"
    assert ministry.ask(west, "verifier").status == 202


def test_a_platform_administrator_has_no_other_role(ministry: Ministry) -> None:
    admin, _ = platform(ministry)
    for role in set(Role) - {Role.PLATFORM_ADMIN}:
        asked = ministry.ask(ministry.asha, role, administrator=administrator_text(admin.id))
        assert asked.code == "roles_apart"


def test_a_platform_administrator_is_not_made_an_officer_of_an_organisation_by_others(ministry: Ministry) -> None:
    """Otherwise three people of the platform could take over an organisation that has lost an officer."""
    first, second = platform(ministry)
    third = ministry.staff.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM))
    ministry.api.pool.people[third.administrator.email] = third.id
    transact(ministry.staff.store.client, list(ministry.staff.store.taking(ministry.asha.assignments[0])))
    third_is = third.administrator
    officer = {"email": third_is.email, "name": third_is.name, "home": id_text(ministry.west.unit)}
    path = f"/organisations/{id_text(ministry.id)}/officers"
    assert ministry.api(first, "POST", path, officer).code == "roles_apart"
    ministry.api.pool.people.pop(third.administrator.email)
    asked = ministry.api(first, "POST", path, officer)
    ministry.api.pool.people[third.administrator.email] = third.id
    assert ministry.approve(second, asked).code == "roles_apart"
    assert ministry.roles(third.id) == {Role.PLATFORM_ADMIN}


def test_what_can_never_be_done_is_refused_when_it_is_asked_for_by_address_too(ministry: Ministry) -> None:
    usha, auditor = (ministry.staff.appoint(role, ministry.root) for role in (Role.VERIFIER, Role.AUDITOR))
    for one in (usha, auditor):
        ministry.api.pool.people[one.administrator.email] = one.id
    people = [
        {"email": one.administrator.email, "name": one.administrator.name, "home": id_text(ministry.id)}
        for one in (usha, auditor)
    ]
    assert [ministry.ask(ministry.asha, "verifier", person=one).code for one in people] == [
        "already_assigned",
        "roles_apart",
    ]
    assert ministry.staff.actions(ministry.id) == []


def test_the_second_officer_does_not_work_where_the_first_does(ministry: Ministry) -> None:
    """Otherwise they could not approve each other's requests."""
    first, second = platform(ministry)
    transact(ministry.staff.store.client, list(ministry.staff.store.taking(ministry.asha.assignments[0])))
    path, usha = f"/organisations/{id_text(ministry.id)}/officers", {"email": "usha.o@example.gov.in", "name": "Usha"}
    refused = ministry.api(first, "POST", path, usha | {"home": id_text(ministry.east.unit)})
    assert (refused.code, refused.body["errors"][0]["pointer"]) == ("invalid_request", "/home")
    assert refused.body["errors"][0]["code"] == "unit_of_the_other"
    asked = ministry.api(first, "POST", path, usha | {"home": id_text(ministry.west.unit)})
    assert ministry.approve(second, asked).body["state"] == "executed"


def test_what_waits_for_the_platform_is_found_there_whatever_organisation_it_is_about(ministry: Ministry) -> None:
    first, second = platform(ministry)
    grant = ministry.ask(ministry.asha, "verifier").body["id"]  # its own officers decide on this
    taken = ministry.take(ministry.asha, ministry.ravi)
    officer = {"name": "Ministry of Ports", "officer": {"email": "usha.p@example.gov.in", "name": "Usha"}}
    asked = ministry.api(first, "POST", "/organisations", officer)

    def waiting(by: Caller) -> list[str]:
        found, query = [], {"everywhere": "true", "limit": "1"}
        while True:
            page = ministry.api(by, "GET", "/approvals", query=query)
            assert page.status == 200
            found += [one["id"] for one in page.body["approvals"]]
            if not page.body.get("cursor"):
                return found
            query |= {"cursor": page.body["cursor"]}

    listed = waiting(second)
    assert set(listed) >= {taken.body["id"], asked.body["id"]}
    assert (grant in listed, len(listed)) == (False, len(set(listed)))
    ministry.approve(second, asked)
    assert set(listed) - set(waiting(second)) == {asked.body["id"]}
    ministry.api(ministry.asha, "DELETE", f"/approvals/{taken.body['id']}")
    assert set(listed) - set(waiting(first)) == {asked.body["id"], taken.body["id"]}
    assert ministry.api(ministry.asha, "GET", "/approvals", query={"everywhere": "true"}).code == "not_found"
    both = ministry.api(first, "GET", "/approvals", query={"everywhere": "true", "organisation": id_text(ministry.id)})
    assert (both.code, both.body["errors"][0]["pointer"]) == ("invalid_request", "/organisation")


def test_two_roles_that_exclude_each_other_are_not_granted_at_once(ministry: Ministry) -> None:
    usha = ministry.staff.appoint(Role.VERIFIER, ministry.west)
    who = administrator_text(usha.id)
    asked = [ministry.ask(ministry.asha, role, administrator=who) for role in ("trace_requester", "trace_approver")]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda one: ministry.approve(ministry.ravi, one), asked))
    assert sorted(answer.body.get("code", "executed") for answer in answers) == ["executed", "roles_apart"]
    assert len(ministry.roles(usha.id) - {Role.VERIFIER}) == 1


def test_two_officers_of_whom_each_is_to_go_do_not_both_go(ministry: Ministry) -> None:
    admins = platform(ministry)
    asked = [ministry.take(ministry.asha, ministry.ravi), ministry.take(ministry.ravi, ministry.asha)]
    assert [(one.status, one.body["operation"]) for one in asked] == [(202, "officer.take")] * 2
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ministry.approve, admins, asked))
    assert sorted(answer.status for answer in answers)[0] == 200
    assert [answer.status for answer in answers].count(200) == 1
    assert ministry.staff.store.officers(ministry.id) == 1
    left = next(one for one in (ministry.asha, ministry.ravi) if ministry.roles(one.id))
    usha = ministry.staff.appoint(Role.UNIT_ADMIN, ministry.root)
    assert ministry.take(usha, left).code == "role_above_own"


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.TRACE_REQUESTER, Role.TRACE_APPROVER])
def test_who_holds_others_in_check_is_not_removed_by_one_of_them(ministry: Ministry, role: Role) -> None:
    usha = ministry.staff.appoint(role, ministry.root)
    asked = ministry.take(ministry.asha, usha)
    assert (asked.status, asked.body["operation"], asked.body["state"]) == (202, "assignment.take", "pending")
    assert ministry.roles(usha.id) == {role}
    assert ministry.approve(ministry.asha, asked).code == "own_request"
    assert ministry.approve(platform(ministry)[0], asked).code == "not_found"
    assert ministry.approve(ministry.staff.appoint(Role.UNIT_ADMIN, ministry.root), asked).code == "not_found"
    assert ministry.approve(ministry.ravi, asked).body["state"] == "executed"
    assert ministry.roles(usha.id) == set()
    assert ministry.staff.actions(ministry.id) == ["assignment.take.requested", "assignment.take"]
    assert ministry.staff.entries(ministry.id)[-1].subject == administrator_text(usha.id)
    assert ministry.take(ministry.asha, usha).code == "not_found"


def test_of_three_officers_two_remove_one_and_nobody_decides_about_themselves(ministry: Ministry) -> None:
    usha = ministry.staff.appoint(Role.NODAL_OFFICER, ministry.root, home=ministry.root)
    asked = ministry.take(ministry.asha, ministry.ravi)
    assert asked.body["operation"] == "assignment.take"
    assert ministry.approve(ministry.ravi, asked).code == "own_roles"
    assert ministry.approve(platform(ministry)[0], asked).code == "not_found"
    assert ministry.approve(usha, asked).body["state"] == "executed"
    assert ministry.roles(ministry.ravi.id) == set()


def test_of_two_officers_one_is_removed_by_the_other_and_a_platform_administrator(ministry: Ministry) -> None:
    first, _ = platform(ministry)
    asked = ministry.take(ministry.asha, ministry.ravi)
    assert ministry.api(first, "GET", f"/approvals/{asked.body['id']}").status == 200
    assert ministry.take(first, ministry.ravi).code == "not_found"
    assert ministry.approve(ministry.ravi, asked).code == "not_found"
    assert ministry.approve(first, asked).body["state"] == "executed"
    assert (ministry.roles(ministry.ravi.id), ministry.staff.store.officers(ministry.id)) == (set(), 1)
    again = ministry.staff.appoint(Role.NODAL_OFFICER, ministry.root, home=ministry.east)
    asked = ministry.take(ministry.asha, again)
    transact(ministry.staff.store.client, list(ministry.staff.store.taking(ministry.asha.assignments[0])))
    assert ministry.approve(first, asked).code == "approval_state"
    assert ministry.roles(again.id) == {Role.NODAL_OFFICER}


def test_other_roles_are_taken_away_by_one_and_at_once(ministry: Ministry) -> None:
    usha = ministry.staff.appoint(Role.VERIFIER, ministry.west)
    assert ministry.take(ministry.asha, usha, signed_in_at=int(time.time()) - 301).status == 204
    assert ministry.roles(usha.id) == set()
    auditor = ministry.staff.appoint(Role.AUDITOR, ministry.root)
    old = ministry.take(ministry.asha, auditor, signed_in_at=int(time.time()) - 301)
    assert old.code == "fresh_sign_in_required"


def test_an_administrator_of_another_organisation_keeps_name_and_home(ministry: Ministry) -> None:
    other = ministry.service.organisation("Ministry of Health")
    usha = ministry.staff.appoint(Role.VERIFIER, Place.root(other))
    ministry.api.pool.people[usha.administrator.email] = usha.id
    person = {"email": usha.administrator.email, "name": "Somebody", "home": id_text(ministry.west.unit)}
    assert ministry.approve(ministry.ravi, ministry.ask(ministry.asha, "moderator", person=person)).status == 200
    assert usha.administrator.email not in ministry.api.pool.invitations
    known = ministry.staff.store.read(usha.id)
    assert known
    assert known[0] == usha.administrator
    assert {one.role for one in known[1]} == {Role.VERIFIER, Role.MODERATOR}


def _without_ids(answer: Answer) -> Any:
    parameters = {key: value for key, value in answer.body["parameters"].items() if key != "person"}
    changing = ("id", "requested_at", "expires_at", "parameters")
    return answer.status, parameters, {key: value for key, value in answer.body.items() if key not in changing}


@pytest.mark.parametrize("held", list(Role))
def test_an_address_of_another_organisations_administrator_gets_the_answers_of_an_unknown_one(
    ministry: Ministry, held: Role
) -> None:
    other = Place.root(ministry.service.organisation("Ministry of Health"))
    if held is Role.PLATFORM_ADMIN:
        platform(ministry)
        other = Place.root(PLATFORM)
    usha = ministry.staff.appoint(held, other)
    ministry.api.pool.people[usha.administrator.email] = usha.id
    unknown = f"nobody.{usha.administrator.email}"
    for role in ("verifier", "auditor"):
        answers = []
        for email, name in ((usha.administrator.email, "Another Name"), (unknown, "Another Name")):
            person = {"email": email, "name": name, "home": id_text(ministry.west.unit)}
            answers.append(_without_ids(ministry.ask(ministry.asha, role, person=person)))
        assert answers[0] == answers[1]
        assert answers[0][0] == 202
    assert ministry.roles(usha.id) == {held}


def test_roles_that_exclude_each_other_are_refused_when_two_have_agreed(ministry: Ministry) -> None:
    other = Place.root(ministry.service.organisation("Ministry of Health"))
    usha = ministry.staff.appoint(Role.AUDITOR, other)
    ministry.api.pool.people[usha.administrator.email] = usha.id
    person = {"email": usha.administrator.email, "name": usha.administrator.name, "home": id_text(ministry.west.unit)}
    asked = ministry.ask(ministry.asha, "verifier", person=person)
    assert ministry.approve(ministry.ravi, asked).code == "roles_apart"
    assert ministry.roles(usha.id) == {Role.AUDITOR}


def test_an_organisation_knows_somebody_of_another_by_the_name_that_it_gave(ministry: Ministry) -> None:
    other = Place.root(ministry.service.organisation("Ministry of Health"))
    usha = ministry.staff.appoint(Role.VERIFIER, other)
    ministry.api.pool.people[usha.administrator.email] = usha.id
    person = {"email": usha.administrator.email, "name": "Usha of Health", "home": id_text(ministry.west.unit)}
    assert ministry.approve(ministry.ravi, ministry.ask(ministry.asha, "moderator", person=person)).status == 200
    listed = ministry.api(ministry.asha, "GET", "/assignments", query={"organisation": id_text(ministry.id)})
    names = {one["email"]: one["name"] for one in listed.body["assignments"]}
    assert names[usha.administrator.email] == "Usha of Health"
    for name, code in (("Ravi", "known_by_another_name"), (usha.administrator.name, "known_by_another_name")):
        refused = ministry.ask(ministry.asha, "verifier", person=person | {"name": name})
        assert (refused.code, refused.body["errors"][0]["code"]) == ("invalid_request", code)
    assert ministry.ask(ministry.asha, "verifier", person=person | {"name": "USHA of health"}).status == 202


def test_a_name_that_is_not_the_colleagues_own_is_refused(ministry: Ministry) -> None:
    usha = ministry.staff.appoint(Role.VERIFIER, ministry.west)
    ministry.api.pool.people[usha.administrator.email] = usha.id
    person = {"email": usha.administrator.email, "name": "Somebody", "home": id_text(ministry.west.unit)}
    refused = ministry.ask(ministry.asha, "moderator", person=person)  # otherwise the approver would believe the name
    assert refused.body["errors"][0]["code"] == "known_by_another_name"
    assert ministry.ask(ministry.asha, "moderator", person=person | {"name": usha.administrator.name}).status == 202


def test_whoever_has_taken_the_address_of_another_gets_nothing_that_was_meant_for_them(ministry: Ministry) -> None:
    usha = ministry.staff.appoint(Role.VERIFIER, ministry.west)
    person = {"email": "colleague@example.gov.in", "name": "C", "home": id_text(ministry.west.unit)}
    asked = ministry.ask(ministry.asha, "moderator", person=person)
    ministry.api.pool.people["colleague@example.gov.in"] = usha.id
    for refused in (ministry.approve(ministry.ravi, asked), ministry.ask(ministry.asha, "moderator", person=person)):
        assert (refused.code, refused.body["errors"][0]["pointer"]) == ("not_found", "/person/email")
    assert ministry.roles(usha.id) == {Role.VERIFIER}
    assert "colleague@example.gov.in" not in ministry.api.pool.invitations


def test_roles_are_asked_for_and_approved_by_who_has_just_signed_in(ministry: Ministry) -> None:
    asked, old = ministry.ask(ministry.asha, "verifier"), int(time.time()) - 301
    path = f"/approvals/{asked.body['id']}/approve"
    assert ministry.api(ministry.ravi, "POST", path, signed_in_at=old).code == "fresh_sign_in_required"
    body = {"organisation": id_text(ministry.id), "role": "verifier", "administrator": administrator_text(bytes(16))}  # type: ignore[arg-type]
    assert ministry.api(ministry.asha, "POST", "/assignments", body, signed_in_at=old).code == "fresh_sign_in_required"


@pytest.mark.parametrize(
    ("role", "below", "ends_in", "pointer"),
    [
        ("auditor", True, None, "/unit"),
        ("trace_requester", True, None, "/unit"),
        ("nodal_officer", False, 86_400, "/expires_at"),
        ("verifier", False, -60, "/expires_at"),
        ("verifier", False, 800 * 86_400, "/expires_at"),
    ],
)
def test_some_roles_are_for_all_of_an_organisation_and_end_within_two_years(
    ministry: Ministry, role: str, below: bool, ends_in: int | None, pointer: str
) -> None:
    ends = (
        {}
        if ends_in is None
        else {"expires_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + ends_in))}
    )
    refused = ministry.ask(ministry.asha, role, ministry.west if below else None, **ends)
    assert (refused.code, refused.body["errors"][0]["pointer"]) == ("invalid_request", pointer)


@pytest.mark.parametrize(
    "field", ["id", "created_at", "version", "tree_version", "officials", "organisation", "granted_by"]
)
def test_what_the_server_decides_cannot_be_given(ministry: Ministry, field: str) -> None:
    api, of, asha = ministry.api, id_text(ministry.id), ministry.asha
    before = api(asha, "GET", f"/organisations/{of}"), api(asha, "GET", "/units", query={"organisation": of})
    more: dict[str, Any] = {field: of}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", f"/organisations/{of}", {"name": "Mine"}),
        ("PATCH", f"/organisations/{of}/visibility", {"audiences": {"number": "everyone"}}),
        ("PATCH", f"/units/{id_text(ministry.west.unit)}", {"name": "Mine"}),
    ]
    if field != "organisation":
        calls.append(("POST", "/units", {"organisation": of, "name": "Mine", "kind": "office"}))
    for method, path, body in calls:
        assert api(asha, method, path, body | more, if_match="*").code == "invalid_request"
    if field != "organisation":
        assert ministry.ask(asha, "verifier", **more).code == "invalid_request"
    assert before == (api(asha, "GET", f"/organisations/{of}"), api(asha, "GET", "/units", query={"organisation": of}))
    assert ministry.staff.actions(ministry.id) == []


def test_a_change_names_the_version_it_means(ministry: Ministry) -> None:
    api, query = ministry.api, {"organisation": id_text(ministry.id)}
    path = f"/units/{id_text(ministry.west.unit)}"
    read = api(ministry.asha, "GET", path, query=query)
    assert api(ministry.asha, "PATCH", path, {"name": "A"}, query=query).code == "precondition_required"
    assert api(ministry.asha, "PATCH", path, {"name": "A"}, query=query, if_match=read.etag).status == 200
    to = {"parent": id_text(ministry.east.unit)}
    for method, body in (("PATCH", {"name": "B"}), ("PATCH", to), ("DELETE", None)):
        assert api(ministry.asha, method, path, body, query=query, if_match=read.etag).code == "precondition_failed"
    again = api(ministry.asha, "PATCH", path, to | {"name": "C"}, query=query, if_match='"2"')
    assert (again.body["parent"], again.body["name"], again.body["version"]) == (to["parent"], "C", 3)
    assert ministry.staff.actions(ministry.id) == ["unit.rename", "unit.move"]


def test_a_cursor_is_good_for_its_caller_and_list_only(ministry: Ministry) -> None:
    api, of = ministry.api, id_text(ministry.id)
    other = ministry.service.organisation("Ministry of Health")
    both = ministry.staff.also(ministry.asha, Role.NODAL_OFFICER, Place.root(other))
    for path in ("/units", "/assignments"):
        cursor = api(both, "GET", path, query={"organisation": of, "limit": "1"}).body["cursor"]
        good = api(both, "GET", path, query={"organisation": of, "cursor": cursor})
        assert good.status == 200
        for caller, organisation, given in (
            (both, of, edited(cursor)),
            (both, id_text(other), cursor),
            (ministry.ravi, of, cursor),
        ):
            query = {"organisation": organisation, "cursor": given}
            assert api(caller, "GET", path, query=query).code == "invalid_cursor"


def test_an_unknown_organisation_and_a_foreign_one_look_the_same(ministry: Ministry) -> None:
    other = ministry.service.organisation("Ministry of Health")
    answers = [
        ministry.api(ministry.asha, "GET", f"/organisations/{id_text(of)}")
        for of in (other, OrganisationId(b"nowhere."))
    ]
    assert answers[0] == answers[1]
    assert answers[0].code == "not_found"
