"""Administration of apps at their places: registration, changes, guests, keys, and the return to trial.

app_terms.py and app_templates.py handle the changes that need two people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from nacl.signing import SigningKey

from sandes.administration.apps import app_registry
from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.administration.authority import Need, Permission, path_seen, require
from sandes.administration.recorder import Acts, act
from sandes.administration.scopes import Walk, by_unit
from sandes.administration.sign_in import fresh
from sandes.cursors import cursor, position
from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.app import App, AppKey
from sandes.model.audit import Act
from sandes.model.ids import AppId, UnitId, app_text, base64url_text, id_text
from sandes.model.instant import Instant
from sandes.protocol.admin_apps_api import (
    AdminApp,
    AdminAppEntry,
    AdminAppKey,
    AdminAppPage,
    BackToTrial,
    ChangeApp,
    NewApp,
    NewAppKey,
    PutGuests,
)
from sandes.protocol.errors import ErrorCode, ProtocolError, missing
from sandes.races import retry_until_written
from sandes.store.app_rows import ListedApp


@dataclass(frozen=True, slots=True)
class AppAdministrationDependencies(Acts):
    registry: RegistryDependencies

    def recorded(self, what: Act, right: Assignment, *, now: Instant) -> RegistryDependencies:
        """Return the register, whose changes are written with an entry of the act while the caller has the right."""
        place = Place(what.organisation, what.unit) if what.unit else None
        return self.registry.writing(self.by_right(what, right, now=now), place=place)


def page(caller: Caller, place: Place, *, after: str | None, limit: int, deps: RegistryDependencies) -> AdminAppPage:
    """List the apps of the unit and of those below it, by unit. Raises ProtocolError not_found, invalid_cursor."""
    tree = path_seen(caller, Permission.APPS, place, deps.organisations)
    of = f"apps {id_text(place.organisation)} {id_text(place.unit)}"
    start = position(after, owner=caller.id, of=of, pepper=deps.pepper) if after else None

    def rows(unit: UnitId | None, after: str | None, limit: int) -> tuple[list[ListedApp], str | None]:
        return deps.apps.of_organisation(place.organisation, unit=unit, after=after, limit=limit)

    walk = Walk(place, tree, deps.organisations, page=limit)
    found, last = by_unit(walk, rows, holds=lambda one: one.apps > 0, after=start, limit=limit)
    return AdminAppPage(
        apps=[AdminAppEntry(app=one.app, unit=one.unit, name=one.name, mode=one.mode) for one in found],
        cursor=cursor(last, owner=caller.id, of=of, pepper=deps.pepper) if last else None,
    )


def read(caller: Caller, id: AppId, *, deps: RegistryDependencies) -> AdminApp:
    """Return an app. Raises ProtocolError not_found."""
    app, _, _ = at_place(caller, id, "read", deps)
    return shown(app)


def register(caller: Caller, new: NewApp, *, now: Instant, deps: AppAdministrationDependencies) -> AdminApp:
    """Register an app on trial. A key may be included only after a fresh sign-in.

    Raises ProtocolError not_found, invalid_request, invalid_phone, fresh_sign_in_required, unavailable.
    """
    place = Place(new.organisation, new.unit) if new.unit else Place.root(new.organisation)
    right = require(caller, Permission.APPS, "act", place, deps.registry.organisations)
    found = deps.registry.organisations.unit(place.organisation, place.unit)
    if found is None:
        raise missing("/unit", "unit in the organisation")
    keys, private = [], None
    if new.key is not None:
        fresh(caller, now_seconds=now.seconds)
        key, private = _key(new.key, now)
        keys = [key]
    app = app_registry.new_app(
        new.name,
        found[0].name,
        place=place,
        scopes=new.scopes,
        sms=new.sms,
        guests=new.guests,
        keys=keys,
        now_seconds=now.seconds,
        deps=deps.registry,
    )
    details = {"name": app.name, "scopes": sorted(app.scopes), "sms": app.sms, "guests": len(app.guests)}
    did = act(caller, right, "app.create", place, app_text(app.id), **details, keys=[_recorded(key) for key in keys])
    app_registry.register(app, deps.recorded(did, right, now=now))
    return shown(app, private)


def change(
    caller: Caller,
    id: AppId,
    body: ChangeApp,
    *,
    version: int | None,
    now: Instant,
    deps: AppAdministrationDependencies,
) -> AdminApp:
    """Change an app, only at this `version` if it is set. Moving it to another unit needs the right there too.

    Raises ProtocolError not_found, invalid_request, precondition_failed, unavailable, and app_mode for a change that
    needs two people (app_terms.py).
    """

    def attempt() -> bool:
        app, place, right = at_place(caller, id, "act", deps.registry)
        check_version(app, version)
        if takes_two(app, body):
            raise ProtocolError(ErrorCode.APP_MODE)
        to = place
        if body.unit is not None and body.unit != place.unit:
            to = Place(place.organisation, body.unit)
            require(caller, Permission.APPS, "act", to, deps.registry.organisations)
            if deps.registry.organisations.unit(to.organisation, to.unit) is None:
                raise missing("/unit", "unit in the organisation")
        changed = _changes(app, place, body)
        if not changed:
            return True
        did = act(caller, right, "app.change", place, app_text(id), changed=changed)
        return app_registry.change(
            app,
            name=body.name,
            scopes=body.scopes,
            sms=body.sms,
            place=to if to != place else None,
            deps=deps.recorded(did, right, now=now),
        )

    retry_until_written(attempt)
    return read(caller, id, deps=deps.registry)


def takes_two(app: App, body: ChangeApp) -> bool:
    """Tell whether a change needs two people: it renames a live app, or adds scopes or SMS to it."""
    renamed = body.name is not None and body.name != app.name
    more = not set(body.scopes or ()) <= app.scopes or (body.sms is True and not app.sms)
    return app.mode == "live" and (renamed or more)


def set_guests(
    caller: Caller,
    id: AppId,
    body: PutGuests,
    *,
    version: int | None,
    now: Instant,
    deps: AppAdministrationDependencies,
) -> AdminApp:
    """Replace the guests. Raises ProtocolError not_found, invalid_phone, precondition_failed, unavailable."""

    def attempt() -> bool:
        app, place, right = at_place(caller, id, "act", deps.registry)
        check_version(app, version)
        guests, before = app_registry.numbers_of(body.guests), app_registry.open_guests(app, deps.registry.pepper)
        added, removed = len(guests - before), len(before - guests)
        did = act(caller, right, "app.guests", place, app_text(id), added=added, removed=removed)
        return app_registry.set_guests(app, body.guests, deps.recorded(did, right, now=now))

    retry_until_written(attempt)
    return read(caller, id, deps=deps.registry)


def add_key(
    caller: Caller, id: AppId, body: NewAppKey, *, now: Instant, deps: AppAdministrationDependencies
) -> AdminAppKey:
    """Add a key. Return it with its private half if the server made it; no other answer has that.

    Raises ProtocolError not_found, fresh_sign_in_required, too_many_keys, unavailable.
    """
    at_place(caller, id, "act", deps.registry)
    fresh(caller, now_seconds=now.seconds)
    key, private = _key(body, now)

    def attempt() -> bool:
        app, place, right = at_place(caller, id, "act", deps.registry)
        did = act(caller, right, "app.key.add", place, app_text(id), **_recorded(key))
        return app_registry.put_key(app, key, deps.recorded(did, right, now=now))

    retry_until_written(attempt)
    return _shown_key(id, key, private)


def revoke_key(caller: Caller, id: AppId, key: str, *, now: Instant, deps: AppAdministrationDependencies) -> None:
    """Revoke a key. `key` is its id, with or without the app's id. Raises ProtocolError not_found."""
    of, _, bare = key.rpartition(".")

    def attempt() -> bool:
        app, place, right = at_place(caller, id, "act", deps.registry)
        if of not in {"", app_text(id)} or bare not in app.keys:
            raise ProtocolError(ErrorCode.NOT_FOUND)
        did = act(caller, right, "app.key.revoke", place, app_text(id), key=bare)
        return app_registry.revoke_key(id, bare, deps.recorded(did, right, now=now))

    retry_until_written(attempt)


