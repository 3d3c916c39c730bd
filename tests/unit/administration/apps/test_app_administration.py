"""Tests administration of apps: places, rights, audit entries, and concurrent changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from nacl.signing import SigningKey
from pydantic import ValidationError

from sandes.administration.apps import app_administration
from sandes.administration.sign_in import FRESH_SECONDS
from sandes.crypto.audit_chain import details_of
from sandes.model.administrator import Caller, Place, Role
from sandes.model.ids import AppId, UnitId, app_text, base64url_text, id_text, new_app_id, new_unit_id, parse_base64url
from sandes.model.instant import Instant
from sandes.protocol.admin_apps_api import BackToTrial, ChangeApp, NewApp, NewAppKey, PutGuests
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.organisations import OrganisationStore
from tests.support.administered_apps import AppWorld
from tests.support.dynamodb import CountingClient, OvertakenClient
from tests.support.service import NOW, NOW_MS, Service

Json = dict[str, Any]


@pytest.fixture
def world(service: Service) -> AppWorld:
    return AppWorld(service)


def public_key(number: int = 1) -> str:
    return base64url_text(bytes(SigningKey(number.to_bytes(32, "big")).verify_key))


def refusal(call: Callable[..., Any], *arguments: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    return caught.value.code


def guests(world: AppWorld, id: AppId, phones: list[str], version: int | None, by: Caller | None = None) -> Any:
    return app_administration.set_guests(
        by or world.manager, id, PutGuests(guests=phones), version=version, now=Instant(NOW_MS), deps=world.deps
    )


def listed(world: AppWorld, by: Caller, unit: UnitId | None = None, **page: Any) -> list[str]:
    place = world.at(unit) if unit else world.root
    found = app_administration.page(by, place, **{"after": None, "limit": 50} | page, deps=world.registry)
    return sorted(one.name for one in found.apps)


# Registering and showing


def test_an_app_starts_on_trial_in_its_unit_and_on_the_record(world: AppWorld) -> None:
    made = world.register(guests=["+919876543210"], sms=True)
    assert (made.mode, made.per_minute, made.per_day, made.guests, made.sms) == ("trial", 50, 50, 1, True)
    assert (made.organisation, made.unit, made.keys, made.version) == (world.ministry, world.west, [], 1)
    stored = world.stored(made.app)
    assert (stored.organisation, stored.place) == ("Ministry of Railways", world.at(world.west))
    (entry,) = world.staff.entries(world.ministry)
    assert (entry.action, entry.subject, entry.unit) == ("app.create", app_text(made.app), world.west)
    assert details_of(entry) == {
        "name": "Passport Seva",
        "scopes": ["msg", "otp"],
        "sms": True,
        "guests": 1,
        "keys": [],
    }
    assert app_administration.read(world.manager, made.app, deps=world.registry) == made


def test_no_phone_number_of_a_guest_reaches_table_or_record(world: AppWorld) -> None:
    made = world.register(guests=["+919876543210"])
    guests(world, made.app, ["+919876543211"], None)
    for table in ("directory", "audit"):
        rows = str(world.service.client.scan(TableName=world.service.tables[table])["Items"])
        assert "987654321" not in rows


@pytest.mark.parametrize("where", ["west", "pune"])
def test_a_manager_acts_in_their_subtree(world: AppWorld, where: str) -> None:
    made = world.register(unit=getattr(world, where))
    assert world.change(made.app, name="Vahan").name == "Vahan"


@pytest.mark.parametrize("where", ["east", "root", "elsewhere"])
def test_a_manager_does_nothing_outside_it_and_is_not_told_what_there_is(world: AppWorld, where: str) -> None:
    if where == "elsewhere":
        other = world.service.organisation("Ministry of Earth Sciences")
        place = Place.root(other)
        by = world.staff.appoint(Role.NODAL_OFFICER, place)
    else:
        place, by = (world.root if where == "root" else world.at(world.east)), world.officer
    of = {"organisation": id_text(place.organisation)}
    app = world.register(by, unit=place.unit, **of).app
    world.staff.entries(place.organisation)
    before = world.stored(app)
    for id in (app, new_app_id()):
        assert refusal(app_administration.read, world.manager, id, deps=world.registry) is ErrorCode.NOT_FOUND
        assert refusal(world.change, id, name="Mine") is ErrorCode.NOT_FOUND
        assert refusal(guests, world, id, [], None) is ErrorCode.NOT_FOUND
        assert refusal(world.add_key, id, public=public_key()) is ErrorCode.NOT_FOUND
        revoke = app_administration.revoke_key
        assert (
            refusal(revoke, world.manager, id, "aaaaaaaa", now=Instant(NOW_MS), deps=world.deps) is ErrorCode.NOT_FOUND
        )
    assert refusal(world.register, unit=place.unit, **of) is ErrorCode.NOT_FOUND
    assert world.stored(app) == before
    assert world.staff.actions(place.organisation) == ["app.create"]


@pytest.mark.parametrize(
    "role", [Role.UNIT_ADMIN, Role.VERIFIER, Role.GROUP_MANAGER, Role.MODERATOR, Role.AUDITOR, Role.PLATFORM_ADMIN]
)
def test_other_roles_register_nothing(world: AppWorld, role: Role) -> None:
    by = world.staff.appoint(role, world.at(world.west))
    assert refusal(world.register, by) is ErrorCode.NOT_FOUND
    app = world.register().app
    assert refusal(world.change, app, by, name="Mine") is ErrorCode.NOT_FOUND
    if role is Role.AUDITOR:
        assert app_administration.read(by, app, deps=world.registry).app == app
    else:
        assert refusal(app_administration.read, by, app, deps=world.registry) is ErrorCode.NOT_FOUND


def test_a_unit_that_is_not_there_takes_no_app(world: AppWorld) -> None:
    assert refusal(world.register, world.officer, unit=new_unit_id()) is ErrorCode.NOT_FOUND
    assert refusal(world.register, world.manager, unit=new_unit_id()) is ErrorCode.NOT_FOUND


def test_a_unit_is_not_removed_while_an_app_is_in_it(world: AppWorld) -> None:
    made = world.register(unit=world.pune)
    remove: Json = {"organisation": id_text(world.ministry), "unit": id_text(world.pune)}
    assert refusal(world.service.operate, "unit.remove", **remove) is ErrorCode.UNIT_NOT_EMPTY
    world.change(made.app, unit=id_text(world.west))
    world.service.operate("unit.remove", **remove)


@pytest.mark.parametrize(
    ("model", "field"),
    [
        *((NewApp, field) for field in ("mode", "per_day", "per_minute", "organisation_id", "keys", "id", "webhooks")),
        *((ChangeApp, field) for field in ("mode", "per_day", "organisation", "keys", "guests", "version", "app")),
        *((NewAppKey, field) for field in ("id", "private_key", "created_at")),
        *((PutGuests, field) for field in ("mode", "sms")),
        *((BackToTrial, field) for field in ("mode", "per_day")),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_no_body_sets_what_is_not_its_own(world: AppWorld, model: Any, field: str) -> None:
    bodies: dict[Any, Json] = {
        NewApp: {"organisation": id_text(world.ministry), "name": "x", "scopes": ["otp"]},
        ChangeApp: {"name": "x"},
        NewAppKey: {},
        PutGuests: {"guests": []},
        BackToTrial: {"reason": "x"},
    }
    model.model_validate_json(json.dumps(bodies[model]))
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(json.dumps(bodies[model] | {field: "live"}))
    assert [(fault["loc"], fault["type"]) for fault in caught.value.errors()] == [((field,), "extra_forbidden")]


@pytest.mark.parametrize("nothing", [{}, {"name": None}, {"name": "x", "sms": None}], ids=str)
def test_a_change_names_what_it_changes(nothing: Json) -> None:
    with pytest.raises(ValidationError):
        ChangeApp.model_validate(nothing)


def test_an_app_that_comes_while_its_unit_is_removed_is_in_no_list(world: AppWorld) -> None:
    remove: Json = {"organisation": id_text(world.ministry), "unit": id_text(world.pune)}
    other = lambda: world.service.operate("unit.remove", **remove)  # noqa: E731
    late = world.overtaken_by(OvertakenClient(world.service.client, "transact_write_items", other))
    assert refusal(late.register, unit=world.pune) is ErrorCode.UNAVAILABLE
    assert (listed(world, world.officer), world.staff.actions(world.ministry)) == ([], [])


def test_a_unit_is_not_removed_under_an_app_that_comes_meanwhile(world: AppWorld) -> None:
    app = world.register().app
    world.change(app, unit=id_text(world.pune))
    world.change(app, unit=id_text(world.west))
    found = world.registry.organisations.unit(world.ministry, world.pune)
    assert found
    assert found[1].apps == 0
    move = lambda: world.change(app, unit=id_text(world.pune))  # noqa: E731
    client: Any = OvertakenClient(world.service.client, "transact_write_items", move)
    store = OrganisationStore(client, world.service.tables["directory"])
    tree = store.tree(world.ministry)
    assert tree
    assert not store.remove(tree, world.pune)
    assert listed(world, world.manager, world.pune) == ["Passport Seva"]


# Lists


def test_everybody_sees_the_apps_of_where_they_have_a_role(world: AppWorld) -> None:
    world.register(name="West")
    world.register(name="Pune", unit=world.pune)
    world.register(world.officer, name="East", unit=world.east)
    world.register(world.officer, name="Root", unit=world.root.unit)
    assert listed(world, world.officer) == ["East", "Pune", "Root", "West"]
    assert listed(world, world.officer, world.east) == ["East"]
    assert listed(world, world.manager, world.west) == ["Pune", "West"]
    assert listed(world, world.manager, world.pune) == ["Pune"]
    for unit in (world.east, world.root.unit, new_unit_id()):
        assert refusal(listed, world, world.manager, unit) is ErrorCode.NOT_FOUND
    assert refusal(listed, world, world.officer, new_unit_id()) is ErrorCode.NOT_FOUND
    nobody = world.staff.appoint(Role.VERIFIER, world.root)
    stranger = world.staff.appoint(Role.NODAL_OFFICER, Place.root(world.service.organisation("Other")))
    for by in (nobody, stranger, world.platform):
        assert refusal(listed, world, by) is ErrorCode.NOT_FOUND


def test_a_list_goes_on_where_it_ended_for_who_has_read_its_beginning(world: AppWorld) -> None:
    for number in range(5):
        world.register(name=f"App {number}")
    names: list[str] = []
    west, after = world.at(world.west), None
    for _ in range(9):
        page = app_administration.page(world.manager, west, after=after, limit=2, deps=world.registry)
        names += [one.name for one in page.apps]
        after = page.cursor
        if after is None:
            break
    assert sorted(names) == [f"App {number}" for number in range(5)]
    first = app_administration.page(world.manager, west, after=None, limit=2, deps=world.registry)
    for by, unit in ((world.officer, world.west), (world.manager, world.pune)):
        assert refusal(listed, world, by, unit, after=first.cursor) is ErrorCode.INVALID_CURSOR
    assert refusal(listed, world, world.manager, world.west, after="A" * 40) is ErrorCode.INVALID_CURSOR


@pytest.mark.parametrize(("unit", "queries"), [("west", 2), ("pune", 1)])
def test_a_page_reads_the_path_in_one_call_and_the_units_that_hold_some(
    world: AppWorld, unit: str, queries: int
) -> None:
    for number in range(3):
        world.register(name=f"App {number}", unit=world.pune)
    counting = CountingClient(world.service.client)
    seen = world.overtaken_by(counting)
    assert len(listed(seen, world.manager, getattr(world, unit))) == 3
    assert [operation for operation, _ in counting.calls] == ["batch_get_item", *["query"] * queries]


# Changing


def test_a_change_is_made_to_the_version_that_was_read_only(world: AppWorld) -> None:
    app = world.register().app
    changed = world.change(app, version=1, name="Vahan", scopes=["msg"], sms=True)
    assert (changed.version, changed.name, changed.scopes, changed.sms) == (2, "Vahan", ["msg"], True)
    assert refusal(world.change, app, version=1, name="Stale") is ErrorCode.PRECONDITION_FAILED
    assert refusal(guests, world, app, [], 1) is ErrorCode.PRECONDITION_FAILED
    assert world.stored(app).name == "Vahan"
    entry = world.staff.entries(world.ministry)[-1]
    assert entry.action == "app.change"
    assert details_of(entry) == {
        "changed": {"name": ["Passport Seva", "Vahan"], "scopes": [["msg", "otp"], ["msg"]], "sms": [False, True]}
    }
    assert listed(world, world.manager, world.west) == ["Vahan"]


def test_what_is_so_already_is_no_change(world: AppWorld) -> None:
    app = world.register().app
    assert world.change(app, name="Passport Seva", scopes=["otp", "msg"], unit=id_text(world.west)).version == 1
    assert world.staff.actions(world.ministry) == ["app.create"]


def test_an_app_moves_only_where_both_units_are_the_callers(world: AppWorld) -> None:
    app = world.register().app
    for unit in (world.east, world.root.unit, new_unit_id()):
        assert refusal(world.change, app, unit=id_text(unit)) is ErrorCode.NOT_FOUND
    assert refusal(world.change, app, world.officer, unit=id_text(new_unit_id())) is ErrorCode.NOT_FOUND
    assert world.stored(app).place == world.at(world.west)
    assert world.change(app, unit=id_text(world.pune)).unit == world.pune
    assert listed(world, world.manager, world.pune) == ["Passport Seva"]
    moved = world.change(app, world.officer, unit=id_text(world.root.unit))
    assert (moved.unit, refusal(world.change, app, name="x")) == (world.root.unit, ErrorCode.NOT_FOUND)


def test_a_change_that_another_one_overtakes_is_refused_or_made_on_top_of_it(world: AppWorld) -> None:
    app = world.register().app
    other = lambda: world.change(app, world.officer, sms=True)  # noqa: E731
    late = world.overtaken_by(OvertakenClient(world.service.client, "transact_write_items", other))
    assert refusal(late.change, app, version=1, name="Late") is ErrorCode.PRECONDITION_FAILED
    again = lambda: world.change(app, world.officer, sms=False)  # noqa: E731
    late = world.overtaken_by(OvertakenClient(world.service.client, "transact_write_items", again))
    assert late.change(app, name="Late").version == 4
    assert (world.stored(app).name, world.stored(app).sms) == ("Late", False)
    assert world.staff.actions(world.ministry) == ["app.create", "app.change", "app.change", "app.change"]


def test_guests_are_replaced_as_a_whole(world: AppWorld) -> None:
    app = world.register(guests=["+919876543210", "+919876543211"]).app
    assert guests(world, app, ["+919876543211", "+919876543212"], 1).guests == 2
    assert details_of(world.staff.entries(world.ministry)[-1]) == {"added": 1, "removed": 1}
    assert refusal(guests, world, app, ["12345"], 2) is ErrorCode.INVALID_PHONE
    with pytest.raises(ValidationError):
        PutGuests(guests=["+919876543210"] * 201)
    assert len(world.stored(app).guests) == 2


# Keys


def test_a_key_that_the_server_makes_is_shown_once_and_kept_nowhere(
    world: AppWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    app = world.register().app
    made = world.add_key(app, networks=["10.0.0.0/8"])
    private = made.private_key
    key = world.stored(app).keys[made.id.partition(".")[2]]
    assert bytes(SigningKey(parse_base64url(private)).verify_key) == key.public
    assert (key.networks, key.test) == (("10.0.0.0/8",), False)
    shown = app_administration.read(world.manager, app, deps=world.registry)
    assert shown.keys[0].private_key is None
    for table in ("directory", "audit"):
        rows = str(world.service.client.scan(TableName=world.service.tables[table])["Items"])
        assert private not in rows
        assert repr(parse_base64url(private)) not in rows
    assert private not in "".join(capsys.readouterr())
    assert "private" not in str(details_of(world.staff.entries(world.ministry)[-1]))


def test_a_key_of_ones_own_making_has_no_private_half_here(world: AppWorld) -> None:
    app = world.register().app
    made = world.add_key(app, public=public_key(), test=True)
    assert (made.private_key, made.test) == (None, True)
    entry = world.staff.entries(world.ministry)[-1]
    assert (entry.action, (details_of(entry) or {})["public"]) == ("app.key.add", public_key())


def test_an_app_is_registered_with_a_key_at_once(world: AppWorld) -> None:
    made = world.register(key={})
    assert made.keys[0].private_key
    assert list(world.stored(made.app).keys) == [made.keys[0].id.partition(".")[2]]


@pytest.mark.parametrize("call", ["add", "register"])
def test_keys_take_a_fresh_sign_in(world: AppWorld, call: str) -> None:
    app = world.register().app
    stale = replace(world.manager, signed_in_at=NOW - FRESH_SECONDS - 1)
    if call == "add":
        assert refusal(world.add_key, app, stale, public=public_key()) is ErrorCode.FRESH_SIGN_IN_REQUIRED
    else:
        assert refusal(world.register, stale, key={"public": public_key()}) is ErrorCode.FRESH_SIGN_IN_REQUIRED
        assert world.register(stale).keys == []
    assert world.stored(app).keys == {}


@pytest.mark.parametrize(
    "key",
    [
        {"public": "AAAA"},
        {"public": base64url_text(bytes(32))},
        {"public": base64url_text(b"\1" + bytes(31))},
        {"public": public_key() + "="},
        {"networks": ["10.0.0.1/8"]},
        {"networks": ["10.0.0.0/8"] * 21},
        {"test": "yes"},
    ],
    ids=str,
)
def test_keys_that_are_none_are_refused(world: AppWorld, key: Json) -> None:
    with pytest.raises(ValidationError):
        NewAppKey.model_validate(key)
    with pytest.raises(ValidationError):
        world.register(key=key)


def test_a_third_key_is_refused_and_one_revoked_makes_room(world: AppWorld) -> None:
    app = world.register().app
    first = world.add_key(app, public=public_key(1))
    world.add_key(app, public=public_key(2))
    world.add_key(app, public=public_key(3), test=True)
    assert refusal(world.add_key, app, public=public_key(4)) is ErrorCode.TOO_MANY_KEYS
    other = world.register().app
    for key in ("aaaaaaaa", f"{app_text(other)}.{first.id.partition('.')[2]}"):
        revoke = refusal(app_administration.revoke_key, world.manager, app, key, now=Instant(NOW_MS), deps=world.deps)
        assert revoke is ErrorCode.NOT_FOUND
    app_administration.revoke_key(world.manager, app, first.id, now=Instant(NOW_MS), deps=world.deps)
    world.add_key(app, public=public_key(4))
    assert world.staff.actions(world.ministry)[-2:] == ["app.key.revoke", "app.key.add"]


def test_two_keys_at_once_where_there_is_room_for_one_are_one(world: AppWorld) -> None:
    app = world.register().app
    world.add_key(app, public=public_key(1))
    other = lambda: world.add_key(app, world.officer, public=public_key(2))  # noqa: E731
    late = world.overtaken_by(OvertakenClient(world.service.client, "transact_write_items", other))
    assert refusal(late.add_key, app, public=public_key(3)) is ErrorCode.TOO_MANY_KEYS
    assert {key.public for key in world.stored(app).keys.values()} == {
        parse_base64url(public_key(1)),
        parse_base64url(public_key(2)),
    }
    assert world.staff.actions(world.ministry).count("app.key.add") == 2
