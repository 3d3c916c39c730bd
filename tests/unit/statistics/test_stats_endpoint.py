"""Tests GET /admin/v1/stats by its handler: parameters and refusals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.ids import id_text, new_organisation_id
from tests.support.admin_api import AdminApi, admin_api
from tests.support.administration import Administration
from tests.support.service import Service


@pytest.fixture(scope="module")
def api() -> Iterator[AdminApi]:
    with admin_api() as made:
        yield made


EPOCH = "1970-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def officer(api: AdminApi) -> Caller:
    service = Service(api.client, api.tables)
    return Administration(service).appoint(Role.NODAL_OFFICER, Place.root(service.organisation()))


def test_the_callers_own_organisation_is_told_of_where_none_is_named(api: AdminApi, officer: Caller) -> None:
    answer = api(officer, "GET", "/stats")
    assert answer.status == 200, answer.body
    own = id_text(officer.administrator.home.organisation)
    assert (answer.body["organisation"], answer.body["by"]) == (own, "day")
    assert answer.body["figures"]["otps"]["sent"] == 0
    assert "conversion" not in answer.body["figures"]["otps"] or answer.body["figures"]["otps"]["conversion"] is None
    named = api(
        officer,
        "GET",
        "/stats",
        query={"organisation": own, "by": "hour", "since": EPOCH, "until": "1970-01-01T06:30:00+05:30"},
    )
    times = named.body["since"], named.body["until"]
    assert (named.body["by"], *times) == ("hour", EPOCH, "1970-01-01T01:00:00Z")


@pytest.mark.parametrize(
    "query",
    [
        {"by": "week"},
        {"organisation": "no-id"},
        {"app": "aaaaaaaaaaaab"},
        {"since": "yesterday"},
        {"since": "1790000000"},
        {"since": "2026-11-01"},
        {"since": "2026-11-01T00:00:00"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"until": "9999-12-31T23:59:59-12:00"},
        {"since": "1970-01-01T02:00:00Z", "until": "1970-01-01T00:59:59Z"},
        {"by": "hour", "since": EPOCH, "until": "1970-01-08T00:00:00Z"},
        {"untill": EPOCH},
        {"limit": "0"},
        {"limit": "251"},
    ],
    ids=str,
)
def test_a_question_that_cannot_be_meant_is_refused(api: AdminApi, officer: Caller, query: dict[str, str]) -> None:
    answer = api(officer, "GET", "/stats", query=query)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert answer.body["errors"]


def test_units_come_in_pages(api: AdminApi, officer: Caller) -> None:
    service = Service(api.client, api.tables)
    of = officer.administrator.home.organisation
    service.unit(of, "Signals")
    first = api(officer, "GET", "/stats", query={"limit": "1"})
    assert [one["name"] for one in first.body["units"]] == ["Ministry of Railways"]
    rest = api(officer, "GET", "/stats", query={"cursor": first.body["cursor"]})
    assert [one["name"] for one in rest.body["units"]] == ["Signals"]
    assert not rest.body.keys() & {"cursor", "figures"}
    for query in ({"cursor": "x"}, {"cursor": first.body["cursor"], "app": "aaaaaaaaaaaaa"}):
        answer = api(officer, "GET", "/stats", query=query)
        assert (answer.status, answer.code) == (400, "invalid_cursor")


@pytest.mark.parametrize("what", ["organisation", "app", "platform"])
def test_what_is_not_the_callers_is_not_there(api: AdminApi, officer: Caller, what: str) -> None:
    id = id_text(PLATFORM if what == "platform" else new_organisation_id())
    answer = api(officer, "GET", "/stats", query={"organisation" if what == "platform" else what: id})
    assert (answer.status, answer.code) == (404, "not_found")
