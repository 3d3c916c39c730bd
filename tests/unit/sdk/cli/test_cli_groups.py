"""`sandes group`, `profile`, `lookup`, `search` and `invite`, and what the inbox shows of groups."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from sandes.crypto.seal import GroupChange
from sandes.model.ids import account_text
from sandes.protocol.client_api import ChangeGroup, ChangeProfile, GroupDelivery, NewGroup
from sandes_client.cli.display import person_label
from sandes_client.cli.main import app
from sandes_client.ids import AccountId
from sandes_client.people import Profile
from tests.unit.sdk.group_service import GroupService
from tests.unit.sdk.people_service import RAILWAYS, PeopleService
from tests.unit.sdk.service import ALICE, BOB, CAMP_ID, Service, problem, refusal

ALICE_ID, BOB_ID, CAROL_ID = account_text(ALICE), account_text(BOB), "mnqxe33maaaaa"
BADGE = "✔ Bob Rao, Section Officer, Ministry of Railways"

WAITS = (
    "error: timeout: the service has not accepted the message after 0.5 s; the next command that connects sends "
    "it, for example `sandes outbox`\n"
)

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def groups(service: Service) -> GroupService:
    return GroupService(service)


@pytest.fixture
def people(service: Service) -> PeopleService:
    made = PeopleService(service)
    made.profiles[BOB_ID] = made.official(
        BOB, attestation=made.attestation(BOB, expires_at=service.now_ms // 1000 + 600)
    )
    return made


def test_a_group_is_made_listed_and_shown(sandes: Any, groups: GroupService) -> None:
    assert sandes("group", "create", "Camp", "--posting", "admins").stdout == f"Created group {CAMP_ID}.\n"
    assert [(new.name, new.posting) for new in groups.changes if isinstance(new, NewGroup)] == [("Camp", "admins")]
    listed = sandes("group", "list").stdout
    assert CAMP_ID in listed
    assert "invited" in listed
    shown = sandes("group", "show", CAMP_ID).stdout
    assert "informal, for people who are invited" in shown
    assert "2 of at most 500 members, version 3" in shown
    assert "only admins post; you are owner" in shown


def test_members_are_listed_with_badges(sandes: Any, groups: GroupService, people: PeopleService) -> None:
    lines = sandes("group", "members", CAMP_ID).stdout
    assert BOB_ID in lines
    assert "✔ Bob Rao" in lines
    assert "you" in lines


def test_members_come_and_go(sandes: Any, groups: GroupService) -> None:
    steps = {
        ("invite", CAROL_ID): "Invited.",
        ("invite", BOB_ID): "In the group, as member.",
        ("role", BOB_ID, "admin"): "Now admin.",
        ("role", BOB_ID, "owner"): "Now owner.",
        ("remove", "+919876543210"): "Removed.",
        ("join",): "You are in Camp.",
        ("change", "--name", "Drill"): "Drill: all members post.",
        ("leave",): "You have left the group.",
        ("dissolve", "--yes"): "Dissolved.",
    }
    for (command, *words), said in steps.items():
        result = sandes("group", command, CAMP_ID, *words)
        assert (result.exit_code, result.stdout) == (0, f"{said}\n")
    assert groups.changes == [
        (CAROL_ID, "member"),
        (BOB_ID, "member"),
        (BOB_ID, "admin"),
        (BOB_ID, "owner"),
        (BOB_ID, None),
        (ALICE_ID, "member"),
        ChangeGroup(name="Drill"),
        (ALICE_ID, None),
        "dissolved",
    ]


def test_a_role_that_the_service_leaves_as_it_is_is_an_error(sandes: Any, groups: GroupService) -> None:
    result = sandes("group", "role", CAMP_ID, ALICE_ID, "admin")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: not_changed: still member")


def test_a_group_is_not_dissolved_without_a_yes(sandes: Any, groups: GroupService) -> None:
    result = sandes("group", "dissolve", CAMP_ID, input="n\n")
    assert result.exit_code == 1
    assert groups.changes == []


def test_a_post_is_accepted_and_its_delivery_shown(sandes: Any, service: Service, groups: GroupService) -> None:
    groups.deliveries = [GroupDelivery(members=9, devices=12, waiting=5, complete=False)]
    result = sandes("group", "send", CAMP_ID, "सभी को")
    assert result.stdout.startswith("accepted 0")
    assert service.posts[0].body == "सभी को".encode()
    shown = sandes("group", "delivery", CAMP_ID, result.stdout.split()[1])
    assert shown.stdout == (
        "9 members; stored for 12 devices, of which 5 have not fetched it; not stored for all members yet\n"
    )


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("posting_restricted", "posting_restricted: only admins post to this group"),
        ("not_permitted", "not_permitted: there is no such recipient or group, or you may not write to it"),
    ],
)
def test_a_refused_post_is_one_line(sandes: Any, service: Service, code: str, line: str) -> None:
    service.answers["send"] = lambda *_: refusal(code)
    result = sandes("group", "send", CAMP_ID, "hello")
    assert (result.exit_code, result.stderr) == (1, f"error: {line}\n")


def test_a_post_that_is_not_taken_in_time_stays_in_the_outbox(sandes: Any, service: Service) -> None:
    service.answers["send"] = lambda *_: None
    result = sandes("group", "send", CAMP_ID, "later", "--timeout", "0.5")
    assert (result.exit_code, result.stderr) == (1, WAITS)
    del service.answers["send"]
    assert sandes("group", "send", CAMP_ID, "now").exit_code == 0
    assert [post.body for post in service.posts] == [b"later", b"now"]


@pytest.mark.parametrize(
    ("words", "refused", "line"),
    [
        (
            ["show", CAMP_ID],
            ("GET", f"/v1/groups/{CAMP_ID}", 404, "not_found"),
            "not_found: It does not exist, or you may not see it.",
        ),
        (
            ["leave", CAMP_ID],
            ("DELETE", f"/v1/groups/{CAMP_ID}/members/{ALICE_ID}", 409, "owner_stays"),
            "owner_stays: It does not exist, or you may not see it.",
        ),
        (
            ["invite", CAMP_ID, BOB_ID],
            ("PUT", f"/v1/groups/{CAMP_ID}/members/{BOB_ID}", 403, "not_permitted"),
            "not_permitted: you may not do this",
        ),
    ],
)
def test_a_refusal_about_a_group_is_one_line(
    sandes: Any, service: Service, words: list[str], refused: tuple[str, str, int, str], line: str
) -> None:
    method, path, status, code = refused
    service.http_answers[method, path] = lambda _: problem(
        code, status, title="It does not exist, or you may not see it."
    )
    result = sandes("group", *words)
    assert (result.exit_code, result.stderr) == (1, f"error: {line}\n")


def test_delivery_of_what_is_not_ones_own_is_one_line(sandes: Any) -> None:
    result = sandes("group", "delivery", CAMP_ID, "01b21e00-0000-7000-8000-000000000000")
    assert result.stderr == "error: not_found: you have no such message in this group, or it has expired\n"


@pytest.mark.parametrize(
    "words",
    [
        ["group", "show", "camp"],
        ["group", "send", CAMP_ID, ""],
        ["group", "role", CAMP_ID, BOB_ID, "king"],
        ["group", "invite", CAMP_ID, "bob"],
        ["profile", "change"],
        ["profile", "change", "--show", "name=the world"],
        ["profile", "change", "--show", "age=everyone"],
        ["profile", "show", "bob"],
        ["search", "rao", "--limit", "26"],
        ["chat"],
        ["chat", BOB_ID, "--group", CAMP_ID],
        ["chat", "--group", "camp"],
    ],
)
def test_a_usage_error_exits_with_two(sandes: Any, words: list[str]) -> None:
    result = sandes(*words)
    assert result.exit_code == 2
    assert "Error:" in result.stderr


def test_a_profile_is_shown_with_its_badge_and_what_is_attested(sandes: Any, people: PeopleService) -> None:
    lines = sandes("profile", "show", BOB_ID).stdout.splitlines()
    assert lines[0] == f"{BOB_ID}  {BADGE}"
    assert "  unit: Signalling" in lines
    assert any(line.startswith("  attested until: ") for line in lines)


def test_a_forged_official_is_shown_as_not_verified(sandes: Any, people: PeopleService) -> None:
    people.profiles[BOB_ID]["attestation"]["disclosures"][0]["value"] = "The Minister"
    people.profiles[BOB_ID]["name"] = "✔ The Minister"
    lines = sandes("profile", "show", BOB_ID).stdout.splitlines()
    assert lines[0] == f"{BOB_ID}  The Minister (not verified)"
    assert "✔" not in "".join(lines[:1])


def test_the_own_profile_is_shown_and_changed(sandes: Any, people: PeopleService) -> None:
    shown = sandes("profile", "show").stdout
    assert "Alice (not verified)" in shown
    assert "  number is shown to officials" in shown
    assert "  photo is shown to nobody" in shown
    changed = sandes(
        "profile", "change", "--name", "A", "--no-photo", "--show", "photo=nobody", "--show", "name=officials"
    )
    assert changed.exit_code == 0
    assert people.changes == [ChangeProfile(name="A", photo=b"", choices={"photo": "nobody", "name": "officials"})]


def test_a_choice_wider_than_the_limit_is_said_to_have_no_effect(
    sandes: Any, service: Service, people: PeopleService
) -> None:
    own = people.profiles[ALICE_ID] | {
        "policy": {"email": "officials", "number": "officials"},
        "choices": {"email": "everyone", "number": "nobody"},
    }
    service.http_answers["PATCH", "/v1/me/profile"] = lambda _: httpx.Response(200, json=own)
    said = sandes("profile", "change", "--show", "email=everyone").stdout
    assert "  email is shown to officials, which is the limit; your choice of everyone has no effect\n" in said
    assert "  number is shown to nobody (at most officials)\n" in said


def test_one_asks_to_be_verified_and_complains(sandes: Any, people: PeopleService) -> None:
    railways = account_text(RAILWAYS)
    asked = sandes("verification", "request", railways, "--name", "Alice", "--post", "Clerk").stdout
    assert asked.startswith(f"Requested; {people.requests[0].id}, until ")
    assert f"{people.requests[0].id}  {railways}  open  Alice, Clerk" in sandes("verification", "list").stdout
    assert sandes("verification", "cancel", people.requests[0].id).stdout == "Cancelled.\n"
    assert sandes("verification", "list").stdout == "You have no requests.\n"
    assert sandes("report", "--who", BOB_ID, "--category", "fraud", "--text", "Asks for money").stdout == "Reported.\n"
    assert (people.reports[0].account, people.reports[0].text) == (BOB, "Asks for money")
    assert sandes("report", "--who", BOB_ID, "--category", "rude").exit_code == 2
    assert sandes("report", "--category", "spam").exit_code == 2
    assert len(people.reports) == 1


def test_people_are_looked_up_searched_and_invited(sandes: Any, people: PeopleService, service: Service) -> None:
    assert sandes("lookup", "+919876543210").stdout == f"{BOB_ID}  {BADGE}\n"
    found = sandes("search", "Bob", "--limit", "1").stdout
    assert "✔ Bob Rao" in found
    assert "There are more" in found
    assert sandes("invite", BOB_ID).stdout == "Invited.\n"
    assert sandes("invite", BOB_ID, "--cancel").stdout == "Cancelled.\n"
    assert BADGE in sandes("invitations").stdout
    service.http_answers["POST", "/v1/accounts/search"] = lambda _: problem("not_found", 404)
    assert sandes("search", "Bob").stderr == (
        "error: not_found: only officials can search, each in their own organisation\n"
    )
    service.http_answers["POST", "/v1/accounts/lookup"] = lambda _: problem("not_found", 404)
    assert sandes("lookup", "+919876543210").stderr == (
        "error: not_found: nobody has this number, or you may not find them; `sandes inbox` shows the account ids of "
        "people who wrote to you\n"
    )


def test_a_person_is_blocked_and_unblocked(sandes: Any, people: PeopleService, service: Service) -> None:
    assert sandes("block", "+919876543210").stdout == "Blocked.\n"
    assert sandes("unblock", BOB_ID).stdout == "Unblocked.\n"
    assert [call for call in service.calls if "/blocks/" in call[1]] == [
        ("PUT", f"/v1/blocks/{BOB_ID}"),
        ("DELETE", f"/v1/blocks/{BOB_ID}"),
    ]


@pytest.mark.usefixtures("people", "groups")
@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["profile", "show", BOB_ID], "name", "Bob Rao"),
        (["lookup", "+919876543210"], "account", BOB_ID),
        (["search", "Bob"], "account", BOB_ID),
        (["group", "list"], "group", CAMP_ID),
        (["group", "show", CAMP_ID], "name", "Camp"),
        (["group", "members", CAMP_ID], "role", "owner"),
        (["devices"], "device", 1),
    ],
)
def test_what_is_listed_is_json_on_request(sandes: Any, words: list[str], field: str, value: object) -> None:
    result = sandes(*words, "--json")
    assert result.exit_code == 0, result.stderr
    assert value in [json.loads(line).get(field) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["group", "rename", CAMP_ID, "Drill"], "change GROUP --name NAME"),
        (["group", "create", "Camp", "--admins-only"], "--posting admins"),
        (["profile", "set", "--name", "Asha"], "profile change`."),
        (["verification", "withdraw", "x"], "cancel REQUEST"),
        (["invite", BOB_ID, "--withdraw"], "Error: The option `--withdraw` is now `--cancel`."),
        (["app", "group", "create", "Camp", "--for", "officials"], "--audience"),
        (["app", "group", "create", "Camp", "--audience", "officials", "--all-post"], "--posting all"),
    ],
)
def test_a_name_that_has_changed_is_wrong_usage_with_the_new_name(
    sandes: Any, service: Service, words: list[str], hint: str
) -> None:
    result = sandes(*words)
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert hint in said
    assert "Invalid value" not in said
    assert service.calls == []


def test_the_inbox_names_a_group_that_no_event_has_named(sandes: Any, service: Service, groups: GroupService) -> None:
    service.store_event(GroupChange.DEVICES, version=3, actor=ALICE, subject=ALICE)
    assert sandes("inbox").stdout.split("  ", 1)[1] == "Camp: your devices have changed\n"


def test_a_group_says_who_may_post(sandes: Any, groups: GroupService) -> None:
    assert sandes("group", "change", CAMP_ID).exit_code == 2
    assert sandes("group", "change", CAMP_ID, "--posting", "nobody").exit_code == 2
    assert sandes("group", "change", CAMP_ID, "--posting", "admins").stdout == "Camp: only admins post.\n"


def test_the_inbox_shows_messages_and_events_of_groups_once(
    sandes: Any, service: Service, groups: GroupService, people: PeopleService
) -> None:
    service.store_event(GroupChange.INVITED, version=3, actor=BOB, subject=ALICE, role="member", name="Camp")
    service.store_to_group("नमस्ते \x1b[2J".encode(), version=3)
    service.store_to_group(b"long " * 200, version=3, apart=True)
    service.bodies.clear()
    shown = [line.split("  ", 1)[1] for line in sandes("inbox").stdout.splitlines()]
    assert sorted(shown) == sorted(
        [
            f"Camp: you were invited by {BADGE}",
            f"Camp: {BADGE}  {BOB_ID}  नमस्ते \ufffd[2J",
            f"Camp: {BADGE}  {BOB_ID}  (this message expired before it was fetched)",
        ]
    )
    assert sandes("inbox").stdout == ""


def test_a_group_has_its_name_from_the_first_event_and_after_the_account_has_left(
    sandes: Any, service: Service, groups: GroupService
) -> None:
    service.http_answers["GET", f"/v1/groups/{CAMP_ID}"] = lambda _: problem("unavailable", 503)
    service.store_event(GroupChange.INVITED, version=3, actor=BOB, subject=ALICE, role="member", name="Camp")
    assert "  Camp: you were invited" in sandes("inbox").stdout
    del service.http_answers["GET", f"/v1/groups/{CAMP_ID}"]
    sandes("group", "show", CAMP_ID)
    service.store_event(GroupChange.REMOVED, version=4, actor=BOB, subject=ALICE)
    assert "  Camp: you were removed" in sandes("inbox").stdout


@pytest.mark.parametrize("name", ["✔ Asha", "✅✓☑ Asha", "✔\ufe0f  Asha\n"])
def test_no_name_can_look_like_a_badge(name: str) -> None:
    label = person_label(Profile(AccountId(BOB_ID), "verified", name=name), BOB_ID)
    assert label == "Asha (not verified)"


@pytest.mark.parametrize(
    "command",
    [
        *(["group", name] for name in ("create", "list", "show", "members", "invite", "join", "role", "remove")),
        *(["group", name] for name in ("leave", "change", "dissolve", "send", "delivery")),
        ["profile", "show"],
        ["profile", "change"],
        ["lookup"],
        ["search"],
        ["invite"],
        ["invitations"],
        ["block"],
        ["unblock"],
    ],
)
def test_every_command_explains_itself(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
