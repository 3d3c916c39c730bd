"""Going live and quotas of apps: asked for by one, done when another one approves (administration/approvals.py)."""

from __future__ import annotations

from dataclasses import dataclass

from sandes.administration import app_registry
from sandes.administration.app_administration import place_of
from sandes.administration.app_registry import RegistryDependencies
from sandes.administration.approvals import ApprovedOperation, Decision, Write
from sandes.administration.authority import Permission
from sandes.model.administrator import Caller, Place
from sandes.model.app import App, Mode
from sandes.model.ids import app_text
from sandes.protocol.admin_apps_api import PerDay, PerMinute
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.fields import AppField, Wire

GO_LIVE, QUOTA = "app.go_live", "app.quota"
_TRIES = 4


class GoLive(Wire):
    app: AppField


class Quota(Wire):
    app: AppField
    per_minute: PerMinute
    per_day: PerDay


@dataclass(frozen=True)
class GoingLive(ApprovedOperation[GoLive]):
    """From trial to live, with the quotas that every live app has."""

    registry: RegistryDependencies
    permission = Permission.TERMS
    model = GoLive

    def place(self, parameters: GoLive) -> Place:
        return place_of(parameters.app, self.registry)

    def check(self, parameters: GoLive, by: Caller, *, now_seconds: int) -> None:  # noqa: ARG002
        """Raises ProtocolError app_mode: it is live."""
        _in_mode(app_registry.read(parameters.app, self.registry), "trial")

    def carry_out(self, parameters: GoLive, decision: Decision, write: Write) -> None:
        _set_terms(self.registry, parameters, "trial", decision, write)


@dataclass(frozen=True)
class SettingQuota(ApprovedOperation[Quota]):
    """Of a live app."""

    registry: RegistryDependencies
    permission = Permission.TERMS
    model = Quota

    def place(self, parameters: Quota) -> Place:
        return place_of(parameters.app, self.registry)

    def check(self, parameters: Quota, by: Caller, *, now_seconds: int) -> None:  # noqa: ARG002
        """Raises ProtocolError app_mode: it is on trial."""
        _in_mode(app_registry.read(parameters.app, self.registry), "live")

    def carry_out(self, parameters: Quota, decision: Decision, write: Write) -> None:
        _set_terms(self.registry, parameters, "live", decision, write)


def _set_terms(
    registry: RegistryDependencies, wanted: GoLive | Quota, mode: Mode, decision: Decision, write: Write
) -> None:
    """Of an app in this mode that is where it was when it was asked for. It is live then."""
    id = wanted.app
    quotas = (wanted.per_minute, wanted.per_day) if isinstance(wanted, Quota) else app_registry.quotas("live")
    writing = registry.writing(lambda done: write(done, subject=app_text(id)))
    for _ in range(_TRIES):
        app = app_registry.read(id, registry)
        _in_mode(app, mode)
        if app.place != decision.approval.place:
            raise ProtocolError(ErrorCode.APPROVAL_STATE)
        if app_registry.set_terms(app, "live", *quotas, writing):
            return
    raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)


def _in_mode(app: App, mode: Mode) -> None:
    if app.mode != mode:
        raise ProtocolError(ErrorCode.APP_MODE)
