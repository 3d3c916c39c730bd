"""The register of apps: apps, keys, guests, terms, templates. Callers have checked the right before.

A store with a writer (`writing`) makes the audit entry part of each change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sandes.apps.templates import CODE, names_in
from sandes.crypto.pepper import Pepper
from sandes.model.administrator import Place
from sandes.model.app import MAX_KEYS, App, AppKey, Mode, Scope
from sandes.model.ids import AppId, UnitId, new_app_id, new_app_key_id
from sandes.model.phone import PhoneNumber, parse_phone
from sandes.model.template import Dlt, Template
from sandes.protocol.admin_apps_api import TemplateText
from sandes.protocol.app_api import MAX_VARIABLES
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.races import Raced, retry_raced
from sandes.store.apps import AppStore
from sandes.store.organisations import OrganisationStore
from sandes.store.transaction import Writer

TRIAL_PER_DAY = 50
LIVE_PER_MINUTE, LIVE_PER_DAY = 3_000, 250_000


@dataclass(frozen=True, slots=True)
class RegistryDependencies:
    apps: AppStore
    organisations: OrganisationStore
    pepper: Pepper

    def writing(self, writer: Writer, *, place: Place | None = None) -> RegistryDependencies:
        """Return a register that writes by `writer`. If `place` is set, keys are written only while the app is
        there.
        """
        return replace(self, apps=replace(self.apps, writer=writer, place=place))


def quotas(mode: Mode) -> tuple[int, int]:
    """Return the default quotas for a minute and a day."""
    return (LIVE_PER_MINUTE, LIVE_PER_DAY) if mode == "live" else (TRIAL_PER_DAY, TRIAL_PER_DAY)


def read(id: AppId, deps: RegistryDependencies) -> App:
    """Return an app. Raises ProtocolError not_found."""
    app = deps.apps.read(id)
    if app is None:
        raise missing("/app", "app")
    return app


# Apps


def new_app(
    name: str,
    organisation: str,
    *,
    place: Place | None,
    mode: Mode = "trial",
    scopes: Iterable[Scope],
    sms: bool,
    guests: Sequence[str],
    keys: Sequence[AppKey],
    now_seconds: int,
    deps: RegistryDependencies,
) -> App:
    """Build an app that is not registered yet. `organisation` is its name.

    Raises ProtocolError too_many_keys, invalid_phone.
    """
    per_minute, per_day = quotas(mode)
    for test in (False, True):
        _check_room([key for key in keys if key.test is test][:-1], test)
    id, numbers = new_app_id(), numbers_of(guests)
    return App(
        id=id,
        name=name,
        organisation=organisation,
        organisation_id=place.organisation if place else None,
        unit=_below_root(place),
        mode=mode,
        scopes=frozenset(scopes),
        sms=sms,
        per_minute=per_minute,
        per_day=per_day,
        guests=_indexes(numbers, deps),
        guests_sealed=seal_guests(numbers, id, deps.pepper),
        keys={key.id: key for key in keys},
        webhooks={},
        created_at=now_seconds,
    )


def register(app: App, deps: RegistryDependencies) -> App:
    """Register an app. Raises ProtocolError unavailable if its unit is being removed."""
    if not deps.apps.create(app):
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)
    return app


def change(
    app: App,
    *,
    name: str | None = None,
    scopes: Iterable[Scope] | None = None,
    sms: bool | None = None,
    place: Place | None = None,
    deps: RegistryDependencies,
) -> bool:
    """Change an app. None leaves a field unchanged.

    Return False if the app has changed since it was read, or the unit no longer exists.
    """
    after = replace(
        app,
        name=app.name if name is None else name,
        scopes=app.scopes if scopes is None else frozenset(scopes),
        sms=app.sms if sms is None else sms,
        unit=app.unit if place is None else place.unit,
    )
    return deps.apps.change(app, after)


def set_guests(app: App, phones: Sequence[str], deps: RegistryDependencies) -> bool:
    """Replace the guests. Return False if the app has changed since it was read. Raises ProtocolError invalid_phone."""
    numbers = numbers_of(phones)
    return deps.apps.set_guests(app, _indexes(numbers, deps), seal_guests(numbers, app.id, deps.pepper))


def set_terms(app: App, mode: Mode, per_minute: int, per_day: int, deps: RegistryDependencies) -> bool:
    """Set mode and quotas. Return False if the app has changed since it was read."""
    return deps.apps.set_terms(app, mode=mode, per_minute=per_minute, per_day=per_day)


def _indexes(numbers: Iterable[PhoneNumber], deps: RegistryDependencies) -> frozenset[str]:
    return frozenset(deps.pepper.index("phone", number) for number in numbers)


def seal_guests(numbers: Iterable[PhoneNumber], app: AppId, pepper: Pepper) -> bytes:
    return pepper.seal(" ".join(sorted(numbers)).encode(), app)


def open_guests(app: App, pepper: Pepper) -> frozenset[PhoneNumber]:
    return frozenset(map(PhoneNumber, pepper.open(app.guests_sealed, app.id).decode().split()))


def numbers_of(phones: Sequence[str]) -> frozenset[PhoneNumber]:
    """Parse the numbers of guests. Raises ProtocolError invalid_phone."""
    try:
        return frozenset(map(parse_phone, phones))
    except ValueError as error:
        raise invalid(ErrorCode.INVALID_PHONE, "/guests", "invalid_phone", str(error)) from None


def _below_root(place: Place | None) -> UnitId | None:
    return None if place is None or place.is_root else place.unit


# Keys


def new_key(public: bytes, *, test: bool, networks: Sequence[str], now_seconds: int) -> AppKey:
    return AppKey(new_app_key_id(test=test), public, tuple(networks), now_seconds)


def put_key(app: App, key: AppKey, deps: RegistryDependencies) -> bool:
    """Add a key. Return False if the app's keys have changed since they were read. Raises ProtocolError
    too_many_keys.
    """
    _check_room(app.keys.values(), key.test)
    return deps.apps.set_entry(app.id, key, beside=list(app.keys))


def revoke_key(id: AppId, key: str, deps: RegistryDependencies) -> bool:
    """Revoke a key. Return False if the app has no such key."""
    return deps.apps.remove_entry(id, "key", key)


def _check_room(keys: Iterable[AppKey], test: bool) -> None:
    if sum(key.test is test for key in keys) >= MAX_KEYS:
        raise ProtocolError(ErrorCode.TOO_MANY_KEYS)


# Templates


def check_text(app: AppId, text: TemplateText, deps: RegistryDependencies) -> frozenset[str]:
    """Return the variables that apps must give. Raises ProtocolError invalid_request with the field at fault."""
    variables = _variables(text)
    _check_kind(text, deps.apps.template(app, text.name, None))
    return variables


def put_template(app: AppId, text: TemplateText, *, now_seconds: int, deps: RegistryDependencies) -> Template:
    """Store a text as the next version. Raises ProtocolError unavailable, and invalid_request like `check_text`."""
    variables = _variables(text)

    def attempt() -> Template:
        newest = deps.apps.template(app, text.name, None)
        _check_kind(text, newest)
        template = Template(
            app=app,
            name=text.name,
            version=newest.version + 1 if newest else 1,
            kind=text.kind,
            texts={str(language): said for language, said in text.texts.items()},
            variables=variables,
            dlt=Dlt(text.dlt_entity, {str(key): id for key, id in text.dlt_templates.items()})
            if text.dlt_entity
            else None,
            approved_at=now_seconds,
            may_be_empty=frozenset(text.may_be_empty),
        )
        if deps.apps.add_template(template, previous=newest.version if newest else 0):
            return template
        raise Raced

    return retry_raced(attempt)


def _check_kind(text: TemplateText, newest: Template | None) -> None:
    if newest and newest.kind != text.kind:
        raise invalid(ErrorCode.INVALID_REQUEST, "/kind", "other_kind")


def _variables(text: TemplateText) -> frozenset[str]:
    names = {language: _names(language, said) for language, said in text.texts.items()}
    if len(set(names.values())) > 1:
        raise invalid(ErrorCode.INVALID_REQUEST, "/texts", "variables_differ")
    variables = names["en"]
    if len(variables - {CODE}) > MAX_VARIABLES:
        raise invalid(ErrorCode.INVALID_REQUEST, "/texts", f"at_most_{MAX_VARIABLES}_variables")
    if (CODE in variables) != (text.kind == "otp"):
        raise invalid(ErrorCode.INVALID_REQUEST, "/texts", "code_in_otps_only")
    for position, name in enumerate(text.may_be_empty):
        if name not in variables - {CODE}:
            raise invalid(ErrorCode.INVALID_REQUEST, f"/may_be_empty/{position}", "unknown")
    return variables - {CODE}


def _names(language: str, text: str) -> frozenset[str]:
    try:
        return names_in(text)
    except ValueError as error:
        raise invalid(ErrorCode.INVALID_REQUEST, f"/texts/{language}", "not_a_template", str(error)) from None
