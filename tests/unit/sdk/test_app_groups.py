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
    result = sandes("group", "create", "Officers", "--for", "officials", "--open", "--client-ref", "o-1")
    assert result.stdout == (f"{GROUP} Officers: for officials, admins post, 2 of 100000 members, version 7\n")
    sent = app_groups_api.NewAppGroup.model_validate_json(service.requests[-1].content)
    assert (sent.name, sent.audience, sent.posting, sent.open, sent.client_ref) == (
        *("Officers", "officials", "admins", True, "o-1"),
    )
    assert sandes("group", "create", "Officers", "--for", "everybody").exit_code == 2


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
    assert "row 2: invalid_phone" in result.stderr
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
    service.on("PUT", f"{PATH}/roster", roster(state="failed", failure="group_full", done=1))
    result = sandes("group", "roster", GROUP, str(file), "--version", "3")
    assert (result.exit_code, result.stdout.split(":")[0]) == (3, "roster failed (group_full)")
    assert result.stdout.endswith("done 1 of 2\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "number\n1\n"),
        ("a.csv", "phone,name\n1,2\n"),
        ("a.csv", "phone,account\n+91,x\n"),
        ("a.ndjson", "[]"),
        ("a.ndjson", "{"),
        ("a.ndjson", '{"phone": 1}'),
        ("a.txt", "phone\n"),
    ],
    ids=["column", "more-columns", "both", "list", "json", "number", "suffix"],
)
def test_a_file_that_is_no_roster_is_refused_before_anything_is_sent(
    sandes: Any, service: AppService, tmp_path: Path, name: str, text: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    result = sandes("group", "roster", GROUP, str(file))
    assert result.exit_code == 1
    assert "file_unusable" in result.stderr
    assert service.requests == []


def test_cells_of_a_roster_are_read_without_the_blanks_around_them(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"phone , role\n {PHONE} , admin \n")
    assert read_roster(file) == [RosterRow(PHONE, "admin")]


def test_a_stale_version_is_one_line(sandes: Any, service: AppService, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"phone\n{PHONE}\n")
    service.routes["PUT", f"{PATH}/roster"] = lambda _: refused("precondition_failed", 412)
    result = sandes("group", "roster", GROUP, str(file), "--version", "3")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: precondition_failed:")


def test_a_group_that_is_gone_counts_as_dissolved(sandes: Any, service: AppService) -> None:
    service.routes["DELETE", PATH] = lambda _: refused("not_found", 404)
    assert sandes("group", "dissolve", GROUP).stdout == f"dissolved {GROUP}\n"


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
