"""The `sandes` command: one clear line for what goes wrong, exit codes, and a terminal nobody else can write to."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from sandes.crypto.seal import Kind, Void, notice_body, otp_body, void_body
from sandes.model.ids import MessageId, account_text
from sandes_client import Store
from sandes_client.cli import main
from sandes_client.cli.display import readable
from sandes_client.cli.inbox import _tell_of_cut
from sandes_client.cli.main import app
from sandes_client.cli.session import CommandFailed, Session, profile_names, send_and_report
from sandes_client.device import DeviceClient
from sandes_client.events import ConnectionChanged, State, Status
from sandes_client.store import Outgoing
from tests.unit.sdk.service import ALICE, AUDIENCE, BOB, PASSPORTS, Service, eventually, problem, refusal

BOB_ID = account_text(BOB)


def test_registering_reads_the_code_from_piped_input(sandes: Any) -> None:
    result = sandes("register", "+919876543210", input="123456\n")
    assert result.exit_code == 0
    assert result.stdout == f"Registered as device 1 of account {account_text(ALICE)}.\n"
    again = sandes("register", "+919876543210")
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)
    assert again.stderr.startswith("error: already_registered: ")


def test_a_wrong_code_is_one_line_with_the_attempts_left_and_never_the_code(sandes: Any) -> None:
    result = sandes("register", "+919876543210", input="654321\n")
    assert result.exit_code == 1
    assert result.stderr == "error: code_incorrect: The code is wrong. Attempts left: 2.\n"
    assert "654321" not in result.output


def test_a_wrong_code_at_a_terminal_tells_the_attempts_left_and_asks_again(
    sandes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "_at_terminal", lambda: True)
    result = sandes("register", "+919876543210", input="654321\n123456\n")
    assert result.exit_code == 0
    assert result.stderr == "error: code_incorrect: The code is wrong. Attempts left: 2.\n"


_NUMBER = "write the number in international form, for example +91 98765 43210"


@pytest.mark.parametrize(
    ("refused", "line"),
    [
        (
            problem("invalid_phone", 400, errors=[{"pointer": "/phone", "code": "invalid_phone", "message": _NUMBER}]),
            f"invalid_phone: {_NUMBER}",
        ),
        (
            problem(
                "invalid_request",
                400,
                title="The request does not match its schema; see errors.",
                errors=[
                    {"pointer": "/phone", "code": "string_too_long", "message": "at most 32 characters"},
                    {"pointer": "/purpose", "code": "missing"},
                ],
            ),
            "invalid_request: /phone: at most 32 characters; /purpose: missing",
        ),
        (
            problem("invalid_request", 400, title="The request does not match its schema; see errors."),
            "invalid_request: the service does not accept this request",
        ),
        (
            problem("bad_key", 400, title="Unusable.", errors=[{"pointer": "/device", "code": "not_accepted"}]),
            "bad_key: Unusable.",
        ),
        (
            problem(
                "rate_limited", 429, title="There were too many requests; wait for retry_after seconds.", retry_after=12
            ),
            "rate_limited: too many; wait 12 s",
        ),
        (httpx.Response(429), "rate_limited: too many; wait 1 s"),
        (problem("unavailable", 503, title="Overloaded.", retry_after=2), "unavailable: Overloaded. Wait 2 s."),
        (problem("internal", 500, title="Failed."), "internal: Failed. Request id: r."),
    ],
)
def test_a_refusal_is_one_line_with_the_reasons_of_the_server(
    sandes: Any, service: Service, refused: httpx.Response, line: str
) -> None:
    service.http_answers["POST", "/v1/registrations"] = lambda _: refused
    result = sandes("register", "+919876543210")
    assert (result.exit_code, result.stderr) == (1, f"error: {line}\n")


def test_a_lost_answer_is_repeated_with_the_same_keys(sandes: Any, service: Service) -> None:
    keys: list[str] = []
    path = ("PUT", "/v1/registrations/" + "r" * 21 + "A/verification")

    def lose(request: httpx.Request) -> httpx.Response:
        keys.append(json.loads(request.content)["device"]["identity_key"])
        raise httpx.ReadTimeout("lost")

    service.http_answers[path] = lose
    for _ in range(2):
        result = sandes("register", "+919876543210", input="123456\n")
        assert result.stderr == "error: unreachable: service.test:443 did not answer in time\n"
    assert len(keys) == 2
    assert len(set(keys)) == 1


@pytest.mark.parametrize("typed", ["12", "abc", "", "1234567"])
def test_what_is_no_code_is_refused_here(sandes: Any, service: Service, typed: str) -> None:
    result = sandes("register", "+919876543210", input=f"{typed}\n")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: invalid_code: the code has six digits; it is in the SMS\n",
    )
    assert [path for _, path in service.calls] == ["/v1/registrations"]


def test_the_question_for_the_code_names_the_way_to_another_one_and_asks_again_after_a_slip(
    sandes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "_at_terminal", lambda: True)
    result = sandes("register", "+919876543210", input="12\n123456\n")
    assert result.exit_code == 0
    assert result.stdout.startswith("Code from the SMS (`again` for another SMS): ")
    assert result.stderr == "error: invalid_code: the code has six digits; it is in the SMS\n"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("code_expired", "the code has expired"),
        ("code_locked", "there were too many wrong codes"),
        ("code_used", "the code was used already"),
    ],
)
def test_a_code_that_is_void_leads_to_a_new_start(sandes: Any, service: Service, code: str, why: str) -> None:
    path = ("PUT", "/v1/registrations/" + "r" * 21 + "A/verification")
    service.http_answers[path] = lambda _: problem(code, 409, title="Request a new one.")
    result = sandes("register", "+919876543210", input="123456\n")
    assert (result.exit_code, result.stderr) == (1, f"error: {code}: {why}: run `sandes register NUMBER` again\n")


def test_an_end_of_input_before_the_code_is_one_line(sandes: Any) -> None:
    result = sandes("register", "+919876543210", input="")
    assert (result.exit_code, result.stderr) == (1, "error: no_code: the input ended before a code was given\n")


@pytest.mark.parametrize(
    "words",
    [
        ["send", "nobody", "text"],
        ["send", BOB_ID],
        ["send", BOB_ID, ""],
        ["send", BOB_ID, "text", "--expires-in", "0"],
        ["devices", "--unlink", "256"],
        ["link", "join", "sandes-link:short:short"],
        ["inbox", "--profile", "../elsewhere"],
        ["nonsense"],
    ],
)
def test_a_usage_error_exits_with_two(sandes: Any, registered: None, words: list[str]) -> None:
    result = sandes(*words)
    assert result.exit_code == 2
    assert "Error:" in result.stderr


def test_missing_endpoints_are_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANDES_ENDPOINTS", raising=False)
    result = CliRunner().invoke(app, ["register", "+919876543210", "--home", str(tmp_path)])
    assert result.exit_code == 2
    assert "--endpoints" in result.stderr


def test_a_plain_http_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    words = ["--url", "http://example.org", "--socket", "wss://example.org", "--audience", "sandes:x"]
    result = CliRunner().invoke(app, ["register", "+919876543210", "--home", str(tmp_path), *words])
    assert result.exit_code == 2
    assert "http is for this machine only" in " ".join(result.stderr.split())


@pytest.mark.parametrize("words", [["send", BOB_ID, "x"], ["inbox"], ["devices"], ["chat", BOB_ID], ["link", "show"]])
def test_a_profile_without_account_is_one_line(sandes: Any, words: list[str]) -> None:
    result = sandes(*words)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: not_registered: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["send", BOB_ID, "x"], ["inbox"], ["devices"], ["chat", BOB_ID], ["link", "show"]])
def test_a_command_of_a_registered_device_makes_no_profile(sandes: Any, tmp_path: Path, words: list[str]) -> None:
    result = sandes("--profile", "nobody", *words)
    assert result.stderr.startswith("error: not_registered: ")
    assert [path.name for path in tmp_path.iterdir()] == ["endpoints.json"]


def test_a_profile_that_cannot_be_looked_at_is_not_taken_for_a_missing_one(sandes: Any, tmp_path: Path) -> None:
    (tmp_path / "default.sqlite3").symlink_to("default.sqlite3")
    assert sandes("inbox").stderr.startswith("error: profile_unusable: ")


@pytest.mark.parametrize("recipient", [BOB_ID, "+919876543210", "+91 98765-43210"])
def test_a_message_goes_to_an_account_or_the_account_of_a_phone_number(
    sandes: Any, registered: None, service: Service, recipient: str
) -> None:
    result = sandes("send", recipient, "नमस्ते", "--expires-in", "60")
    assert result.exit_code == 0
    assert result.stdout.startswith("accepted 0")
    assert service.accepted[0].copies[0].body == "नमस्ते".encode()
    assert service.accepted[0].expires_in == 60


def test_a_refused_message_is_one_line_with_its_code(sandes: Any, registered: None, service: Service) -> None:
    service.devices.clear()
    result = sandes("send", BOB_ID, "hello")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: not_permitted: there is no such recipient or group, or you may not write to it\n",
    )


@pytest.mark.parametrize(
    ("refused", "line"),
    [
        (
            refusal("invalid_frame", details={"errors": [{"pointer": "/expires_in", "code": "too_long"}]}),
            "invalid_frame: the service does not accept the message: /expires_in: too_long",
        ),
        (refusal("invalid_frame"), "invalid_frame: the service does not accept the message"),
        (refusal("too_large"), "too_large: the message is larger than allowed"),
        (
            refusal("id_too_old"),
            "id_too_old: it waited so long that its arrival cannot be checked; ask the recipient before you "
            "send it again",
        ),
        (refusal("of_tomorrow"), "of_tomorrow: the service refuses the message"),
    ],
)
def test_a_refused_message_is_explained(
    sandes: Any, registered: None, service: Service, refused: dict[str, Any], line: str
) -> None:
    service.answers["send"] = lambda *_: refused
    result = sandes("send", BOB_ID, "hello", "--expires-in", "99999999")
    assert (result.exit_code, result.stderr) == (1, f"error: {line}\n")


def test_a_message_not_taken_in_time_stays_in_the_outbox_for_the_next_command(
    sandes: Any, registered: None, service: Service
) -> None:
    service.answers["send"] = lambda *_: None
    result = sandes("send", BOB_ID, "later", "--timeout", "0.5")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: timeout: the service has not accepted the message after 0.5 s; the next command that connects sends "
        "it, for example `sandes outbox`\n"
    )
    del service.answers["send"]
    sent = sandes("send", BOB_ID, "now")
    assert sent.exit_code == 0
    assert re.fullmatch(rf"sent now: the message of \S+ to {BOB_ID}\n", sent.stderr)
    assert [frame.copies[0].body for frame in service.accepted] == [b"later", b"now"]


@pytest.mark.parametrize("command", ["inbox", "outbox"])
def test_each_command_that_connects_sends_what_waits_and_says_what_failed_for_good(
    sandes: Any, registered: None, service: Service, command: str
) -> None:
    service.answers["send"] = lambda *_: None
    for text in ("one", "two"):
        sandes("send", BOB_ID, text, "--timeout", "0.3")
    answers = iter([refusal("not_permitted"), None])

    def answer(_: Any, frame: dict[str, Any]) -> dict[str, Any]:
        return next(answers) or {"type": "accepted", "id": frame["id"], "at": service.now_ms}

    service.answers["send"] = answer
    result = sandes(command)
    assert (result.exit_code, result.stdout) == (0, "")
    failed, sent = result.stderr.splitlines()
    assert failed.endswith(
        "has failed permanently: not_permitted: there is no such recipient or group, or you may not write to it"
    )
    assert sent.startswith("sent now: the message of ")
    assert sandes(command).stderr == ""


def test_the_outbox_lists_what_still_waits(sandes: Any, registered: None, service: Service) -> None:
    service.answers["send"] = lambda *_: None
    sandes("send", BOB_ID, "later", "--timeout", "0.3")
    result = sandes("outbox", "--timeout", "0.3")
    assert result.exit_code == 1
    assert f"to {BOB_ID}" in result.stdout
    assert result.stderr == "error: timeout: 1 of these still wait after 0.3 s\n"


def test_a_chat_needs_a_terminal(sandes: Any, registered: None) -> None:
    result = sandes("chat", BOB_ID)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no_terminal: ")


def test_where_the_service_is_said_to_be_is_kept_only_once_it_has_answered(
    sandes: Any, registered: None, service: Service, tmp_path: Path
) -> None:
    def kept() -> str:
        with closing(Store.open(tmp_path / "default.sqlite3")) as store:
            endpoints = store.profile.endpoints()
        assert endpoints is not None
        return endpoints.http_url

    service.http_answers["GET", "/v1/devices"] = lambda _: problem("internal", 500)
    assert sandes("devices", "--url", "https://elsewhere.test").exit_code == 1
    assert kept() == "https://service.test"
    del service.http_answers["GET", "/v1/devices"]
    assert sandes("devices", "--url", "https://elsewhere.test").exit_code == 0
    assert kept() == "https://elsewhere.test"


def test_the_inbox_shows_each_message_once_and_tells_the_author(
    sandes: Any, registered: None, service: Service
) -> None:
    service.store("नमस्ते [bold]\x1b[2Jworld".encode())
    result = sandes("inbox")
    assert result.exit_code == 0
    assert result.stdout.endswith(f"  {BOB_ID}  नमस्ते [bold]\ufffd[2Jworld\n")
    assert {receipt.kind for ack in service.acks for receipt in ack.receipts} == {"delivered", "read"}
    assert sandes("inbox").stdout == ""


def test_the_inbox_shows_at_most_as_many_as_asked_for_and_keeps_the_others(
    sandes: Any, registered: None, service: Service
) -> None:
    service.store(b"first")
    service.server_ahead_ms = 1000
    service.store(b"second")
    assert "first" in (shown := sandes("inbox", "--limit", "1").stdout)
    assert "second" not in shown
    assert "second" in sandes("inbox", "--limit", "1").stdout
    assert sandes("inbox", "--limit", "1", "--follow").exit_code == 2


def test_the_inbox_is_json_on_request(sandes: Any, registered: None, service: Service) -> None:
    service.store("नमस्ते".encode())
    service.server_ahead_ms = 1000
    service.store(b"\xff\x00")
    first, second = map(json.loads, sandes("inbox", "--json").stdout.splitlines())
    assert (first["type"], first["body"], first["sender"]["device"]) == ("message", "नमस्ते", 1)
    assert second["body"] == {"base64": "/wA="}


def test_the_version_is_printed_and_completion_is_offered() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, "sandes-client 0.1.0\n")
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).stdout


@pytest.mark.parametrize(("shell", "sign"), [("zsh", "#compdef"), ("bash", "complete -o"), ("fish", "complete --")])
def test_completion_is_shown_for_the_named_shell(shell: str, sign: str) -> None:
    result = CliRunner().invoke(app, ["--show-completion", shell])
    assert result.exit_code == 0
    assert sign in result.stdout
    assert CliRunner().invoke(app, ["--show-completion", "tcsh"]).exit_code == 2


def test_profiles_are_completed_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("asha.sqlite3", "asha.sqlite3.line", "amit.sqlite3", "ravi.sqlite3", "notes.txt"):
        (tmp_path / name).touch()
    monkeypatch.setenv("SANDES_HOME", str(tmp_path))
    assert profile_names("a") == ["amit", "asha"]


def test_the_inbox_shows_notices_and_codes_of_apps_and_which_are_void(
    sandes: Any, registered: None, service: Service
) -> None:
    soon = service.now_ms // 1000 + 300
    notice = notice_body(text="Camp", category="notice", confidential=False, priority="normal", language="en")
    service.store_from_app(Kind.NOTICE, notice, name="Passports\n\x1b[2J")
    used = service.store_from_app(Kind.OTP, otp_body(text="111111 is it", code="111111", expires_at=soon, purpose="a"))
    service.store_from_app(Kind.OTP, otp_body(text="222222 is it", code="222222", expires_at=soon, purpose="a"))
    service.store_from_app(Kind.OTP, otp_body(text="333333 is it", code="333333", expires_at=soon - 301, purpose="a"))
    service.store_from_app(Kind.CONTROL, void_body((MessageId(used.id[:16]),), Void.USED))
    lines = {line.split("  ", 1)[1] for line in sandes("inbox").stdout.splitlines()}
    assert lines == {
        f"Passports \ufffd[2J (app)  {BOB_ID}  Camp",
        f"Passports (app)  {BOB_ID}  111111 is it  void: used",
        f"Passports (app)  {BOB_ID}  222222 is it",
        f"Passports (app)  {BOB_ID}  333333 is it  void: expired",
    }
    assert sandes("inbox").stdout == ""
    told = [(receipt.to, receipt.app, receipt.kind) for ack in service.acks for receipt in ack.receipts]
    assert told == [(None, PASSPORTS, "delivered"), (None, PASSPORTS, "read")]


def test_a_revoked_device_is_told_so(sandes: Any, registered: None, service: Service) -> None:
    service.refuse_handshake = True
    service.http_answers["GET", "/v1/me"] = lambda _: problem("token_invalid", 401)
    result = sandes("inbox")
    assert (result.exit_code, result.stderr.split(":")[1]) == (1, " revoked")


def test_a_revoked_profile_keeps_the_reason(sandes: Any, registered: None, service: Service, tmp_path: Path) -> None:
    service.refuse_handshake = True
    service.http_answers["GET", "/v1/me"] = lambda _: problem("revoked", 403, reason="replaced")
    line = "error: revoked: this device was unlinked or replaced; register or link again\n"
    for words in (["inbox"], ["inbox"], ["devices"], ["send", BOB_ID, "x"]):
        result = sandes(*words)
        assert (result.exit_code, result.stderr) == (1, line)
    assert sandes("register", "+919876543210", input="").stderr.startswith("error: no_code: ")


def test_the_inbox_says_soon_that_the_service_is_down(sandes: Any, registered: None, service: Service) -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[Errno 111] Connection refused", request=request)

    service.http = down  # type: ignore[method-assign]
    service.refuse_handshake = True
    result = sandes("inbox")  # which would wait for 30 s
    assert (result.exit_code, result.stderr) == (
        1,
        "error: unreachable: cannot connect to service.test:443: connection refused\n",
    )


def test_the_inbox_tells_once_that_the_connection_is_gone_and_that_it_is_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cut = False
    for state in (State.CONNECTED, State.WAITING, State.CONNECTING, State.WAITING, State.CONNECTED, State.CONNECTED):
        cut = _tell_of_cut(ConnectionChanged(state), cut)
    assert capsys.readouterr().err.splitlines() == [
        "There is no connection to the service. The command keeps trying.",
        "Connected again.",
    ]


@pytest.mark.parametrize(("options", "how_long"), [([], "30 days"), (["--expires-in", "3600"], "3600 s")])
def test_an_undelivered_message_is_told_to_be_accepted_and_how_long_it_waits(
    sandes: Any, registered: None, options: list[str], how_long: str
) -> None:
    result = sandes("send", BOB_ID, "hello", "--wait", "--timeout", "0.5", *options)
    assert (result.exit_code, result.stderr) == (
        1,
        f"error: timeout: accepted, but no device of the recipient has it after 0.5 s; it waits for up to {how_long}\n",
    )


def test_a_wrong_service_is_told_without_advice_to_register_again(
    sandes: Any, registered: None, service: Service
) -> None:
    """Registering again would replace all devices of the account."""
    service.http_answers["GET", "/v1/devices"] = lambda _: problem("token_audience", 401, audience="sandes:other")
    result = sandes("devices")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: token_audience: this profile is registered with another service")
    assert "register or link again" not in result.stderr
    service.refuse_handshake = True
    service.http_answers["GET", "/v1/me"] = lambda _: problem("token_audience", 401, audience="sandes:other")
    result = sandes("inbox")
    assert result.exit_code == 1
    assert "this profile is registered with another service" in result.stderr
    assert "register or link again" not in result.stderr


def test_an_unlinked_device_is_told_what_to_do(sandes: Any, registered: None, service: Service) -> None:
    service.http_answers["GET", "/v1/devices"] = lambda _: problem("revoked", 403)
    result = sandes("devices")
    assert result.exit_code == 1
    assert result.stderr == "error: revoked: this device was unlinked or replaced; register or link again\n"


def test_a_device_that_the_service_does_not_know_is_not_advised_to_register_again(
    sandes: Any, registered: None, service: Service
) -> None:
    service.http_answers["GET", "/v1/devices"] = lambda _: problem("token_invalid", 401)
    assert sandes("devices").stderr == (
        "error: token_invalid: the service does not know this device; check that the endpoints lead to the service of "
        "this profile\n"
    )


def test_the_account_moves_to_another_number(sandes: Any, registered: None, service: Service) -> None:
    given: list[Any] = []

    def started(request: httpx.Request) -> httpx.Response:
        given.append(json.loads(request.content))
        return httpx.Response(202, json=service._started() | {"phone": "+919812345678"})

    def changed(request: httpx.Request) -> httpx.Response:
        given.append(json.loads(request.content))
        return httpx.Response(204)

    service.http_answers["POST", "/v1/registrations"] = started
    service.http_answers["PUT", "/v1/me/phone"] = changed
    result = sandes("phone", "+91 98123 45678", input="123456\n")
    assert (result.exit_code, result.stdout) == (0, "The number of this account is now +919812345678.\n"), result.stderr
    assert given[0] == {"phone": "+91 98123 45678", "purpose": "change_phone"}
    assert (given[1]["phone"], given[1]["code"]) == ("+919812345678", "123456")
    assert sandes("phone", "+91 98123 45678", input="").stderr == (
        "error: no_code: the input ended before a code was given\n"
    )


def test_devices_are_listed(sandes: Any, registered: None) -> None:
    result = sandes("devices")
    assert "laptop" in result.stdout
    assert "this one" in result.stdout


def test_a_device_is_unlinked_by_its_number(sandes: Any, registered: None, service: Any) -> None:
    service.http_answers["DELETE", "/v1/devices/1"] = lambda _: httpx.Response(204)
    result = sandes("devices", "--unlink", "1", "--yes")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Unlinked device 1.\n", "")
    result = sandes("devices", "--unlink", "9")
    assert (result.exit_code, result.stderr) == (1, "error: not_found: the account has no device 9\n")


def test_the_device_in_use_is_not_unlinked_without_a_yes(sandes: Any, registered: None, service: Any) -> None:
    result = sandes("devices", "--unlink", "1", input="n\n")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "Device 1 is this one and your only one: this profile loses the account. Continue? [y/N]:"
    )
    assert "error: not_confirmed: " in result.stderr
    assert [method for method, _ in service.calls] == ["GET"]
    service.http_answers["DELETE", "/v1/devices/1"] = lambda _: httpx.Response(204)
    assert sandes("devices", "--unlink", "1", input="y\n").stdout.endswith("Unlinked device 1.\n")


def test_another_device_is_not_unlinked_without_a_yes(sandes: Any, registered: None, service: Any) -> None:
    tablet = {"device": 2, "name": "tablet", "platform": "python", "registration_id": 7, "linked_at": 1}
    here = {"device": 1, "name": "laptop", "platform": "python", "registration_id": 6, "linked_at": 1, "current": True}
    listed = {"devices": [here, tablet | {"current": False}]}
    service.http_answers["GET", "/v1/devices"] = lambda _: httpx.Response(200, json=listed)
    result = sandes("devices", "--unlink", "2", input="\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("Unlink device 2 (tablet)? The messages that wait for it are lost. [y/N]:")


def test_a_link_is_shown_as_text_and_joined_by_it(sandes: Any, registered: None) -> None:
    shown = sandes("link", "show")
    text = shown.stdout.strip().splitlines()[-1]
    assert re.fullmatch(rf"sandes-link:{account_text(ALICE)}:[A-Za-z0-9_-]{{43}}", text)
    assert len(shown.stdout.splitlines()) > 10
    joined = sandes("link", "join", text, "--profile", "tablet")
    assert joined.stdout == f"Linked as device 1 of account {account_text(ALICE)}.\n"


def test_a_file_that_is_no_profile_is_one_line(sandes: Any, tmp_path: Path) -> None:
    (tmp_path / "default.sqlite3").write_text("no database at all, however long it is " * 20)
    result = sandes("inbox")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("error: profile_unusable: ")


@pytest.mark.parametrize("command", [[], ["register"], ["send"], ["inbox"], ["chat"], ["devices"], ["link", "show"]])
def test_every_command_explains_itself(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_control_characters_and_direction_overrides_are_replaced_but_scripts_are_kept() -> None:
    assert readable("क्‍ष 👩‍👩‍👧 שלום\n\ttab".encode()) == "क्‍ष 👩‍👩‍👧 שלום\n\ttab"
    assert readable(b"\x1b]0;title\x07\xc2\x9b1m\r\xe2\x80\xae\xff") == "\ufffd]0;title\ufffd\ufffd1m\ufffd\ufffd\ufffd"


async def test_eventually_fails_for_what_never_happens() -> None:
    with pytest.raises(AssertionError):
        await eventually(lambda: False, seconds=0.01)


async def test_parallel_commands_of_one_profile_all_report_that_their_message_was_accepted(
    capsys: pytest.CaptureFixture[str], sandes: Any, registered: None, service: Service, tmp_path: Path
) -> None:
    session = Session("default", tmp_path, "https://service.test", service.url, AUDIENCE, None)

    async def one(number: int) -> None:
        async def write(device: DeviceClient) -> Outgoing:
            return device.queue(BOB_ID, f"parallel {number}".encode())

        await send_and_report(session, write, Status.ACCEPTED, 60.0)

    await asyncio.gather(*(one(number) for number in range(5)))
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("accepted ")]) == 5
    by_id = {message.id: message.copies[0].body for message in service.accepted}  # one may be repeated, under its id
    assert sorted(by_id.values()) == [f"parallel {number}".encode() for number in range(5)]


async def test_a_message_is_sent_by_the_command_that_is_connected(
    sandes: Any, registered: None, service: Service, tmp_path: Path
) -> None:
    session = Session("default", tmp_path, "https://service.test", service.url, AUDIENCE, None)

    async def write(device: DeviceClient) -> Outgoing:
        return device.queue(BOB_ID, b"from another terminal")

    async with session.connected() as connected:
        await send_and_report(session, write, Status.ACCEPTED, 60.0)
        assert connected.state == "connected"
        hellos = len(service.of_type("hello"))
        with pytest.raises(CommandFailed, match="another program is connected"):
            async with session.connected():
                pass
    assert len(service.of_type("hello")) == hellos == 1
    assert [message.copies[0].body for message in service.accepted] == [b"from another terminal"]


def test_a_message_to_a_known_number_waits_while_the_service_is_down(
    sandes: Any, registered: None, service: Service
) -> None:
    assert sandes("send", "+919876543210", "while it is up").exit_code == 0

    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[Errno 111] Connection refused", request=request)

    service.http = down  # type: ignore[method-assign]
    service.refuse_handshake = True
    result = sandes("send", "+91 98765-43210", "while it is down", "--timeout", "0.5")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: timeout: the service has not accepted the message after 0.5 s; the next command that connects sends "
        "it, for example `sandes outbox`\n"
    )
    assert sandes("send", "+919876543211", "to a stranger", "--timeout", "0.5").stderr == (
        "error: unreachable: cannot connect to service.test:443: connection refused\n"
    )
