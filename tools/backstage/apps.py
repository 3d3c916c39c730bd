"""Carries out backstage operations on apps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field

from sandes.administration.apps import app_registry
from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.model.administrator import Place
from sandes.model.app import MAX_GUESTS, MAX_KEYS, App, AppKey, Scope
from sandes.model.ids import AppId, AppKeyId, app_text, id_text, parse_app
from sandes.protocol.admin_apps_api import AppName, NewKey, PerDay, PerMinute, TemplateText
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.protocol.fields import Name, OrganisationField, UnitField, Wire

_TRIES = 4

AppText = Annotated[str, Field(pattern=r"^[a-z2-7]{12}[acegikmoqsuwy246]$")]


class CreateApp(Wire):
    """Registers an app. It starts on trial with 50 messages a day, to its guests, unless `mode` is `live`.

    `organisation_id` and `unit` say where it belongs. Without `organisation_id`, it belongs to no organisation.
    """

    operation: Literal["app.create"]
    name: AppName
    organisation: Annotated[str, Name, Field(min_length=1, max_length=128)]
    organisation_id: OrganisationField | None = None
    unit: UnitField | None = None
    scopes: Annotated[list[Scope], Field(min_length=1)]
    mode: Literal["trial", "live"] = "trial"
    sms: bool = False
    guests: Annotated[list[str], Field(max_length=MAX_GUESTS)] = Field(default_factory=list)
    keys: Annotated[list[NewKey], Field(min_length=1, max_length=2 * MAX_KEYS)]


class ShowApp(Wire):
    operation: Literal["app.show"]
    app: AppText


class AddKey(NewKey):
    operation: Literal["key.add"]
    app: AppText


class RevokeKey(Wire):
    operation: Literal["key.revoke"]
    app: AppText
    key: Annotated[
        str,
        Field(pattern=r"^([a-z2-7]{12}[acegikmoqsuwy246]\.)?[a-z2-7]{8}$", description="with or without the app's id"),
    ]


class SetTerms(Wire):
    """Sets trial or live, and the quotas. Quotas that are left out are those of the mode."""

    operation: Literal["app.terms"]
    app: AppText
    mode: Literal["trial", "live"]
    per_minute: PerMinute | None = None
    per_day: PerDay | None = None


class SetGuests(Wire):
    operation: Literal["app.guests"]
    app: AppText
    guests: Annotated[list[str], Field(max_length=MAX_GUESTS)]


class PutTemplate(TemplateText):
    """Approves a text as the next version of a template."""

    operation: Literal["template.put"]
    app: AppText


Operation = CreateApp | ShowApp | AddKey | RevokeKey | SetTerms | SetGuests | PutTemplate


def carry_out(operation: Operation, *, now_seconds: int, deps: RegistryDependencies) -> dict[str, Any]:
    """Carry out an operation.

    Raise ProtocolError: invalid_request, not_found, too_many_keys, invalid_phone.
    """
    match operation:
        case CreateApp():
            return _shown(_create(operation, now_seconds, deps))
        case ShowApp():
            return _shown(app_registry.read(_id(operation.app), deps))
        case AddKey():
            key = _key(operation, now_seconds)
            app = _changed(operation.app, lambda app: app_registry.put_key(app, key, deps), deps)
            return _shown(app) | {"key": f"{operation.app}.{key.id}"}
        case RevokeKey():
            return _shown(_revoke_key(operation, deps))
        case SetTerms():
            return _shown(_set_terms(operation, deps))
        case SetGuests():
            guests = operation.guests
            return _shown(_changed(operation.app, lambda app: app_registry.set_guests(app, guests, deps), deps))
        case PutTemplate():
            of = app_registry.read(_id(operation.app), deps).id
            made = app_registry.put_template(of, operation, now_seconds=now_seconds, deps=deps)
            return {"app": app_text(made.app), "template": made.name, "version": made.version}


def _create(operation: CreateApp, now_seconds: int, deps: RegistryDependencies) -> App:
    place = None
    if operation.organisation_id is not None:
        place = Place.root(operation.organisation_id)
        if operation.unit is not None:
            place = Place(operation.organisation_id, operation.unit)
        if deps.organisations.unit(place.organisation, place.unit) is None:
            there = operation.unit is not None and deps.organisations.read(place.organisation) is not None
            pointer, what = ("/unit", "unit in the organisation") if there else ("/organisation_id", "organisation")
            raise invalid(ErrorCode.INVALID_REQUEST, pointer, "not_found", f"There is no such {what}.")
    app = app_registry.new_app(
        operation.name,
        operation.organisation,
        place=place,
        mode=operation.mode,
        scopes=operation.scopes,
        sms=operation.sms,
        guests=operation.guests,
        keys=[_key(key, now_seconds) for key in operation.keys],
        now_seconds=now_seconds,
        deps=deps,
    )
    return app_registry.register(app, deps)


def _revoke_key(operation: RevokeKey, deps: RegistryDependencies) -> App:
    of, _, key = operation.key.rpartition(".")
    app_registry.read(_id(operation.app), deps)
    if of not in {"", operation.app} or not app_registry.revoke_key(_id(operation.app), key, deps):
        raise missing("/key", "key of this app")
    return app_registry.read(_id(operation.app), deps)


def _set_terms(operation: SetTerms, deps: RegistryDependencies) -> App:
    per_minute, per_day = app_registry.quotas(operation.mode)
    per_minute, per_day = operation.per_minute or per_minute, operation.per_day or per_day
    mode = operation.mode
    return _changed(operation.app, lambda app: app_registry.set_terms(app, mode, per_minute, per_day, deps), deps)


def _changed(text: str, change: Callable[[App], bool], deps: RegistryDependencies) -> App:
    """Apply a change to the app, and read again while others change it first."""
    id = _id(text)
    for _ in range(_TRIES):
        if change(app_registry.read(id, deps)):
            return app_registry.read(id, deps)
    raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)


def _key(new: NewKey, now_seconds: int) -> AppKey:
    return app_registry.new_key(new.public, test=new.test, networks=new.networks, now_seconds=now_seconds)


def _id(text: str) -> AppId:
    try:
        return parse_app(text)
    except ValueError:
        raise missing("/app", "app") from None


def _shown(app: App) -> dict[str, Any]:
    def key(id: AppKeyId) -> dict[str, Any]:
        entry = app.keys[id]
        return {
            "id": f"{app_text(app.id)}.{id}",
            "test": entry.test,
            "networks": list(entry.networks),
            "created_at": entry.created_at,
        }

    return {
        "app": app_text(app.id),
        "name": app.name,
        "organisation": app.organisation,
        "organisation_id": id_text(app.organisation_id) if app.organisation_id else None,
        "mode": app.mode,
        "scopes": sorted(app.scopes),
        "sms": app.sms,
        "per_minute": app.per_minute,
        "per_day": app.per_day,
        "guests": len(app.guests),
        "keys": [key(id) for id in app.keys],
        "webhooks": len(app.webhooks),
    }
