"""Tests every id of one kind in each place of the admin API that takes another kind. It is answered like an id that
nobody has, and nothing changes.

The places come from the published specification: path, query and body, including nested fields. A new place is tested
as soon as the specification has it. If nothing here says which kind of id it takes, the test fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest
from nacl.signing import SigningKey

from sandes.apps import messages
from sandes.crypto.statements import link_id
from sandes.model.administrator import PLATFORM, Caller, Role
from sandes.model.ids import id_text, message_text
from sandes.model.instant import Instant
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode
from tests.support.admin_api import Answer, admin_api
from tests.support.admin_examples import EXAMPLES, Call
from tests.support.admin_world import NOWHERE, World
from tests.support.batches import BatchApp, new_app
from tests.support.groups import Groups
from tests.support.memory.services import s3_client
from tests.support.otps import by_account
from tests.support.otps import send as send_otp
from tests.support.service import Person, new_phone
from tools.specs.https import admin_openapi, operations_of

Json = dict[str, Any]
Ids = dict[str, str]

IN_PATHS = {
    "organisations": {"id": "organisation"},
    "units": {"id": "unit"},
    "assignments": {"id": "assignment"},
    "approvals": {"id": "approval"},
    "people": {"id": "administrator", "account": "account"},
    "complaints": {"id": "complaint"},
    "verification-requests": {"id": "request"},
    "imports": {"id": "import"},
    "apps": {"id": "app", "key": "app_key", "hook": "webhook"},
    "templates": {"id": "app", "name": "template"},
    "groups": {"group": "group"},
}
"""The kind of id that each parameter of a path takes, by the first word of the path."""

IN_FIELDS = {
    "organisation": "organisation",
    "unit": "unit",
    "parent": "unit",
    "home": "unit",
    "app": "app",
    "account": "account",
    "admins": "account",
    "administrator": "administrator",
    "actor": "administrator",
}
"""The kind of id that a query parameter or field takes, by its name."""

WORDS = {
    *("name", "post", "email", "reason", "note", "text", "texts", "client_ref", "action", "variables", "may_be_empty"),
    *("phone", "guests", "url", "mail_domains", "networks", "public", "dlt_entity", "dlt_templates", "cursor"),
}
"""Texts that are not ids of anything in the service."""

FITTING = {
    "organisation": "organisation",
    "unit": "empty_unit",
    "app": "app",
    "account": "official",
    "administrator": "moderator",
}
"""The field of `Spot` with an id for a place that its route's example leaves out, by the kind of id."""

OF_NOTHING = {"assignment": "assignment", "approval": "approval", "complaint": "complaint", "request": "request"}
OF_NOTHING |= {"import": "of_import", "app_key": "key", "webhook": "hook", "template": "template", "group": "group"}
"""The field of NOWHERE with an id that nobody has, by the kind of id, besides those of FITTING."""

SAME = {
    "organisation": {"another_organisation", "platform"},
    "unit": {"organisation"},
    "app_key": {"whole_app_key"},
}
"""Further kinds that a place takes, by its kind. An organisation's id is that of its root unit."""

FILTERS = {"GET /admin/v1/audit query unit", "GET /admin/v1/audit query actor"}
"""Places that filter a list. An unknown unit or administrator gives an empty list, because it may have existed."""

COUNTED = ["limits"]
"""The tables that a refused call may change, because it counts as a call."""

WITHOUT = {"POST /admin/v1/assignments body administrator": "person"}
"""The field that the example has instead, by the place."""


