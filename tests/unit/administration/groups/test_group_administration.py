"""Tests administration of official groups: places, rights, audit entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from sandes.administration.groups import group_administration
from sandes.administration.groups.group_administration import GroupAdministrationDependencies
from sandes.administration.groups.official_groups import OfficialGroupDependencies
from sandes.crypto.audit_chain import details_of
from sandes.crypto.seal import GroupChange
from sandes.model.administrator import Caller, Place, Role
from sandes.model.ids import GroupId, UnitId, account_text, id_text, new_app_id, new_group_id, new_unit_id
from sandes.model.instant import Instant
from sandes.protocol.admin_groups_api import (
    ChangeOfficialGroup,
    NewOfficialGroup,
    OfficialGroup,
    PutGroupAdmins,
    TransferOfficialGroup,
)
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.group_changes import GroupChangeStore
from sandes.store.groups import GroupStore, group_of_unit_key
from tests.support.administered_apps import AppWorld
from tests.support.dynamodb import CountingClient, OvertakenClient
from tests.support.groups import Groups
from tests.support.service import NOW_MS, PEPPER, Person, Service

Json = dict[str, Any]


class World:
    """Holds a world in which `keeper` manages the groups of the western zone."""

    def __init__(self, service: Service) -> None:
        self.apps, self.groups = AppWorld(service), Groups(service)
        self.staff, self.ministry = self.apps.staff, self.apps.ministry
        self.west, self.pune, self.east = self.apps.west, self.apps.pune, self.apps.east
        self.keeper = self.staff.appoint(Role.GROUP_MANAGER, self.apps.at(self.west))
        self.officer = self.apps.officer

    def deps(self, client: Any = None) -> GroupAdministrationDependencies:
        service, table = self.groups.service, self.groups.service.tables["directory"]
        of = self.apps.overtaken_by(client) if client else self.apps
        groups = OfficialGroupDependencies(
            GroupStore(of.client, table),
            GroupChangeStore(of.client, table),
            of.registry.organisations,
            service.directory,
            service.group_queue,
        )
        return GroupAdministrationDependencies(
            groups=groups,
            apps=of.registry.apps,
            administrators=of.staff.store,
            recorder=of.staff.recorder,
            pepper=PEPPER,
        )

    def create(
        self, by: Caller | None = None, *admins: Person, unit: UnitId | None = None, **more: Any
    ) -> OfficialGroup:
        fields: Json = {"organisation": id_text(self.ministry), "unit": id_text(unit or self.west), "name": "District"}
        new = NewOfficialGroup.model_validate({**fields, "admins": texts(*admins), **more})
        return group_administration.create(by or self.keeper, new, now=Instant(NOW_MS), deps=self.deps())

    def change(self, id: GroupId, version: int | None, by: Caller | None = None, **wanted: Any) -> OfficialGroup:
        return self.change_by(None, id, version, by, **wanted)

    def change_by(
        self, client: Any, id: GroupId, version: int | None, by: Caller | None = None, **wanted: Any
    ) -> OfficialGroup:
        body = ChangeOfficialGroup.model_validate(wanted)
        return group_administration.change(
            by or self.keeper, id, body, version=version, now=Instant(NOW_MS), deps=self.deps(client)
        )

    def admins(
        self, id: GroupId, *admins: Person, by: Caller | None = None, version: int | None = None
    ) -> OfficialGroup:
        body = PutGroupAdmins.model_validate({"admins": texts(*admins)})
        return group_administration.set_admins(
            by or self.keeper, id, body, version=version, now=Instant(NOW_MS), deps=self.deps()
        )

    def transfer(self, id: GroupId, unit: UnitId, by: Caller | None = None) -> OfficialGroup:
        body = TransferOfficialGroup(unit=unit)
        return group_administration.transfer(by or self.keeper, id, body, now=Instant(NOW_MS), deps=self.deps())

    def dissolve(self, id: GroupId, by: Caller | None = None) -> None:
        group_administration.dissolve(by or self.keeper, id, now=Instant(NOW_MS), deps=self.deps())

    def read(self, id: GroupId, by: Caller | None = None) -> OfficialGroup:
        return group_administration.read(by or self.keeper, id, deps=self.deps())

    def listed(self, by: Caller | None = None, unit: UnitId | None = None, **page: Any) -> list[str]:
        where: Json = {"after": None, "limit": 50} | page
        place = self.apps.at(unit or (self.west if by is None else UnitId(self.ministry)))
        found = group_administration.page(by or self.keeper, place, **where, deps=self.deps())
        return sorted(one.name for one in found.groups)

    def actions(self) -> list[str]:
        return self.staff.actions(self.ministry)


@pytest.fixture
def world(service: Service) -> World:
    return World(service)


def texts(*people: Person) -> list[str]:
    return [account_text(person.account) for person in people]


def refusal(call: Callable[..., Any], *arguments: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    return caught.value.code


def test_a_group_is_made_in_its_unit_with_admins_and_on_the_record(world: World) -> None:
    asha, ravi = world.groups.official(world.ministry), world.groups.official(world.ministry)
    made = world.create(None, asha, ravi, name="Flood relief")
    assert (made.unit, made.organisation, made.members, made.posting, made.open) == (
        world.west,
        world.ministry,
        2,
        "all",
        False,
    )
    assert world.groups.roles(made.group) == {asha.account: "admin", ravi.account: "admin"}
    assert world.groups.changes_told() == [GroupChange.JOINED] * 2
    (entry,) = world.staff.entries(world.ministry)
    assert (entry.action, entry.subject, entry.unit) == ("group.create", id_text(made.group), world.west)
    assert (details_of(entry) or {})["admins"] == texts(asha, ravi)
    assert world.read(made.group) == made


@pytest.mark.parametrize("where", ["east", "root"])
def test_who_keeps_groups_elsewhere_is_not_told_that_there_is_one(world: World, where: str) -> None:
    unit = world.east if where == "east" else UnitId(world.ministry)
    made = world.create(world.officer, unit=unit)
    for id in (made.group, new_group_id(), world.groups.create(world.groups.service.person())):
        assert refusal(world.read, id) is ErrorCode.NOT_FOUND
        assert refusal(world.change, id, None, name="Mine") is ErrorCode.NOT_FOUND
        assert refusal(world.admins, id) is ErrorCode.NOT_FOUND
        assert refusal(world.transfer, id, world.west) is ErrorCode.NOT_FOUND
        assert refusal(world.dissolve, id) is ErrorCode.NOT_FOUND
    assert refusal(world.create, unit=unit) is ErrorCode.NOT_FOUND
    assert (world.groups.group(made.group).state, world.groups.group(made.group).name) == ("live", "District")
    assert world.actions() == ["group.create"]


@pytest.mark.parametrize("role", [Role.APP_MANAGER, Role.VERIFIER, Role.MODERATOR, Role.PLATFORM_ADMIN, Role.AUDITOR])
def test_other_roles_make_no_groups(world: World, role: Role) -> None:
    by = world.staff.appoint(role, world.apps.root)
    assert refusal(world.create, by) is ErrorCode.NOT_FOUND
    made = world.create()
    assert refusal(world.dissolve, made.group, by) is ErrorCode.NOT_FOUND
    if role is Role.AUDITOR:
        assert world.read(made.group, by) == made
    else:
        assert refusal(world.read, made.group, by) is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("field", ["members", "limit", "kind", "version", "state", "app", "owner", "group"])
def test_no_body_sets_what_is_not_its_own(world: World, field: str) -> None:
    more: Json = {field: 1}
    with pytest.raises(ValidationError, match=field):
        world.create(None, unit=None, **more)
    for model, body in (
        (ChangeOfficialGroup, {"name": "x"}),
        (PutGroupAdmins, {"admins": []}),
        (TransferOfficialGroup, {"unit": id_text(world.west)}),
    ):
        with pytest.raises(ValidationError, match=field):
            model.model_validate(body | {field: 1})
    assert world.actions() == []


def test_admins_are_officials_of_the_organisation(world: World) -> None:
    stranger = world.groups.official()
    assert refusal(world.create, None, stranger) is ErrorCode.INVALID_REQUEST
    made = world.create()
    assert refusal(world.admins, made.group, stranger) is ErrorCode.INVALID_REQUEST
    assert world.actions() == ["group.create"]


def test_a_group_is_changed_in_the_version_that_was_read_and_members_are_told(world: World) -> None:
    made = world.create(None, world.groups.official(world.ministry))
    world.groups.work()
    changed = world.change(made.group, made.version, name="Flood relief", posting="admins", open=True)
    assert (changed.name, changed.posting, changed.open, changed.version) == (
        "Flood relief",
        "admins",
        True,
        made.version + 1,
    )
    assert world.groups.changes_told() == [GroupChange.CHANGED]
    assert refusal(world.change, made.group, made.version, name="Stale") is ErrorCode.PRECONDITION_FAILED
    assert world.change(made.group, None, name="Flood relief").version == changed.version
    assert world.listed() == ["Flood relief"]
    assert world.actions() == ["group.create", "group.change"]


def test_citizens_never_post(world: World) -> None:
    made = world.create(audience="citizens")
    assert refusal(world.change, made.group, None, posting="all") is ErrorCode.INVALID_REQUEST
    assert world.groups.group(made.group).posting == "admins"


def test_a_change_overtaken_by_another_is_refused(world: World) -> None:
    made = world.create()
    other = lambda: world.change(made.group, made.version, world.officer, name="First")  # noqa: E731
    client = OvertakenClient(world.groups.service.client, "transact_write_items", other)
    late = refusal(world.change_by, client, made.group, made.version, name="Late")
    assert late is ErrorCode.PRECONDITION_FAILED
    assert world.groups.group(made.group).name == "First"
    assert world.actions() == ["group.create", "group.change"]


def test_each_admin_that_comes_or_goes_is_an_entry_of_its_own(world: World) -> None:
    old, kept, new = (world.groups.official(world.ministry) for _ in range(3))
    made = world.create(None, old, kept)
    shown = world.admins(made.group, kept, new, version=made.version)
    assert shown.admins == sorted([kept.account, new.account])
    assert world.groups.roles(made.group) == {old.account: "member", kept.account: "admin", new.account: "admin"}
    assert world.actions() == ["group.create", "group.admins", "group.admins"]
    assert refusal(world.admins, made.group, old, version=made.version) is ErrorCode.PRECONDITION_FAILED
    world.admins(made.group, kept, new)
    assert len(world.actions()) == 3


def test_a_group_moves_only_where_both_units_are_the_callers(world: World) -> None:
    made = world.create()
    for unit in (world.east, UnitId(world.ministry), new_unit_id()):
        assert refusal(world.transfer, made.group, unit) is ErrorCode.NOT_FOUND
    assert refusal(world.transfer, made.group, new_unit_id(), world.officer) is ErrorCode.NOT_FOUND
    assert world.transfer(made.group, world.pune).unit == world.pune
    assert world.listed(None, world.pune) == ["District"]
    world.transfer(made.group, world.east, world.officer)
    assert refusal(world.transfer, made.group, world.west) is ErrorCode.NOT_FOUND
    entry = world.staff.entries(world.ministry)[-1]
    assert (entry.action, details_of(entry)) == ("group.transfer", {"unit": [id_text(world.pune), id_text(world.east)]})
    assert world.actions() == ["group.create", "group.transfer", "group.transfer"]


def test_a_dissolved_group_is_shown_and_not_listed(world: World) -> None:
    made = world.create()
    for _ in range(2):
        world.dissolve(made.group)
    assert (world.read(made.group).state, world.listed()) == ("dissolved", [])
    assert refusal(world.change, made.group, None, name="x") is ErrorCode.NOT_FOUND
    assert world.actions() == ["group.create", "group.dissolve"]


def test_a_group_that_an_app_manages_is_kept_where_the_app_is(world: World) -> None:
    app = world.apps.register().app
    group = world.groups.official_group(world.ministry, unit=None, app=app)
    assert (world.read(group).app, world.read(group).unit) == (app, None)
    assert refusal(world.change, group, None, name="Mine") is ErrorCode.INVALID_REQUEST
    assert refusal(world.transfer, group, world.pune) is ErrorCode.INVALID_REQUEST
    elsewhere = world.staff.appoint(Role.GROUP_MANAGER, world.apps.at(world.east))
    assert refusal(world.read, group, elsewhere) is ErrorCode.NOT_FOUND
    world.dissolve(group)
    assert world.groups.group(group).state == "dissolved"
    orphan = world.groups.official_group(world.ministry, unit=None, app=new_app_id(), organisation=None)
    assert refusal(world.read, orphan, world.officer) is ErrorCode.NOT_FOUND


def test_everybody_sees_the_groups_of_where_they_have_a_role(world: World) -> None:
    world.create(name="West")
    world.create(name="Pune", unit=world.pune)
    world.create(world.officer, name="East", unit=world.east)
    assert world.listed() == ["Pune", "West"]
    assert world.listed(world.officer) == ["East", "Pune", "West"]
    assert world.listed(None, world.pune) == ["Pune"]
    assert refusal(world.listed, None, world.east) is ErrorCode.NOT_FOUND
    stranger = world.staff.appoint(Role.NODAL_OFFICER, Place.root(world.groups.service.organisation("Other")))
    for by in (stranger, world.apps.platform, world.apps.manager):
        assert refusal(world.listed, by) is ErrorCode.NOT_FOUND
    first = group_administration.page(world.keeper, world.apps.at(world.west), after=None, limit=1, deps=world.deps())
    assert refusal(world.listed, world.officer, after=first.cursor) is ErrorCode.INVALID_CURSOR


def test_a_page_reads_the_way_to_the_root_and_the_units_that_hold_some(world: World) -> None:
    for number in range(3):
        world.create(name=f"Group {number}", unit=world.pune)
    counting = CountingClient(world.groups.service.client)
    page = group_administration.page(
        world.keeper, world.apps.at(world.west), after=None, limit=50, deps=world.deps(counting)
    )
    assert len(page.groups) == 3
    assert [operation for operation, _ in counting.calls] == ["batch_get_item", "query", "query"]


def test_a_group_that_was_listed_without_a_name_is_shown_with_it(world: World) -> None:
    made = world.create()
    client, table = world.groups.service.client, world.groups.service.tables["directory"]
    client.put_item(TableName=table, Item=group_of_unit_key(world.ministry, world.west, made.group))
    assert world.listed() == ["District"]
    world.change(made.group, None, name="Renamed")
    page = group_administration.page(world.keeper, world.apps.at(world.west), after=None, limit=5, deps=world.deps())
    assert [(one.name, one.audience) for one in page.groups] == [("Renamed", "officials")]


ACTS: dict[str, Callable[[World, Any, GroupId, Person], Any]] = {
    "rename": lambda world, client, group, _: world.change_by(client, group, None, name="Mine"),
    "open": lambda world, client, group, _: world.change_by(client, group, None, open=True),
    "admins": lambda world, client, group, person: group_administration.set_admins(
        world.keeper,
        group,
        PutGroupAdmins.model_validate({"admins": texts(person)}),
        version=None,
        now=Instant(NOW_MS),
        deps=world.deps(client),
    ),
    "dissolve": lambda world, client, group, _: group_administration.dissolve(
        world.keeper, group, now=Instant(NOW_MS), deps=world.deps(client)
    ),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("meanwhile", ["the right ends", "the group moves"])
def test_right_and_place_hold_in_the_moment_of_the_change(world: World, act: str, meanwhile: str) -> None:
    old, new = world.groups.official(world.ministry), world.groups.official(world.ministry)
    made = world.create(None, old)

    def other() -> None:
        if meanwhile == "the right ends":
            world.staff.take(world.keeper)
        else:
            world.transfer(made.group, world.east, world.officer)

    client = OvertakenClient(world.groups.service.client, "transact_write_items", other)
    assert refusal(ACTS[act], world, client, made.group, new) is ErrorCode.NOT_FOUND
    after = world.groups.group(made.group)
    assert (after.name, after.open, after.state, after.admins) == ("District", False, "live", frozenset([old.account]))


@pytest.mark.parametrize("meanwhile", ["the right ends", "the app moves"])
def test_a_group_of_an_app_is_dissolved_only_where_the_app_is(world: World, meanwhile: str) -> None:
    app = world.apps.register().app
    group = world.groups.official_group(world.ministry, unit=None, app=app)

    def other() -> None:
        if meanwhile == "the right ends":
            world.staff.take(world.keeper)
        else:
            world.apps.change(app, world.officer, unit=id_text(world.east))

    client = OvertakenClient(world.groups.service.client, "transact_write_items", other)
    assert refusal(ACTS["dissolve"], world, client, group, None) is ErrorCode.NOT_FOUND
    assert world.groups.group(group).state == "live"
