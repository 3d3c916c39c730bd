"""Tests the routes about apps, templates and groups with events of API Gateway: versions, bodies, answers,
stored data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandes.administration.sign_in import FRESH_SECONDS
from sandes.model.administrator import Caller, Place, Role
from sandes.model.ids import id_text
from tests.support.admin_api import AdminApi, Answer, admin_api
from tests.support.administration import Administration
from tests.support.cursors import edited
from tests.support.service import NOW, Service

Json = dict[str, Any]


class World:
    def __init__(self, api: AdminApi) -> None:
        self.api = api
        service = Service(api.client, api.tables)
        self.ministry = service.organisation()
        self.root = Place.root(self.ministry)
        staff = Administration(service)
        self.west = service.unit(self.ministry, "Western zone")
        self.officer = staff.appoint(Role.NODAL_OFFICER, self.root)
        self.second = staff.appoint(Role.NODAL_OFFICER, self.root, home=Place(self.ministry, self.west))

    def __call__(self, method: str, path: str, body: Any = None, *, by: Caller | None = None, **more: Any) -> Answer:
        return self.api(by or self.officer, method, path, body, **more)

    def app(self, **more: Any) -> Answer:
        new: Json = {"organisation": id_text(self.ministry), "name": "Vahan", "scopes": ["otp"]}
        return self("POST", "/apps", {**new, **more})

    def group(self, **more: Any) -> Answer:
        return self("POST", "/groups", {"organisation": id_text(self.ministry), "name": "District", **more})


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with admin_api() as api:
        yield World(api)


def test_what_is_changed_needs_the_version_that_was_read(world: World) -> None:
    made = world.app()
    assert (made.status, made.etag, made.headers["Cache-Control"]) == (201, '"1"', "no-store")
    for kind, id, change in (
        ("apps", made.body["app"], {"name": "Sarathi"}),
        ("groups", world.group().body["group"], {"name": "Officers"}),
    ):
        path = f"/{kind}/{id}"
        assert world("GET", path).etag == '"1"'
        assert world("PATCH", path, change).code == "precondition_required"
        assert world("PATCH", path, change, if_match='"7"').code == "precondition_failed"
        for wrong in ("1", 'W/"1"', '"0"', '"one"'):
            refused = world("PATCH", path, change, if_match=wrong)
            assert (refused.code, refused.body["errors"][0]["code"]) == ("invalid_request", "no_etag_of_ours")
        assert world("GET", path).etag == '"1"'
        assert world("PATCH", path, change, if_match='"1"').etag == '"2"'
        assert world("PATCH", path, change, if_match='"1"').status == 412
        assert world("PATCH", path, {"name": "Any"}, if_match="*").body["name"] == "Any"
    guests = f"/apps/{made.body['app']}/guests"
    assert world("PUT", guests, {"guests": []}).code == "precondition_required"


@pytest.mark.parametrize(
    ("field", "value"),
    [("mode", "live"), ("per_day", 9), ("organisation", "aaaaaaaaaaaaa"), ("keys", []), ("guests", []), ("version", 9)],
)
def test_no_field_of_an_app_is_set_that_is_not_named(world: World, field: str, value: Any) -> None:
    made = world.app().body
    refused = world("PATCH", f"/apps/{made['app']}", {"name": "Mine", field: value}, if_match="*")
    assert (refused.status, refused.code) == (400, "invalid_request")
    assert refused.body["errors"][0]["pointer"] == f"/{field}"
    assert world("GET", f"/apps/{made['app']}").body == made


def test_a_private_half_is_in_one_answer_and_in_no_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    made = world.app(key={})
    private = made.body["keys"][0]["private_key"]
    more = world("POST", f"/apps/{made.body['app']}/keys", {}).body["private_key"]
    assert private != more
    shown = world("GET", f"/apps/{made.body['app']}").body
    assert ["private_key" in key for key in shown["keys"]] == [False, False]
    said = str([vars(record) for record in caplog.records])
    assert "/admin/v1/apps/{}/keys" in said
    assert private not in said
    assert more not in said


def test_keys_take_a_fresh_sign_in(world: World) -> None:
    path = f"/apps/{world.app().body['app']}/keys"
    stale = world("POST", path, {}, signed_in_at=NOW - FRESH_SECONDS)
    assert (stale.status, stale.code) == (403, "fresh_sign_in_required")
    assert world("POST", path, {"public": "A" * 43}).body["errors"][0]["pointer"] == "/public"


def test_what_takes_two_answers_with_what_waits_and_is_approved_elsewhere(world: World) -> None:
    app = world.app().body["app"]
    draft = {"app": app, "name": "notice", "kind": "message", "texts": {"en": "Hello"}}
    for asked in (world("POST", f"/apps/{app}/go-live"), world("POST", "/templates", draft)):
        assert (asked.status, asked.body["state"]) == (202, "pending")
        path = f"/approvals/{asked.body['id']}/approve"
        assert world("POST", path).code == "own_request"
        assert world("POST", path, by=world.second).body["state"] == "executed"
        assert world("POST", path, by=world.second).code == "approval_state"
    quota = world("POST", f"/apps/{app}/quota", {"per_minute": 5, "per_day": 0})
    assert quota.body["errors"][0]["pointer"] == "/per_day"
    assert world("GET", f"/apps/{app}").body["mode"] == "live"
    assert world("GET", "/templates", query={"app": app}).body["templates"][0]["version"] == 1
    assert world("GET", f"/templates/{app}/notice").body["templates"][0]["texts"] == {"en": "Hello"}
    renamed = world("PATCH", f"/apps/{app}", {"name": "Reserve Bank"}, if_match="*")
    assert (renamed.status, renamed.body["operation"], renamed.body["state"]) == (202, "app.change", "pending")
    fewer = world("PATCH", f"/apps/{app}", {"sms": False}, if_match="*")
    assert (fewer.status, fewer.body["name"], fewer.etag) == (200, "Vahan", f'"{fewer.body["version"]}"')
    back = world("POST", f"/apps/{app}/trial", {"reason": "spam"})
    assert (back.status, back.body["mode"]) == (200, "trial")
    assert world("POST", f"/apps/{app}/trial", {"reason": "spam"}).code == "app_mode"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/apps/aaaaaaaaaaaaa"),
        ("GET", "/groups/aaaaaaaaaaaaa"),
        ("GET", "/templates/aaaaaaaaaaaaa/x"),
        ("POST", "/apps/aaaaaaaaaaaaa/go-live"),
        ("DELETE", "/apps/aaaaaaaaaaaaa/keys/aaaaaaaa"),
        ("DELETE", "/groups/aaaaaaaaaaaaa"),
    ],
)
def test_what_is_not_there_is_not_found(world: World, method: str, path: str) -> None:
    assert world(method, path).code == "not_found"


@pytest.mark.parametrize("kind", ["apps", "groups", "templates"])
@pytest.mark.parametrize("text", ["aaaaaaaaaaaab", "aaaaaaaaaaaa", "AAAAAAAAAAAAA"])
def test_a_text_that_no_id_can_be_is_an_invalid_request(world: World, kind: str, text: str) -> None:
    path = f"/{kind}/{text}/notice" if kind == "templates" else f"/{kind}/{text}"
    assert world("GET", path).code == "invalid_request"


@pytest.mark.parametrize("kind", ["apps", "groups"])
def test_lists_come_by_pages_that_nobody_else_goes_on_with(world: World, kind: str) -> None:
    for number in range(3):
        (world.app if kind == "apps" else world.group)(name=f"Listed {number}")
    first = world("GET", f"/{kind}", query={"limit": "2"})
    assert len(first.body[kind]) == 2
    cursor = first.body["cursor"]
    assert world("GET", f"/{kind}", query={"limit": "250", "cursor": cursor}).body[kind]
    assert world("GET", f"/{kind}", query={"cursor": cursor}, by=world.second).code == "invalid_cursor"
    assert world("GET", f"/{kind}", query={"cursor": cursor, "unit": id_text(world.west)}).code == "invalid_cursor"
    assert world("GET", f"/{kind}", query={"cursor": edited(cursor)}).code == "invalid_cursor"
    assert world("GET", f"/{kind}", query={"limit": "251"}).status == 400
    assert world("GET", f"/{kind}", query={"organisation": "aaaaaaaaaaaaa"}).code == "not_found"
