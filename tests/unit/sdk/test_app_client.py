"""The client for apps: signed requests, one idempotency key for all tries, typed answers and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from sandes.model.ids import message_text, new_message_id
from sandes.protocol import app_api
from sandes_client.app import AppApiError, AppClient, BatchRow, SyncAppClient, Unreachable
from sandes_client.clock import Chance
from tests.support.forms import form_of
from tests.unit.sdk.app_service import APP, ID, NOW, OTP, AppService, answer, refused
from tests.unit.sdk.service import START_MS

PHONE = "+919876543210"
MESSAGE = message_text(new_message_id(START_MS))


@pytest.fixture
def service() -> AppService:
    return AppService()


@pytest.fixture
def app(service: AppService) -> Iterator[SyncAppClient]:
    with SyncAppClient(
        service.credentials,
        transport=httpx.MockTransport(service.http),
        now_ms=service.now_ms,
        sleep=service.sleep,
        chance=Chance(fraction=lambda: 0.5),
    ) as client:
        yield client


def body_of(service: AppService, model: type[BaseModel]) -> Any:
    """The body of the last request, read by the server's model."""
    return model.model_validate_json(service.requests[-1].content)


def test_a_code_is_sent_as_the_server_reads_it(service: AppService, app: SyncAppClient) -> None:
    service.on("POST", "/v1/otps", OTP, 202)
    otp = app.otps.send(
        PHONE,
        "login",
        variables={"service": "पासपोर्ट"},
        language="hi",
        length=8,
        ttl=120,
        purpose="pay",
        client_ref="r",
    )
    assert (otp.id, otp.status, otp.expires_at, otp.attempts_left) == (ID, "pending", NOW, 3)
    sent = body_of(service, app_api.NewOtp)
    assert (sent.to.phone, sent.variables, sent.language, sent.length) == (PHONE, {"service": "पासपोर्ट"}, "hi", 8)
    assert (sent.ttl, sent.purpose, sent.client_ref) == (120, "pay", "r")


def test_what_is_left_out_is_left_to_the_server(service: AppService, app: SyncAppClient) -> None:
    service.on("POST", "/v1/otps", OTP, 202)
    app.otps.send(APP, "login")
    assert json.loads(service.requests[-1].content) == {"to": {"account": APP}, "template": "login"}


@pytest.mark.parametrize("to", ["9876543210", "", "A" * 13, "somebody"])
def test_a_recipient_that_is_neither_number_nor_account_is_refused_before_anything_is_sent(
    service: AppService, app: SyncAppClient, to: str
) -> None:
    with pytest.raises(ValueError, match="recipient"):
        app.otps.send(to, "login")
    assert service.requests == []


def test_a_right_code_is_told_from_a_wrong_one(service: AppService, app: SyncAppClient) -> None:
    service.script = [
        answer(app_api.OtpChecked(result="incorrect", attempts_left=2)),
        answer(app_api.OtpChecked(result="approved", attempts_left=1)),
    ]
    wrong, right = app.otps.check(ID, "123456"), app.otps.check(ID, "654321", purpose="login")
    assert (wrong.approved, wrong.attempts_left, right.approved) == (False, 2, True)
    assert body_of(service, app_api.OtpCheck).code == "654321"
    assert len(set(service.keys)) == 2, "two checks are two operations"


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("down"),
        httpx.RemoteProtocolError("cut"),
        refused("unavailable", 503, retry_after=2),
        refused("rate_limited", 429, retry_after=1),
        refused("unavailable", 503),
        httpx.Response(429, json={"message": "Too Many Requests"}),
        httpx.Response(500, json={"message": "Internal Server Error"}),
        httpx.Response(504, text="<html>"),
    ],
    ids=str,
)
def test_a_call_that_got_no_answer_is_repeated_under_the_same_key_with_a_token_of_its_own(
    service: AppService, app: SyncAppClient, trouble: Any
) -> None:
    service.script = [trouble, trouble, answer(OTP, 202)]
    service.client_ms += 1
    assert app.otps.send(PHONE, "login").id == ID
    assert len(service.keys) == 3
    assert len(set(service.keys)) == 1
    assert len({request.content for request in service.requests}) == 1
    assert len(service.slept) == 2
    assert min(service.slept) > 0


