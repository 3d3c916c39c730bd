"""Tests jobs of the group queue: events after a crash, ending memberships, rows of dissolved groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sandes.administration.people.verification_sweep import SweepDependencies, end_due
from sandes.crypto.seal import GroupChange
from sandes.groups import groups_upkeep
from sandes.groups.fanout import INLINE_MEMBERS
from sandes.groups.group_events import NET_SECONDS
from sandes.model.group import Member
from sandes.model.ids import AccountId, GroupId, OrganisationId, account_text, id_text, message_text, new_account_id
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import StoreUnavailable
from sandes.store.schema import DirectoryRow
from tests.support import fanouts
from tests.support.dynamodb import FlakyClient, OvertakenClient
from tests.support.groups import Groups
from tests.support.keys import DeviceKeys
from tests.support.service import MAX_EXPIRY_SECONDS, Person, Service

# Events


def test_an_event_waits_in_the_queue_before_its_change_is_made(service: Service, groups: Groups, asha: Person) -> None:
    group = groups.create(asha)
    groups.queue.sent.clear()
    broken = Groups(service, FlakyClient(service.client, {"transact_write_items": 99}))
    with pytest.raises(StoreUnavailable):
        broken.change(asha, group, name="Never")
    ((entry, delay),) = broken.queue.sent
    assert (entry["job"], delay) == ("event", NET_SECONDS)
    assert broken.work() == []


def test_a_change_whose_function_ends_right_after_it_is_told_by_the_entry_sent_before(
    groups: Groups, asha: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = groups.create(asha)
    groups.work()
    sent = groups.queue.send

    def fails_without_delay(body: Any, *, delay_seconds: int = 0) -> None:
        if not delay_seconds:
            raise StoreUnavailable
        sent(body, delay_seconds=delay_seconds)

    monkeypatch.setattr(groups.queue, "send", fails_without_delay)
    assert groups.change(asha, group, name="Made").name == "Made"
    assert groups.changes_told() == [GroupChange.CHANGED]


def test_nothing_is_changed_that_could_not_be_told(groups: Groups, asha: Person) -> None:
    group = groups.create(asha)
    groups.queue.failing = True
    with pytest.raises(StoreUnavailable):
        groups.change(asha, group, name="Silent")
    assert groups.read(asha, group).name == "Flood relief"


def test_an_event_cut_short_while_it_is_sent_comes_again_under_the_same_id(
    groups: Groups, asha: Person, ravi: Person
) -> None:
    group = groups.create(asha, ravi)
    groups.work()
    groups.remove(asha, group, ravi)
    (entry, *_) = [entry for entry, _ in groups.queue.sent]
    deliver, calls = groups.deliver, []

    def breaks(post: Any, **how: Any) -> int:
        calls.append(post.message)
        if len(calls) == 2:
            raise StoreUnavailable
        return deliver(post, **how)

    groups.deliver = breaks  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        groups.do(**entry)
    assert groups.do(**entry) == "told"
    assert calls[:2] == calls[2:]
    assert len(set(calls)) == 2
    assert groups.do(**entry) == "nothing_to_tell"


def test_an_event_that_would_have_expired_is_not_sent(groups: Groups, asha: Person) -> None:
    groups.create(asha)
    (entry, *_) = [entry for entry, _ in groups.queue.sent]
    groups.now_ms += MAX_EXPIRY_SECONDS * 1000
    assert groups.do(**entry) == "told"
    assert groups.deliver.told == []


def test_an_event_names_who_did_it_and_when(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha, ravi)
    groups.work()
    made_at = groups.now_ms
    groups.put(asha, group, ravi, "admin")
    groups.now_ms += 5_000
    (told,) = groups.work()
    assert (told.post.at_ms, told.post.expires_at) == (made_at, made_at // 1000 + MAX_EXPIRY_SECONDS)
    assert (told.post.sender, told.post.sender_class, told.post.event) == (asha.address(), "public", True)
    assert told.body == {
        "group": group,
        "version": 3,
        "change": GroupChange.ROLE,
        "actor": asha.account,
        "subject": ravi.account,
        "role": "admin",
    }
    assert message_text(told.post.message)[14] == "7"


# The end of memberships


def end(groups: Groups, person: Person, organisation: OrganisationId) -> str:
    account, of = account_text(person.account), id_text(organisation)
    return groups.do("end_memberships", account=account, organisation=of, version=2)


def test_with_a_verification_official_memberships_end_and_informal_ones_stay(groups: Groups, asha: Person) -> None:
    ministry, other = groups.organisation(), groups.organisation()
    official = groups.official(ministry)
    officers = groups.official_group(ministry, official)
    guests = groups.official_group(other, groups.official(other))
    groups.changes.add(guests, Member(official.account, "member", 1), "added", now_seconds=0, event=None)
    news = groups.official_group(other, audience="citizens", posting="admins", open=True)
    groups.put(official, news, official)
    own = groups.create(official)
    groups.work()
    groups.revoke(official)
    assert end(groups, official, ministry) == "ended"
    assert {group for group, _ in groups.store.memberships(official.account, limit=10)[0]} == {news, own}
    assert groups.roles(officers) == {}
    told = groups.work()
    assert {(one.body["group"], one.change, one.post.sender.name) for one in told} == {  # type: ignore[union-attr]
        (group, GroupChange.REMOVED, "Sandes") for group in (officers, guests)
    }
    assert (official.account,) in [one.to for one in told]
    assert end(groups, official, ministry) == "ended_before"
    assert groups.queue.sent == []


def test_who_is_verified_anew_stays_where_that_holds(groups: Groups) -> None:
    ministry, other = groups.organisation(), groups.organisation()
    official = groups.official(ministry)
    old, new = groups.official_group(ministry, official), groups.official_group(other, official)
    groups.verify(official, other)
    end(groups, official, ministry)
    assert (groups.roles(old), groups.roles(new)) == ({}, {official.account: "admin"})
    again = groups.official_group(ministry, official)
    groups.verify(official, ministry)
    end(groups, official, ministry)
    assert groups.roles(again) == {official.account: "admin"}


def test_a_verification_that_has_run_out_ends_memberships_like_one_revoked(groups: Groups) -> None:
    ministry = groups.organisation()
    official = groups.official(ministry)
    officers = groups.official_group(ministry, official)
    groups.verify(official, ministry, expires_at=groups.now)
    end(groups, official, ministry)
    assert groups.roles(officers) == {}


def test_who_is_verified_anew_while_being_removed_stays(service: Service) -> None:
    groups = Groups(service)
    ministry = groups.organisation()
    official = groups.official(ministry)
    officers = groups.official_group(ministry, official)
    groups.revoke(official)
    client = OvertakenClient(service.client, "transact_write_items", lambda: groups.verify(official, ministry))
    end(Groups(service, client), official, ministry)
    assert groups.roles(officers) == {official.account: "admin"}


def test_no_other_organisation_vouches_for_an_official_before_the_last_membership_has_ended(
    service: Service, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_upkeep, "MEMBERSHIPS_AT_ONCE", 1)
    first, second = groups.organisation(), groups.organisation()
    admin, official = groups.official(first), service.person()
    service.verify(official, first)
    made = [groups.official_group(first, admin) for _ in range(2)]
    for group in made:
        groups.put(admin, group, official)
    service.revoke(official)
    groups.queue.sent.clear()

    def refused() -> bool:
        with pytest.raises(ProtocolError) as caught:
            service.verify(official, second)
        return (caught.value.code, caught.value.retry_after_seconds) == (ErrorCode.UNAVAILABLE, 60)

    assert refused()
    sweep = SweepDependencies(service.verifications, groups.queue)
    assert end_due(now=Instant(groups.now_ms), deps=sweep, elapsed=lambda: 0.0) == 1
    assert refused()
    while jobs := [entry for entry, _ in groups.queue.sent if entry["job"] == "end_memberships"]:
        assert refused()
        groups.queue.sent.clear()
        assert len([groups.do(**job) for job in jobs]) == 1
    service.verify(official, second)
    assert groups.all_own(official) == []
    for group in made:
        with pytest.raises(ProtocolError, match="not_found"):
            groups.read(official, group)
    assert end_due(now=Instant(groups.now_ms + 3_600_000), deps=sweep, elapsed=lambda: 0.0) == 0


def test_the_end_of_memberships_is_not_done_for_who_is_verified_and_revoked_again_meanwhile(
    service: Service, groups: Groups
) -> None:
    of, official = groups.organisation(), service.person()
    for _ in range(2):
        service.verify(official, of)
        service.revoke(official)
    assert end(groups, official, of) == "ended"  # of the first time
    assert service.verifications.is_ending(official.account, of)
    service.memberships_have_ended(official)


@pytest.mark.parametrize("done", [True, False], ids=["done-before", "never-done"])
def test_a_late_entry_leaves_memberships_that_came_after_the_verification_ended(
    service: Service, groups: Groups, done: bool
) -> None:
    """The entry comes from the dead-letter queue, days after the person has joined as a citizen."""
    of, official = groups.organisation(), service.person()
    officers = groups.official_group(of, groups.official(of))
    news = groups.official_group(of, groups.official(of), audience="citizens", posting="admins")
    service.verify(official, of)
    for group in (officers, news):
        groups.changes.add(group, Member(official.account, "member", groups.now_ms), "added", now_seconds=0, event=None)
    service.revoke(official)
    if done:
        assert end(groups, official, of) == "ended"
        assert groups.all_own(official) == []
    else:
        groups.changes.remove(news, Member(official.account, "member", groups.now_ms), by=None, event=None)
    groups.now_ms += 86_400_000
    groups.changes.add(news, Member(official.account, "member", groups.now_ms), "added", now_seconds=0, event=None)
    groups.now_ms += 14 * 86_400_000
    assert end(groups, official, of) == ("ended_before" if done else "ended")
    assert [group for group, _ in groups.store.memberships(official.account, limit=10)[0]] == [news]


def test_an_admin_of_a_group_for_citizens_is_none_as_a_citizen(groups: Groups) -> None:
    ministry, own = groups.organisation(), groups.organisation()
    official = groups.official(own)
    news = groups.official_group(ministry, official, audience="citizens", posting="admins")
    groups.revoke(official)
    end(groups, official, own)
    assert groups.roles(news) == {}


def test_many_memberships_end_in_parts_and_an_interrupted_run_goes_on(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_upkeep, "MEMBERSHIPS_AT_ONCE", 2)
    groups = Groups(service)
    ministry = groups.organisation()
    official = groups.official(ministry)
    made = [groups.official_group(ministry, official) for _ in range(5)]
    groups.revoke(official)
    flaky = Groups(service, FlakyClient(service.client, {"transact_write_items": 16}))
    with pytest.raises(StoreUnavailable):
        end(flaky, official, ministry)
    outcomes = [end(groups, official, ministry)]
    while jobs := [entry for entry, _ in groups.queue.sent if entry["job"] == "end_memberships"]:
        groups.queue.sent.clear()
        outcomes += [groups.do(**job) for job in jobs]
    assert outcomes == ["going_on", "going_on", "ended"]
    assert [groups.roles(group) for group in made] == [{}] * 5


# Other devices of a member


def devices_jobs(groups: Groups) -> list[dict[str, Any]]:
    """Take the jobs from the queue in their order, with the one sent before the change last."""
    jobs = sorted((delay, entry) for entry, delay in groups.queue.sent if entry["job"] == "devices_changed")
    groups.queue.sent = [(entry, delay) for entry, delay in groups.queue.sent if entry["job"] != "devices_changed"]
    return [entry for _, entry in jobs]


def test_the_groups_of_a_number_registered_anew_are_told_to_make_new_keys(
    service: Service, groups: Groups, asha: Person, ravi: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_upkeep, "MEMBERSHIPS_AT_ONCE", 2)
    made = [groups.create(asha, ravi) for _ in range(3)]
    others, before = groups.create(asha), [groups.group(group).version for group in made]
    groups.work()
    service.register(ravi.phone, DeviceKeys())
    jobs, outcomes = devices_jobs(groups), []
    assert len(jobs) == 2
    while jobs:
        outcomes.append(groups.do(**jobs.pop(0)))
        jobs += devices_jobs(groups)
    assert sorted(outcomes) == ["going_on", "going_on", "told", "told"]
    assert [groups.group(group).version for group in made] == [version + 1 for version in before]
    told = groups.work()
    assert {one.body["group"] for one in told} == set(made)
    assert len({one.post.message for one in told}) == len(told) == 3
    for one in told:
        assert (one.change, one.body["subject"], one.to) == (GroupChange.DEVICES, ravi.account, None)
        assert "actor" not in one.body
    assert groups.group(others).version == 1


def test_an_unlinked_device_gets_no_more_keys_of_its_groups(service: Service, groups: Groups, asha: Person) -> None:
    ravi = service.person(2)
    group = groups.create(asha, ravi)
    groups.work()
    service.unlink(ravi, ravi.devices[1].number)
    assert [groups.do(**job) for job in devices_jobs(groups)] == ["told", "told"]
    assert [(one.change, one.body["subject"]) for one in groups.work()] == [(GroupChange.DEVICES, ravi.account)]
    assert groups.group(group).version == 3


def test_groups_are_not_told_of_devices_that_have_not_changed(
    service: Service, groups: Groups, asha: Person, ravi: Person
) -> None:
    group = groups.create(asha, ravi)
    groups.work()
    flaky = FlakyClient(service.client, {"transact_write_items": 99})
    directory = replace(service.directory, client=flaky)  # type: ignore[arg-type]
    deps = replace(service.device_deps, enrolment=replace(service.enrolment, directory=directory))
    with pytest.raises(StoreUnavailable):
        service.unlink(ravi, ravi.devices[0].number, deps=deps)
    (job,) = devices_jobs(groups)
    assert groups.do(**job) == "not_changed"
    assert (groups.work(), groups.group(group).version) == ([], 2)


def test_nobody_registers_anew_while_groups_could_not_be_told(service: Service, groups: Groups, ravi: Person) -> None:
    groups.queue.failing = True
    with pytest.raises(StoreUnavailable):
        service.register(ravi.phone, DeviceKeys())
    assert set(service.account(ravi.account).devices) == {ravi.devices[0].number}


def test_a_large_group_is_told_of_other_devices_through_its_admins(
    service: Service, groups: Groups, ravi: Person
) -> None:
    ministry = groups.organisation()
    admin = groups.official(ministry)
    group = groups.official_group(ministry, admin, audience="citizens", posting="admins", open=True)
    groups.put(ravi, group, ravi)
    groups.work()
    service.register(ravi.phone, DeviceKeys())
    assert [groups.do(**job) for job in devices_jobs(groups)] == ["told", "told"]
    (told,) = groups.work()
    assert (told.change, set(told.to or ())) == (GroupChange.DEVICES, {admin.account, ravi.account})


# Dissolved groups


def vanishing(groups: Groups, *partitions: str) -> list[int | None]:
    """Return when each row of members and invitations expires, or None for a row that stays."""
    items = groups.service.client.scan(TableName=groups.service.tables["directory"], ConsistentRead=True)["Items"]
    return [
        int(item[DirectoryRow.VANISHES_AT]["N"]) if DirectoryRow.VANISHES_AT in item else None
        for item in items
        if item["p"]["S"] in partitions and item["s"]["S"][:2] in {"M#", "G#", "I#", "J#"}
    ]


def dissolved(groups: Groups, owner: Person, group: GroupId) -> dict[str, Any]:
    groups.queue.sent.clear()
    groups.dissolve(owner, group)
    (job,) = [entry for entry, _ in groups.queue.sent if entry["job"] == "dissolve"]
    groups.work()
    groups.queue.sent.clear()
    return job


def test_rows_of_a_dissolved_group_vanish_after_every_queue_has_forgotten_its_posts(
    groups: Groups, asha: Person, ravi: Person
) -> None:
    group = groups.create(asha, ravi)
    people = [f"A#{account_text(person.account)}" for person in (asha, ravi)]
    assert vanishing(groups, f"G#{id_text(group)}", *people) == [None] * 4
    job = dissolved(groups, asha, group)
    assert groups.do(**job) == "dissolved"
    assert vanishing(groups, f"G#{id_text(group)}", *people) == [groups.now + 30 * 86_400] * 4
    assert {member.account: member.role for page in groups.store.member_pages(group) for member in page} == {
        asha.account: "owner",
        ravi.account: "member",
    }
    assert groups.all_own(ravi) == []
    assert groups.group(group).state == "dissolved"
    assert groups.do(**job) == "dissolved"


def test_both_rows_of_an_invitation_vanish_when_it_has_expired(groups: Groups, asha: Person) -> None:
    group = groups.create(asha)
    invited = groups.official(listed=True)
    groups.put(asha, group, invited)
    (invitation,), _ = groups.store.invitations(invited.account, limit=10, now_seconds=groups.now)
    partitions = f"G#{id_text(group)}", f"A#{account_text(invited.account)}"
    assert sorted(vanishing(groups, *partitions), key=str) == [invitation.expires_at] * 2 + [None]
    groups.put(invited, group, invited)
    assert vanishing(groups, *partitions) == [None] * 3


def test_a_post_accepted_before_its_group_was_dissolved_reaches_everybody_however_late(
    service: Service, groups: Groups, asha: Person
) -> None:
    posts = fanouts.Groups(service)
    people = posts.people(INLINE_MEMBERS + 1)
    owner = {"owner": asha.account, "admins": frozenset((asha.account,))}
    group = posts.group([asha, *people], roles={0: "owner"}, **owner)
    posts.send(posts.frame(group), asha)
    job = dissolved(groups, asha, group.id)
    groups.now_ms += 3_601_000
    assert groups.do(**job) == "dissolved"
    assert posts.work_all(now_ms=groups.now_ms) == ["planned", "delivered"]
    assert [len(posts.contents(person)) for person in people] == [1] * (INLINE_MEMBERS + 1)


def test_the_rows_of_a_large_group_are_written_in_parts_a_second_apart(
    groups: Groups, asha: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_upkeep, "MEMBERS_A_SECOND", 20)
    group = groups.create(asha)
    others: list[AccountId] = [new_account_id() for _ in range(44)]
    for account in others:
        groups.changes.add(group, Member(account, "member", 1), "added", now_seconds=0, event=None)
    job = dissolved(groups, asha, group)
    outcomes: list[str] = []
    staying: list[int] = []
    while not outcomes or outcomes[-1] == "going_on":
        outcomes.append(groups.do(**job))
        staying.append(vanishing(groups, f"G#{id_text(group)}").count(None))
        if groups.queue.sent:
            ((job, delay),) = groups.queue.sent
            assert delay == 1
            groups.queue.sent.clear()
    assert (outcomes, staying) == (["going_on", "going_on", "dissolved"], [25, 5, 0])
    assert None not in vanishing(groups, *(f"A#{account_text(account)}" for account in others))


def test_a_group_that_was_not_dissolved_after_all_keeps_its_members(groups: Groups, asha: Person) -> None:
    group = groups.create(asha)
    groups.queue.sent.clear()
    groups.now_ms += 3_600_000
    assert groups.do("dissolve", group=id_text(group)) == "not_dissolved"
    assert groups.roles(group) == {asha.account: "owner"}
    assert groups.queue.sent == []


def test_a_job_of_no_known_name_is_not_taken_for_done(groups: Groups) -> None:
    with pytest.raises(ValueError, match="no job"):
        groups.do("tidy")
