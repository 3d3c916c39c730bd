"""Tests what tools say to somebody who calls them wrongly or for the first time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import app, run, service_keys, sms, totp


class Engine:
    """Plays an engine that has received these SMS."""

    def __init__(self, *_: object) -> None: ...

    def sms_to(self, phone: str) -> list[str]:
        return ["111111 is your code", "222222 is your code"] if phone == "+919810000003" else []


def wrong_use(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what `make app` prints for arguments that it refuses before it looks for an engine."""
    with pytest.raises(SystemExit) as ended:
        app.main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_an_app_is_not_registered_if_its_files_could_not_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "app.json"
    there.write_text("{}")
    assert wrong_use(capsys, "--file", str(tmp_path / "sub" / "phone.json")) == (
        f"make app: the folder {tmp_path}/sub does not exist or cannot be written to\n"
    )
    assert "exists already" in wrong_use(capsys, "--file", str(there))
    assert "does not end with .json" in wrong_use(capsys, "--file", str(tmp_path / "phone.txt"))
    assert app.main(["--file", str(tmp_path / "phone.json"), "--engine", str(tmp_path)]) == 1
    assert "make run" in capsys.readouterr().err


def test_wrong_use_of_a_target_names_the_variables_of_make(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["run", "--port", "80"])
    with pytest.raises(SystemExit):
        run.main()
    assert capsys.readouterr().err == "make run: PORT: a port is a number from 1024 to 65535\n"


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["+91 98100 00003"], "222222 is your code\n"),
        (["--all", "+919810000003"], "111111 is your code\n222222 is your code\n"),
        (["+919810000004"], ""),
    ],
)
def test_of_the_sms_to_a_number_the_newest_is_printed(
    arguments: list[str],
    printed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    endpoints = tmp_path / "endpoints.json"
    endpoints.write_text('{"http_url": "http://127.0.0.1:4566"}')
    monkeypatch.setattr(sms, "ENDPOINTS", endpoints)
    monkeypatch.setattr(sms, "Engine", Engine)
    monkeypatch.setattr(sys, "argv", ["sms", *arguments])
    assert sms.main() == (0 if printed else 1)
    assert capsys.readouterr().out == printed


def test_the_code_of_an_authenticator_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Secret and time are those of RFC 6238, appendix B. Its code ends with these six digits."""
    monkeypatch.setattr("time.time", lambda: 1_111_111_109)
    monkeypatch.setattr(sys, "argv", ["totp", "gezd gnbv gy3t qojq gezd gnbv gy3t qojq"])
    assert (totp.main(), capsys.readouterr().out) == (0, "081804\n")
    monkeypatch.setattr(sys, "argv", ["totp", "no secret 1"])
    assert totp.main() == 2


def test_who_makes_a_root_key_is_told_what_to_do_with_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root.key"
    service_keys.main(["root", str(root)])
    said = capsys.readouterr().out
    assert said.startswith(f"Wrote {root}. Keep it offline")
