"""An app's credentials: from a file of its owner or the environment, with a reason for what cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandes_client.app import AppCredentials, CredentialsInvalid
from sandes_client.ids import base64url_text
from tests.unit.sdk.app_service import APP, KEY

SEED = bytes(range(32))
VALUES = {
    "app": APP,
    "key": KEY,
    "private_key": base64url_text(SEED),
    "http_url": "https://apps.test",
    "audience": "sandes:test",
}


def written(folder: Path, content: Any, mode: int = 0o600) -> Path:
    file = folder / "app.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    file.chmod(mode)
    return file


def test_a_file_and_the_environment_give_the_same(tmp_path: Path) -> None:
    file = written(tmp_path, VALUES)
    read = AppCredentials.read(file)
    assert (read.key_name, read.private_key.seed, read.audience) == (f"{APP}.{KEY}", SEED, "sandes:test")
    assert AppCredentials.from_environment({"SANDES_APP_CREDENTIALS": str(file)}) == read
    environment = {
        "SANDES_APP": APP,
        "SANDES_APP_KEY": KEY,
        "SANDES_APP_PRIVATE_KEY": VALUES["private_key"],
        "SANDES_APP_URL": "https://apps.test",
        "SANDES_APP_AUDIENCE": "sandes:test",
    }
    assert AppCredentials.from_environment(environment) == read
    with pytest.raises(CredentialsInvalid, match="SANDES_APP_KEY"):
        AppCredentials.from_environment({**environment, "SANDES_APP_KEY": ""})


def test_the_private_key_does_not_show(tmp_path: Path) -> None:
    assert VALUES["private_key"] not in repr(AppCredentials.read(written(tmp_path, VALUES)))


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_file_that_everybody_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(CredentialsInvalid, match="chmod 600"):
        AppCredentials.read(written(tmp_path, VALUES, mode))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "JSON"),
        ("[]", "object"),
        ({}, "lacks app, key"),
        (VALUES | {"app": "x"}, "app id"),
        (VALUES | {"key": f"{APP}.{KEY}"}, "key id"),
        (VALUES | {"key": 12345678}, "lacks key"),
        (VALUES | {"private_key": "c2hvcnQ"}, "32 bytes"),
        (VALUES | {"private_key": "***"}, "32 bytes"),
        (VALUES | {"http_url": "http://apps.test"}, "https"),
        (VALUES | {"http_url": "ftp://apps.test"}, "https"),
    ],
)
def test_credentials_that_cannot_be_used_say_why_without_the_key(tmp_path: Path, content: Any, reason: str) -> None:
    with pytest.raises(CredentialsInvalid, match=reason) as caught:
        AppCredentials.read(written(tmp_path, content))
    assert VALUES["private_key"] not in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(CredentialsInvalid, match="cannot be read"):
        AppCredentials.read(tmp_path / "none.json")


def test_a_file_that_holds_no_credentials_is_told_as_that_whoever_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("# Read me")
    file.chmod(0o644)
    with pytest.raises(CredentialsInvalid, match="is not JSON"):
        AppCredentials.read(file)


def test_an_environment_without_any_of_it_is_told_of_the_file() -> None:
    with pytest.raises(CredentialsInvalid, match="SANDES_APP_CREDENTIALS"):
        AppCredentials.from_environment({})
