"""`sandes app`: what a script can rely on, that is output, JSON, exit codes and one line for what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from sandes.protocol import app_api
from sandes_client.app import SyncAppClient
from sandes_client.cli.main import app
from tests.support.forms import form_of
from tests.unit.sdk.app_service import APP, ID, NOW, OTP, AppService, answer, refused
from tests.unit.sdk.service import START_MS
from tests.unit.sdk.test_app_client import MESSAGE, batch, message

PHONE = "+919876543210"


@pytest.fixture
def service() -> AppService:
    return AppService()


@pytest.fixture
def sandes(service: AppService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    original = SyncAppClient.__init__

    def to_service(self: SyncAppClient, credentials: Any, **options: Any) -> None:
        transport = httpx.MockTransport(service.http)
        original(self, credentials, transport=transport, now_ms=service.now_ms, sleep=service.sleep, **options)

    monkeypatch.setattr(SyncAppClient, "__init__", to_service)
    for name in ("_CREDENTIALS", "", "_KEY", "_PRIVATE_KEY", "_URL", "_AUDIENCE"):
        monkeypatch.delenv(f"SANDES_APP{name}", raising=False)
    credentials = tmp_path / "app.json"
    credentials.write_text(service.credentials.to_json())
    credentials.chmod(0o600)

    def run(*words: str, input: str | None = None, credentials: Path | None = credentials) -> Any:
        given = ["--credentials", str(credentials)] if credentials else []
        return CliRunner().invoke(app, ["app", *words, *given], input=input, catch_exceptions=False)

    return run


def test_a_code_is_sent_and_its_id_printed(sandes: Any, service: AppService) -> None:
    service.on("POST", "/v1/otps", OTP, 202)
    words = ("otp", "send", PHONE, "--template", "login", "--var", "service=a=b", "--language", "hi", "--ttl", "120")
    result = sandes(*words)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"pending {ID} (app; expires 2027-")
    sent = app_api.NewOtp.model_validate_json(service.requests[-1].content)
    assert (sent.to.phone, sent.variables, sent.language, sent.ttl) == (PHONE, {"service": "a=b"}, "hi", 120)
    assert json.loads(sandes(*words, "--json").stdout) == json.loads(OTP.model_dump_json(exclude_none=True))


@pytest.mark.parametrize(
    ("result", "status"), [("approved", 0), ("incorrect", 3), ("expired", 3), ("locked", 3), ("used", 3)]
)
def test_only_an_approved_code_exits_with_zero(sandes: Any, service: AppService, result: Any, status: int) -> None:
    service.on("POST", f"/v1/otps/{ID}/checks", app_api.OtpChecked(result=result, attempts_left=1))
    checked = sandes("otp", "check", ID, "123456")
    assert (checked.exit_code, checked.stdout) == (status, f"{result}; attempts left: 1\n")
    assert sandes("otp", "check", ID, "123456", "--json").exit_code == status


def test_a_code_can_come_from_standard_input(sandes: Any, service: AppService) -> None:
    service.on("POST", f"/v1/otps/{ID}/checks", app_api.OtpChecked(result="approved", attempts_left=2))
    assert sandes("otp", "check", ID, "--purpose", "pay", input="123456\n").exit_code == 0
    check = app_api.OtpCheck.model_validate_json(service.requests[-1].content)
    assert (check.code, check.purpose) == ("123456", "pay")
    nothing = sandes("otp", "check", ID, input="")
    assert nothing.exit_code == 2


def test_a_code_can_be_replaced_looked_at_and_cancelled(sandes: Any, service: AppService) -> None:
    service.on("POST", f"/v1/otps/{ID}/resends", OTP, 202)
    service.on("GET", f"/v1/otps/{ID}", OTP)
    service.on("DELETE", f"/v1/otps/{ID}")
    assert sandes("otp", "resend", ID).stdout.startswith(f"pending {ID}")
    assert sandes("otp", "status", ID).stdout.startswith(f"pending {ID}")
    assert sandes("otp", "cancel", ID).stdout == f"cancelled {ID}\n"


def test_a_message_is_sent_followed_listed_and_recalled(sandes: Any, service: AppService) -> None:
    service.routes["POST", "/v1/messages"] = lambda _: httpx.Response(
        202, json={"id": MESSAGE, "status": "accepted", "expires_at": "2027-02-01T00:00:00Z"}
    )
    sent = sandes("message", "send", PHONE, "Camp on Monday", "--category", "alert", "--expires-in", "60")
    assert (sent.exit_code, sent.stdout) == (0, f"accepted {MESSAGE}\n")
    read = app_api.NewMessage.model_validate_json(service.requests[-1].content)
    assert (read.body, read.category, read.template) == ("Camp on Monday", "alert", None)
    assert read.expires_at is not None
    service.routes["GET", f"/v1/messages/{MESSAGE}"] = lambda _: httpx.Response(200, json=message(MESSAGE))
    lines = sandes("message", "status", MESSAGE).stdout.splitlines()
    assert lines[0] == f"delivered {MESSAGE}"
    assert [line.split()[0] for line in lines[1:]] == ["accepted", "delivered"]
    of_group = message(MESSAGE) | {"group": {"id": APP, "members": 9, "devices": 12, "complete": False}}
    service.routes["GET", f"/v1/messages/{MESSAGE}"] = lambda _: httpx.Response(200, json=of_group)
    assert sandes("message", "status", MESSAGE).stdout.splitlines()[1] == (
        "  for 9 members, stored for 12 devices; not stored for all members yet"
    )
    page = {"messages": [message("1"), message("2", "failed") | {"failure": "expired"}], "cursor": "more"}
    service.routes["GET", "/v1/messages"] = lambda _: httpx.Response(200, json=page)
    listed = sandes("message", "list", "--limit", "2", "--status", "delivered", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in listed] == ["1", "2"]
    assert dict(service.requests[-1].url.params) == {"status": "delivered", "limit": "2"}
    assert "failed (expired)" in sandes("message", "list", "--limit", "2").stdout
    service.on("DELETE", f"/v1/messages/{MESSAGE}")
    assert sandes("message", "recall", MESSAGE).stdout == f"recalled {MESSAGE}\n"


@pytest.fixture
def storage(service: AppService, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Collect the contents of the files of batches that are uploaded."""
    put: list[bytes] = []
    checked = service.http

    def http(request: httpx.Request) -> httpx.Response:
        if request.url.host == "files.test":
            put.append(form_of(request.headers["content-type"], request.content)["file"])
            return httpx.Response(200)
        return checked(request)

    monkeypatch.setattr(service, "http", http)
    upload = app_api.Upload(url="https://files.test/x", fields={}, expires_at=NOW)
    service.on("POST", "/v1/batches", batch("open", upload=upload), 202)
    service.on("POST", f"/v1/batches/{ID}/commit", batch("checking"), 202)
    return put


