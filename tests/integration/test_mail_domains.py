"""Tests mail domains by the real handlers: two officers set them, and every address must be at one of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.ids import account_text, administrator_text, id_text
from sandes.model.instant import Instant
from sandes.people import verification_requests
from sandes.protocol.client_api import NewVerificationRequest
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.admin_api import AdminApi, Answer, admin_api
from tests.support.administration import Administration
from tests.support.service import Person, Service

IN_A_YEAR = 365 * 86_400


class Ports:
    """Holds an organisation with two nodal officers in different units. Their addresses are at example.gov.in."""

    def __init__(self, api: AdminApi) -> None:
        self.api = api
        self.service = Service(api.client, api.tables, now_ms=time.time_ns() // 1_000_000)
        self.staff = Administration(self.service)
        self.id = self.service.organisation("Ministry of Ports")
        self.root = Place.root(self.id)
        self.west, self.east = (Place(self.id, self.service.unit(self.id, name)) for name in ("West", "East"))
        self.asha = self.staff.appoint(Role.NODAL_OFFICER, self.root, home=self.west)
        self.ravi = self.staff.appoint(Role.NODAL_OFFICER, self.root, home=self.east)

    @property
    def path(self) -> str:
        return f"/organisations/{id_text(self.id)}"

    def ask(self, *domains: str, by: Caller | None = None, **more: Any) -> Answer:
        return self.api(by or self.asha, "PATCH", self.path, {"mail_domains": list(domains)}, if_match="*", **more)

    def approve(self, asked: Answer, by: Caller | None = None) -> Answer:
        return self.api(by or self.ravi, "POST", f"/approvals/{asked.body['id']}/approve")

    def set(self, *domains: str) -> None:
        assert self.approve(self.ask(*domains)).body["state"] == "executed"

    def read(self) -> Any:
        return self.api(self.asha, "GET", self.path).body

    def grant(self, email: str, role: str = "verifier", place: Place | None = None) -> Answer:
        at = place or self.west
        person = {"email": email, "name": "Usha Menon", "home": id_text(at.unit)}
        where = {"organisation": id_text(self.id), "unit": id_text(at.unit)}
        return self.api(self.asha, "POST", "/assignments", where | {"role": role, "person": person})

    def verify(self, person: Person, **more: Any) -> Answer:
        said = {"account": account_text(person.account), "name": "Asha Rao", "post": "Clerk"}
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + IN_A_YEAR))
        where = {"organisation": id_text(self.id), "expires_at": ends}
        return self.api(self.asha, "POST", "/people", said | where | more)


@pytest.fixture(scope="module")
def api() -> Iterator[AdminApi]:
    with admin_api() as made:
        yield made


@pytest.fixture
def ports(api: AdminApi) -> Ports:
    return Ports(api)


def test_two_officers_set_the_domains_and_appointments_keep_them(ports: Ports) -> None:
    assert ports.read()["mail_domains"] == []
    asked = ports.ask("Ports.Example", "XN--P1B6CI4B4B3A.example", "ports.example")
    assert (asked.status, asked.body["operation"]) == (202, "organisation.mail_domains")
    domains = ["ports.example", "xn--p1b6ci4b4b3a.example"]
    assert asked.body["parameters"]["mail_domains"] == domains
    assert ports.read()["mail_domains"] == []
    assert ports.approve(asked, by=ports.asha).code == "own_request"
    version = ports.read()["version"]
    assert ports.approve(asked).body["state"] == "executed"
    assert (ports.read()["mail_domains"], ports.read()["version"]) == (domains, version + 1)
    assert ports.staff.actions(ports.id)[-2:] == ["organisation.mail_domains.requested", "organisation.mail_domains"]
    assert b'"new":["ports.example"' in (ports.staff.entries(ports.id)[-1].body or b"")

    for outside in ("latha@ports.gov.in", "latha@docks.ports.example", "latha@xports.example", "latha@example"):
        refused = ports.grant(outside)
        assert refused.code == ("invalid_request" if outside == "latha@example" else "mail_domain_not_allowed")
        assert refused.body["errors"][0]["pointer"] == "/person/email"
    refused = ports.grant("latha@ports.gov.in")
    assert (refused.status, refused.body["mail_domains"]) == (409, domains)
    assert "ports.example, xn--p1b6ci4b4b3a.example" in refused.body["errors"][0]["message"]

    for inside, place in (("Latha+work@PORTS.Example", ports.west), ("meena@xn--p1b6ci4b4b3a.EXAMPLE", ports.east)):
        granted = ports.grant(inside, place=place)
        assert granted.status == 202
        assert ports.approve(granted).body["state"] == "executed"
    assert {"latha@ports.example", "meena@xn--p1b6ci4b4b3a.example"} <= ports.api.pool.people.keys()


def test_an_appointment_that_was_asked_for_before_is_refused_when_it_is_approved(ports: Ports) -> None:
    asked = ports.grant("usha@elsewhere.example")
    ports.set("ports.example")
    refused = ports.approve(asked)
    assert (refused.code, refused.body["errors"][0]["pointer"]) == ("mail_domain_not_allowed", "/person/email")
    assert "usha@elsewhere.example" not in ports.api.pool.people
    ports.set()
    assert ports.approve(asked).body["state"] == "executed"


def test_administrators_outside_stay_are_shown_and_get_no_further_role(ports: Ports) -> None:
    asked = ports.ask("ports.example")
    seen = ports.api(ports.ravi, "GET", f"/approvals/{asked.body['id']}").body["warnings"]
    assert {(one["pointer"], one["code"], one["email"]) for one in seen} == {
        ("/parameters/mail_domains", "outside_mail_domains", one.administrator.email)
        for one in (ports.asha, ports.ravi)
    }
    ports.approve(asked)
    listed = ports.api(ports.asha, "GET", "/assignments", query={"organisation": id_text(ports.id)}).body
    assert [one["outside_mail_domains"] for one in listed["assignments"]] == [True, True]
    body = {"organisation": id_text(ports.id), "role": "moderator", "administrator": administrator_text(ports.ravi.id)}
    refused = ports.api(ports.asha, "POST", "/assignments", body)
    assert (refused.code, refused.body["errors"][0]["pointer"]) == ("mail_domain_not_allowed", "/administrator")
    ports.set("ports.example", "example.gov.in")
    assert ports.api(ports.asha, "POST", "/assignments", body).status == 202
    listed = ports.api(ports.asha, "GET", "/assignments", query={"organisation": id_text(ports.id)}).body
    assert [one["outside_mail_domains"] for one in listed["assignments"]] == [False, False]


def test_only_nodal_officers_who_have_just_signed_in_ask_for_domains(ports: Ports) -> None:
    for role in (Role.UNIT_ADMIN, Role.VERIFIER, Role.AUDITOR):
        assert ports.ask("ports.example", by=ports.staff.appoint(role, ports.root)).code == "not_found"
    assert ports.ask("ports.example", signed_in_at=int(time.time()) - 600).code == "fresh_sign_in_required"
    asked = ports.ask("ports.example")
    deputy = ports.staff.appoint(Role.UNIT_ADMIN, ports.root, home=ports.east)
    assert ports.approve(asked, by=deputy).code == "not_found"
    assert ports.ask("ports.example").code == "already_pending"
    assert ports.read()["mail_domains"] == []


def test_what_was_approved_for_other_domains_than_there_are_is_not_done(ports: Ports) -> None:
    first, second = ports.ask("ports.example"), ports.ask("docks.example")
    ports.approve(first)
    assert ports.approve(second).code == "approval_state"
    assert ports.read()["mail_domains"] == ["ports.example"]
    same = ports.ask("PORTS.example")
    assert (same.status, same.body["mail_domains"]) == (200, ["ports.example"])
    stale = ports.api(ports.asha, "PATCH", ports.path, {"mail_domains": []}, if_match='"1"')
    assert stale.code == "precondition_failed"


@pytest.mark.parametrize(
    "domains",
    [
        *(["p\u043erts.example"], ["\u0928\u093e\u0935.example"], ["ports.example."], ["*.ports.example"], ["ports"]),
        *(["localhost"], ["a.local"], ["10.0.0.1"], ["@ports.example"], ["latha@ports.example"], [""], ["-a.example"]),
        [f"d{number}.example" for number in range(21)],
        *("ports.example", None),
    ],
)
def test_what_is_no_list_of_domains_is_refused_and_changes_nothing(ports: Ports, domains: Any) -> None:
    refused = ports.api(ports.asha, "PATCH", ports.path, {"mail_domains": domains}, if_match="*")
    assert refused.code == "invalid_request"
    both = ports.api(ports.asha, "PATCH", ports.path, {"name": "Ports", "mail_domains": ["a.example"]}, if_match="*")
    assert both.code == "invalid_request"
    assert (ports.read()["mail_domains"], ports.read()["name"]) == ([], "Ministry of Ports")


def test_platform_administrators_appoint_within_the_domains_of_the_organisation(ports: Ports) -> None:
    ports.set("ports.example")
    ports.staff.take(ports.ravi)
    desk = ports.staff.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM))
    officer = {"email": "usha@elsewhere.example", "name": "Usha", "home": id_text(ports.east.unit)}
    refused = ports.api(desk, "POST", f"{ports.path}/officers", officer)
    assert (refused.code, refused.body["errors"][0]["pointer"]) == ("mail_domain_not_allowed", "/email")
    assert ports.api(desk, "POST", f"{ports.path}/officers", officer | {"email": "usha@ports.example"}).status == 202


def test_officials_get_addresses_within_the_domains_and_keep_those_that_they_have(ports: Ports) -> None:
    before, later = ports.service.person(), ports.service.person()
    assert ports.verify(before, email="asha@old.example").status == 200
    ports.set("ports.example")
    refused = ports.verify(later, email="ravi@docks.ports.example")
    assert (refused.code, refused.body["errors"][0]["pointer"]) == ("mail_domain_not_allowed", "/email")
    assert ports.verify(later, email="ravi@PORTS.example", unit=id_text(ports.west.unit)).status == 200
    assert ports.verify(before, email="asha@old.example", post="Head Clerk").body["post"] == "Head Clerk"
    path = f"/people/{account_text(before.account)}"
    moved = ports.api(ports.asha, "POST", f"{path}/transfer", {"unit": id_text(ports.west.unit)})
    assert moved.body["email"] == "asha@old.example"
    changed = ports.api(ports.asha, "PATCH", path, {"post": "Clerk"}, if_match="*")
    assert (changed.status, changed.body["email"]) == (200, "asha@old.example")
    other = ports.api(ports.asha, "PATCH", path, {"email": "asha@new.example"}, if_match="*")
    assert other.code == "mail_domain_not_allowed"
    assert ports.api(ports.asha, "PATCH", path, {"email": ""}, if_match="*").body.get("email") is None
    back = ports.api(ports.asha, "PATCH", path, {"email": "asha@old.example"}, if_match="*")
    assert back.code == "mail_domain_not_allowed"


def test_a_request_to_be_verified_keeps_the_domains_when_it_is_made_and_when_it_is_granted(ports: Ports) -> None:
    service, person = ports.service, ports.service.person()
    who, deps = service.caller(person), service.device_deps

    def ask(email: str) -> str:
        wanted = NewVerificationRequest(organisation=ports.id, name="Asha Rao", post="Clerk", email=email)
        return verification_requests.ask(who, wanted, now=Instant(service.now_ms), deps=deps).id

    id = ask("asha@old.example")
    ports.set("ports.example")
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + IN_A_YEAR))
    verify = f"/verification-requests/{id}/verify"
    assert ports.api(ports.asha, "POST", verify, {"expires_at": ends}).code == "mail_domain_not_allowed"
    granted = ports.api(ports.asha, "POST", verify, {"expires_at": ends, "email": "asha@ports.example"})
    assert granted.body["email"] == "asha@ports.example"
    with pytest.raises(ProtocolError) as caught:
        ask("asha@old.example")
    assert caught.value.code is ErrorCode.MAIL_DOMAIN_NOT_ALLOWED
    assert ask("Asha@Ports.Example")