def test_a_later_try_has_a_token_that_is_still_valid(service: AppService, app: SyncAppClient) -> None:
    service.script = [*[refused("unavailable", 503, retry_after=30)] * 4, answer(OTP, 202)]
    assert app.otps.send(PHONE, "login").id == ID
    assert len(set(service.tokens)) == 5, "the first one has long expired"


def test_waits_grow_and_end(service: AppService, app: SyncAppClient) -> None:
    service.script = [httpx.ConnectError("down")] * 9
    with pytest.raises(Unreachable):
        app.otps.get(ID)
    assert service.slept == [0.5, 1.0, 2.0, 4.0]
    assert len(service.requests) == 5


def test_the_last_refusal_is_what_the_caller_gets(service: AppService, app: SyncAppClient) -> None:
    service.script = [refused("unavailable", 503, retry_after=1)] * 9
    with pytest.raises(AppApiError) as caught:
        app.otps.get(ID)
    assert (caught.value.code, caught.value.status, caught.value.retry_after) == ("unavailable", 503, 1)
    service.script = [httpx.Response(429, headers={"Retry-After": "7"})] * 9
    with pytest.raises(AppApiError) as caught:
        app.otps.get(ID)
    assert (caught.value.code, caught.value.retry_after) == ("rate_limited", 7)
    assert service.slept[-1] == 7.5


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (refused("recipient_limited", 429, retry_after=5), "recipient_limited"),
        (refused("resend_too_soon", 429, retry_after=5), "resend_too_soon"),
        (refused("quota_exceeded", 429, retry_after=40_000), "quota_exceeded"),
        (refused("internal", 500), "internal"),
        (refused("idempotency_mismatch", 422), "idempotency_mismatch"),
        (refused("unknown_template", 400), "unknown_template"),
        (refused("token_invalid", 401), "token_invalid"),
    ],
)
def test_what_another_try_would_not_change_is_told_at_once(
    service: AppService, app: SyncAppClient, refusal: httpx.Response, code: str
) -> None:
    service.script = [refusal]
    with pytest.raises(AppApiError) as caught:
        app.otps.send(PHONE, "login")
    assert caught.value.code == code
    assert (len(service.requests), service.slept) == (1, [])


def test_a_refusal_says_which_field_and_which_request(service: AppService, app: SyncAppClient) -> None:
    fault = {"pointer": "/variables/service", "code": "missing"}
    service.script = [refused("template_variables", 400, errors=[fault])]
    with pytest.raises(AppApiError) as caught:
        app.otps.send(PHONE, "login")
    assert (caught.value.errors, caught.value.request_id) == ([fault], "r")


@pytest.mark.parametrize("minutes", [-90, 90])
def test_a_wrong_clock_is_corrected_once_and_for_the_calls_after_it(
    service: AppService, app: SyncAppClient, minutes: int
) -> None:
    service.server_ahead_ms = minutes * 60_000
    service.on("POST", "/v1/otps", OTP, 202)
    app.otps.send(PHONE, "login")
    assert (len(service.requests), len(set(service.keys)), service.slept) == (2, 1, [])
    app.otps.send(PHONE, "login")
    assert len(service.requests) == 3


def test_a_clock_that_cannot_be_corrected_ends_the_call(service: AppService, app: SyncAppClient) -> None:
    service.script = [refused("token_expired", 401, server_time=START_MS)] * 5
    with pytest.raises(AppApiError) as caught:
        app.otps.get(ID)
    assert caught.value.code == "token_expired"
    assert len(service.requests) == 2


def test_a_key_of_the_callers_own_outlives_the_process(service: AppService, app: SyncAppClient) -> None:
    service.on("POST", "/v1/otps", OTP, 202)
    app.otps.send(PHONE, "login", idempotency_key="login-of-17")
    assert service.keys == ["login-of-17"]


