"""The admin API answers as its specification says, whoever calls and whatever they send: data that fits, and other.

Each call is made by an administrator with a role for it most of the time, by others in between.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sandes.model.administrator import PLATFORM, Place, Role
from sandes.model.ids import parse_organisation, parse_unit
from tests.conftest import Deployed
from tests.support.administrators import TestAdministrator, administrator, token
from tests.support.raw_app import operate
from tests.support.raw_device import new_phone, register
from tools.specs.https import admin_openapi, operations_of

pytestmark = pytest.mark.engine

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    ignored_auth,
]
EXAMPLES = 4
PHONES = ["+919876543210", *(new_phone() for _ in range(10)), "+990000000001", "not a phone"]
UNTIL = "2028-03-31T00:00:00Z"

ORGANISATION, UNIT, SPARE_UNIT = "organisationa", "unitaaaaaaaaa", "unitspareaaaa"
PERSON, SUSPENDED, APP, GROUP, SPARE_GROUP = (
    "persona777777",
    "personb777777",
    "appa777777777",
    "groupa7777777",
    "groupb7777777",
)
APPROVAL, APPROVED, REJECTED, CANCELLED = "A" * 32, "B" * 32, "C" * 32, "D" * 32
REQUEST, REFUSED, COMPLAINT, IMPORT, SPARE_IMPORT = "E" * 32, "F" * 32, "G" * 32, "H" * 32, "I" * 32
HOOK, SPARE_HOOK, KEY, ASSIGNMENT = "J" * 22, "K" * 22, "keyspare", "L" * 43
COLLEAGUE = "00000000-0000-4000-8000-000000000000"
"""Placeholders for existing things. Each is replaced by an id in paths, queries and bodies before a call is sent."""

THERE = {
    "organisations": ORGANISATION,
    "units": UNIT,
    "people": PERSON,
    "apps": APP,
    "templates": APP,
    "groups": GROUP,
    "approvals": APPROVAL,
    "assignments": ASSIGNMENT,
    "complaints": COMPLAINT,
    "imports": IMPORT,
    "verification-requests": REQUEST,
}
INSTEAD = {
    "DELETE /admin/v1/units/{id}": {"id": SPARE_UNIT},
    "DELETE /admin/v1/groups/{group}": {"group": SPARE_GROUP},
    "DELETE /admin/v1/imports/{id}": {"id": SPARE_IMPORT},
    "DELETE /admin/v1/approvals/{id}": {"id": CANCELLED},
    "DELETE /admin/v1/apps/{id}/keys/{key}": {"key": KEY},
    "DELETE /admin/v1/apps/{id}/webhooks/{hook}": {"hook": SPARE_HOOK},
    "POST /admin/v1/approvals/{id}/approve": {"id": APPROVED},
    "POST /admin/v1/approvals/{id}/reject": {"id": REJECTED},
    "POST /admin/v1/verification-requests/{id}/reject": {"id": REFUSED},
    "POST /admin/v1/people/{account}/revoke": {"account": SUSPENDED},
    "POST /admin/v1/people/{account}/suspend": {"account": SUSPENDED},
    "POST /admin/v1/people/{account}/resume": {"account": SUSPENDED},
    "POST /admin/v1/people/{account}/devices/reset": {"account": SUSPENDED},
}
"""The substitutes for calls that end something: each gets a thing of its own to end."""

KNOWN = {"hook": HOOK, "name": "login", "organisation": ORGANISATION, "unit": UNIT, "app": APP}
CALLERS = {
    "POST /admin/v1/organisations": "platform",
    "POST /admin/v1/organisations/{id}/officers": "platform",
    "POST /admin/v1/approvals/{id}/approve": "second",
    "POST /admin/v1/approvals/{id}/reject": "second",
    "POST /admin/v1/complaints/{id}/assign": "moderator",
    "POST /admin/v1/complaints/{id}/resolve": "moderator",
    "GET /admin/v1/audit/heads": "auditor",
}
"""The callers with the right, for routes where the nodal officer lacks it."""

ONLY_REFUSED = {
    "POST /admin/v1/imports/{id}/commit": "no file has been put there",
    "GET /admin/v1/audit/heads": "none have been kept yet",
    "POST /admin/v1/organisations/{id}/officers": "there are two",
    "POST /admin/v1/apps/{id}/quota": "the app is on trial",
    "POST /admin/v1/apps/{id}/trial": "likewise",
    "POST /admin/v1/people/{account}/suspend": "who was verified lately is not suspended",
    "POST /admin/v1/people/{account}/resume": "nobody is suspended",
    "POST /admin/v1/people/{account}/devices/reset": "as for suspending",
    "POST /admin/v1/people/lookup": "none of the numbers is registered",
    "POST /admin/v1/people": "no example has all of account, day, name and address as they should be",
    "POST /admin/v1/verification-requests/{id}/verify": "likewise",
    "POST /admin/v1/apps": "likewise: name, guests, key",
    "POST /admin/v1/imports": "likewise: organisation, a unit of it, format",
    "POST /admin/v1/assignments": "likewise: role, unit, person",
    "PATCH /admin/v1/units/{id}": "it would be moved below itself",
    "POST /admin/v1/people/{id}/access-reset": "the id is an account's; test_administrators_sign_in.py resets one",
    "GET /admin/v1/people/{id}/access-reset": "no reset is under way; test_administrators_sign_in.py has one",
    "DELETE /admin/v1/people/{id}/access-reset": "likewise",
    "POST /admin/v1/people/{id}/access-reset/confirm": "likewise",
}
"""The calls that no example makes succeed. Scenarios show that they can succeed."""


def document() -> dict[str, Any]:
    """Return the specification, with values that lead further than random ones: most of them exist."""
    made = admin_openapi()
    known: dict[str, Any] = {
        "organisation": {"enum": [ORGANISATION, ORGANISATION, "b" * 12 + "a"]},
        "unit": {"enum": [UNIT, UNIT, "b" * 12 + "a"]},
        "parent": {"const": UNIT},
        "home": {"const": UNIT},
        "app": {"const": APP},
        "account": {"enum": [PERSON, "m" * 12 + "a"]},
        "phone": {"enum": PHONES},
        "guests": {"type": "array", "maxItems": 3, "items": {"enum": PHONES}},
        "admins": {"type": "array", "maxItems": 1, "items": {"const": PERSON}},
        "administrator": {"const": COLLEAGUE},
        "expires_at": {"enum": [UNTIL, "2020-01-01T00:00:00Z", "tomorrow"]},
        "email": {"enum": ["meena@rail.example.gov.in", "no address"]},
        "url": {"enum": ["https://1.1.1.1/hook", "http://1.1.1.1/hook", "https://10.0.0.1/hook"]},
        "paused": {"const": True},
        "public": {"enum": [None, "A" * 43]},
        "name": {"enum": ["North Desk", "उत्तर रेलवे", "two\nlines"]},
        "post": {"enum": ["Director", "निदेशक"]},
        "reason": {"enum": ["left the service", ""]},
        "note": {"enum": ["no such message", ""]},
        "client_ref": {"enum": ["staff", None]},
        "person": {"const": None},
    }
    only: dict[str, Any] = {
        "TemplateDraft": {
            "name": {"const": "login"},
            "kind": {"const": "message"},
            "texts": {"const": {"en": "Hello"}},
        },
        "ChangePerson": {"expires_at": {"const": UNTIL}},
        "VerifyPerson": {"phone": {"const": None}, "account": {"enum": [PERSON, "m" * 12 + "a"]}},
        "NewOfficer": {"email": {"const": "meena@rail.example.gov.in"}, "name": {"const": "Meena Iyer"}},
    }
    for title, shape in made["components"]["schemas"].items():
        properties = shape.get("properties", {})
        if shape.get("additionalProperties") is False:  # what is sent, not what is answered
            properties |= {name: known[name] for name in known.keys() & properties} | only.get(title, {})
        if title == "TemplateDraft":
            shape["properties"] = {name: properties[name] for name in ("app", "name", "kind", "texts")}
    for path, method, operation in operations_of(made):
        for parameter in operation.get("parameters", []):
            name, place = parameter.get("name"), parameter.get("in")
            wanted = INSTEAD.get(f"{method.upper()} {path}", {}).get(name) if place == "path" else None
            if wanted is None and place == "path":
                wanted = KNOWN.get(name) or THERE.get(path.split("/")[3]) if name != "key" else None
            if wanted is None and place == "query":
                wanted = KNOWN.get(name)
            if wanted is not None:
                parameter["schema"] = {"anyOf": [{"const": wanted}, parameter["schema"]]}
            if name == "If-Match":
                parameter["schema"] = {"enum": ["*", '"1"', '"999"', "7", None]}
    return made


schema = schemathesis.openapi.from_dict(
    document(),
    config=SchemathesisConfig.from_dict(
        {
            "generation": {
                "max-examples": EXAMPLES,
                "deterministic": True,
                "database": "none",
                "with-security-parameters": False,
                "no-shrink": True,
            },
            "phases": {
                "coverage": {"unexpected-methods": [], "generate-duplicate-query-parameters": True},
                "stateful": {"enabled": False},
            },
        }
    ),
)


@dataclass
class Bearer(requests.auth.AuthBase):
    deployed: Deployed
    who: TestAdministrator

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token(self.deployed, self.who.id)}"
        return request


@dataclass
class World:
    """Holds the placeholders and counts the answers. `known` holds the values of the placeholders. `answers` counts the
    statuses of each call.
    """

    deployed: Deployed
    people: dict[str, TestAdministrator]
    known: dict[str, str]
    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    calls: Counter[str] = field(default_factory=Counter)

    def caller(self, call: str) -> Bearer:
        """Return a caller with the right two times of three, and otherwise all other callers in turn."""
        number = self.calls[call]
        self.calls[call] += 1
        others = list(self.people.values())
        entitled = self.people[CALLERS.get(call, "officer")]
        return Bearer(self.deployed, others[number // 3 % len(others)] if number % 3 == 2 else entitled)

    def replaced(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.known.get(value, value)
        if isinstance(value, dict):
            return {name: self.replaced(one) for name, one in value.items()}
        return [self.replaced(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
async def world(deployment: Deployed) -> World:
    organisation = str(operate(deployment, "organisation.create", name="Ministry of Railways")["organisation"])
    units = [
        str(operate(deployment, "unit.create", organisation=organisation, name=name, kind="office")["unit"])
        for name in ("North", "South", "Spare")
    ]
    ministry = parse_organisation(organisation)
    root, north = Place.root(ministry), Place(ministry, parse_unit(units[0]))
    roles = {
        "officer": (Role.NODAL_OFFICER, root, root),
        "second": (Role.NODAL_OFFICER, root, north),
        "moderator": (Role.MODERATOR, root, north),
        "verifier": (Role.VERIFIER, north, north),
        "manager": (Role.APP_MANAGER, root, north),
        "auditor": (Role.AUDITOR, root, north),
        "platform": (Role.PLATFORM_ADMIN, Place.root(PLATFORM), Place.root(PLATFORM)),
    }
    people = {
        name: administrator(deployment, name=name.title(), home=home, roles=[(role, place)])
        for name, (role, place, home) in roles.items()
    }
    officer, second, terms = people["officer"].api, people["second"].api, {"name": "Asha Rao", "post": "Director"}
    devices = [await register(deployment) for _ in range(4)]
    for device in devices[:2]:
        officer.post("people", body={"account": device.account, "expires_at": UNTIL, **terms})
    asked = [
        (await device.call("POST", "/v1/verification-requests", {"organisation": organisation, **terms})).json()["id"]
        for device in devices[2:]
    ]
    said = {"account": devices[0].account, "category": "abuse", "text": "unkind"}
    reported = await devices[1].call("POST", "/v1/reports", said)
    assert reported.is_success, reported.text
    app = officer.post("apps", body={"organisation": organisation, "name": "Passport Seva", "scopes": ["msg", "hook"]})
    of_app = app["app"]
    keys = [officer.post("apps", of_app, "keys", body={"test": test}) for test in (True, False)]
    hook = {"url": "https://1.1.1.1/hook", "events": ["batch.completed"]}
    hooks = [officer.post("apps", of_app, "webhooks", body=hook)["id"] for _ in range(2)]
    for one in hooks:
        officer.patch("apps", of_app, "webhooks", one, body={"paused": True})
    groups = [
        officer.post("groups", body={"organisation": organisation, "name": name, "admins": [devices[0].account]})
        for name in ("Drivers", "Guards")
    ]
    draft = {"app": of_app, "name": "login", "kind": "message"}
    texts = [{"en": f"Your file is ready, number {number}."} for number in range(5)]  # the same one twice is refused
    drafts = [officer.post("templates", body=draft | {"texts": text})["id"] for text in texts]
    second.post("approvals", drafts.pop(), "approve")
    moderator = people["moderator"].api.me()["administrator"]
    wanted = {"organisation": organisation, "role": "verifier", "administrator": moderator}
    granted = officer.post("assignments", body=wanted)
    second.post("approvals", granted["id"], "approve")
    assignments = officer.get("assignments", organisation=organisation, limit=250)["assignments"]
    (assignment,) = [one["id"] for one in assignments if one["role"] == "verifier" and one["unit"] == organisation]
    imports = [officer.post("imports", body={"organisation": organisation, "format": "csv"})["id"] for _ in range(2)]
    (complaint,) = [one["id"] for one in people["moderator"].api.get("complaints")["complaints"]]
    known = {
        ORGANISATION: organisation,
        UNIT: units[0],
        SPARE_UNIT: units[2],
        PERSON: devices[0].account,
        SUSPENDED: devices[1].account,
        APP: of_app,
        GROUP: groups[0]["group"],
        SPARE_GROUP: groups[1]["group"],
        **dict(zip((APPROVAL, APPROVED, REJECTED, CANCELLED), drafts, strict=True)),
        REQUEST: asked[0],
        REFUSED: asked[1],
        COMPLAINT: complaint,
        IMPORT: imports[0],
        SPARE_IMPORT: imports[1],
        HOOK: hooks[0],
        SPARE_HOOK: hooks[1],
        KEY: keys[0]["id"].partition(".")[2],
        ASSIGNMENT: assignment,
        COLLEAGUE: moderator,
    }
    return World(deployment, people, known)


@schema.parametrize()
def test_every_answer_is_one_that_the_specification_lists(case: schemathesis.Case, world: World) -> None:  # type: ignore[type-arg]
    for part in ("path_parameters", "query", "body"):
        setattr(case, part, world.replaced(getattr(case, part)))
    call = case.operation.label
    response = case.call_and_validate(
        base_url=world.deployed.stack.http_url, auth=world.caller(call), checks=CHECKS, timeout=60
    )
    world.answers[call][response.status_code] += 1


def test_none_of_these_calls_was_only_refused(world: World) -> None:
    every = {f"{method.upper()} {path}" for path, method, _ in operations_of(admin_openapi())}
    assert every == world.answers.keys()
    refused = {call for call, statuses in world.answers.items() if min(statuses) >= HTTPStatus.BAD_REQUEST}
    unexpected = {call: dict(world.answers[call]) for call in refused - ONLY_REFUSED.keys()}
    assert not unexpected, "\n".join(f"{call} {statuses}" for call, statuses in unexpected.items())