@pytest.mark.parametrize(("suffix", "form"), [(".csv", "csv"), (".NDJSON", "ndjson"), (".jsonl", "ndjson")])
def test_a_batch_is_sent_from_a_file_to_its_end(
    sandes: Any, service: AppService, storage: list[bytes], *, tmp_path: Path, suffix: str, form: str
) -> None:
    states = [batch("sending", 1, invalid=0), batch("completed", 3, invalid=0)]
    service.routes["GET", f"/v1/batches/{ID}"] = lambda _: answer(states.pop(0))
    file = tmp_path / f"rows{suffix}"
    file.write_bytes(b"the rows")
    sent = sandes("batch", "send", str(file), "--template", "camp")
    assert sent.exit_code == 0
    assert sent.stdout == f"completed {ID}: rows 4, valid 3, invalid 0, sent 3, failed 0\n"
    assert f"batch {ID}" in sent.stderr
    assert storage == [b"the rows"]
    assert app_api.NewBatch.model_validate_json(service.requests[0].content).upload == form
    assert not app_api.CommitBatch.model_validate_json(service.requests[1].content).dry_run


def test_a_dry_run_names_the_bad_rows_and_exits_with_three(
    sandes: Any, service: AppService, storage: list[bytes], tmp_path: Path
) -> None:
    fault = app_api.RowFault(row=2, field="phone", code="invalid_phone", message="not a \x1bnumber")
    service.on("GET", f"/v1/batches/{ID}", batch("checked", faults=[fault]))
    file = tmp_path / "rows.csv"
    file.write_text("phone\n")
    sent = sandes("batch", "send", str(file), "--text", "Camp", "--dry-run")
    assert sent.exit_code == 3
    assert sent.stderr.endswith("error: row 2, phone: invalid_phone: not a \ufffdnumber\n")
    assert app_api.CommitBatch.model_validate_json(service.requests[1].content).dry_run