@pytest.mark.parametrize("given", [b"", b"[]", b"{}", b'{"id": 5}', b"\xff", b"null"])
def test_an_answer_that_is_none_is_an_error_and_no_crash(service: AppService, app: SyncAppClient, given: bytes) -> None:
    service.script = [httpx.Response(200, content=given)]
    with pytest.raises(Unreachable):
        app.otps.get(ID)


def test_fields_and_words_of_a_newer_service_are_no_error(service: AppService, app: SyncAppClient) -> None:
    newer = json.loads(OTP.model_dump_json(exclude_none=True)) | {"status": "revoked", "added": [1]}
    service.script = [httpx.Response(200, json=newer)]
    assert str(app.otps.get(ID).status) == "revoked"


def test_a_message_is_sent_as_the_server_reads_it(service: AppService, app: SyncAppClient) -> None:
    accepted = app_api.MessageAccepted(id=MESSAGE, status="accepted", expires_at=NOW)  # type: ignore[arg-type]
    service.routes["POST", "/v1/messages"] = lambda _: httpx.Response(
        202, json={"id": MESSAGE, "status": "accepted", "expires_at": accepted.expires_at.isoformat()}
    )
    later = datetime(2027, 2, 1, tzinfo=UTC)
    sent = app.messages.send(
        PHONE, body="Camp on Monday", category="alert", confidential=True, priority="high", expires_at=later
    )
    assert (sent.id, sent.status) == (MESSAGE, "accepted")
    read = body_of(service, app_api.NewMessage)
    assert (read.body, read.category, read.confidential, read.priority) == ("Camp on Monday", "alert", True, "high")
    assert read.expires_at == later


def test_an_expiry_without_a_time_zone_is_refused(app: SyncAppClient) -> None:
    with pytest.raises(ValueError, match="time zone"):
        app.messages.send(PHONE, body="x", expires_at=datetime(2027, 2, 1))  # noqa: DTZ001  the fault itself


def message(id: str, status: str = "delivered") -> dict[str, Any]:
    times = {"accepted": "2027-01-15T08:00:00Z", "delivered": "2027-01-15T08:00:01Z"}
    named = {"id": id, "status": status, "seq": 4, "category": "notice", "language": "en", "times": times}
    return named | {"expires_at": "2027-02-15T08:00:00Z"}


def test_a_list_goes_through_all_pages_with_its_filters(service: AppService, app: SyncAppClient) -> None:
    pages = [
        {"messages": [message("1"), message("2")], "cursor": "next/&="},
        {"messages": [], "cursor": "empty"},
        {"messages": [message("3")]},
    ]
    service.script = [httpx.Response(200, json=page) for page in pages]
    found = list(app.messages.list(status="delivered", batch="b", page_size=2))
    assert [one.id for one in found] == ["1", "2", "3"]
    assert found[0].times["delivered"] == datetime(2027, 1, 15, 8, 0, 1, tzinfo=UTC)
    common = {"status": "delivered", "batch": "b", "limit": "2"}
    queries = [dict(request.url.params) for request in service.requests]
    assert queries == [common, common | {"cursor": "next/&="}, common | {"cursor": "empty"}]


def test_a_recall_is_a_delete(service: AppService, app: SyncAppClient) -> None:
    service.on("DELETE", f"/v1/messages/{MESSAGE}")
    assert app.messages.recall(MESSAGE) is None
    service.script = [refused("already_delivered", 409)]
    with pytest.raises(AppApiError, match="already_delivered"):
        app.messages.recall(MESSAGE)


