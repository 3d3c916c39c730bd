"""Tests that seeded citizens equal those of real registrations and joinings, as the stores read them."""

from __future__ import annotations

from sandes.store.groups import GroupStore
from tests.support.groups import Groups
from tests.support.service import Service
from tools.seeding import seed_citizens, seed_members


def test_seeded_citizens_are_accounts_with_a_device_each(service: Service) -> None:
    citizens = seed_citizens(service.client, service.tables, 30)
    assert len(set(citizens)) == 30
    for citizen in citizens:
        account = service.directory.account(citizen)
        assert account is not None
        (device,) = account.devices.values()
        routes = service.routing.read(citizen, now_seconds=service.now_ms // 1000)
        assert routes is not None
        (route,) = routes.devices.values()
        assert (route.inbox, route.registration) == (device.inbox, device.registration)
        assert (account.standing, route.connection) == (None, None)


def test_seeded_members_are_in_the_group_and_counted(service: Service) -> None:
    owner = service.person()
    made = Groups(service).create(owner)
    citizens = seed_citizens(service.client, service.tables, 30)
    seed_members(service.client, service.tables, made, citizens)
    store = GroupStore(service.client, service.tables["directory"])
    group = store.read(made)
    assert group is not None
    assert (group.members, group.version) == (31, 2)
    listed = {member.account for page in store.member_pages(made) for member in page}
    assert listed == {owner.account, *citizens}
    assert [store.memberships(citizen, limit=9)[0] for citizen in citizens] == [[(made, "member")]] * 30
