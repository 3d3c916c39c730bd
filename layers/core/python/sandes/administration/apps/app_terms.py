"""Going live, quotas, and changes of live apps. One person requests them, and another one approves (approvals.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from sandes.administration import approvals
from sandes.administration.approvals import ApprovalDependencies, ApprovedOperation, Decision, Write
from sandes.administration.apps import app_administration, app_registry
from sandes.administration.apps.app_administration import (
    AppAdministrationDependencies,
    at_place,
    check_version,
    place_of,
)
from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.administration.authority import Permission
from sandes.model.administrator import Caller, Place
from sandes.model.app import App, Mode
from sandes.model.approval import Approval
from sandes.model.ids import AppId, app_text
from sandes.model.instant import Instant
from sandes.protocol.admin_apps_api import AdminApp, AppName, ChangeApp, PerDay, PerMinute, Scopes
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.protocol.fields import AppField, Wire
from sandes.races import retry_until_written

GO_LIVE, QUOTA, CHANGE = "app.go_live", "app.quota", "app.change"


class GoLive(Wire):
    """Holds the app at the time of the request. Only this state is approved, not a later one."""

    app: AppField
    name: AppName
    scopes: Scopes
    sms: bool


class LiveChange(Wire):
    """Holds the new values of a live app. None leaves a field unchanged."""

    app: AppField
    name: AppName | None = None
    scopes: Scopes | None = None
    sms: bool | None = None


class Quota(Wire):
    app: AppField
    per_minute: PerMinute
    per_day: PerDay


@dataclass(frozen=True)
class GoingLive(ApprovedOperation[GoLive]):
    """Takes an app from trial to live, with the default quotas of live apps."""

    registry: RegistryDependencies
    permission = Permission.TERMS
    model = GoLive

    def place(self, parameters: GoLive) -> Place:
        return place_of(parameters.app, self.registry)

    def check(self, parameters: GoLive, by: Caller, *, now_seconds: int) -> None:  # noqa: ARG002  # whoever asks
        """Check the app's mode. Raises ProtocolError app_mode if it is live already."""
        _in_mode(app_registry.read(parameters.app, self.registry), "trial")

    def carry_out(self, parameters: GoLive, decision: Decision, write: Write) -> None:
        """Take the app live. Raises ProtocolError approval_state, also if the app has changed since the request."""
        per_minute, per_day = app_registry.quotas("live")

        def attempt(app: App, registry: RegistryDependencies) -> bool:
            if as_it_is(app) != parameters:
                raise ProtocolError(ErrorCode.APPROVAL_STATE)
            return app_registry.set_terms(app, "live", per_minute, per_day, registry)

        _carry_out(parameters.app, "trial", attempt, registry=self.registry, decision=decision, write=write)


@dataclass(frozen=True)
class SettingQuota(ApprovedOperation[Quota]):
    """Sets the quotas of a live app."""

    registry: RegistryDependencies
    permission = Permission.TERMS
    model = Quota

    def place(self, parameters: Quota) -> Place:
        return place_of(parameters.app, self.registry)

    def check(self, parameters: Quota, by: Caller, *, now_seconds: int) -> None:  # noqa: ARG002  # whoever asks
        """Check the app's mode. Raises ProtocolError app_mode if it is on trial."""
        _in_mode(app_registry.read(parameters.app, self.registry), "live")

    def carry_out(self, parameters: Quota, decision: Decision, write: Write) -> None:
        def attempt(app: App, registry: RegistryDependencies) -> bool:
            return app_registry.set_terms(app, "live", parameters.per_minute, parameters.per_day, registry)

        _carry_out(parameters.app, "live", attempt, registry=self.registry, decision=decision, write=write)


@dataclass(frozen=True)
class ChangingLive(ApprovedOperation[LiveChange]):
    """Changes the name, scopes or SMS of a live app. An app manager requests it, and somebody who may take apps live
    approves it.
    """

    registry: RegistryDependencies
    permission = Permission.TERMS
    asks = "act"
    asked_by = Permission.APPS
    model = LiveChange

    def place(self, parameters: LiveChange) -> Place:
        return place_of(parameters.app, self.registry)

    def check(self, parameters: LiveChange, by: Caller, *, now_seconds: int) -> None:  # noqa: ARG002  # whoever asks
        """Check the app's mode. Raises ProtocolError app_mode if it is on trial, where one person can change it."""
        _in_mode(app_registry.read(parameters.app, self.registry), "live")

    def asked_for(self, parameters: LiveChange) -> dict[str, Any]:
        scopes = {"scopes": sorted(parameters.scopes)} if parameters.scopes is not None else {}
        return parameters.model_dump(mode="json", exclude_none=True) | scopes

    def carry_out(self, parameters: LiveChange, decision: Decision, write: Write) -> None:
        def attempt(app: App, registry: RegistryDependencies) -> bool:
            return app_registry.change(
                app, name=parameters.name, scopes=parameters.scopes, sms=parameters.sms, deps=registry
            )

        _carry_out(parameters.app, "live", attempt, registry=self.registry, decision=decision, write=write)


def as_it_is(app: App) -> GoLive:
    return GoLive(app=app.id, name=app.name, scopes=cast("Any", sorted(app.scopes)), sms=app.sms)


def ask_to_go_live(
    caller: Caller, id: AppId, *, now: Instant, deps: RegistryDependencies, asking: ApprovalDependencies
) -> Approval:
    """Request that the app goes live as it is now. Raises ProtocolError not_found, app_mode."""
    app = deps.apps.read(id)
    if app is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return approvals.request(caller, GO_LIVE, as_it_is(app), now=now, deps=asking)


def change(
    caller: Caller,
    id: AppId,
    body: ChangeApp,
    *,
    version: int | None,
    now: Instant,
    deps: AppAdministrationDependencies,
    asking: ApprovalDependencies,
) -> AdminApp | Approval:
    """Change an app immediately, or request a change of a live app that its recipients rely on. A request cannot move
    it.

    Raises ProtocolError not_found, invalid_request, precondition_failed, unavailable, and app_mode if the app goes live
    at the same moment.
    """
    app, _, _ = at_place(caller, id, "act", deps.registry)
    if not app_administration.takes_two(app, body):
        return app_administration.change(caller, id, body, version=version, now=now, deps=deps)
    check_version(app, version)
    if body.unit is not None:
        raise invalid(ErrorCode.INVALID_REQUEST, "/unit", "on_its_own")
    wanted = LiveChange(app=id, name=body.name, scopes=body.scopes, sms=body.sms)
    return approvals.request(caller, CHANGE, wanted, now=now, deps=asking)


def _carry_out(
    id: AppId,
    mode: Mode,
    attempt: Callable[[App, RegistryDependencies], bool],
    *,
    registry: RegistryDependencies,
    decision: Decision,
    write: Write,
) -> None:
    """Make the change if the app has this mode and is still at the place of the request."""
    writing = registry.writing(lambda done: write(done, subject=app_text(id)))

    def written() -> bool:
        app = app_registry.read(id, registry)
        _in_mode(app, mode)
        if app.place != decision.approval.place:
            raise ProtocolError(ErrorCode.APPROVAL_STATE)
        return attempt(app, writing)

    retry_until_written(written)


def _in_mode(app: App, mode: Mode) -> None:
    if app.mode != mode:
        raise ProtocolError(ErrorCode.APP_MODE)