@dataclass(frozen=True)
class Place:
    """Names a place for an id: in the `path`, `query` or `body`, by the names that lead to it."""

    route: str
    where: str
    name: tuple[str, ...]
    kind: str
    pattern: str = field(hash=False, compare=False)

    def __str__(self) -> str:
        return f"{self.route} {self.where} {'.'.join(self.name)}"

    @property
    def step(self) -> int:
        """Return the position of the place among the steps of a path after /admin/v1."""
        return self.route.split(" ")[1].split("/").index(f"<{self.name[0]}>") - 2

    def read(self, call: Call) -> str | None:
        """Return the id that the call has in the place."""
        if self.where == "path":
            return call.path.split("/")[self.step]
        value: Any = call.query if self.where == "query" else call.body or {}
        for name in self.name:
            value = value.get(name) or {}
        return next(iter(value), None) if isinstance(value, list) else value or None

    def put(self, call: Call, id: str) -> Call:
        """Return the call with this id in the place."""
        if self.where == "path":
            steps = call.path.split("/")
            steps[self.step] = id
            return replace(call, path="/".join(steps))
        if self.where == "query":
            return replace(call, query={**call.query, self.name[0]: id})
        return replace(call, body=_with(call.body or {}, self.name, id))


def _with(body: Mapping[str, Any], name: tuple[str, ...], id: str) -> Json:
    first, *rest = name
    if rest:
        return {**body, first: _with(body.get(first) or {}, tuple(rest), id)}
    return {**body, first: [id] if first == "admins" else id}


@cache
def document() -> Json:
    return admin_openapi()


def places() -> Iterator[Place]:
    for path, method, operation in operations_of(document()):
        route = f"{method.upper()} {path.replace('{', '<').replace('}', '>')}"
        for parameter in operation.get("parameters", []):
            where, name, schema = parameter["in"], parameter["name"], parameter["schema"]
            if where == "path":
                kind = IN_PATHS.get(path.split("/")[3], {}).get(name, "")
                yield Place(route, where, (name,), kind, schema["pattern"])
            elif where == "query":
                yield from of_texts(route, where, (name,), schema)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield from of_texts(route, "body", (), content["schema"])


def of_texts(route: str, where: str, name: tuple[str, ...], schema: Json) -> Iterator[Place]:
    """Yield the places of a schema that take a text that is not a time, not one of a list of words, and not in
    WORDS.
    """
    if "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", ()):
        yield from of_texts(route, where, name, choice)
    for inner, one in schema.get("properties", {}).items():
        yield from of_texts(route, where, (*name, inner), one)
    if "items" in schema:
        yield from of_texts(route, where, name, schema["items"])
    is_text = schema.get("type") == "string" and "enum" not in schema and schema.get("format") != "date-time"
    if is_text and name[-1] not in WORDS:
        pattern = UUID if schema.get("format") == "uuid" else schema.get("pattern", ".*")
        yield Place(route, where, name, IN_FIELDS.get(name[-1], ""), pattern)


UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PLACES = list(places())


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with admin_api() as api:
        made = World.make(api)
        made.callers = made.everybody()
        yield made


@pytest.fixture(scope="module")
def ids(world: World) -> Ids:
    """Make an id of each kind. All of them exist, and callers have the right to change most of them."""
    service, at, other = world.service, world.spots["own"], world.spots["other"]
    person, link = service.person(), SigningKey.generate()
    app = service.app()
    sender = new_app(service, s3_client())
    entry = world.staff.entries(at.place.organisation)[-1]
    groups = Groups(service)
    service.open_link(person, link=link)
    made = {
        "organisation": at.organisation,
        "another_organisation": other.organisation,
        "platform": id_text(PLATFORM),
        "unit": at.unit,
        "unit_of_another_organisation": other.empty_unit,
        "account": at.official,
        "device": str(person.address()),
        "administrator": at.verifier,
        "assignment": at.assignment,
        "approval": at.approval,
        "complaint": at.complaint,
        "request": at.request,
        "import": at.of_import,
        "app": at.app,
        "app_key": at.key,
        "whole_app_key": f"{at.app}.{at.key}",
        "webhook": at.hook,
        "template": at.template,
        "group": at.group,
        "informal_group": id_text(groups.create(person)),
        "registration": service.start(new_phone()),
        "change_of_number": service.start(new_phone(), "change_phone"),
        "link": link_id(bytes(link.verify_key)),
        "otp": send_otp(service, app, by_account(person)).id,
        "batch": sender.create(body="hello", upload="csv").id,
        "message": message_of(sender, person),
        "audit_entry": str(entry.seq),
        "inbox": person.devices[0].inbox.hex(),
    }
    world.keep()
    return made


