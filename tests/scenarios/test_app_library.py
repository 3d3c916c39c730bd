"""Tests the client library for apps on the deployed system: codes and notices to a device's own client, lost
answers.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from nacl.signing import SigningKey
from typer.testing import CliRunner

from sandes.model.ids import base64url_text
from sandes_client import DeviceClient, Endpoints, Enrolment, NoticeReceived, OtpReceived, Store, Voided
from sandes_client.app import AppApiError, AppClient, AppCredentials, Event, SyncAppClient
from sandes_client.cli import main
from sandes_client.keys import IdentityKey
from tests.conftest import Deployed
from tests.support.raw_app import RawApp, create_app, operate
from tests.support.raw_device import code_for, new_phone, refill_limits

pytestmark = pytest.mark.engine

PATIENCE_SECONDS = 60.0
E = TypeVar("E")


class Registry:
    """Creates apps, without the admin API, and the credentials files of their owners."""

    def __init__(self, deployed: Deployed, folder: Path) -> None:
        self.deployed = deployed
        self.folder = folder

    def create(self, *, test: bool = False) -> Path:
        """Create an app with all scopes and a `login` template. Return its credentials file."""
        return self.file(create_app(self.deployed, test=test, mode="trial" if test else "live"))

    def add_key(self, app: str) -> Path:
        """Add a key to the same app. Return its credentials file."""
        key = SigningKey.generate()
        made = operate(self.deployed, "key.add", app=app, public=base64url_text(bytes(key.verify_key)))
        return self.file(RawApp(self.deployed, made["key"], key))

    def file(self, app: RawApp) -> Path:
        file, stack = self.folder / f"{secrets.token_hex(4)}.json", self.deployed.stack
        private = IdentityKey(bytes(app.key))
        credentials = AppCredentials(app.app, app.id.partition(".")[2], private, stack.http_url, stack.audience)
        file.touch(mode=0o600)
        file.write_text(credentials.to_json())
        return file


@pytest.fixture(scope="module")
def registry(deployment: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(deployment, tmp_path_factory.mktemp("credentials"))


@pytest.fixture(scope="module")
def live(registry: Registry) -> Path:
    return registry.create()


@pytest.fixture(scope="module")
def testing(registry: Registry) -> Path:
    return registry.create(test=True)


@pytest.fixture
async def app(live: Path) -> AsyncIterator[AppClient]:
    async with AppClient(AppCredentials.read(live)) as client:
        yield client


async def registered(deployed: Deployed, file: Path) -> tuple[Store, str]:
    refill_limits(deployed)
    stack, phone = deployed.stack, new_phone()
    store = Store.open(file)
    async with Enrolment(store, Endpoints(stack.http_url, stack.websocket_url, stack.audience)) as enrolment:
        started = await enrolment.start(phone)
        await enrolment.verify(started.id, code_for(deployed, phone))
    return store, phone


async def the_next(events: AsyncIterator[Any], kind: type[E]) -> E:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for event in events:
            if isinstance(event, kind):
                return event
    raise AssertionError("the client stopped")


async def test_a_code_reaches_the_device_is_approved_and_turns_void_there(
    deployment: Deployed, app: AppClient, tmp_path: Path
) -> None:
    store, phone = await registered(deployment, tmp_path / "asha.sqlite3")
    async with DeviceClient.open(store) as device:
        events = device.events()
        await device.connected()
        sent = await app.otps.send(phone, "login", variables={"service": "passports"}, client_ref="L-1")
        otp = await the_next(events, OtpReceived)
        assert otp.app.name == "Passport Seva"
        assert otp.text == f"{otp.code} is your code for passports. Tell it to nobody."
        wrong = f"{(int(otp.code) + 1) % 1_000_000:06}"
        assert (await app.otps.check(sent.id, wrong)).result == "incorrect"
        assert (await app.otps.check(sent.id, otp.code)).approved
        voided = await the_next(events, Voided)
        assert (voided.app, voided.ids, voided.reason) == (otp.app.app, (otp.id,), "used")
        assert (await app.otps.check(sent.id, otp.code)).result == "used"
        found = await app.otps.get(sent.id)
        assert (found.status, found.client_ref) == ("used", "L-1")
    store.close()


async def test_an_app_hears_that_its_notice_was_delivered_and_read(
    deployment: Deployed, app: AppClient, tmp_path: Path
) -> None:
    store, phone = await registered(deployment, tmp_path / "ravi.sqlite3")
    reference = secrets.token_hex(8)
    sent = await app.messages.send(phone, body="Camp on Monday", confidential=True, client_ref=reference)
    async with DeviceClient.open(store) as device:
        notice = await the_next(device.events(), NoticeReceived)
        assert (notice.text, notice.confidential, notice.id) == ("Camp on Monday", True, sent.id)
        await device.settled()
        assert (await app.messages.get(sent.id)).status == "delivered"
        device.mark_app_messages_read(notice.app.app, [notice.id])
        await device.settled()
        final = await app.messages.get(sent.id)
        assert (final.status, final.seq) == ("read", 5)
        assert final.times["read"] >= final.times["accepted"]
    assert [one.id async for one in app.messages.list(client_ref=reference)] == [sent.id]
    with pytest.raises(AppApiError, match="already_delivered"):
        await app.messages.recall(sent.id)
    store.close()


async def test_a_recalled_notice_never_arrives(deployment: Deployed, app: AppClient, tmp_path: Path) -> None:
    store, phone = await registered(deployment, tmp_path / "usha.sqlite3")
    sent = await app.messages.send(phone, body="Sent by mistake")
    await app.messages.recall(sent.id)
    assert (await app.messages.get(sent.id)).status == "recalled"
    async with DeviceClient.open(store) as device:
        await device.drained()
        await device.settled()
    assert store.app_inbox.unshown(now_ms=0) == []
    store.close()


class LosesAnswers(httpx.HTTPTransport):
    """Carries every request out. The answers to the first `lost` requests never arrive."""

    lost = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if self.lost:
            self.lost -= 1
            response.read()
            raise httpx.ReadTimeout("lost")
        return response


def test_lost_answers_send_no_second_code_and_count_no_second_attempt(testing: Path) -> None:
    transport = LosesAnswers()
    with SyncAppClient(AppCredentials.read(testing), transport=transport, sleep=lambda _: None) as app:
        transport.lost = 2
        sent = app.otps.send("+990000000001", "login", variables={"service": "x"})
        transport.lost = 2
        wrong = app.otps.check(sent.id, "000000")
        assert (wrong.result, wrong.attempts_left) == ("incorrect", 2)
        transport.lost = 2
        right = app.otps.check(sent.id, "123456")
        assert (right.result, right.attempts_left) == ("approved", 1)
        assert app.otps.check(sent.id, "123456").result == "used"


@pytest.mark.parametrize("hours", [-3, 3])
def test_an_app_with_a_wrong_clock_is_served(testing: Path, hours: int) -> None:
    def now_ms() -> int:
        return time.time_ns() // 1_000_000 + hours * 3_600_000

    with SyncAppClient(AppCredentials.read(testing), now_ms=now_ms) as app:
        assert app.otps.send("+990000000002", "login", variables={"service": "x"}).status == "pending"


def test_a_refusal_names_the_variable_at_fault(testing: Path) -> None:
    with SyncAppClient(AppCredentials.read(testing)) as app:
        with pytest.raises(AppApiError) as caught:
            app.otps.send("+990000000001", "login", variables={"servise": "x"})
        assert caught.value.code == "template_variables"
        assert {fault["pointer"] for fault in caught.value.errors} == {"/variables/servise", "/variables/service"}
        assert caught.value.request_id


def sandes(credentials: Path, *words: str) -> Any:
    return CliRunner().invoke(main.app, ["app", *words, "--credentials", str(credentials)], catch_exceptions=False)


def test_the_command_sends_checks_and_cancels(testing: Path) -> None:
    options = ("--template", "login", "--var", "service=passports", "--json")
    id = json.loads(sandes(testing, "otp", "send", "+990000000001", *options).stdout)["id"]
    assert sandes(testing, "otp", "check", id, "000000").exit_code == 3
    assert sandes(testing, "otp", "check", id, "123456").stdout == "approved; attempts left: 1\n"
    second = json.loads(sandes(testing, "otp", "send", "+990000000002", *options).stdout)["id"]
    assert sandes(testing, "otp", "cancel", second).exit_code == 0
    assert sandes(testing, "otp", "status", second).stdout.startswith("cancelled ")
    status = json.loads(sandes(testing, "status", "--json").stdout)
    assert [one["id"] for one in status["templates"]] == ["login"]
    assert status["usage"]["mode"] == "trial"
    sent = sandes(testing, "message", "send", "+990000000001", "hello")
    assert sandes(testing, "message", "status", sent.stdout.split()[1]).stdout.startswith("delivered ")


def test_a_batch_goes_out_from_a_file_and_the_feed_tells_of_it(testing: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    rows = [f"+99000000000{1 + number % 2},r{number}" for number in range(6)]
    file.write_text("\n".join(["phone,client_ref", *rows, "12,bad"]) + "\n")
    dry = sandes(testing, "batch", "send", str(file), "--text", "Camp on Monday", "--dry-run")
    assert (dry.exit_code, dry.stdout.split()[0]) == (3, "checked"), dry.output
    assert "error: row 7, " in dry.stderr
    file.write_text("\n".join(["phone,client_ref", *rows]) + "\n")
    sent = sandes(testing, "batch", "send", str(file), "--text", "Camp on Monday", "--json")
    assert sent.exit_code == 0, sent.output
    done = json.loads(sent.stdout)
    assert (done["state"], done["sent"]) == ("completed", 6)
    with SyncAppClient(AppCredentials.read(testing)) as app:
        results = list(app.batches.results(done["id"], page_size=2))
        assert [(row.row, row.status, row.client_ref) for row in results] == [
            (number + 1, "accepted", f"r{number}") for number in range(6)
        ]
        saved: list[str] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any(done["id"] in event.data.values() for event in _since(app, saved)):
            assert time.monotonic() < deadline, "the feed does not tell of the batch"
            time.sleep(0.5)


def _since(app: SyncAppClient, saved: list[str]) -> list[Event]:
    """Return the events of the feed since the last call. An event may come a moment after its cause."""
    return list(app.events.iterate(saved[-1] if saved else None, save=saved.append, page_size=3))


def test_webhooks_are_kept_and_removed(live: Path) -> None:
    with SyncAppClient(AppCredentials.read(live)) as app:
        made = app.webhooks.create("http://127.0.0.1:9/hook", ["message.read", "webhook.test"])
        assert (made.public_key.startswith("whpk_"), (made.secret or "").startswith("whsec_")) == (True, True)
        assert [(one.id, one.secret) for one in app.webhooks.list()] == [(made.id, None)]
        assert app.webhooks.change(made.id, paused=True).disabled == "paused"
        assert app.webhooks.change(made.id, paused=False, events=["message.read"]).events == ("message.read",)
        assert list(app.webhooks.deliveries(made.id)) == []
        app.webhooks.delete(made.id)
        assert app.webhooks.list() == ()
        with pytest.raises(AppApiError, match="webhook_address"):
            app.webhooks.create("https://10.0.0.1/hook", ["message.read"])


def test_keys_are_replaced_without_a_gap(registry: Registry) -> None:
    app = AppCredentials.read(registry.create())
    new = registry.add_key(app.app)
    with SyncAppClient(app) as first, SyncAppClient(AppCredentials.read(new)) as second:
        assert first.usage().mode == second.usage().mode == "live"
        operate(registry.deployed, "key.revoke", app=app.app, key=app.key_name)
        assert second.usage().mode == "live"
        with pytest.raises(AppApiError, match="token_invalid"):
            first.usage()