def back_to_trial(
    caller: Caller, id: AppId, body: BackToTrial, *, now: Instant, deps: AppAdministrationDependencies
) -> AdminApp:
    """Put a live app back on trial immediately.

    One person suffices, with a role that may request or approve going live. Raises ProtocolError not_found, app_mode,
    unavailable.
    """

    def attempt() -> bool:
        app, place, right = at_place(caller, id, "second", deps.registry, permission=Permission.TERMS)
        if app.mode == "trial":
            raise ProtocolError(ErrorCode.APP_MODE)
        did = act(caller, right, "app.trial", place, app_text(id), reason=body.reason)
        per_minute, per_day = app_registry.quotas("trial")
        registry = deps.recorded(did, right, now=now)
        return app_registry.set_terms(app, "trial", per_minute, per_day, registry)

    retry_until_written(attempt)
    app, _, _ = at_place(caller, id, "read", deps.registry, permission=Permission.TERMS)
    return shown(app)


# Shared with other calls about apps


def at_place(
    caller: Caller, id: AppId, need: Need, deps: RegistryDependencies, *, permission: Permission = Permission.APPS
) -> tuple[App, Place, Assignment]:
    """Return the app, its place, and the caller's right there. Raises ProtocolError not_found."""
    app = deps.apps.read(id)
    place = app.place if app else None
    if app is None or place is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return app, place, require(caller, permission, need, place, deps.organisations)


