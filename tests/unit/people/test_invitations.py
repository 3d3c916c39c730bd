"""Tests invitations: officials let citizens write to them by a call or by writing first."""

from __future__ import annotations

from typing import Any

import pytest

from sandes.limits import Limit
from sandes.messaging.send import send
from sandes.model.ids import AccountId, new_account_id, new_message_id
from sandes.model.instant import Instant
from sandes.people import accounts, invitations
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.dynamodb import FlakyClient
from tests.support.service import NOW, NOW_MS, Person, Service
from tests.unit.people.test_hidden_is_absent import outcome, send_deps


@pytest.fixture
def asha(service: Service) -> Person:
    """Make an official whose post is not listed."""
    asha = service.person()
    service.verify(asha)
    return asha


@pytest.fixture
def ravi(service: Service) -> Person:
    """Make a citizen."""
    return service.person()


def invite(service: Service, official: Person, account: AccountId, *, now_ms: int = NOW_MS) -> None:
    invitations.invite(service.caller(official), account, now=Instant(now_ms), deps=service.device_deps)


def listed(service: Service, official: Person) -> dict[AccountId, int]:
    page = invitations.invitations(service.caller(official), after=None, now=Instant(NOW_MS), deps=service.device_deps)
    return {entry.account: entry.created_at for entry in page.invitations}


def sent(service: Service, sender: Person, recipient: Person, *, now_ms: int = NOW_MS, deps: Any = None) -> None:
    frame = service.message(recipient, id=new_message_id(now_ms))
    send(frame, sender.principal(), now=Instant(now_ms), deps=deps or service.send_deps())


