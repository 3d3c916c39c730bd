"""Tests webhooks from end to end: registered, signed, retried, listed, redelivered, the feed, and missing rights."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from nacl.signing import VerifyKey
from standardwebhooks.webhooks import Webhook

from sandes.protocol.faults import fault
from tests.conftest import Deployed
from tests.support.raw_app import RawApp, create_app

pytestmark = pytest.mark.engine

Json = dict[str, Any]


@dataclass
class Taken:
    """Holds what an app's server has received. It answers with `statuses` in their order, then with 200."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?tenant=1"

    async def wait_for(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        for _ in range(600):
            if len(self.posts) >= count:
                return self.posts
            await asyncio.sleep(0.05)
        raise AssertionError(f"{len(self.posts)} of {count} posts came")


@pytest.fixture
def server() -> Iterator[Taken]:
    taken = Taken()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = taken.statuses.pop(0) if taken.statuses else 200
            taken.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    taken.port = listener.server_port
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    yield taken
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.fixture
def app(deployment: Deployed) -> RawApp:
    return create_app(deployment)


async def register(app: RawApp, url: str, events: list[str] | None = None, **options: Any) -> Json:
    answer = await app.call("POST", "/v1/webhooks", {"url": url, "events": events or ["message.read"]}, **options)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def delivery(app: RawApp, hook: str, state: str) -> Json:
    """Return the only delivery, once it has reached `state`."""
    for _ in range(200):
        listed = (await app.call("GET", f"/v1/webhooks/{hook}/deliveries?state={state}")).json()["deliveries"]
        if listed:
            (one,) = listed
            return dict(one)
        await asyncio.sleep(0.05)
    raise AssertionError(f"no delivery became {state}")


def verify(hook: Json, headers: dict[str, str], body: bytes) -> Json:
    """Verify like a receiver: `v1` by the library of Standard Webhooks, `v1a` by the public key."""
    v1a = next(part for part in headers["webhook-signature"].split(" ") if part.startswith("v1a,"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    public = VerifyKey(base64.b64decode(hook["public_key"].removeprefix("whpk_")))
    public.verify(signed, base64.b64decode(v1a.removeprefix("v1a,")))
    return dict(Webhook(hook["secret"]).verify(body, headers))


async def test_a_test_event_arrives_signed_is_tried_again_after_a_failure_and_stands_in_list_and_feed(
    app: RawApp, server: Taken
) -> None:
    start = (await app.call("GET", "/v1/events")).json()
    hook = await register(app, server.url)
    server.statuses = [500]
    queued = await app.call("POST", f"/v1/webhooks/{hook['id']}/test")
    assert queued.status_code == 202, queued.text
    assert queued.json()["state"] == "pending"
    (first, first_body), (second, second_body) = await server.wait_for(2)
    assert verify(hook, first, first_body) == verify(hook, second, second_body)
    event = json.loads(second_body)
    assert (event["type"], event["data"]) == ("webhook.test", {"webhook": hook["id"]})
    assert first["webhook-id"] == second["webhook-id"] == event["id"] == queued.json()["event"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) >= 5
    listed = await delivery(app, hook["id"], "delivered")
    assert (listed["event"], listed["attempts"], listed["last_status"]) == (event["id"], 2, 200)
    feed = (await app.call("GET", f"/v1/events?cursor={start['cursor']}&limit=10")).json()
    assert [one["id"] for one in feed["events"]] == [event["id"]]
    assert feed["events"] == [event]
    again = (await app.call("GET", f"/v1/events?cursor={feed['cursor']}")).json()
    assert (again["events"], again["more"]) == ([], False)


async def test_an_event_is_sent_again_when_asked_for(app: RawApp, server: Taken) -> None:
    hook = await register(app, server.url)
    event = (await app.call("POST", f"/v1/webhooks/{hook['id']}/test")).json()["event"]
    await server.wait_for(1)
    await delivery(app, hook["id"], "delivered")
    path = f"/v1/webhooks/{hook['id']}/deliveries/{event}/redeliver"
    for _ in range(2):
        assert (await app.call("POST", path, key="again")).status_code == 202
    posts = await server.wait_for(2)
    assert {headers["webhook-id"] for headers, _ in posts} == {event}
    await asyncio.sleep(3)
    assert len(server.posts) == 2


async def test_gone_disables_a_webhook_until_it_is_resumed(app: RawApp, server: Taken) -> None:
    hook = await register(app, server.url)
    server.statuses = [410]
    await app.call("POST", f"/v1/webhooks/{hook['id']}/test")
    failed = await delivery(app, hook["id"], "failed")
    assert (failed["last_status"], failed["attempts"]) == (410, 1)
    assert (await app.call("GET", f"/v1/webhooks/{hook['id']}")).json()["disabled"] == "gone"
    refused = await app.call("POST", f"/v1/webhooks/{hook['id']}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")
    resumed = await app.call("PATCH", f"/v1/webhooks/{hook['id']}", {"paused": False})
    assert (resumed.status_code, "disabled" in resumed.json()) == (200, False)


async def test_webhooks_are_kept_changed_and_removed(app: RawApp, server: Taken) -> None:
    made = await register(app, server.url, ["message.read", "batch.completed"], key="once")
    assert await register(app, server.url, ["message.read", "batch.completed"], key="once") == made
    mismatch = await app.call("POST", "/v1/webhooks", {"url": server.url, "events": ["message.read"]}, key="once")
    assert (mismatch.status_code, mismatch.json()["code"]) == (422, "idempotency_mismatch")
    shown = {name: value for name, value in made.items() if name != "secret"}
    assert (await app.call("GET", "/v1/webhooks")).json() == {"webhooks": [shown]}
    path = f"/v1/webhooks/{made['id']}"
    changed = (await app.call("PATCH", path, {"events": ["message.failed"], "paused": True})).json()
    assert changed == shown | {"events": ["message.failed"], "disabled": "paused"}
    assert (await app.call("GET", path)).json() == changed
    assert (await app.call("DELETE", path)).status_code == 204
    assert (await app.call("GET", path)).status_code == 404
    assert (await app.call("DELETE", path)).status_code == 404


async def test_five_webhooks_are_the_most(app: RawApp, server: Taken) -> None:
    body = {"url": server.url, "events": ["message.read"]}
    answers = [await app.call("POST", "/v1/webhooks", body) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [409]
    assert answers[-1].json()["code"] == "too_many_webhooks"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://10.0.0.1/", "private_address"),
        ("https://169.254.169.254/latest/meta-data", "private_address"),
        ("https://[::ffff:10.0.0.1]/", "private_address"),
        ("http://8.8.8.8/", "scheme"),
        ("https://user@8.8.8.8/", "credentials"),
        ("https://8.8.8.8:22/", "port"),
        ("https://nowhere.invalid/", "not_resolved"),
    ],
)
async def test_an_address_inside_is_refused_with_the_reason(app: RawApp, url: str, reason: str) -> None:
    answer = await app.call("POST", "/v1/webhooks", {"url": url, "events": ["message.read"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "webhook_address")
    assert answer.json()["errors"] == [fault("/url", reason)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "https://8.8.8.8/"},
        {"url": "https://8.8.8.8/", "events": []},
        {"url": "https://8.8.8.8/", "events": ["message.sent"]},
        {"url": "https://8.8.8.8/", "events": ["message.read"], "secret": "mine"},
        {"url": "", "events": ["message.read"]},
        {"url": "https://8.8.8.8/" + "a" * 1_000, "events": ["message.read"]},
        {"url": 1, "events": ["message.read"]},
    ],
)
async def test_a_body_that_does_not_fit_is_refused(app: RawApp, body: Json) -> None:
    answer = await app.call("POST", "/v1/webhooks", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_lists_refuse_what_they_did_not_give_out(app: RawApp, server: Taken) -> None:
    hook = await register(app, server.url)
    queries = ["cursor=AAAA", "cursor=", "limit=0", "limit=251", "limit=x"]
    for path in ("/v1/events", f"/v1/webhooks/{hook['id']}/deliveries"):
        answers = [await app.call("GET", f"{path}?{query}") for query in queries]
        assert [answer.status_code for answer in answers] == [400] * len(queries)
        assert [answer.json()["code"] for answer in answers[:2]] == ["invalid_cursor"] * 2
    assert (await app.call("GET", f"/v1/webhooks/{hook['id']}/deliveries?state=lost")).status_code == 400


async def test_every_post_needs_an_idempotency_key(app: RawApp, server: Taken) -> None:
    body = {"url": server.url, "events": ["message.read"]}
    calls = {"/v1/webhooks": body, "/v1/webhooks/AAAAAAAAAAAAAAAAAAAAAA/test": None}
    for path, sent in calls.items():
        answer = await app.call("POST", path, sent, key="")
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert (await app.call("GET", "/v1/webhooks")).json() == {"webhooks": []}
