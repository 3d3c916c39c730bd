"""The HTTPS client API: typed refusals, the clock, what a broken answer becomes."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from sandes.model.ids import account_text
from sandes_client import ApiError, Endpoints, Enrolment, Store, Unreachable
from sandes_client.api import ClientApi, learn_date
from sandes_client.clock import ServerClock
from sandes_client.endpoints import EndpointsInvalid
from sandes_client.enrolment import AlreadyRegistered
from sandes_client.ids import parse_account
from sandes_client.keys import IdentityKey
from sandes_client.linking import LinkCode
from tests.unit.sdk.service import ALICE, AUDIENCE, BOB, START_MS, FakeClock, Service, problem

BOB_ID = account_text(BOB)
ALICE_ID = parse_account(account_text(ALICE))


def new_clock(learned: list[int]) -> ServerClock:
    return ServerClock(FakeClock(), offset_ms=0, remember=learned.append)


def api_answering(response: httpx.Response | Exception, learned: list[int] | None = None) -> ClientApi:
    def answer(request: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return response

    return ClientApi(
        "https://service.test/stage",
        clock=new_clock([] if learned is None else learned),
        token=lambda: "token",
        transport=httpx.MockTransport(answer),
    )


async def test_a_problem_becomes_a_typed_error() -> None:
    api = api_answering(problem("code_incorrect", 409, attempts_left=2, retry_after=30, detail="why"))
    with pytest.raises(ApiError) as refused:
        await api.resend_code("r" * 22)
    error = refused.value
    assert (error.code, error.status, error.attempts_left, error.retry_after, error.detail, error.request_id) == (
        "code_incorrect",
        409,
        2,
        30,
        "why",
        "r",
    )


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectTimeout("slow"),
        httpx.Response(502, text="<html>bad gateway</html>"),
        httpx.Response(200, text="not JSON"),
        httpx.Response(200, json={"account": 5}),
        httpx.Response(200, json=["account"]),
        httpx.Response(403, json={"message": "Forbidden"}),
    ],
)
async def test_what_is_no_answer_of_the_service_is_unreachable(answer: httpx.Response | Exception) -> None:
    with pytest.raises(Unreachable):
        await api_answering(answer).lookup("+919876543210")


async def test_the_limit_of_the_gateway_itself_is_rate_limited() -> None:
    with pytest.raises(ApiError) as refused:
        await api_answering(httpx.Response(429, json={"message": "Too Many Requests"})).me()
    assert (refused.value.code, refused.value.retry_after) == ("rate_limited", 1)


async def test_an_expired_token_corrects_the_clock_and_is_tried_once_more(service: Service, store: Store) -> None:
    service.server_ahead_ms = 3_600_000
    device = service.client(store)
    assert await device.api.lookup("+919876543210") == BOB_ID
    assert len(service.calls) == 2
    assert store.profile.clock_offset_ms() == 3_600_000
    await device.api.close()


async def test_an_act_signed_on_a_wrong_clock_is_signed_again_on_the_servers(service: Service, store: Store) -> None:
    service.server_ahead_ms = 200_000  # the token is still good, the act is not
    device = service.client(store)
    opened = await device.api.open_link()
    assert [call for call in service.calls if call[0] == "POST"] == [("POST", "/v1/devices/links")] * 2
    assert opened.code.account == ALICE_ID
    assert LinkCode.parse(opened.code.text) == opened.code
    await device.api.close()


async def test_a_device_that_joins_on_a_wrong_clock_signs_again_on_the_servers(
    service: Service, tmp_path: Path
) -> None:
    service.server_ahead_ms = 200_000
    store, link = Store.open(tmp_path / "new.sqlite3"), LinkCode(ALICE_ID, IdentityKey(b"l" * 32))
    transport = httpx.MockTransport(service.http)
    async with Enrolment(store, service.endpoints, clock=service.clock, transport=transport) as enrolment:
        await enrolment.join(link.text)
        with pytest.raises(ValueError, match="sandes-link"):
            await enrolment.join(link.text[:-1])
    assert service.calls == [("POST", "/v1/devices")] * 2
    store.close()


async def test_acts_take_a_registered_device() -> None:
    with pytest.raises(RuntimeError):
        await api_answering(httpx.Response(204)).unlink(3, 7)


async def test_server_time_in_an_answer_is_learnt_and_small_differences_are_not_written_down() -> None:
    learned: list[int] = []
    for ahead_ms in (499, 60_000, 60_100):
        started = {
            "id": "r" * 22,
            "phone": "+919876543210",
            "code_expires_at": 1,
            "resend_after": 1,
            "attempts_left": 3,
        }
        api = api_answering(httpx.Response(202, json={**started, "server_time": START_MS + ahead_ms}), learned)
        await api.start_registration("+919876543210")
    assert learned == [60_000, 60_100]


@pytest.mark.parametrize(
    ("date", "corrects"), [(None, False), ("rubbish", False), ("Fri, 15 Jan 2027 09:00:00 GMT", True)]
)
def test_a_date_corrects_a_clock_that_is_far_off(date: str | None, corrects: bool) -> None:
    learned: list[int] = []
    assert learn_date(new_clock(learned), date) is corrects
    assert bool(learned) is corrects


async def test_path_segments_cannot_leave_their_place() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return httpx.Response(204)

    api = ClientApi(
        "https://service.test/stage", clock=new_clock([]), token=lambda: "t", transport=httpx.MockTransport(answer)
    )
    await api.block("../me")  # type: ignore[arg-type]
    await api.unblock("a/b?c")  # type: ignore[arg-type]
    await api.signed("DELETE", "v1/devices/3")
    assert seen == [
        "/stage/v1/blocks/..%2Fme",
        "/stage/v1/blocks/a%2Fb%3Fc",
        "/stage/v1/devices/3",
    ]


async def test_registering_keeps_keys_and_endpoints_and_a_registered_profile_is_not_overwritten(
    service: Service, tmp_path: Path
) -> None:
    store = Store.open(tmp_path / "new.sqlite3")
    transport = httpx.MockTransport(service.http)
    async with Enrolment(store, service.endpoints, clock=service.clock, transport=transport) as enrolment:
        started = await enrolment.start("+919876543210")
        address = await enrolment.verify(started.id, "123456")
    account = store.profile.account()
    assert account is not None
    assert (account.address, account.registration_id) == (address, 7)
    assert store.profile.endpoints() == service.endpoints
    with pytest.raises(AlreadyRegistered):
        Enrolment(store, service.endpoints)
    store.close()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"http_url": "ftp://x", "websocket_url": "ws://127.0.0.1", "audience": "a"}']
)
def test_an_endpoints_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "endpoints.json"
    path.write_text(text)
    with pytest.raises(EndpointsInvalid):
        Endpoints.read(path)


def test_an_endpoints_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.json"
    path.write_text(f'{{"http_url": "https://a", "websocket_url": "wss://b", "audience": "{AUDIENCE}", "more": 1}}')
    assert Endpoints.read(path) == Endpoints("https://a", "wss://b", AUDIENCE)