def refused(call: Any, *arguments: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    return caught.value.code


# By a call


def test_who_is_invited_may_write_until_the_invitation_is_taken_back(
    service: Service, asha: Person, ravi: Person
) -> None:
    assert refused(sent, service, ravi, asha) is ErrorCode.NOT_PERMITTED
    invite(service, asha, ravi.account)
    sent(service, ravi, asha)
    invitations.uninvite(service.caller(asha), ravi.account, deps=service.device_deps)
    assert refused(sent, service, ravi, asha) is ErrorCode.NOT_PERMITTED
    assert len(service.stored(asha)) == 1


def test_an_invitation_is_for_one_citizen_to_one_official(service: Service, asha: Person, ravi: Person) -> None:
    other_official, other_citizen = service.person(), service.person()
    service.verify(other_official)
    invite(service, asha, ravi.account)
    assert refused(sent, service, ravi, other_official) is ErrorCode.NOT_PERMITTED
    assert refused(sent, service, other_citizen, asha) is ErrorCode.NOT_PERMITTED


def test_inviting_again_keeps_the_date_and_taking_back_what_is_not_there_does_nothing(
    service: Service, asha: Person, ravi: Person
) -> None:
    invitations.uninvite(service.caller(asha), ravi.account, deps=service.device_deps)
    invite(service, asha, ravi.account)
    invite(service, asha, ravi.account, now_ms=NOW_MS + 5_000)
    assert listed(service, asha) == {ravi.account: NOW}


def test_a_block_is_above_an_invitation(service: Service, asha: Person, ravi: Person) -> None:
    invite(service, asha, ravi.account)
    accounts.block(service.caller(asha), ravi.account, now=Instant(NOW_MS), deps=service.device_deps)
    assert refused(sent, service, ravi, asha) is ErrorCode.NOT_PERMITTED


def test_whoever_cannot_be_invited_is_answered_like_somebody_who_does_not_exist(service: Service, asha: Person) -> None:
    colleague, blocking = service.person(), service.person()
    service.verify(colleague)
    service.directory.block(owner=blocking.account, blocked=asha.account)
    for account in (new_account_id(), asha.account, colleague.account, blocking.account):
        assert refused(invite, service, asha, account) is ErrorCode.NOT_FOUND
    assert listed(service, asha) == {}


def test_citizens_invite_nobody(service: Service, asha: Person, ravi: Person) -> None:
    for account in (asha.account, service.person().account, new_account_id(), ravi.account):
        assert refused(invite, service, ravi, account) is ErrorCode.NOT_FOUND


def test_an_official_whose_time_is_over_invites_nobody(service: Service, ravi: Person) -> None:
    leaving = service.person()
    service.verify(leaving, expires_in_seconds=60)
    invite(service, leaving, ravi.account, now_ms=NOW_MS + 59_000)
    other = service.person().account
    assert refused(invite, service, leaving, other, now_ms=NOW_MS + 60_000) is ErrorCode.NOT_FOUND


def test_invitations_are_listed_page_by_page(service: Service, asha: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "PAGE", 2)
    invited = {new_account_id() for _ in range(5)}
    for account in invited:
        service.directory.invite(owner=asha.account, invited=account, now_seconds=NOW)
    service.directory.block(owner=asha.account, blocked=new_account_id())
    found: list[AccountId] = []
    cursor: str | None = None
    for _ in range(3):
        page = invitations.invitations(
            service.caller(asha), after=cursor, now=Instant(NOW_MS), deps=service.device_deps
        )
        found += [entry.account for entry in page.invitations]
        cursor = page.cursor
        assert len(page.invitations) == (1 if cursor is None else 2)
    assert (sorted(found), cursor) == (sorted(invited), None)


def test_whoever_has_the_number_of_a_former_official_is_not_told_whom_they_invited(
    service: Service, asha: Person, ravi: Person
) -> None:
    invite(service, asha, ravi.account)
    assert listed(service, asha) == {ravi.account: NOW}
    service.revoke(asha)
    assert listed(service, asha) == {}


def test_a_cursor_of_somebody_elses_list_is_refused(
    service: Service, asha: Person, ravi: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "PAGE", 1)
    for _ in range(2):
        service.directory.invite(owner=asha.account, invited=new_account_id(), now_seconds=NOW)
    cursor = invitations.invitations(
        service.caller(asha), after=None, now=Instant(NOW_MS), deps=service.device_deps
    ).cursor
    for person, wrong in ((ravi, cursor), (asha, "AAAA"), (asha, "no cursor!")):
        caller, deps = service.caller(person), service.device_deps
        code = refused(invitations.invitations, caller, after=wrong, now=Instant(NOW_MS), deps=deps)
        assert code is ErrorCode.INVALID_CURSOR


def test_invitations_are_limited(service: Service, asha: Person, ravi: Person) -> None:
    for _ in range(Limit.INVITATIONS.burst):
        invite(service, asha, ravi.account)
    assert refused(invite, service, asha, ravi.account) is ErrorCode.RATE_LIMITED


# By writing first


def test_whom_an_official_writes_to_may_answer(service: Service, asha: Person, ravi: Person) -> None:
    sent(service, asha, ravi)
    assert listed(service, asha) == {ravi.account: NOW}
    sent(service, ravi, asha)
    assert len(service.stored(asha)) == 1


def test_the_first_message_costs_one_write_more_and_the_invitation_comes_before_it(
    service: Service, asha: Person, ravi: Person
) -> None:
    def calls() -> list[tuple[str, str]]:
        _, made = outcome(service, lambda client: sent(service, asha, ravi, deps=send_deps(service, client)))
        return [(operation, tables[0][0]) for operation, tables in made if operation == "put_item"]

    assert calls() == [("put_item", "directory"), ("put_item", "inbox")]
    assert calls() == [("put_item", "inbox")]


def test_an_invitation_that_cannot_be_written_stops_the_message(service: Service, asha: Person, ravi: Person) -> None:
    deps = send_deps(service, FlakyClient(service.client, {"put_item": 1}))
    with pytest.raises(Exception, match="slow down"):
        sent(service, asha, ravi, deps=deps)
    assert (service.stored(ravi), listed(service, asha)) == ([], {})


def test_a_message_that_is_refused_invites_nobody(service: Service, asha: Person, ravi: Person) -> None:
    frame = service.message(ravi, copies=())
    code = refused(send, frame, asha.principal(), now=Instant(NOW_MS), deps=service.send_deps())
    assert code is ErrorCode.DEVICE_MISMATCH
    accounts.block(service.caller(ravi), asha.account, now=Instant(NOW_MS), deps=service.device_deps)
    assert refused(sent, service, asha, ravi) is ErrorCode.NOT_PERMITTED
    assert listed(service, asha) == {}


def test_officials_and_citizens_among_themselves_and_notes_to_oneself_need_no_invitation(
    service: Service, asha: Person, ravi: Person
) -> None:
    colleague = service.person(2)
    service.verify(colleague)
    sent(service, asha, colleague)
    sent(service, ravi, service.person())
    frame = service.message(colleague, copies=service.message(colleague).copies[1:])
    send(frame, colleague.principal(), now=Instant(NOW_MS), deps=service.send_deps())
    assert [listed(service, person) for person in (asha, colleague, ravi)] == [{}, {}, {}]


# The end of an invitation

DAY_MS = 86_400_000


def test_an_invitation_by_a_message_ends_ninety_days_after_it(service: Service, asha: Person, ravi: Person) -> None:
    sent(service, asha, ravi)
    sent(service, ravi, asha, now_ms=NOW_MS + 90 * DAY_MS - 1_000)
    assert refused(sent, service, ravi, asha, now_ms=NOW_MS + 90 * DAY_MS) is ErrorCode.NOT_PERMITTED


def test_further_messages_renew_it(service: Service, asha: Person, ravi: Person) -> None:
    for day in (0, 60, 120):
        sent(service, asha, ravi, now_ms=NOW_MS + day * DAY_MS)
    sent(service, ravi, asha, now_ms=NOW_MS + 209 * DAY_MS)
    assert refused(sent, service, ravi, asha, now_ms=NOW_MS + 210 * DAY_MS) is ErrorCode.NOT_PERMITTED


def test_many_messages_renew_it_once_in_ten_days(service: Service, asha: Person, ravi: Person) -> None:
    sent(service, asha, ravi)
    client = FlakyClient(service.client)
    for hours in range(1, 240, 24):
        sent(service, asha, ravi, now_ms=NOW_MS + hours * 3_600_000, deps=send_deps(service, client))
    writes = client.calls.count("put_item")
    sent(service, asha, ravi, now_ms=NOW_MS + 241 * 3_600_000, deps=send_deps(service, client))
    assert client.calls.count("put_item") - writes == writes // 10 + 1


def test_an_invitation_made_on_purpose_has_no_end(service: Service, asha: Person, ravi: Person) -> None:
    sent(service, asha, ravi)
    invite(service, asha, ravi.account)
    sent(service, asha, ravi, now_ms=NOW_MS + 30 * DAY_MS)
    sent(service, ravi, asha, now_ms=NOW_MS + 300 * DAY_MS)


def test_the_list_says_when_an_invitation_ends_and_leaves_out_those_that_have(
    service: Service, asha: Person, ravi: Person
) -> None:
    sent(service, asha, ravi)
    other = service.person()
    invite(service, asha, other.account)

    def ends(now_ms: int) -> dict[AccountId, int | None]:
        page = invitations.invitations(service.caller(asha), after=None, now=Instant(now_ms), deps=service.device_deps)
        return {entry.account: entry.expires_at for entry in page.invitations}

    assert ends(NOW_MS) == {ravi.account: NOW + 90 * 86_400, other.account: None}
    assert ends(NOW_MS + 90 * DAY_MS) == {other.account: None}
