"""Sends bad frames on a real socket: each gets a precise error and changes nothing, and the socket stays usable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Deployed
from tests.scenarios.test_offline_delivery import stored_rows
from tests.support.raw_device import RawDevice, link, message, now_ms, register

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS


@pytest.fixture(scope="module")
async def pair(deployment: Deployed) -> tuple[RawDevice, RawDevice]:
    return await register(deployment), await register(deployment)


@pytest.mark.parametrize(
    ("text", "code", "pointer"),
    [
        ("{nope", "malformed_json", None),
        ("[]", "malformed_json", None),
        ('"hello"', "malformed_json", None),
        ("null", "malformed_json", None),
        ('{"ref": "a"}', "invalid_frame", "/type"),
        ('{"type": "launch"}', "unknown_type", None),
        ('{"type": "hello"}', "invalid_frame", "/protocol"),
        ('{"type": "hello", "protocol": 2}', "invalid_frame", "/protocol"),
        ('{"type": "hello", "protocol": 1, "admin": true}', "invalid_frame", "/admin"),
        ('{"type": "ping", "epoch": "1"}', "invalid_frame", "/epoch"),
        ('{"type": "ack", "ids": ["AAAA"]}', "invalid_frame", "/ids/0"),
        ('{"type": "ack", "ids": ["' + "A" * 31 + '="]}', "invalid_frame", "/ids/0"),
        ('{"type": "sync", "limit": 501}', "invalid_frame", "/limit"),
    ],
)
async def test_a_frame_that_does_not_fit_names_what_is_wrong(
    pair: tuple[RawDevice, RawDevice], text: str, code: str, pointer: str | None
) -> None:
    async with pair[0].online() as socket:
        answer = await socket.ask_raw(text)
        assert (answer["type"], answer["code"]) == ("error", code)
        if pointer:
            assert [fault["pointer"] for fault in answer["details"]["errors"]] == [pointer]
        assert (await socket.ask(type="ping"))["type"] == "pong"


def with_copy(frame: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return frame | {"copies": [frame["copies"][0] | changed]}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda frame: frame | {"id": "not-a-uuid"}, "invalid_frame"),
        (lambda frame: frame | {"id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8"}, "invalid_frame"),
        (lambda frame: frame | {"id": frame["id"].upper().replace("0", "A")}, "invalid_frame"),
        (lambda frame: frame | {"to": {"account": "someone"}}, "invalid_frame"),
        (lambda frame: frame | {"to": {"account": "a" * 13}}, "not_permitted"),
        (lambda frame: frame | {"kind": "receipt"}, "invalid_frame"),
        (lambda frame: with_copy(frame, body="not base64!"), "invalid_frame"),
        (lambda frame: with_copy(frame, body="aGVsbG8="), "invalid_frame"),
        (lambda frame: with_copy(frame, body="A" * (88 * 1024)), "too_large"),
        (lambda frame: with_copy(frame, registration_id=1), "device_mismatch"),
        (lambda frame: with_copy(frame, device=9), "device_mismatch"),
        (lambda frame: with_copy(frame, device=0), "invalid_frame"),
        (lambda frame: frame | {"copies": []}, "device_mismatch"),
        (lambda frame: frame | {"copies": frame["copies"] * 2}, "invalid_frame"),
        (lambda frame: frame | {"copies": frame["copies"] * 7}, "invalid_frame"),
        (lambda frame: frame | {"expires_in": 0}, "invalid_frame"),
        (lambda frame: frame | {"expires_in": 59}, "invalid_frame"),
        (lambda frame: frame | {"expires_in": 31 * 86_400}, "invalid_frame"),
        (lambda frame: frame | {"sender": "somebody"}, "invalid_frame"),
    ],
)
async def test_a_send_that_does_not_fit_stores_nothing(
    deployment: Deployed, pair: tuple[RawDevice, RawDevice], change: Any, code: str
) -> None:
    sender, recipient = pair
    before = len(stored_rows(deployment))
    async with sender.online() as socket:
        answer = await socket.ask(**change(message(recipient)))
        assert (answer["type"], answer["code"]) == ("error", code)
    assert len(stored_rows(deployment)) == before


async def test_a_frame_over_128_kib_is_too_large(pair: tuple[RawDevice, RawDevice]) -> None:
    """API Gateway itself closes such a socket; the function refuses it all the same."""
    async with pair[0].online() as socket:
        answer = await socket.ask_raw(json.dumps({"type": "ping", "ref": "x" * 140_000}))
        assert answer["code"] == "too_large"


async def test_a_stale_device_list_is_answered_with_what_is_missing_extra_and_stale(deployment: Deployed) -> None:
    sender, phone = await register(deployment), await register(deployment)
    tablet = await link(phone)
    frame = message(phone)
    frame["copies"] = [phone.copy(b"x") | {"registration_id": 7}, phone.copy(b"x") | {"device": 200}]
    async with sender.online() as socket:
        answer = await socket.ask(**frame)
    assert answer["details"] == {"missing": [tablet.number], "extra": [200], "stale": [phone.number]}


async def test_ids_from_the_future_are_told_the_time(pair: tuple[RawDevice, RawDevice]) -> None:
    sender, recipient = pair
    async with sender.online() as socket:
        fine = await socket.ask(**message(recipient, at_ms=now_ms() + MINUTE_MS))
        assert fine["type"] == "accepted"
        ahead = await socket.ask(**message(recipient, at_ms=now_ms() + 10 * MINUTE_MS))
        assert ahead["code"] == "clock_skew"
        assert abs(ahead["details"]["server_time"] - now_ms()) < MINUTE_MS


async def test_ids_are_retries_for_seven_days(pair: tuple[RawDevice, RawDevice]) -> None:
    sender, recipient = pair
    async with sender.online() as socket:
        retry = await socket.ask(**message(recipient, at_ms=now_ms() - 7 * DAY_MS + MINUTE_MS))
        assert retry["type"] == "accepted"
        old = await socket.ask(**message(recipient, at_ms=now_ms() - 7 * DAY_MS - MINUTE_MS))
        assert old["code"] == "id_too_old"


async def test_a_blocked_sender_and_an_unknown_recipient_get_the_same_answer(deployment: Deployed) -> None:
    sender, recipient = await register(deployment), await register(deployment)
    assert (await recipient.call("PUT", f"/v1/blocks/{sender.account}")).status_code == 204
    async with sender.online() as socket:
        blocked = await socket.ask(**message(recipient))
        unknown = await socket.ask(**message(recipient) | {"to": {"account": "a" * 13}})
        assert blocked["code"] == "not_permitted"
        assert {**blocked, "ref": ""} == {**unknown, "ref": ""}
        assert (await recipient.call("DELETE", f"/v1/blocks/{sender.account}")).status_code == 204
        assert (await socket.ask(**message(recipient)))["type"] == "accepted"


async def test_ten_thousand_rapid_frames_on_one_socket_are_limited_and_answered(deployment: Deployed) -> None:
    """Every frame gets an answer: those over the limit are refused with the time to wait."""
    sender, recipient = await register(deployment), await register(deployment)
    frames = 10_000
    outcomes: dict[str, int] = {}
    async with sender.online() as socket:
        window = 200  # so many unanswered at a time: the test's own memory, not a limit of the server
        sent = answered = 0
        while answered < frames:
            while sent < frames and sent - answered < window:
                await socket.ws.send(json.dumps(message(recipient) | {"ref": str(sent)}))
                sent += 1
            answer = await socket.answer(str(answered))
            answered += 1
            outcome = str(answer.get("code", answer["type"]))
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            if outcome == "rate_limited":
                assert answer["retry_after"] >= 1
        assert (await socket.ask(type="ping"))["type"] == "pong"
    assert set(outcomes) == {"accepted", "rate_limited"}
    assert outcomes["accepted"] >= 60
    async with recipient.online() as socket:
        assert len(socket.received_envelopes()) == outcomes["accepted"]
