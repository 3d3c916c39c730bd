"""`sandes app webhook`: what was delivered, and events on one's own machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook as PublishedLibrary
from typer.testing import CliRunner, Result

from sandes.protocol import app_api
from sandes_client.app import SyncAppClient, verify_webhook
from sandes_client.app.webhook_relay import RelayKeys
from sandes_client.cli import app_webhooks
from sandes_client.cli.main import app
from tests.unit.sdk.app_service import ID, NOW, AppService, answer, refused

EVT_1, EVT_2 = "01890000-0000-7000-8000-000000000001", "01890000-0000-7000-8000-000000000002"
EVENT = app_api.Event(id=EVT_1, type="message.read", timestamp=NOW, data={"id": ID, "status": "read", "seq": 4})
DELIVERY = app_api.WebhookDelivery(
    event=EVT_1,
    type="message.read",
    state="failed",
    attempts=10,
    last_status=500,
    next_attempt_at=None,
    updated_at=NOW,
)
Run = Callable[..., Result]


@pytest.fixture
def service() -> AppService:
    return AppService()


@pytest.fixture
def sandes(service: AppService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    file = tmp_path / "app.json"
    file.write_text(service.credentials.to_json())
    file.chmod(0o600)
    original = SyncAppClient.__init__

    def to_service(self: SyncAppClient, credentials: Any, **options: Any) -> None:
        transport = httpx.MockTransport(service.http)
        original(self, credentials, transport=transport, now_ms=service.now_ms, sleep=service.sleep, **options)

    monkeypatch.setattr(SyncAppClient, "__init__", to_service)

    def run(*words: str, input: str | None = None) -> Result:
        command = ["app", "webhook", *words, "--credentials", str(file)]
        return CliRunner().invoke(app, command, input=input, catch_exceptions=False)

    return run


def test_a_test_event_is_sent_and_deliveries_are_listed_and_asked_for_again(sandes: Run, service: AppService) -> None:
    service.on("POST", f"/v1/webhooks/{ID}/test", DELIVERY.model_copy(update={"state": "pending"}), 202)
    assert sandes("test", ID).stdout == f"pending {EVT_1}; see `sandes app webhook deliveries {ID}`\n"
    service.on("GET", f"/v1/webhooks/{ID}/deliveries", app_api.WebhookDeliveries(deliveries=[DELIVERY]))
    shown = sandes("deliveries", ID, "--state", "failed").stdout
    assert all(word in shown for word in (EVT_1, "message.read", "failed", "10", "500"))
    assert service.requests[-1].url.params["state"] == "failed"
    assert sandes("deliveries", ID, "--state", "lost").exit_code == 2
    service.on("POST", f"/v1/webhooks/{ID}/deliveries/{EVT_1}/redeliver", DELIVERY, 202)
    assert json.loads(sandes("redeliver", ID, EVT_1, "--json").stdout)["state"] == "failed"
    assert sandes("redeliver", ID, EVT_1).stdout == f"failed {EVT_1}; see `sandes app webhook deliveries {ID}`\n"
    service.script = [refused("webhook_disabled", 409, title="Set paused to false first.")]
    assert sandes("test", ID).stderr == (
        "error: webhook_disabled: the webhook is paused or disabled; `sandes app webhook change WEBHOOK --resume` "
        "resumes it\n"
    )


def test_webhooks_are_created_listed_changed_and_removed(sandes: Run, service: AppService) -> None:
    made = app_api.Webhook(
        id=ID,
        url="https://hooks.example",
        events=["message.read"],
        test=True,
        public_key="whpk_x",
        secret="whsec_x",
        created_at=NOW,
    )
    service.on("POST", "/v1/webhooks", made, 201)
    assert "secret whsec_x" in sandes("create", made.url, "--event", "message.read").stdout
    eaten = sandes("create", made.url, "--event", "message.eaten")
    assert (eaten.exit_code, "Invalid value for '--event': must be one of " in eaten.stderr) == (2, True)
    service.on("GET", "/v1/webhooks", app_api.WebhookList(webhooks=[made]))
    assert "enabled" in sandes("list").stdout
    service.on("PATCH", f"/v1/webhooks/{ID}", made.model_copy(update={"disabled": "paused"}))
    assert sandes("change", ID, "--pause").stdout.endswith(": paused\n")
    assert sandes("change", ID).exit_code == 2
    service.on("DELETE", f"/v1/webhooks/{ID}", status=204)
    assert sandes("remove", ID, input="n\n").exit_code == 1
    assert sandes("remove", ID, "--yes").stdout == f"Removed webhook {ID}.\n"


class Receiver(BaseHTTPRequestHandler):
    """A developer's program: keeps what was posted."""

    posts: list[tuple[bytes, dict[str, str]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.posts.append((body, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[bytes, dict[str, str]]]]]:
    posts: list[tuple[bytes, dict[str, str]]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Keeps", (Receiver,), {"posts": posts}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", posts
    server.shutdown()
    thread.join()
    server.server_close()


def test_events_are_posted_to_a_program_here_with_signatures_that_it_can_check(
    sandes: Run, service: AppService, receiver: tuple[str, list[tuple[bytes, dict[str, str]]]]
) -> None:
    url, posts = receiver
    second = EVENT.model_copy(update={"id": EVT_2, "timestamp": NOW + timedelta(seconds=1)})
    pages = [
        app_api.EventPage(events=[EVENT], cursor="c1", more=True),
        app_api.EventPage(events=[EVENT, second], cursor="c2", more=False),
    ]
    service.script = [answer(page) for page in pages]
    result = sandes("listen", "--once", "--forward-to", url)
    assert [line.split("  ")[1:] for line in result.stdout.splitlines()] == [
        ["message.read", EVT_1, "204"],
        ["message.read", EVT_2, "204"],
    ]
    public_key, secret = result.stderr.split("public key ")[1].strip().split(", secret ")
    for (body, headers), id in zip(posts, (EVT_1, EVT_2), strict=True):
        assert verify_webhook(body, headers, public_key=public_key).id == id
        assert PublishedLibrary(secret).verify(body, headers)["data"]["seq"] == 4


def test_a_receiver_that_is_not_there_is_named_and_listening_goes_on(sandes: Run, service: AppService) -> None:
    service.script = [answer(app_api.EventPage(events=[EVENT], cursor="c1", more=False))]
    result = sandes("listen", "--once", "--forward-to", "http://127.0.0.1:9/hook")
    assert result.exit_code == 0
    assert "cannot connect to 127.0.0.1:9" in result.stdout


def test_listening_begins_with_the_next_event_unless_told_otherwise(
    sandes: Run, service: AppService, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = EVENT.model_copy(update={"id": EVT_2})
    service.script = [
        answer(app_api.EventPage(events=[EVENT], cursor="c1", more=False)),
        answer(app_api.EventPage(events=[new], cursor="c2", more=False)),
    ]
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(app_webhooks, "pause", wait)
    result = sandes("listen")
    assert result.exit_code == 130
    assert [line.split("  ")[2] for line in result.stdout.splitlines()] == [EVT_2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--forward-to", "http://example.org/hook"], "an http address on this machine, such as http://127.0.0.1:8000"),
        (["--forward-to", "foo"], "give an https address, or an http address on this machine"),
        (["--secret", "abc"], "a secret is whsec_ and 24 to 64 bytes of base64"),
        (["--secret", "whsec_zz"], "a secret is whsec_ and 24 to 64 bytes of base64"),
        (["--secret", "whsec_zzz"], "a secret is whsec_ and 24 to 64 bytes of base64"),
    ],
)
def test_events_go_in_clear_to_this_machine_only_and_a_bad_secret_is_wrong_usage(
    sandes: Run, words: list[str], said: str
) -> None:
    result = sandes("listen", *words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_listening_goes_on_after_an_outage_with_the_event_after_the_last_one(
    sandes: Run, service: AppService, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = EVENT.model_copy(update={"id": EVT_2})
    service.script = [
        answer(app_api.EventPage(events=[EVENT], cursor="c1", more=False)),
        *[httpx.ConnectError("down")] * 10,  # more than one call tries
        answer(app_api.EventPage(events=[new], cursor="c2", more=False)),
    ]

    def wait(_: float) -> None:
        if not service.script:
            raise KeyboardInterrupt

    monkeypatch.setattr(app_webhooks, "pause", wait)
    result = sandes("listen")
    assert result.exit_code == 130
    assert [line.split("  ")[2] for line in result.stdout.splitlines()] == [EVT_2]
    assert result.stderr.splitlines() == [
        "The service does not answer: cannot connect to apps.test:443: down. The command keeps trying.",
        "The service answers again.",
    ]
    assert service.requests[-1].url.params["cursor"] == "c1"


def test_a_secret_of_an_earlier_run_gives_the_same_keys() -> None:
    keys = RelayKeys.new()
    assert RelayKeys(keys.secret).public_key == keys.public_key
    assert RelayKeys.new().public_key != keys.public_key
