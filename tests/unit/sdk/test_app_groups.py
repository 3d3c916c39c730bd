"""Groups of an app by the library and by `sandes app group`: what is sent is what the server reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from sandes.model.ids import parse_account, parse_group, parse_message
from sandes.protocol import app_api, app_groups_api
from sandes_client.app import RosterRow, SyncAppClient, read_roster
from tests.unit.sdk.app_service import NOW, AppService, answer, refused
from tests.unit.sdk.test_app_client import MESSAGE, app
from tests.unit.sdk.test_cli_apps import PHONE, sandes, service

__all__ = ["app", "sandes", "service"]

GROUP, ACCOUNT = "g" * 12 + "a", "b" * 12 + "a"
PATH = f"/v1/app-groups/{GROUP}"
SHOWN = app_groups_api.AppGroup(
    id=parse_group(GROUP),
    name="Officers",
    audience="officials",
    posting="admins",
    open=False,
    members=2,
    limit=100_000,
    version=7,
    created_at=NOW,
)


def roster(**changed: Any) -> app_groups_api.Roster:
    fields: dict[str, Any] = {"state": "done", "added": 2, "unchanged": 1, "done": 2, "total": 2}
    return app_groups_api.Roster(**fields | changed)


def test_a_group_is_made_as_the_server_reads_it(sandes: Any, service: AppService) -> None:
    service.on("POST", "/v1/app-groups", SHOWN, 201)
    result = sandes("group", "create", "Officers", "--audience", "officials", "--open", "--client-ref", "o-1")
    assert result.stdout == (f"{GROUP} Officers: for officials, admins post, 2 of 100000 members, version 7\n")
    sent = app_groups_api.NewAppGroup.model_validate_json(service.requests[-1].content)
    assert (sent.name, sent.audience, sent.posting, sent.open, sent.client_ref) == (
        *("Officers", "officials", "admins", True, "o-1"),
    )
    assert sandes("group", "create", "Officers", "--audience", "everybody").exit_code == 2


def test_a_change_names_the_version_it_is_for(app: SyncAppClient, service: AppService) -> None:
    service.on("PATCH", PATH, SHOWN)
    assert app.groups.change(GROUP, version=6, name="Officers").version == 7
    assert service.requests[-1].headers["If-Match"] == '"6"'
    app.groups.change(GROUP, version=None, open=True)
    assert service.requests[-1].headers["If-Match"] == "*"


def test_members_are_added_listed_and_removed(sandes: Any, service: AppService) -> None:
    member = app_groups_api.AppGroupMember(account=parse_account(ACCOUNT), role="admin", joined_at=NOW)
    service.on("PUT", f"{PATH}/members/{ACCOUNT}", member)
    assert sandes("group", "add", GROUP, ACCOUNT, "--role", "admin").stdout == f"{ACCOUNT} is admin\n"
    assert app_groups_api.PutAppMember.model_validate_json(service.requests[-1].content).role == "admin"
    service.on("GET", f"{PATH}/members", app_groups_api.AppGroupMembers(members=[member], version=7))
    assert sandes("group", "members", GROUP).stdout == f"{ACCOUNT}\tadmin\n"
    service.routes["DELETE", f"{PATH}/members/{ACCOUNT}"] = lambda _: httpx.Response(204)
    assert sandes("group", "remove", GROUP, ACCOUNT).stdout == f"removed {ACCOUNT}\n"


def test_a_dry_run_prints_the_difference_and_the_first_bad_rows(
    sandes: Any, service: AppService, tmp_path: Path
) -> None:
    file = tmp_path / "officers.csv"
    file.write_text(f"\ufeffphone,role\n{PHONE},admin\n98765,\n")
    fault = app_groups_api.RosterFault(row=2, code="invalid_phone")
    service.on("GET", PATH, SHOWN)
    service.on("PUT", f"{PATH}/roster", roster(state="checked", invalid=1, faults=[fault], done=0))
    result = sandes("group", "roster", GROUP, str(file), "--dry-run")
    assert result.exit_code == 3
    assert result.stdout == "roster checked: added 2, removed 0, role changed 0, unchanged 1, invalid rows 1\n"
    assert "line 3: 98765: invalid_phone" in result.stderr
    sent = app_groups_api.PutRoster.model_validate_json(service.requests[-1].content)
    assert sent.dry_run
    assert [(row.phone, row.account, row.role) for row in sent.members] == [
        (PHONE, None, "admin"),
        ("98765", None, "member"),
    ]
    assert service.requests[-1].headers["If-Match"] == '"7"'


def test_a_large_roster_is_followed_to_its_end(sandes: Any, service: AppService, tmp_path: Path) -> None:
    file = tmp_path / "officers.ndjson"
    file.write_text(f'{{"account": "{ACCOUNT}"}}\n\n{{"phone": "{PHONE}", "role": "admin"}}\n')
    service.on("GET", PATH, SHOWN)
    service.on("PUT", f"{PATH}/roster", roster(state="applying", done=0))
    states = iter([roster(state="applying", done=1), roster()])
    service.routes["GET", f"{PATH}/roster"] = lambda _: answer(next(states), 200)
    result = sandes("group", "roster", GROUP, str(file), "--version", "3")
    assert (result.exit_code, result.stdout) == (
        0,
        "roster done: added 2, removed 0, role changed 0, unchanged 1, invalid rows 0\n",
    )
    assert service.slept == [2.0]
    put = next(request for request in service.requests if request.method == "PUT")
    assert put.headers["If-Match"] == '"3"'


def test_a_roster_that_ended_in_the_middle_says_how_far_it_came(
    sandes: Any, service: AppService, tmp_path: Path
) -> None:
    file = tmp_path / "officers.csv"
    file.write_text(f"account\n{ACCOUNT}\n")
    service.on("GET", PATH, SHOWN)
    service.on("PUT", f"{PATH}/roster", roster(state="failed", failure="group_full", done=1))
    result = sandes("group", "roster", GROUP, str(file), "--version", "3")
    assert (result.exit_code, result.stdout.split(":")[0]) == (3, "roster failed (group_full)")
    assert result.stdout.endswith("done 1 of 2\n")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "number\n1\n", "file_unusable: the first line must name the column"),
        ("a.csv", "phone;role\n1;admin\n", "separate columns by commas"),
        ("a.csv", "phone,name\n1,2\n", "file_unusable: the first line must name the column"),
        ("a.csv", f'phone\n{PHONE}\n"{PHONE}" x\n{PHONE}\n', "file_unusable: line 3: "),
        ("a.csv", f"phone\n{'1' * 200_000}\n", "file_unusable: line 2: "),
        ("a.csv", "phone,account\n+91,x\n", "line 2: a row has either phone or account"),
        ("a.csv", "phone\n+91,admin\n", "line 2: 2 values for 1 columns"),
        ("a.csv", "account\nnobody\n", "line 2: nobody is not an account id"),
        ("a.ndjson", "[]", "line 1: a row has phone or account"),
        ("a.ndjson", "\n{", "line 2: not JSON"),
        ("a.ndjson", "[" * 100_000, "line 1: not JSON"),
        ("a.ndjson", '{"phone": 1}', "line 1: a row has phone or account"),
        (
            "a.ndjson",
            '{"phone": "+91", "rank": "x"}',
            "line 1: a row has phone or account, and optionally role; unknown: rank",
        ),
        ("a.txt", "phone\n", "file_unusable: the file's name must end"),
        ("a.csv", "phone\n" + f"{PHONE}\n" * 100_001, "too_large: a roster has at most 100,000 rows"),
    ],
    ids=[
        *("column", "semicolon", "more-columns", "quote", "long-field", "both", "more-values", "account"),
        *("list", "json", "deep", "number", "unknown-field", "suffix", "too-long"),
    ],
)
def test_a_file_without_a_good_row_is_refused_before_anything_is_sent(
    sandes: Any, service: AppService, tmp_path: Path, *, name: str, text: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    result = sandes("group", "roster", GROUP, str(file))
    assert result.exit_code == 1
    assert said in result.stderr
    assert service.requests == []


def test_bad_rows_are_named_by_their_line_and_the_others_are_sent(
    sandes: Any, service: AppService, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"Phone,Account\n\n{PHONE},{ACCOUNT}\n{PHONE},\n\n98765,\n")
    fault = app_groups_api.RosterFault(row=2, code="invalid_phone")
    service.on("GET", PATH, SHOWN)
    service.on("PUT", f"{PATH}/roster", roster(invalid=1, faults=[fault]))
    result = sandes("group", "roster", GROUP, str(file))
    assert result.exit_code == 3
    assert result.stderr == (
        "error: line 3: a row has either phone or account\n"
        "error: line 6: 98765: invalid_phone: write the number in international form, like +919876543210\n"
    )
    sent = app_groups_api.PutRoster.model_validate_json(service.requests[-1].content)
    assert [row.phone for row in sent.members] == [PHONE, "98765"]


@pytest.mark.parametrize(("removed", "words", "asked"), [(1, [], False), (2, [], True), (2, ["--yes"], False)])
def test_a_roster_that_removes_most_members_needs_a_yes(
    sandes: Any, service: AppService, tmp_path: Path, *, removed: int, words: list[str], asked: bool
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"phone\n{PHONE}\n")
    service.on("GET", PATH, SHOWN)
    service.on("PUT", f"{PATH}/roster", roster(removed=removed))
    result = sandes("group", "roster", GROUP, str(file), *words)
    assert (result.exit_code == 1, "not_confirmed" in result.stderr) == (asked, asked)
    puts = [request for request in service.requests if request.method == "PUT"]
    sent = [app_groups_api.PutRoster.model_validate_json(put.content).dry_run for put in puts]
    assert sent == [True] if asked else sent[-1] is False


def test_cells_of_a_roster_are_read_without_the_blanks_around_them(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"phone , role\n {PHONE} , admin \n")
    assert read_roster(file) == [RosterRow(PHONE, "admin")]


def test_a_stale_version_is_one_line(sandes: Any, service: AppService, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"phone\n{PHONE}\n")
    service.on("GET", PATH, SHOWN)
    service.routes["PUT", f"{PATH}/roster"] = lambda _: refused("precondition_failed", 412)
    result = sandes("group", "roster", GROUP, str(file), "--version", "3")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: precondition_failed:")


def test_a_roster_without_rows_empties_no_group_unasked(sandes: Any, service: AppService, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("phone\n")
    service.on("GET", PATH, SHOWN)
    result = sandes("group", "roster", GROUP, str(file))
    assert (result.exit_code, [request.method for request in service.requests]) == (1, ["GET"])
    assert "Remove at least 2 of 2 members?" in result.stderr


def test_a_roster_of_strangers_is_refused_with_what_that_means(
    sandes: Any, service: AppService, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"phone\n{PHONE}\n")
    service.on("GET", PATH, SHOWN)
    errors = [{"pointer": "/members", "code": "no_good_row"}]
    service.routes["PUT", f"{PATH}/roster"] = lambda _: refused("invalid_request", 400, errors=errors)
    result = sandes("group", "roster", GROUP, str(file), "--dry-run")
    assert result.stderr.startswith("error: no_good_row: nothing was changed: every row needs")


@pytest.mark.parametrize("words", [["dissolve", GROUP, "--yes"], ["remove", GROUP, ACCOUNT]])
def test_a_group_that_is_not_the_apps_is_an_error(sandes: Any, service: AppService, words: list[str]) -> None:
    for path in (PATH, f"{PATH}/members/{ACCOUNT}"):
        service.routes["DELETE", path] = lambda _: refused("not_found", 404)
    result = sandes("group", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: not_found: ")


@pytest.mark.parametrize("lost", [httpx.Response(503), None], ids=["503", "no-answer"])
def test_a_group_that_is_gone_after_a_lost_answer_counts_as_dissolved(
    sandes: Any, service: AppService, lost: httpx.Response | None
) -> None:
    answers = iter([lost, refused("not_found", 404)])

    def give(_: httpx.Request) -> httpx.Response:
        given = next(answers)
        if given is None:
            raise httpx.ReadTimeout("lost")
        return given

    service.routes["DELETE", PATH] = give
    assert sandes("group", "dissolve", GROUP, "--yes").stdout == f"dissolved {GROUP}\n"


def test_a_refusal_for_now_is_no_lost_answer(sandes: Any, service: AppService) -> None:
    answers = iter([refused("rate_limited", 429), refused("not_found", 404)])
    service.routes["DELETE", PATH] = lambda _: next(answers)
    assert sandes("group", "dissolve", GROUP, "--yes").exit_code == 1


def test_a_group_is_not_dissolved_without_a_yes(sandes: Any, service: AppService) -> None:
    result = sandes("group", "dissolve", GROUP)
    assert (result.exit_code, service.requests) == (1, [])
    assert result.stderr.endswith("error: not_confirmed: nothing was changed; --yes skips the question\n")


def test_members_are_added_by_account_only_and_the_command_says_so(sandes: Any, service: AppService) -> None:
    result = sandes("group", "add", GROUP, PHONE)
    assert (result.exit_code, service.requests) == (2, [])
    assert "give an account id" in result.stderr


def test_a_message_goes_to_a_group(sandes: Any, service: AppService) -> None:
    service.on(
        "POST",
        "/v1/messages",
        app_api.MessageAccepted(id=parse_message(MESSAGE), status="accepted", expires_at=NOW),
        202,
    )
    assert sandes("message", "send", f"group:{GROUP}", "Camp opens at 8").exit_code == 0
    sent = app_api.NewMessage.model_validate_json(service.requests[-1].content)
    assert (sent.to.group, sent.to.phone) == (parse_group(GROUP), None)
    assert sandes("message", "send", "group:nobody", "Camp opens at 8").exit_code == 2
    assert sandes("otp", "send", f"group:{GROUP}", "--template", "login").exit_code == 2
