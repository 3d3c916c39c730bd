"""Tests official groups: operators create, transfer and dissolve them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sandes.crypto.seal import GroupChange
from sandes.model.group import MAX_ADMINS
from sandes.model.ids import GroupId, UnitId, account_text, id_text, new_app_id, new_unit_id, parse_group, parse_unit
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.groups import Groups
from tests.support.service import Person, Service

Json = dict[str, Any]


def refusal(call: Any, *arguments: Any, **named: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    error: ProtocolError = caught.value
    return error


@pytest.fixture
def groups(service: Service) -> Groups:
    return Groups(service)


def texts(*people: Person) -> list[str]:
    return [account_text(person.account) for person in people]


def create(groups: Groups, organisation: Any, *admins: Person, **changed: Any) -> GroupId:
    fields: Json = {"organisation": id_text(organisation), "name": "District officers", "admins": texts(*admins)}
    return parse_group(groups.service.operate("group.create", **fields | changed)["group"])


_NUMBERS = itertools.count(1)


def unit_of(groups: Groups, organisation: Any) -> UnitId:
    name = f"Office {next(_NUMBERS)}"
    made = groups.service.operate("unit.create", organisation=id_text(organisation), name=name, kind="office")
    return parse_unit(made["unit"])


def test_a_group_is_made_with_admins_who_are_told(groups: Groups) -> None:
    ministry = groups.organisation()
    one, two = groups.official(ministry), groups.official(ministry)
    group = create(groups, ministry, one, two, two)
    assert groups.roles(group) == {one.account: "admin", two.account: "admin"}
    made = groups.group(group)
    assert (made.kind, made.audience, made.posting, made.open, made.limit) == (
        "official",
        "officials",
        "all",
        False,
        100_000,
    )
    assert (made.organisation, made.unit) == (ministry, UnitId(ministry))
    told = groups.work()
    assert [(one.change, one.body["role"], one.body["name"]) for one in told] == [
        (GroupChange.JOINED, "admin", "District officers")
    ] * 2
    assert {one.body["subject"] for one in told} == {one.account, two.account}
    assert groups.put(one, group, groups.official(ministry)).state == "member"


def test_a_group_for_citizens_is_posted_to_by_admins(groups: Groups) -> None:
    ministry = groups.organisation()
    group = create(groups, ministry, audience="citizens", open=True)
    assert (groups.group(group).posting, groups.group(group).open) == ("admins", True)
    refused = refusal(create, groups, ministry, audience="citizens", posting="all")
    assert (refused.code, refused.details["errors"][0]["pointer"]) == (ErrorCode.INVALID_REQUEST, "/posting")


def test_admins_are_officials_of_the_owning_organisation(groups: Groups, service: Service) -> None:
    ministry = groups.organisation()
    colleague, elsewhere, citizen = groups.official(ministry), groups.official(), service.person()
    for stranger in (elsewhere, citizen):
        refused = refusal(create, groups, ministry, colleague, stranger)
        assert (refused.code, refused.details["errors"][0]["pointer"]) == (ErrorCode.INVALID_REQUEST, "/admins/1")


@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"audience": "members"},
        {"posting": "nobody"},
        {"open": "yes"},
        {"admins": ["aaaaaaaaaaaaa"] * (MAX_ADMINS + 1)},
        {"unit": "x"},
        {"limit": 5},
    ],
    ids=lambda changed: str(changed)[:40],
)
def test_each_wrong_field_of_a_new_group_is_named(groups: Groups, changed: Json) -> None:
    refused = refusal(create, groups, groups.organisation(), **changed)
    assert refused.code is ErrorCode.INVALID_REQUEST
    assert refused.details["errors"][0]["pointer"].startswith(f"/{next(iter(changed))}")


def test_a_group_needs_a_unit_of_its_organisation_and_keeps_it_from_being_removed(groups: Groups) -> None:
    ministry = groups.organisation()
    unit = unit_of(groups, ministry)
    assert refusal(create, groups, ministry, unit=id_text(new_unit_id())).code is ErrorCode.NOT_FOUND
    assert refusal(create, groups, groups.organisation(), unit=id_text(unit)).code is ErrorCode.NOT_FOUND
    group = create(groups, ministry, unit=id_text(unit))
    remove = {"organisation": id_text(ministry), "unit": id_text(unit)}
    assert refusal(groups.service.operate, "unit.remove", **remove).code is ErrorCode.UNIT_NOT_EMPTY
    other = unit_of(groups, ministry)
    for _ in range(2):
        shown = groups.service.operate("group.transfer", group=id_text(group), unit=id_text(other))
        assert shown["unit"] == id_text(other)
    groups.service.operate("unit.remove", **remove)
    for _ in range(2):
        groups.service.operate("group.dissolve", group=id_text(group))
    groups.service.operate("unit.remove", **remove | {"unit": id_text(other)})


def test_admins_are_set_in_place_of_those_before(groups: Groups) -> None:
    ministry = groups.organisation()
    old, member, new = (groups.official(ministry) for _ in range(3))
    group = create(groups, ministry, old)
    groups.put(old, group, member)
    groups.work()
    for _ in range(2):
        shown = groups.service.operate("group.admins", group=id_text(group), admins=texts(member, new))
        assert shown["admins"] == sorted(texts(member, new))
    assert groups.roles(group) == {old.account: "member", member.account: "admin", new.account: "admin"}
    told = [(one.change, one.body["subject"], one.body["role"]) for one in groups.work()]
    assert told == [
        (GroupChange.ROLE, old.account, "member"),
        (GroupChange.ROLE, member.account, "admin"),
        (GroupChange.JOINED, new.account, "admin"),
    ]
    assert groups.service.operate("group.admins", group=id_text(group), admins=[])["admins"] == []


def test_a_group_that_has_lost_its_last_admin_is_given_another(groups: Groups) -> None:
    ministry = groups.organisation()
    sole, next_one = groups.official(ministry), groups.official(ministry)
    group = create(groups, ministry, sole)
    groups.revoke(sole)
    groups.do("end_memberships", account=account_text(sole.account), organisation=id_text(ministry), version=2)
    assert groups.service.operate("group.show", group=id_text(group))["admins"] == []
    groups.service.operate("group.admins", group=id_text(group), admins=texts(next_one))
    assert groups.roles(group) == {next_one.account: "admin"}


def test_a_dissolved_group_is_shown_and_nothing_else(groups: Groups) -> None:
    ministry = groups.organisation()
    group = create(groups, ministry, groups.official(ministry))
    groups.work()
    assert groups.service.operate("group.dissolve", group=id_text(group))["state"] == "dissolved"
    (told,) = groups.work()
    assert (told.change, told.to, "actor" in told.body) == (GroupChange.DISSOLVED, None, False)
    assert groups.service.operate("group.show", group=id_text(group))["state"] == "dissolved"
    for operation, fields in (("group.admins", {"admins": []}), ("group.transfer", {"unit": id_text(ministry)})):
        assert refusal(groups.service.operate, operation, group=id_text(group), **fields).code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("operation", ["group.show", "group.admins", "group.transfer", "group.dissolve"])
def test_an_informal_group_is_no_affair_of_operators(groups: Groups, service: Service, operation: str) -> None:
    group = groups.create(service.person())
    further: dict[str, Json] = {"group.admins": {"admins": []}, "group.transfer": {"unit": "aaaaaaaaaaaaa"}}
    fields = further.get(operation, {})
    assert refusal(service.operate, operation, group=id_text(group), **fields).code is ErrorCode.NOT_FOUND
    assert refusal(service.operate, operation, group="aaaaaaaaaaaaa", **fields).code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("owned", [True, False], ids=["of an organisation", "of none"])
def test_a_group_that_an_app_manages_is_shown_and_dissolved_by_operators_and_not_moved(
    groups: Groups, owned: bool
) -> None:
    ministry = groups.organisation()
    of: Json = {} if owned else {"organisation": None}
    id = groups.official_group(ministry, unit=None, app=new_app_id(), **of)
    operate, named = groups.service.operate, {"group": id_text(id)}
    assert operate("group.show", **named)["organisation"] == (id_text(ministry) if owned else None)
    refused = refusal(operate, "group.transfer", **named, unit=id_text(ministry))
    assert (refused.code, refused.details["errors"][0]["pointer"]) == (ErrorCode.INVALID_REQUEST, "/group")
    if not owned:
        refused = refusal(operate, "group.admins", **named, admins=[])
        assert (refused.code, refused.details["errors"][0]["pointer"]) == (ErrorCode.INVALID_REQUEST, "/group")
    assert operate("group.dissolve", **named)["state"] == "dissolved"
    assert groups.changes_told() == [GroupChange.DISSOLVED]
