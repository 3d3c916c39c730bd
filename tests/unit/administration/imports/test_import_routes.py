"""Tests the routes about imports with events of API Gateway, and the function that processes the queue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from functions.admin_people import handler
from sandes.administration.imports import imports
from sandes.edge.settings import ImportSettings
from sandes.edge.wiring.imports import wire_imports
from sandes.model.administrator import Caller, Place, Role
from sandes.model.ids import id_text, parse_import
from tests.support.admin_api import AdminApi, Answer, Context, admin_api
from tests.support.administration import Administration
from tests.support.imports import csv_of, row
from tests.support.memory.services import s3_client
from tests.support.service import Service


class World:
    def __init__(self, api: AdminApi) -> None:
        self.api = api
        service = Service(api.client, api.tables)
        self.organisation = service.organisation()
        staff = Administration(service)
        self.officer = staff.appoint(Role.NODAL_OFFICER, Place.root(self.organisation))
        self.stranger = staff.appoint(Role.NODAL_OFFICER, Place.root(service.organisation("Ministry of Power")))

    def __call__(self, method: str, path: str, body: Any = None, *, by: Caller | None = None, **more: Any) -> Answer:
        return self.api(by or self.officer, method, path, body, **more)

    def raw(self, method: str, path: str, query: dict[str, str]) -> dict[str, Any]:
        event = self.api.event(self.officer, method, path, query=query)
        answer: dict[str, Any] = handler.handler(event, Context())  # type: ignore[arg-type]
        return answer

    def work(self) -> None:
        """Process all queued entries by the function's own entry point."""
        while records := self.api.queues.take(ImportSettings.load().import_queue):
            assert handler.imports({"Records": records}, None) == {"batchItemFailures": []}  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with admin_api() as api:
        yield World(api)


def test_an_import_from_its_address_to_its_results(world: World) -> None:
    body = {"organisation": id_text(world.organisation), "format": "csv", "client_ref": "staff"}
    made = world("POST", "/imports", body)
    assert (made.status, made.body["state"], made.headers["Cache-Control"]) == (201, "open", "no-store")
    id = made.body["id"]
    assert made.body["upload"]["url"].startswith("https://")
    assert world("POST", f"/imports/{id}/commit", {"dry_run": True}).code == "upload_missing"
    deps = wire_imports()
    one = deps.store.read(parse_import(id), now_seconds=int(time.time()))
    assert one is not None
    content = csv_of(row(), row("12"), row(expires="2020-01-01", name=""))
    s3_client().put_object(Bucket="uploads", Key=imports.file_name(one), Body=content)
    assert world("POST", f"/imports/{id}/commit", {"dry_run": False}).code == "import_state"
    assert world("POST", f"/imports/{id}/commit", {"dry_run": True}).status == 202
    world.work()
    state = world("GET", f"/imports/{id}")
    assert (state.body["state"], state.body["rows"], state.body["valid"]) == ("checked", 3, 1)
    assert [one["code"] for one in state.body["findings"]] == ["bad_number", "date_past", "bad_name"]
    assert world("POST", f"/imports/{id}/commit", {"dry_run": False}).body["state"] == "committing"
    world.work()
    assert world("GET", f"/imports/{id}").body["counts"]["nominated"] == 1
    results = world("GET", f"/imports/{id}/results", query={"limit": "2"})
    assert [one["status"] for one in results.body["results"]] == ["nominated", "invalid"]
    rest = world("GET", f"/imports/{id}/results", query={"limit": "2", "cursor": results.body["cursor"]})
    assert [one["row"] for one in rest.body["results"]] == [4]
    listed = world("GET", "/imports").body["imports"]
    assert [(one["id"], one["client_ref"]) for one in listed] == [(id, "staff")]


def test_results_as_csv_say_where_they_go_on(world: World) -> None:
    id = world("GET", "/imports").body["imports"][0]["id"]
    answer = world.raw("GET", f"/imports/{id}/results", {"format": "csv", "limit": "2"})
    assert answer["body"].splitlines()[0] == "row,status,field,column,code,message"
    link = answer["multiValueHeaders"]["Link"][0] if "multiValueHeaders" in answer else answer["headers"]["Link"]
    assert link.startswith(f"</admin/v1/imports/{id}/results?format=csv&limit=2&cursor=")


def test_what_is_no_import_or_of_others_is_not_there(world: World) -> None:
    made = world("POST", "/imports", {"organisation": id_text(world.organisation), "format": "xlsx"}).body["id"]
    for method, path, body in (
        ("GET", f"/imports/{made}", None),
        ("GET", f"/imports/{made}/results", None),
        ("POST", f"/imports/{made}/commit", {"dry_run": True}),
        ("DELETE", f"/imports/{made}", None),
    ):
        assert world(method, path, body, by=world.stranger).code == "not_found"
        assert world(method, path.replace(made, "A" * 32), body).code == "not_found"
    assert world("DELETE", f"/imports/{made}").status == 204
    assert world("GET", f"/imports/{made}").body["state"] == "cancelled"


@pytest.mark.parametrize(
    "change", [{"format": "ods"}, {"state": "checked"}, {"unit": "x"}, {"client_ref": ""}, {"dry_run": True}]
)
def test_bodies_hold_what_they_may_and_nothing_else(world: World, change: dict[str, Any]) -> None:
    body = {"organisation": id_text(world.organisation), "format": "csv"} | change
    assert world("POST", "/imports", body).code == "invalid_request"
