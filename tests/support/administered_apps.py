"""Administers apps in process, in a ministry with two zones and an administrator for each right."""

from __future__ import annotations

from typing import Any

from sandes.administration import approvals
from sandes.administration.approvals import ApprovalDependencies
from sandes.administration.apps import app_administration, app_terms
from sandes.administration.apps.app_administration import AppAdministrationDependencies
from sandes.administration.apps.app_operations import app_operations
from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.app import App
from sandes.model.approval import Approval
from sandes.model.ids import AppId, ApprovalId, UnitId, id_text
from sandes.model.instant import Instant
from sandes.protocol.admin_apps_api import AdminApp, ChangeApp, NewApp, NewAppKey
from sandes.protocol.fields import Wire
from sandes.store.approvals import ApprovalStore
from sandes.store.apps import AppStore
from sandes.store.organisations import OrganisationStore
from tests.support.administration import Administration
from tests.support.service import NOW_MS, PEPPER, Service

Json = dict[str, Any]


class AppWorld:
    """Holds the administrators: `manager` manages the apps of the western zone, `officer` is the ministry's nodal
    officer, and `second` is another one who works in the eastern zone.
    """

    def __init__(self, service: Service, client: Any = None) -> None:
        self.service, self.client = service, client or service.client
        self.staff = Administration(service, client)
        self.ministry = service.organisation()
        self.west = service.unit(self.ministry, "Western zone")
        self.pune = service.unit(self.ministry, "Pune", parent=self.west, kind="office")
        self.east = service.unit(self.ministry, "Eastern zone")
        self.root = Place.root(self.ministry)
        self.manager = self.staff.appoint(Role.APP_MANAGER, self.at(self.west))
        self.officer = self.staff.appoint(Role.NODAL_OFFICER, self.root)
        self.second = self.staff.appoint(Role.NODAL_OFFICER, self.root, home=self.at(self.east))
        self.platform = self.staff.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM))

    def at(self, unit: UnitId) -> Place:
        return Place(self.ministry, unit)

    def overtaken_by(self, client: Any) -> AppWorld:
        """Return the same world in an execution environment of its own, on another client."""
        other = object.__new__(AppWorld)
        other.__dict__.update(self.__dict__)
        other.client = client
        other.staff = Administration(self.service, client)
        return other

    @property
    def registry(self) -> RegistryDependencies:
        table = self.service.tables["directory"]
        return RegistryDependencies(AppStore(self.client, table), OrganisationStore(self.client, table), PEPPER)

    @property
    def deps(self) -> AppAdministrationDependencies:
        return AppAdministrationDependencies(
            registry=self.registry, administrators=self.staff.store, recorder=self.staff.recorder
        )

    @property
    def approvals(self) -> ApprovalDependencies:
        return ApprovalDependencies(
            store=ApprovalStore(self.client, self.service.tables["directory"]),
            administrators=self.staff.store,
            organisations=self.registry.organisations,
            recorder=self.staff.recorder,
            pepper=PEPPER,
            operations=app_operations(self.registry),
        )

    def register(self, by: Caller | None = None, *, unit: UnitId | None = None, **changed: Any) -> AdminApp:
        """Register an app, by default in the western zone."""
        fields: Json = {"name": "Passport Seva", "scopes": ["otp", "msg"]}
        fields |= {"organisation": id_text(self.ministry), "unit": id_text(unit or self.west)}
        new = NewApp.model_validate({**fields, **changed})
        return app_administration.register(by or self.manager, new, now=Instant(NOW_MS), deps=self.deps)

    def change(self, id: AppId, by: Caller | None = None, *, version: int | None = None, **wanted: Any) -> AdminApp:
        body = ChangeApp.model_validate(wanted)
        return app_administration.change(
            by or self.manager, id, body, version=version, now=Instant(NOW_MS), deps=self.deps
        )

    def add_key(self, id: AppId, by: Caller | None = None, **key: Any) -> Any:
        body = NewAppKey.model_validate(key)
        return app_administration.add_key(by or self.manager, id, body, now=Instant(NOW_MS), deps=self.deps)

    def stored(self, id: AppId) -> App:
        found = self.registry.apps.read(id)
        assert found
        return found

    def ask(self, by: Caller, operation: str, parameters: Wire) -> Approval:
        return approvals.request(by, operation, parameters, now=Instant(NOW_MS), deps=self.approvals)

    def ask_to_go_live(self, by: Caller, id: AppId) -> Approval:
        return app_terms.ask_to_go_live(by, id, now=Instant(NOW_MS), deps=self.registry, asking=self.approvals)

    def propose(self, id: AppId, by: Caller | None = None, *, version: int | None = None, **wanted: Any) -> Any:
        """Make a change, or request it if it needs two people."""
        body = ChangeApp.model_validate(wanted)
        return app_terms.change(
            by or self.manager, id, body, version=version, now=Instant(NOW_MS), deps=self.deps, asking=self.approvals
        )

    def approve(self, by: Caller, id: ApprovalId) -> Approval:
        return approvals.approve(by, id, now=Instant(NOW_MS + 1_000), deps=self.approvals)
