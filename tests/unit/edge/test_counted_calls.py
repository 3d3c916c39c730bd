"""Tests the shared limit of client API calls that have no limit of their own."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from functions.client.handler import handler
from sandes import runtime
from sandes.edge.client import caller
from sandes.limits import Limit, enforce
from sandes.model.ids import account_text
from sandes.model.instant import Instant
from tests.support.service import AUDIENCE, Person, Service


@dataclass
class ClientApi:
    """Calls the function of the client API on the tables of a service, at the time that the test sets."""

    service: Service
    now_ms: int

    def get(self, person: Person, path: str) -> tuple[int, Any, dict[str, str]]:
        token = person.keys[0].token(str(person.address()), now_seconds=self.now_ms // 1000, audience=AUDIENCE)
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"authorization": f"Bearer {token}"},
            "requestContext": {"http": {"method": "GET", "path": path, "sourceIp": "192.0.2.1"}, "stage": "$default"},
            "isBase64Encoded": False,
        }
        context: Any = SimpleNamespace(aws_request_id="request-1")
        answer = handler(event, context)
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]

    def spend(self, person: Person, calls: int) -> None:
        """Count so many calls of the account without making them."""
        subject = f"account:{account_text(person.account)}"
        enforce(self.service.limits, Limit.CALLS, subject, now=Instant(self.now_ms), weight=calls)


@pytest.fixture
def api(service: Service, monkeypatch: pytest.MonkeyPatch) -> ClientApi:
    made = ClientApi(service, time.time_ns() // 1_000_000)
    monkeypatch.setenv("STAGE", "test")
    monkeypatch.setattr(caller, "wire_client", lambda: (service.device_deps, AUDIENCE))
    monkeypatch.setattr(runtime, "now", lambda: Instant(made.now_ms))
    return made


def test_an_account_that_calls_too_often_waits_and_may_call_again(api: ClientApi, service: Service) -> None:
    asha, ravi = service.person(), service.person()
    api.spend(asha, Limit.CALLS.burst - 2)
    paths = ("/v1/me", f"/v1/accounts/{account_text(ravi.account)}/keys")
    for path in paths:
        assert api.get(asha, path)[0] == 200, path
    for path in paths:
        status, problem, headers = api.get(asha, path)
        assert (status, problem["code"]) == (429, "rate_limited"), path
        assert 1 <= problem["retry_after"] <= Limit.CALLS.depth_ms // 1000
        assert headers["Retry-After"] == str(problem["retry_after"])
    assert api.get(ravi, "/v1/me")[0] == 200, "another account has calls of its own"
    api.now_ms += problem["retry_after"] * 1000
    assert api.get(asha, "/v1/me")[0] == 200