def test_templates_previews_and_usage_are_read(service: AppService, app: SyncAppClient) -> None:
    template = app_api.Template(
        id="login",
        version=2,
        kind="otp",
        languages=["en", "hi"],
        variables=["service"],
        may_be_empty=["service"],
        sms=True,
        approved_at=NOW,
    )
    preview = app_api.Preview(text="hi", language="en", characters=2, sms_segments=1, sms_encoding="GSM-7")
    quota = app_api.Quota(limit=5, used=1, left=4, resets_at=NOW)
    service.on("GET", "/v1/templates", app_api.TemplateList(templates=[template]))
    service.on("POST", "/v1/templates/login/preview", preview)
    service.on("GET", "/v1/usage", app_api.Usage(mode="trial", test=False, per_minute=quota, per_day=quota))
    assert [(one.id, one.languages, one.approved_at) for one in app.templates.list()] == [("login", ("en", "hi"), NOW)]
    assert app.templates.list()[0].may_be_empty == ("service",)
    pages = [app_api.TemplateList(templates=[template], cursor="next"), app_api.TemplateList(templates=[template])]
    service.script = [answer(found, 200) for found in pages]
    assert len(app.templates.list()) == 2
    assert service.requests[-1].url.params["cursor"] == "next"
    assert app.templates.preview("login", {"service": "x"}).sms_encoding == "GSM-7"
    assert body_of(service, app_api.PreviewTemplate).variables == {"service": "x"}
    assert app.usage().per_day.left == 4


def batch(state: str, done: int = 0, **changed: Any) -> app_api.Batch:
    counts = {"rows": 4, "valid": 3, "invalid": 1, "done": done, "sent": done, "failed": 0}
    return app_api.Batch(id=ID, state=state, created_at=NOW, **counts | changed)  # type: ignore[arg-type]


def test_an_inline_batch_is_sent_as_the_server_reads_it(service: AppService, app: SyncAppClient) -> None:
    service.on("POST", "/v1/batches", batch("sending"), 202)
    made = app.batches.create(
        rows=[BatchRow(PHONE, {"name": "Asha"}, "a"), BatchRow(APP)], template="camp", category="notice"
    )
    assert (made.id, made.state, made.rows) == (ID, "sending", 4)
    read = body_of(service, app_api.NewBatch)
    assert [(row.to.phone, row.to.account, row.variables) for row in read.rows or ()] == [
        (PHONE, None, {"name": "Asha"}),
        (None, bytes(8), {}),
    ]


def test_a_file_is_put_where_the_batch_says_without_a_token_and_again_after_a_cut(
    service: AppService, app: SyncAppClient, tmp_path: Path
) -> None:
    put: list[tuple[str, bytes, dict[str, str]]] = []

    def storage(request: httpx.Request) -> httpx.Response:
        if request.url.host != "files.test":
            return service.http(request)
        put.append((str(request.url), request.content, dict(request.headers)))
        if len(put) == 1:
            raise httpx.WriteError("cut")
        return httpx.Response(200)

    upload = app_api.Upload(
        url="https://files.test/x?s=%2F", fields={"key": "uploads/x", "policy": "p"}, expires_at=NOW
    )
    service.on("POST", "/v1/batches", batch("open", upload=upload), 202)
    service.on("POST", f"/v1/batches/{ID}/commit", batch("checking"), 202)
    file = tmp_path / "rows.csv"
    file.write_bytes(b"phone\n+919876543210\n")
    with SyncAppClient(service.credentials, transport=httpx.MockTransport(storage), sleep=service.sleep) as client:
        client.caller.clock_ms = service.now_ms
        made = client.batches.create(upload="csv", template="camp")
        client.batches.upload(made, file)
        assert client.batches.commit(made.id, dry_run=True).state == "checking"
    assert body_of(service, app_api.CommitBatch).dry_run
    assert [url for url, _, _ in put] == ["https://files.test/x?s=%2F"] * 2
    assert put[0] == put[1]
    form = form_of(put[1][2]["content-type"], put[1][1])
    assert list(form) == ["key", "policy", "file"], "whatever comes after the file is not read"
    assert form == {"key": b"uploads/x", "policy": b"p", "file": file.read_bytes()}
    assert "authorization" not in put[1][2]
    assert "files.test" not in repr(made)