def message_of(app: BatchApp, to: Person) -> str:
    body = app_api.NewMessage.model_validate({"to": by_account(to), "body": "hello"})
    request = app.request("POST", "/v1/messages", body.model_dump_json().encode())
    return message_text(messages.create(request, body, now=Instant(app.now_ms), deps=app.deps().apps)[0].id)


def ask(world: World, caller: Caller, call: Call) -> Answer:
    return world.api(caller, call.method, call.path, call.body, query=call.query, if_match=call.if_match)


def good_call(world: World, place: Place) -> tuple[Call, list[Caller]]:
    """Return a call with a fitting id in the place, and who may make it: at most two callers with different roles."""
    at, example = world.spots["own"], EXAMPLES[place.route]
    call = example.call(at)
    if str(place) in WITHOUT:
        call = replace(call, body={name: one for name, one in call.body.items() if name != WITHOUT[str(place)]})
    if place.read(call) is None:
        there = world.spots["sibling"] if place.name == ("parent",) else at  # a unit is not moved below itself
        call = place.put(call, getattr(there, FITTING[place.kind]))
    may: list[Caller] = []
    for caller in callers_in_turn(world):
        answer = ask(world, caller, call)
        world.restore()
        if answer.status < 300 or answer.status in example.also:
            may.append(caller)
        if len(may) == 2:
            break
    return call, may


def callers_in_turn(world: World) -> list[Caller]:
    """Return all callers, those with most rights first, and last the officers who have made the world."""
    first = {Role.PLATFORM_ADMIN, Role.NODAL_OFFICER}
    callers = [caller for _, _, caller in sorted(world.callers, key=lambda one: one[0] not in first)]
    return [*callers, *world.officers]


def test_it_is_known_which_kind_of_id_every_place_takes() -> None:
    unknown = [str(place) for place in PLACES if not place.kind]
    assert not unknown, f"say in IN_PATHS or IN_FIELDS which ids these take, or in WORDS that they take none: {unknown}"


@pytest.mark.parametrize("place", [place for place in PLACES if place.kind], ids=str)
def test_an_id_of_another_kind_is_answered_like_one_that_nobody_has(world: World, ids: Ids, place: Place) -> None:
    call, callers = good_call(world, place)
    assert callers, f"nobody may make the good call: {call}"
    nothing = getattr(NOWHERE, (FITTING | OF_NOTHING)[place.kind])
    others = {kind: id for kind, id in ids.items() if kind != place.kind and kind not in SAME.get(place.kind, ())}
    for caller in callers:
        unknown = ask(world, caller, place.put(call, nothing))
        assert 400 <= unknown.status < 500 or str(place) in FILTERS, f"{place} takes the id of nothing: {unknown}"
        assert_unchanged(world, f"{place} with the id of nothing: {unknown}")
        for kind, id in others.items():
            fits = re.fullmatch(place.pattern, id)
            if not fits and caller is not callers[0]:
                continue  # every caller is refused for its form
            answer = ask(world, caller, place.put(call, id))
            said = f"{place} takes the id of a {kind}, {id}: {answer}; of nothing: {unknown}"
            if fits:
                assert (answer.status, answer.body) == (unknown.status, unknown.body), said
            else:
                assert (answer.status, answer.code) in MALFORMED, said
            assert_unchanged(world, said)


def assert_unchanged(world: World, said: str) -> None:
    changed = world.changed()
    assert changed in ([], COUNTED), f"changed {changed}: {said}"
    world.restore()


MALFORMED = {(code.http_status, code.value) for code in (ErrorCode.NOT_FOUND, ErrorCode.INVALID_REQUEST)}
