"""What options of `sandes-admin` mean."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sandes_client.cli.admin import admin
from sandes_client.cli.administration.options import day


def test_a_day_ends_at_midnight_in_india() -> None:
    assert day(datetime(2027, 3, 31, tzinfo=UTC)) == "2027-03-31T18:30:00Z"
    assert day(None) is None


def test_options_of_all_commands_stand_anywhere(tmp_path: Path) -> None:
    nobody = str(tmp_path / "nobody.json")
    for words in (["--session", nobody, "whoami"], ["whoami", "--session", nobody], ["whoami", f"--session={nobody}"]):
        result = CliRunner().invoke(admin, words)
        assert (result.exit_code, result.stderr) == (
            1,
            f"error: not_signed_in: sign in with `sandes-admin --session {tmp_path / 'nobody.json'} login`\n",
        )


def test_an_option_that_a_command_has_itself_stays_the_commands(tmp_path: Path) -> None:
    words = ["app", "webhook", "change", "h" * 22, "--app", "p" * 12 + "a", "--url", "https://hooks.example"]
    result = CliRunner().invoke(admin, [*words, "--session", str(tmp_path / "nobody.json")])
    assert result.exit_code == 1
    assert "not_signed_in" in result.stderr


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(admin, ["--version"]).stdout == "sandes-client 0.1.0\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["organisation", "rename", "a" * 13, "--name", "X"], "change ORGANISATION --name NAME"),
        (["unit", "rename", "c" * 13, "--name", "X"], "change UNIT --name NAME"),
        (["unit", "move", "c" * 13, "--parent", "d" * 13], "change UNIT --parent UNIT"),
        (["person", "edit", "m" * 13, "--post", "X"], "change WHO"),
        (["person", "transfer", "m" * 13, "--to", "c" * 13], "--unit"),
        (["officer", "appoint", "a" * 13, "--email", "a@b.in", "--name", "A", "--home", "c" * 13], "--unit"),
    ],
)
def test_a_name_that_has_changed_is_wrong_usage_with_the_new_name(words: list[str], hint: str) -> None:
    result = CliRunner().invoke(admin, words)
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert hint in said
    assert "Invalid value" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["approval", "approve", "nosuch"], "this is not an approval id: `sandes-admin approval list` shows them"),
        (["import", "commit", "nosuch"], "this is not an import id: `sandes-admin import list` shows them"),
        (
            ["access", "reset", "nosuch", "--reason", "lost"],
            "this is not an administrator id: `sandes-admin assignment list` shows them",
        ),
        (["assignment", "revoke", "nosuch"], "this is not an assignment id: `sandes-admin assignment list` shows them"),
        (["app", "show", "--app", "nosuch"], "this is not an app id: `sandes-admin app list` shows them"),
        (["app", "webhook", "remove", "x"], "this is not a webhook id: `sandes-admin app webhook list` shows them"),
        (["key", "revoke", "x"], "this is not a key id: `sandes-admin app show` shows them"),
        (["complaint", "show", "x"], "this is not a complaint id: `sandes-admin complaint list` shows them"),
        (["group", "show", "x"], "this is not a group id: `sandes-admin group list` shows them"),
        (["group", "admins", "g" * 13, "--admin", "x"], "this is not an account id: `sandes-admin person list`"),
        (["request", "reject", "x", "--reason", "r"], "this is not a request id: `sandes-admin request list` shows"),
        (["organisation", "show", "x"], "this is not an organisation id: `sandes-admin organisation list` shows them"),
        (["unit", "show", "Harbour Office"], "this is not a unit id: `sandes-admin unit list` shows them"),
        (["person", "list", "--unit", "Harbour Office"], "this is not a unit id: `sandes-admin unit list` shows them"),
        (["audit", "list", "--actor", "Farah"], "this is not an administrator id: `sandes-admin assignment list`"),
    ],
)
def test_what_is_no_id_is_refused_here_with_the_command_that_shows_ids(words: list[str], said: str) -> None:
    result = CliRunner().invoke(admin, words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())