def test_a_file_that_is_not_taken_is_an_error(service: AppService, app: SyncAppClient) -> None:
    upload = app_api.Upload(url="https://files.test/x", fields={}, expires_at=NOW)
    service.on("POST", "/v1/batches", batch("open", upload=upload), 202)
    made = app.batches.create(upload="ndjson", template="camp")
    with (
        SyncAppClient(service.credentials, transport=httpx.MockTransport(lambda _: httpx.Response(403))) as client,
        pytest.raises(AppApiError, match="upload_refused"),
    ):
        client.batches.upload(made, b"{}")
    with pytest.raises(ValueError, match="50 MiB"):
        app.batches.upload(made, bytes(50 * 1024 * 1024 + 1))


def test_waiting_for_a_batch_tells_its_progress_and_ends_with_it(service: AppService, app: SyncAppClient) -> None:
    states = [batch("checking"), batch("sending", 1), batch("sending", 2), batch("completed", 3, finished_at=NOW)]
    service.script = [answer(state) for state in states]
    seen: list[int] = []
    ended = app.batches.wait(ID, on_progress=lambda now: seen.append(now.done))
    assert (ended.state, ended.finished_at, seen) == ("completed", NOW, [0, 1, 2, 3])
    assert service.slept == [2.0] * 3


def test_waiting_for_a_batch_ends_in_time(service: AppService, app: SyncAppClient) -> None:
    service.on("GET", f"/v1/batches/{ID}", batch("sending"))
    with pytest.raises(TimeoutError):
        app.batches.wait(ID, timeout_seconds=7)
    assert sum(service.slept) == 8


def test_results_of_a_batch_come_row_by_row(service: AppService, app: SyncAppClient) -> None:
    results = [app_api.BatchResult(row=1, message=MESSAGE, status="accepted")]
    more = [app_api.BatchResult(row=2, status="invalid", code="invalid_phone", client_ref="b")]
    service.script = [
        answer(app_api.BatchResults(results=results, cursor="c")),
        answer(app_api.BatchResults(results=more)),
    ]
    found = [(one.row, one.status, one.message, one.code) for one in app.batches.results(ID)]
    assert found == [(1, "accepted", MESSAGE, None), (2, "invalid", None, "invalid_phone")]


DELIVERY = app_api.WebhookDelivery(
    event=MESSAGE, type="message.read", state="failed", attempts=9, last_status=500, updated_at=NOW
)


def webhook(**changed: Any) -> app_api.Webhook:
    named: dict[str, Any] = {"id": ID, "url": "https://a.gov.in/h", "events": ["message.read"], "public_key": "whpk_x"}
    return app_api.Webhook(**named | {"created_at": NOW, "test": False} | changed)


def test_webhooks_are_made_changed_and_removed(service: AppService, app: SyncAppClient) -> None:
    service.on("POST", "/v1/webhooks", webhook(secret="whsec_s"), 201)
    service.on("GET", "/v1/webhooks", app_api.WebhookList(webhooks=[webhook()]))
    service.on("GET", f"/v1/webhooks/{ID}", webhook())
    service.on("PATCH", f"/v1/webhooks/{ID}", webhook(disabled="paused"))
    service.on("DELETE", f"/v1/webhooks/{ID}")
    service.on("POST", f"/v1/webhooks/{ID}/test", DELIVERY, 202)
    made = app.webhooks.create("https://a.gov.in/h", ["message.read"])
    assert (made.secret, "whsec_s" in repr(made)) == ("whsec_s", False)
    assert body_of(service, app_api.NewWebhook).events == ["message.read"]
    assert [one.id for one in app.webhooks.list()] == [ID]
    assert app.webhooks.get(ID).secret is None
    assert app.webhooks.change(ID, paused=True).disabled == "paused"
    assert body_of(service, app_api.ChangeWebhook).paused is True
    assert app.webhooks.test(ID).event == MESSAGE
    app.webhooks.delete(ID)
    service.script = [httpx.ReadTimeout("lost"), refused("not_found", 404)]
    app.webhooks.delete(ID)