def test_a_batch_can_be_left_alone_and_looked_at_later(
    sandes: Any, service: AppService, storage: list[bytes], tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("phone\n")
    service.on("POST", f"/v1/batches/{ID}/commit", batch("checking", invalid=0), 202)
    assert sandes("batch", "send", str(file), "--text", "Camp", "--no-wait").stdout.startswith(f"checking {ID}")
    service.on("GET", f"/v1/batches/{ID}", batch("failed", failure="upload_invalid", invalid=0))
    status = sandes("batch", "status", ID)
    assert (status.exit_code, status.stdout.split(":")[0]) == (3, f"failed (upload_invalid) {ID}")


def test_results_are_lines_for_other_programs(sandes: Any, service: AppService) -> None:
    results = [
        app_api.BatchResult(row=1, message=MESSAGE, status="accepted", client_ref="a\x1b[2J"),
        app_api.BatchResult(row=2, status="invalid", code="invalid_phone"),
    ]
    service.on("GET", f"/v1/batches/{ID}/results", app_api.BatchResults(results=results))
    plain = sandes("batch", "results", ID).stdout
    assert plain == f"1\taccepted\t{MESSAGE}\ta\ufffd[2J\n2\tinvalid\tinvalid_phone\t\n"
    assert sandes("batch", "results", ID, "--faults").stdout == "2\tinvalid\tinvalid_phone\t\n"
    lines = sandes("batch", "results", ID, "--json").stdout.splitlines()
    assert json.loads(lines[1]) == {"row": 2, "status": "invalid", "code": "invalid_phone"}


def test_status_shows_quotas_and_templates(sandes: Any, service: AppService) -> None:
    quota = app_api.Quota(limit=50, used=8, left=42, resets_at=NOW)
    template = app_api.Template(
        id="login",
        version=3,
        kind="otp",
        languages=["en"],
        variables=["service"],
        may_be_empty=[],
        sms=True,
        approved_at=NOW,
    )
    service.on("GET", "/v1/usage", app_api.Usage(mode="trial", test=False, per_minute=quota, per_day=quota))
    service.on("GET", "/v1/templates", app_api.TemplateList(templates=[template]))
    shown = sandes("status").stdout
    assert "trial: about 42 of 50 left this minute, about 42 of 50 left today" in shown
    assert "login" in shown
    said = json.loads(sandes("status", "--json").stdout)
    assert (said["usage"]["per_day"]["left"], said["templates"][0]["version"]) == (42, 3)


@pytest.mark.parametrize(
    ("refusal", "line"),
    [
        (
            refused("template_variables", 400, errors=[{"pointer": "/variables/service", "code": "missing"}]),
            "template_variables: /variables/service: missing",
        ),
        (
            refused("recipient_limited", 429, retry_after=600, title="Wait for retry_after seconds."),
            "recipient_limited: this recipient has received too many codes; wait 600 s",
        ),
        (
            refused("resend_too_soon", 429, retry_after=10, title="After retry_after seconds."),
            "resend_too_soon: another code cannot be sent yet; wait 10 s",
        ),
        (
            refused("token_invalid", 401),
            "token_invalid: the service does not know this key: revoked, or the credentials are for another service",
        ),
        (httpx.Response(200, json=[]), "unreachable: the answer does not fit its description"),
    ],
)
def test_a_refusal_is_one_line(sandes: Any, service: AppService, refusal: httpx.Response, line: str) -> None:
    service.script = [refusal]
    result = sandes("otp", "send", PHONE, "--template", "login")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"error: {line}\n")


def test_a_service_that_is_down_is_one_line_after_all_tries(sandes: Any, service: AppService) -> None:
    service.script = [httpx.ConnectError("down")] * 5
    result = sandes("otp", "status", ID)
    assert (result.exit_code, result.stderr) == (1, "error: unreachable: cannot connect to apps.test:443: down\n")
    assert len(service.slept) == 4
    assert service.client_ms > START_MS


@pytest.mark.parametrize(
    "words",
    [
        ["otp", "send", "9876543210", "--template", "login"],
        ["otp", "send", PHONE],
        ["otp", "send", PHONE, "--template", "login", "--var", "service"],
        ["otp", "send", PHONE, "--template", "login", "--var", "a=1", "--var", "a=2"],
        ["otp", "send", PHONE, "--template", "login", "--language", "ta"],
        ["otp", "send", PHONE, "--template", "login", "--ttl", "60"],
        ["otp", "check", ID, "12345a"],
        ["otp", "check", ID, "12"],
        ["otp", "check", "nosuch", "123456"],
        ["otp", "cancel", "nosuch"],
        ["message", "status", "nosuch"],
        ["message", "list", "--batch", "nosuch"],
        ["batch", "results", "nosuch"],
        ["webhook", "test", "nosuch"],
        ["webhook", "redeliver", ID, "nosuch"],
        ["group", "show", "nosuch"],
        ["message", "send", PHONE],
        ["message", "send", PHONE, "text", "--template", "ready"],
        ["message", "send", APP, "text", "--category", "advert"],
        ["batch", "send", "no-such-file.csv", "--template", "camp"],
        ["nonsense"],
    ],
)
def test_a_usage_error_exits_with_two_and_sends_nothing(sandes: Any, service: AppService, words: list[str]) -> None:
    result = sandes(*words)
    assert result.exit_code == 2
    assert service.requests == []


def test_a_file_of_another_kind_is_a_usage_error(sandes: Any, tmp_path: Path) -> None:
    file = tmp_path / "rows.xlsx"
    file.write_bytes(b"")
    result = sandes("batch", "send", str(file), "--template", "camp")
    assert (result.exit_code, ".ndjson" in result.stderr) == (2, True)


def test_missing_credentials_are_a_usage_error_that_says_what_is_missing(sandes: Any, tmp_path: Path) -> None:
    result = sandes("status", credentials=None)
    assert result.exit_code == 2
    assert "SANDES_APP" in result.stderr
    assert sandes("status", credentials=tmp_path / "none.json").exit_code == 2
