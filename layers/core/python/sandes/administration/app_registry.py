"""The register of apps, as operators keep it until administrators do: apps, keys, guests, templates.

Only public keys come in here: whoever asks for a key makes it, and keeps the private half.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self

from nacl import bindings
from pydantic import Field, field_validator, model_validator

from sandes.apps.templates import CODE, names_in
from sandes.crypto.pepper import Pepper
from sandes.model.app import MAX_GUESTS, MAX_KEYS, App, AppKey, Scope
from sandes.model.ids import AppId, AppKeyId, app_text, id_text, new_app_id, new_app_key_id, parse_app
from sandes.model.phone import parse_phone
from sandes.model.template import Dlt, Language, Template
from sandes.protocol.app_api import MAX_VARIABLES, Printable, TemplateName
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.protocol.fields import Key32, Name, OrganisationField, Wire
from sandes.store.apps import AppStore
from sandes.store.organisations import OrganisationStore

TRIAL_PER_DAY = 50
LIVE_PER_MINUTE, LIVE_PER_DAY = 3_000, 250_000
_TRIES = 4

AppText = Annotated[str, Field(pattern=r"^[a-z2-7]{13}$")]
Networks = Annotated[list[str], Field(max_length=20)]


@dataclass(frozen=True, slots=True)
class RegistryDependencies:
    apps: AppStore
    organisations: OrganisationStore
    pepper: Pepper


class NewKey(Wire):
    """`public`: Ed25519, base64url. `networks`: CIDR blocks from which it may be used; none means anywhere."""

    public: Key32
    test: bool = False
    networks: Networks = Field(default_factory=list)

    @field_validator("networks")
    @classmethod
    def _blocks(cls, networks: list[str]) -> list[str]:
        return [str(ip_network(text)) for text in networks]

    @field_validator("public")
    @classmethod
    def _point(cls, public: bytes) -> bytes:
        if not bindings.crypto_core_ed25519_is_valid_point(public):
            raise ValueError("this is no Ed25519 public key")
        return public


class CreateApp(Wire):
    """Register an app: it starts on trial with 50 a day, to its guests, unless `mode` is `live`.

    `organisation_id`: of the organisation whose officials its groups are for; without it, of any.
    """

    operation: Literal["app.create"]
    name: Annotated[str, Name, Field(min_length=1, max_length=64)]
    organisation: Annotated[str, Name, Field(min_length=1, max_length=128)]
    organisation_id: OrganisationField | None = None
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
    key: Annotated[str, Field(pattern=r"^([a-z2-7]{13}\.)?[a-z2-7]{8}$", description="with or without the app's id")]


class SetTerms(Wire):
    """Trial or live, and the quotas; those of the mode if left out."""

    operation: Literal["app.terms"]
    app: AppText
    mode: Literal["trial", "live"]
    per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = None
    per_day: Annotated[int, Field(ge=1, le=10_000_000)] | None = None


class SetGuests(Wire):
    operation: Literal["app.guests"]
    app: AppText
    guests: Annotated[list[str], Field(max_length=MAX_GUESTS)]


class PutTemplate(Wire):
    """Approve a text as the next version of a template."""

    operation: Literal["template.put"]
    app: AppText
    name: TemplateName
    kind: Literal["otp", "message"]
    texts: dict[Language, Annotated[str, Printable, Field(min_length=1, max_length=2_000)]]
    dlt_entity: Annotated[str, Field(pattern=r"^[0-9]{1,30}$")] | None = None
    dlt_templates: dict[Language, Annotated[str, Field(pattern=r"^[0-9]{1,30}$")]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if "en" not in self.texts:
            raise ValueError("a template needs a text in en, to which every other language falls back")
        if bool(self.dlt_entity) != bool(self.dlt_templates) or self.dlt_templates.keys() - self.texts.keys():
            raise ValueError("DLT ids: one of the entity, and one for each text that may go out by SMS")
        return self


Operation = CreateApp | ShowApp | AddKey | RevokeKey | SetTerms | SetGuests | PutTemplate


def carry_out(operation: Operation, *, now_seconds: int, deps: RegistryDependencies) -> dict[str, Any]:
    """Raises ProtocolError: invalid_request, not_found, too_many_keys, invalid_phone."""
    match operation:
        case CreateApp():
            return _create(operation, now_seconds, deps)
        case ShowApp():
            return _shown(_app(operation.app, deps))
        case AddKey():
            return _add_key(operation, now_seconds, deps)
        case RevokeKey():
            of, _, key = operation.key.rpartition(".")
            _app(operation.app, deps)
            removed = of in {"", operation.app} and deps.apps.remove_entry(_id(operation.app), "key", key)
            _done(removed, "/key", "key of this app")
        case SetTerms():
            per_minute, per_day = _quotas(operation.mode)
            _done(
                deps.apps.set_terms(
                    _id(operation.app),
                    mode=operation.mode,
                    per_minute=operation.per_minute or per_minute,
                    per_day=operation.per_day or per_day,
                )
            )
        case SetGuests():
            _done(deps.apps.set_guests(_id(operation.app), _guests(operation.guests, deps)))
        case PutTemplate():
            return _put_template(operation, now_seconds, deps)
    return _shown(_app(operation.app, deps))


def _quotas(mode: str) -> tuple[int, int]:
    return (LIVE_PER_MINUTE, LIVE_PER_DAY) if mode == "live" else (TRIAL_PER_DAY, TRIAL_PER_DAY)


def _create(operation: CreateApp, now_seconds: int, deps: RegistryDependencies) -> dict[str, Any]:
    per_minute, per_day = _quotas(operation.mode)
    keys = [_key(key, now_seconds) for key in operation.keys]
    for test in (False, True):
        _check_room([key for key in keys if key.test is test][:-1], test)
    if operation.organisation_id is not None and deps.organisations.read(operation.organisation_id) is None:
        raise invalid(ErrorCode.INVALID_REQUEST, "/organisation_id", "not_found", "There is no such organisation.")
    app = App(
        id=new_app_id(),
        name=operation.name,
        organisation=operation.organisation,
        organisation_id=operation.organisation_id,
        mode=operation.mode,
        scopes=frozenset(operation.scopes),
        sms=operation.sms,
        per_minute=per_minute,
        per_day=per_day,
        guests=_guests(operation.guests, deps),
        keys={key.id: key for key in keys},
        webhooks={},
        created_at=now_seconds,
    )
    if not deps.apps.create(app):
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)
    return _shown(app)


def _add_key(operation: AddKey, now_seconds: int, deps: RegistryDependencies) -> dict[str, Any]:
    key = _key(operation, now_seconds)
    for _ in range(_TRIES):
        app = _app(operation.app, deps)
        _check_room(app.keys.values(), operation.test)
        if deps.apps.set_entry(app.id, key, beside=list(app.keys)):
            return _shown(_app(operation.app, deps)) | {"key": f"{operation.app}.{key.id}"}
    raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)


def _check_room(keys: Any, test: bool) -> None:
    if sum(key.test is test for key in keys) >= MAX_KEYS:
        raise ProtocolError(ErrorCode.TOO_MANY_KEYS)


def _key(new: NewKey, now_seconds: int) -> AppKey:
    return AppKey(new_app_key_id(), new.public, new.test, tuple(new.networks), now_seconds)


def _guests(phones: list[str], deps: RegistryDependencies) -> frozenset[str]:
    try:
        return frozenset(deps.pepper.index("phone", parse_phone(text)) for text in phones)
    except ValueError as error:
        raise invalid(ErrorCode.INVALID_PHONE, "/guests", "invalid_phone", str(error)) from None


def _put_template(operation: PutTemplate, now_seconds: int, deps: RegistryDependencies) -> dict[str, Any]:
    app = _app(operation.app, deps)
    names = {language: _names(language, text) for language, text in operation.texts.items()}
    if len(set(names.values())) > 1:
        raise invalid(ErrorCode.INVALID_REQUEST, "/texts", "variables_differ")
    variables = names["en"]
    if len(variables - {CODE}) > MAX_VARIABLES:
        raise invalid(ErrorCode.INVALID_REQUEST, "/texts", f"at_most_{MAX_VARIABLES}_variables")
    if (CODE in variables) != (operation.kind == "otp"):
        raise invalid(ErrorCode.INVALID_REQUEST, "/texts", "code_in_otps_only")
    for _ in range(_TRIES):
        newest = deps.apps.template(app.id, operation.name, None)
        if newest and newest.kind != operation.kind:
            raise invalid(ErrorCode.INVALID_REQUEST, "/kind", "other_kind")
        template = Template(
            app=app.id,
            name=operation.name,
            version=newest.version + 1 if newest else 1,
            kind=operation.kind,
            texts={str(language): text for language, text in operation.texts.items()},
            variables=variables - {CODE},
            dlt=Dlt(operation.dlt_entity, {str(key): id for key, id in operation.dlt_templates.items()})
            if operation.dlt_entity
            else None,
            approved_at=now_seconds,
        )
        if deps.apps.add_template(template, previous=newest.version if newest else 0):
            return {"app": app_text(app.id), "template": template.name, "version": template.version}
    raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)


def _names(language: str, text: str) -> frozenset[str]:
    try:
        return names_in(text)
    except ValueError as error:
        raise invalid(ErrorCode.INVALID_REQUEST, f"/texts/{language}", "not_a_template", str(error)) from None


def _id(text: str) -> AppId:
    try:
        return parse_app(text)
    except ValueError:
        raise missing("/app", "app") from None


def _app(text: str, deps: RegistryDependencies) -> App:
    app = deps.apps.read(_id(text))
    if app is None:
        raise missing("/app", "app")
    return app


def _done(changed: bool, pointer: str = "/app", what: str = "app") -> None:
    if not changed:
        raise missing(pointer, what)


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
