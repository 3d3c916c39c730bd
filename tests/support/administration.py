"""Appoints administrators in process as operators do, and reads the entries of their acts in the audit chains."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from sandes.administration.recorder import Recorder
from sandes.administration.roles.admin_identity import identify
from sandes.crypto.audit_chain import AuditKey
from sandes.model.administrator import Administrator, Assignment, Caller, Place, Role
from sandes.model.audit import Entry
from sandes.model.ids import AdministratorId, OrganisationId
from sandes.store.administrators import AdministratorStore
from sandes.store.audit import AuditStore
from sandes.store.transaction import transact
from tests.support.service import NOW, Service

AUDIT_KEY = AuditKey.of(b"k" * 32)
_numbers = itertools.count(1)


@dataclass
class Administration:
    service: Service
    client: Any = None
    _recorder: Recorder | None = field(default=None, repr=False)

    @property
    def store(self) -> AdministratorStore:
        return AdministratorStore(self.client or self.service.client, self.service.tables["directory"])

    @property
    def recorder(self) -> Recorder:
        if self._recorder is None:
            store = AuditStore(self.client or self.service.client, self.service.tables["audit"])
            self._recorder = Recorder(store, AUDIT_KEY, sleep=lambda _: None)
        return self._recorder

    def appoint(self, role: Role | None, place: Place, *, home: Place | None = None, **changed: Any) -> Caller:
        """Appoint a new administrator, who works at the place unless `home` is given. Without a role, the person is no
        administrator yet.
        """
        number = next(_numbers)
        id = AdministratorId(number.to_bytes(16, "big"))
        who = Administrator(id, f"officer{number}@example.gov.in", f"Officer {number}", home or place, NOW)
        roles = self.store.granting(Assignment(id, role, place, "operator", NOW, **changed), who) if role else ()
        transact(self.store.client, [self.store.putting(who), *roles])
        return self.caller(who)

    def also(self, caller: Caller, role: Role, place: Place, **changed: Any) -> Caller:
        """Give an administrator another role."""
        made = Assignment(caller.id, role, place, "operator", NOW, **changed)
        transact(self.store.client, list(self.store.granting(made, caller.administrator)))
        return self.caller(caller.administrator)

    def take(self, caller: Caller) -> Caller:
        """Take all roles of an administrator away."""
        for one in caller.assignments:
            transact(self.store.client, list(self.store.taking(one)))
        return self.caller(caller.administrator)

    def caller(self, who: Administrator, *, now_seconds: int = NOW) -> Caller:
        """Return an administrator as the caller, with their current roles."""
        return identify(who.id, signed_in_at=now_seconds, now_seconds=now_seconds, administrators=self.store)

    def entries(self, chain: OrganisationId) -> list[Entry]:
        return AuditStore(self.service.client, self.service.tables["audit"]).after(chain, 0, limit=1000)

    def actions(self, chain: OrganisationId) -> list[str]:
        return [entry.action for entry in self.entries(chain)]