def place_of(id: AppId, deps: RegistryDependencies) -> Place:
    """Return the place of an app. Raises ProtocolError not_found, also for an app without an organisation."""
    app = deps.apps.read(id)
    place = app.place if app else None
    if place is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return place


def shown(app: App, private_key: bytes | None = None) -> AdminApp:
    """Return an app for an answer. `private_key` belongs to its only key, which was just made."""
    place = cast("Place", app.place)  # the caller has a right at the app's place, so it has one
    keys = sorted(app.keys.values(), key=lambda key: (key.created_at, key.id))
    return AdminApp(
        app=app.id,
        organisation=place.organisation,
        unit=place.unit,
        name=app.name,
        mode=app.mode,
        scopes=cast("Any", sorted(app.scopes)),
        sms=app.sms,
        per_minute=app.per_minute,
        per_day=app.per_day,
        guests=len(app.guests),
        keys=[_shown_key(app.id, key, private_key) for key in keys],
        webhooks=len(app.webhooks),
        version=app.version,
        created_at=datetime.fromtimestamp(app.created_at, UTC),
    )


def _shown_key(app: AppId, key: AppKey, private_key: bytes | None = None) -> AdminAppKey:
    return AdminAppKey(
        id=f"{app_text(app)}.{key.id}",
        test=key.test,
        networks=list(key.networks),
        created_at=datetime.fromtimestamp(key.created_at, UTC),
        private_key=base64url_text(private_key) if private_key else None,
    )


def _key(new: NewAppKey, now: Instant) -> tuple[AppKey, bytes | None]:
    """Make a key. If the server makes the pair, also return its seed, which only the answer contains."""
    private = None
    public = new.public
    if public is None:
        made = SigningKey.generate()
        private, public = bytes(made), bytes(made.verify_key)
    key = app_registry.new_key(public, test=new.test, networks=new.networks, now_seconds=now.seconds)
    return key, private


def _recorded(key: AppKey) -> dict[str, Any]:
    return {"key": key.id, "public": base64url_text(key.public), "test": key.test, "networks": list(key.networks)}


def _changes(app: App, place: Place, body: ChangeApp) -> dict[str, Any]:
    """Return the fields that change, each with its old and new value."""
    before = {"name": app.name, "scopes": sorted(app.scopes), "sms": app.sms, "unit": id_text(place.unit)}
    after: dict[str, Any] = {
        "name": body.name,
        "scopes": sorted(set(body.scopes)) if body.scopes is not None else None,
        "sms": body.sms,
        "unit": id_text(body.unit) if body.unit is not None else None,
    }
    return {name: [before[name], to] for name, to in after.items() if to is not None and to != before[name]}


def check_version(app: App, version: int | None) -> None:
    if version is not None and version != app.version:
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)
