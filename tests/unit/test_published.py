"""Tests that the check of all traffic against docs/protocol, which every test runs, can fail."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import websockets
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from functions.client.handler import app
from tests.support import published
from tests.support.published import Unpublished, check_answer, check_frame

JSON = {"content-type": "application/json"}
PROBLEM = {"content-type": "application/problem+json"}
REFUSED = {"type": "urn:x", "title": "x", "status": 404, "code": "not_found", "request_id": "r"}
ENTRY = {"group": "a" * 13, "name": "Flood relief"}


def check(method: str, path: str, status: int, body: Any, headers: dict[str, str] = JSON) -> None:
    check_answer(method, path, status, headers, b"" if body is None else json.dumps(body).encode())


def test_answers_as_published_pass() -> None:
    check("GET", "/v1/groups", 200, {"groups": [ENTRY]})
    check("GET", "/v1/groups", 200, {"groups": [ENTRY | {"role": "owner", "new": None}]})
    check("DELETE", "/v1/devices/3", 204, None)
    check("DELETE", "/v1/devices/3", 404, REFUSED, PROBLEM)
    check("GET", "/v1/nothing", 404, REFUSED, PROBLEM)
    check("GET", "/v1/groups", 429, {"message": "Too Many Requests"})


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "headers"),
    [
        ("GET", "/v1/groups", 200, {"groups": [ENTRY | {"role": None}]}, JSON),
        ("GET", "/v1/groups", 200, {"groups": [ENTRY], "cursor": None}, JSON),
        ("GET", "/v1/groups", 200, {"groups": [{"group": "a" * 13}]}, JSON),
        ("GET", "/v1/groups", 200, {"groups": [ENTRY | {"group": "short"}]}, JSON),
        ("GET", "/v1/groups", 200, {}, JSON),
        ("GET", "/v1/groups", 200, None, JSON),
        ("GET", "/v1/groups", 200, {"groups": []}, {"content-type": "text/plain"}),
        ("GET", "/v1/groups", 200, {"groups": []}, {}),
        ("GET", "/v1/groups", 201, {"groups": []}, JSON),
        ("GET", "/v1/groups", 404, {"message": "x", "code": "not_found"}, PROBLEM),
        ("GET", "/v1/groups", 500, {"message": 1}, JSON),
        ("GET", "/v1/groups", 404, REFUSED, PROBLEM),
        ("GET", "/v1/nothing", 200, {}, JSON),
        ("GET", "/v1/nothing", 404, {"code": "not_found"}, PROBLEM),
        ("POST", "/v1/devices/3", 204, None, {}),
        ("DELETE", "/v1/devices/3", 204, {"a": 1}, JSON),
        ("POST", "/v1/otps", 418, REFUSED, PROBLEM),
        ("POST", "/v1/otps", 404, REFUSED | {"code": "group_full"}, PROBLEM),
        ("GET", "/admin/v1/me", 200, {}, JSON),
        ("GET", "/admin/v1/nothing", 200, {}, JSON),
    ],
)
def test_answers_that_are_not_as_published_fail(
    method: str, path: str, status: int, body: Any, headers: dict[str, str]
) -> None:
    with pytest.raises(Unpublished):
        check(method, path, status, body, headers)


def test_frames_are_held_to_what_is_published() -> None:
    check_frame(json.dumps({"type": "superseded"}))
    frames: tuple[Any, ...] = (
        {"type": "drained", "ref": "r", "more": None},
        {"type": "accepted", "ref": "r"},
        {"type": "hello", "protocol": 1},
        {"type": "nothing"},
        {"message": "Internal server error"},
        [],
    )
    for frame in frames:
        with pytest.raises(Unpublished):
            check_frame(json.dumps(frame))


def test_handlers_in_this_process_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": "/v1/nothing",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "http": {"method": "GET", "path": "/v1/nothing", "sourceIp": "192.0.2.1"},
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    context: Any = SimpleNamespace(aws_request_id="r")
    assert app.resolve(event, context)["statusCode"] == 404
    with published.checking(), monkeypatch.context() as patch:
        patch.setattr(published, "check_answer", lambda *_: (_ for _ in ()).throw(Unpublished("seen")))
        with pytest.raises(Unpublished):
            APIGatewayHttpResolver.resolve(app, event, context)


async def test_answers_of_a_deployed_service_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "engine_urls", {"http://engine.test/stage"})
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"groups": None}))
    with httpx.Client(transport=transport) as client:
        assert client.get("http://elsewhere.test/stage/v1/groups").status_code == 200
        with pytest.raises(Unpublished):
            client.get("http://engine.test/stage/v1/groups?limit=1")
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(Unpublished):
            await client.get("http://engine.test/stage/v1/groups")


async def test_frames_of_a_deployed_service_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(socket: websockets.ServerConnection) -> None:
        await socket.send(json.dumps({"type": "superseded"}))
        await socket.send(json.dumps({"type": "nothing"}))
        await socket.wait_closed()

    async with websockets.serve(talk, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with websockets.connect(f"{url}/stage") as elsewhere:
            assert [json.loads(await elsewhere.recv())["type"] for _ in range(2)] == ["superseded", "nothing"]
        monkeypatch.setattr(published, "engine_urls", {f"{url}/stage"})
        async with websockets.connect(f"{url}/stage") as socket:
            assert json.loads(await socket.recv()) == {"type": "superseded"}
            with pytest.raises(Unpublished):
                await socket.recv()