def test_deliveries_are_listed_and_sent_again(service: AppService, app: SyncAppClient) -> None:
    service.on("GET", f"/v1/webhooks/{ID}/deliveries", app_api.WebhookDeliveries(deliveries=[DELIVERY]))
    service.on("POST", f"/v1/webhooks/{ID}/deliveries/{MESSAGE}/redeliver", DELIVERY, 202)
    (found,) = app.webhooks.deliveries(ID, state="failed")
    assert dict(service.requests[-1].url.params) == {"state": "failed"}
    assert (found.event, found.last_status) == (MESSAGE, 500)
    assert app.webhooks.redeliver(ID, found.event).attempts == 9
    assert service.requests[-1].method == "POST"


def events(*ids: str, cursor: str, more: bool) -> httpx.Response:
    listed = [app_api.Event(id=id, type="message.read", timestamp=NOW, data={"id": id}) for id in ids]
    return answer(app_api.EventPage(events=listed, cursor=cursor, more=more))


def test_a_cursor_is_saved_only_when_every_event_before_it_was_taken(service: AppService, app: SyncAppClient) -> None:
    service.script = [events("1", "2", cursor="c2", more=True), events("3", cursor="c3", more=False)]
    saved: list[str] = []
    taken: list[tuple[str, list[str]]] = []
    for event in app.events.iterate("c0", save=saved.append):
        taken.append((event.id, list(saved)))  # noqa: PERF401  what was saved at that moment
    assert taken == [("1", []), ("2", []), ("3", ["c2"])]
    assert saved == ["c2", "c3"]
    assert [request.url.params["cursor"] for request in service.requests] == ["c0", "c2"]


def test_the_feed_can_be_read_page_by_page(service: AppService, app: SyncAppClient) -> None:
    service.script = [events(cursor="c9", more=False)]
    page = app.events.page()
    assert (page.events, page.cursor, page.more) == ((), "c9", False)
    assert "cursor" not in service.requests[0].url.params


async def test_the_async_client_makes_the_same_requests(service: AppService) -> None:
    class FakeClock:
        now_ms = service.now_ms

        async def sleep(self, seconds: float) -> None:
            service.sleep(seconds)

    transport = httpx.MockTransport(service.http)
    async with AppClient(service.credentials, transport=transport, clock=FakeClock()) as app:
        service.script = [httpx.ConnectError("down"), answer(OTP, 202)]
        assert (await app.otps.send(PHONE, "login")).id == ID
        assert (len(set(service.keys)), len(service.slept)) == (1, 1)
        service.script = [events("1", cursor="c1", more=True), events("2", cursor="c2", more=False)]
        saved: list[str] = []
        assert [event.id async for event in app.events.iterate(save=saved.append)] == ["1", "2"]
        assert saved == ["c1", "c2"]
        service.script = [refused("not_found", 404)]
        with pytest.raises(AppApiError, match="not_found"):
            await app.messages.get(MESSAGE)


def test_both_clients_offer_the_same_calls(service: AppService) -> None:
    def offered(client: Any) -> set[tuple[str, str, Any]]:
        parts = {"": client} | {name: part for name, part in vars(client).items() if hasattr(part, "client")}
        return {
            (part_name, name, getattr(method, "_steps", None) or method._pages)
            for part_name, part in parts.items()
            for name, method in vars(type(part)).items()
            if hasattr(method, "_steps") or hasattr(method, "_pages")
        }

    async_app, sync_app = AppClient(service.credentials), SyncAppClient(service.credentials)
    assert offered(async_app) == offered(sync_app)
    assert len(offered(sync_app)) > 25


@pytest.mark.parametrize("key", ["", "k" * 65, "a b", "x\ty", "\u00e9", "a\n", "\x7f"])
def test_an_idempotency_key_that_no_request_can_have_is_refused_before_anything_is_sent(
    service: AppService, app: SyncAppClient, key: str
) -> None:
    with pytest.raises(ValueError, match="1 to 64 printable ASCII characters, and no blanks"):
        app.messages.send("+919810000002", body="hi", idempotency_key=key)
    assert service.requests == []
