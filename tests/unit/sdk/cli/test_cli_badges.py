"""Who is shown as verified: by the service's word of this moment and an attestation, both; and nothing imitates it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandes.crypto.seal import GroupChange
from sandes.model.app import AppSender
from sandes.model.ids import account_text
from sandes_client.cli.display import event_text
from sandes_client.events import GroupEvent
from sandes_client.group_bodies import GroupChange as ClientGroupChange
from tests.unit.sdk.group_service import GroupService
from tests.unit.sdk.people_service import PeopleService
from tests.unit.sdk.service import BOB, CAMP_ID, PASSPORTS, Service, problem

BOB_ID = account_text(BOB)
BADGE = "✔ Bob Rao, Section Officer, Ministry of Railways"

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def groups(service: Service) -> GroupService:
    return GroupService(service)


@pytest.fixture
def people(service: Service) -> PeopleService:
    made = PeopleService(service)
    made.profiles[BOB_ID] = _official(made, service)
    return made


def _official(people: PeopleService, service: Service) -> dict[str, Any]:
    return people.official(BOB, attestation=people.attestation(BOB, expires_at=service.now_ms // 1000 + 600))


def _revoke(people: PeopleService, service: Service) -> None:
    service.classes[BOB] = "public"
    people.profiles[BOB_ID] = {"account": BOB_ID, "account_class": "public", "name": "Bob"}


def _said(result: Any) -> list[str]:
    return [line.split("  ", 1)[1] for line in result.stdout.splitlines()]


def test_a_revoked_official_has_no_badge_from_the_next_message_on(
    sandes: Any, service: Service, people: PeopleService, groups: GroupService
) -> None:
    service.store(b"as an official")
    assert _said(sandes("inbox")) == [f"{BADGE}  {BOB_ID}  as an official"]
    _revoke(people, service)
    service.store(b"as anybody")
    service.store_to_group(b"to all", version=3)
    assert sorted(_said(sandes("inbox"))) == [
        f"Bob (not verified)  {BOB_ID}  as anybody",
        f"Camp: Bob (not verified)  {BOB_ID}  to all",
    ]


def test_a_message_of_no_official_has_no_badge_whatever_the_profile_says(
    sandes: Any, service: Service, people: PeopleService
) -> None:
    service.classes[BOB] = "public"
    service.store(b"written before the verification")
    assert _said(sandes("inbox")) == [f"Bob Rao (not verified)  {BOB_ID}  written before the verification"]


def test_an_official_has_the_badge_from_the_first_message_as_one(
    sandes: Any, service: Service, people: PeopleService
) -> None:
    _revoke(people, service)
    service.store(b"as anybody")
    assert _said(sandes("inbox")) == [f"Bob (not verified)  {BOB_ID}  as anybody"]
    service.classes[BOB] = "verified"
    people.profiles[BOB_ID] = _official(people, service)
    service.store(b"as an official")
    assert _said(sandes("inbox")) == [f"{BADGE}  {BOB_ID}  as an official"]


def test_a_message_as_an_official_without_an_attestation_has_no_badge(
    sandes: Any, service: Service, people: PeopleService
) -> None:
    people.profiles[BOB_ID]["attestation"] = None
    service.store(b"hello")
    assert _said(sandes("inbox")) == [f"Bob Rao (not verified)  {BOB_ID}  hello"]


def test_a_lookup_asks_anew(sandes: Any, service: Service, people: PeopleService) -> None:
    assert sandes("lookup", BOB_ID).stdout == f"{BOB_ID}  {BADGE}\n"
    _revoke(people, service)
    assert sandes("lookup", BOB_ID).stdout == f"{BOB_ID}  Bob (not verified)\n"


def test_members_have_the_class_that_the_list_gives_them(
    sandes: Any, service: Service, people: PeopleService, groups: GroupService
) -> None:
    assert "✔ Bob Rao" in sandes("group", "members", CAMP_ID).stdout
    groups.members[0] = groups.members[0].model_copy(update={"account_class": "public"})
    _revoke(people, service)
    assert "✔" not in sandes("group", "members", CAMP_ID).stdout


def test_a_lookup_of_nobody_is_refused(sandes: Any, service: Service, people: PeopleService) -> None:
    people.profiles.clear()
    result = sandes("lookup", BOB_ID)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: not_found: there is no such account, or you may not see it\n"
    assert sandes("profile", "show", BOB_ID).stderr == result.stderr
    found = sandes("lookup", "+919876543210")
    assert (found.exit_code, found.stdout) == (0, f"{BOB_ID}  +919876543210 (not verified)\n")


def test_a_lookup_without_an_answer_is_an_error(sandes: Any, service: Service) -> None:
    def lose(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    service.http_answers["GET", f"/v1/accounts/{BOB_ID}"] = lose
    result = sandes("lookup", BOB_ID)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: unreachable: ")
    service.http_answers["GET", f"/v1/accounts/{BOB_ID}"] = lambda _: problem("rate_limited", 429, retry_after=5)
    assert sandes("lookup", BOB_ID).stderr == "error: rate_limited: too many; wait 5 s\n"


def test_no_name_of_a_group_app_or_field_imitates_the_badge(
    sandes: Any, service: Service, people: PeopleService, groups: GroupService
) -> None:
    groups.change(name="✔ Ministry")
    assert "✔" not in sandes("group", "show", CAMP_ID).stdout
    service.store_to_group(b"x", version=3, app=AppSender(PASSPORTS, "✅ Passports"))
    service.store_event(GroupChange.CHANGED, version=4, name="✔ Ministry", actor=None)
    people.profiles[BOB_ID] = {
        **people.profiles[BOB_ID],
        "attestation": None,
        "organisation_name": "☑ Ministry",
        "email": "✔ a@b",
    }
    shown = sandes("inbox").stdout + sandes("profile", "show", BOB_ID).stdout
    assert "Ministry" in shown
    assert not set(shown) & set("✔✅☑")
    said = event_text(
        GroupEvent("m", "g", 1, ClientGroupChange.CHANGED, 0, name="✔ Ministry"),  # type: ignore[arg-type]
        str,
    )
    assert said == "the group is now called Ministry"


def test_no_line_of_a_message_passes_for_a_message_of_somebody_else(
    sandes: Any, service: Service, people: PeopleService
) -> None:
    _revoke(people, service)
    service.store(f"hello\n12:00  {BADGE}  send me the code".encode())
    first, second = sandes("inbox").stdout.splitlines()
    assert first.endswith(f"Bob (not verified)  {BOB_ID}  hello")
    assert second == f"        12:00  {BADGE}  send me the code"
