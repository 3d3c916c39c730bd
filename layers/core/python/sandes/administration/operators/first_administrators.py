"""The platform's own administrators and auditors, whom operators create and remove (docs/runbook.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from sandes.administration.authority import APART
from sandes.administration.organisations import organisations
from sandes.administration.recorder import Recorder
from sandes.administration.sign_in import AdministratorPool, sessions_from
from sandes.model.administrator import PLATFORM, Administrator, Assignment, Place, Role
from sandes.model.audit import OPERATOR, Act
from sandes.model.ids import AdministratorId, UnitId, administrator_text, id_text
from sandes.model.instant import Instant
from sandes.model.mailbox import mailbox_of
from sandes.model.organisation import Organisation
from sandes.protocol.admin_organisations_api import PlaceName
from sandes.protocol.errors import ErrorCode, ProtocolError, missing
from sandes.protocol.faults import faults_of
from sandes.protocol.fields import AdministratorField, Mailbox, Name, Wire
from sandes.store.administrators import UNCHANGED, AdministratorStore
from sandes.store.dynamo import ConditionFailed
from sandes.store.organisations import OrganisationStore
from sandes.store.transaction import Operation

PLATFORM_NAME = "Sandes"


class CreateAdministrator(Wire):
    """Creates a platform administrator, or the platform's first auditor or nodal officer.

    `unit` is the name of a unit of the platform, which is created if necessary. The platform needs two units, because
    approvals need people of different units.
    """

    operation: Literal["administrator.create"]
    email: Mailbox
    name: Annotated[str, Name, Field(min_length=1, max_length=64)]
    unit: PlaceName
    role: Literal["platform_admin", "nodal_officer", "auditor"] = "platform_admin"


class RemoveAdministrator(Wire):
    """Removes an administrator by address or, if the pool no longer knows it, by id."""

    operation: Literal["administrator.remove"]
    email: Mailbox | None = None
    administrator: AdministratorField | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.email is None) == (self.administrator is None):
            raise ValueError("either email or administrator")
        return self


_operations: TypeAdapter[CreateAdministrator | RemoveAdministrator] = TypeAdapter(
    Annotated[CreateAdministrator | RemoveAdministrator, Field(discriminator="operation")]
)


@dataclass(frozen=True, slots=True)
class FirstAdministratorDependencies:
    administrators: AdministratorStore
    organisations: OrganisationStore
    pool: AdministratorPool
    recorder: Recorder


def operate(request: Mapping[str, Any], *, now: Instant, deps: FirstAdministratorDependencies) -> dict[str, Any]:
    """Execute an operator's request: `administrator.create` or `administrator.remove`.

    Raises ProtocolError invalid_request, and the errors of `create` and `remove`.
    """
    try:
        operation = _operations.validate_python(request)
    except ValidationError as error:
        faults = faults_of(error.errors(include_url=False, include_input=False))
        raise ProtocolError(ErrorCode.INVALID_REQUEST, details={"errors": faults}) from None
    if isinstance(operation, RemoveAdministrator):
        return remove(operation, now=now, deps=deps)
    return create(operation, now=now, deps=deps)


def create(operation: CreateAdministrator, *, now: Instant, deps: FirstAdministratorDependencies) -> dict[str, Any]:
    """Invite a person and give them the role. A repetition moves them to another unit or sends the invitation again.

    The answer has `administrator`, `organisation` and `unit`; `done` (`create`, `change` or `invite`, as in the audit
    chain); `unit_made`; and for an existing administrator `name_before` and `unit_before`. Raises ProtocolError
    roles_apart for a person who has an excluded role or a role of an organisation, not_found if somebody else has taken
    over the address, and unavailable.
    """
    found = deps.pool.find(operation.email)
    if found is not None:
        _known(found, operation, now.seconds, deps)
    unit, unit_made = _unit(operation.unit, now=now, deps=deps)
    id = deps.pool.invite(operation.email, operation.name)
    done = _appoint(id, operation, unit, now=now, deps=deps)
    where = {"organisation": id_text(PLATFORM), "unit": id_text(unit), "unit_made": unit_made}
    return {"administrator": administrator_text(id)} | where | done


def _appoint(
    id: AdministratorId,
    operation: CreateAdministrator,
    unit: UnitId,
    *,
    now: Instant,
    deps: FirstAdministratorDependencies,
) -> dict[str, str]:
    """Give the role, and return the part of the answer about it."""
    now_seconds, store, role = now.seconds, deps.administrators, Role(operation.role)
    known, held = _known(id, operation, now_seconds, deps)
    home = Place(PLATFORM, unit)
    who = Administrator(id, operation.email, operation.name, home, known.created_at if known else now_seconds)
    changes: list[Operation] = [store.replacing(known, who) if known else store.adding(who)]
    details: dict[str, Any] = {"role": operation.role}
    done = "create"
    if role not in {one.role for one in held}:
        changes += store.granting(Assignment(id, role, Place.root(PLATFORM), OPERATOR, now_seconds), who)
    elif known:
        done = "change" if (known.home, known.name) != (who.home, who.name) else "invite"
    if known and known.home != who.home:
        details["unit_before"] = id_text(known.home.unit)
    if known and known.name != who.name:
        details["renamed"] = True
    act = _act(f"administrator.{done}", unit, administrator_text(id), **details)
    try:
        deps.recorder.writer(act, now=now)(changes)
    except ConditionFailed:  # created, or given another role, at the same moment
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1) from None
    before = {"name_before": known.name, "unit_before": id_text(known.home.unit)} if known else {}
    return {"done": done} | before


def _known(
    id: AdministratorId, operation: CreateAdministrator, now_seconds: int, deps: FirstAdministratorDependencies
) -> tuple[Administrator | None, list[Assignment]]:
    """Return the person and their roles in force. Raises ProtocolError roles_apart, not_found."""
    known, held = deps.administrators.read(id) or (None, [])
    if known is not None and mailbox_of(known.email) != operation.email:
        raise missing("/email", "administrator of this address")
    live = [one for one in held if one.in_force(now_seconds)]
    apart = APART[Role(operation.role)]
    if any(one.role in apart or one.place.organisation != PLATFORM for one in live):
        raise ProtocolError(ErrorCode.ROLES_APART)
    return known, live


def remove(operation: RemoveAdministrator, *, now: Instant, deps: FirstAdministratorDependencies) -> dict[str, Any]:
    """Take away all roles of a person who works at the platform, with an audit entry, and end their sign-in.

    A repetition completes an interrupted removal. The answer has `administrator` and the number of `roles`. Raises
    ProtocolError not_found for a person who does not work at the platform, last_officer, and unavailable.
    """
    id = operation.administrator or deps.pool.find(operation.email or "")
    known, held = (deps.administrators.read(id) if id else None) or (None, [])
    if id is None or known is None or known.home.organisation != PLATFORM:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    changes: list[Operation] = [deps.administrators.removing(known, sessions_from=sessions_from(now))]
    for one in held:
        changes += deps.administrators.taking(one)
    act = _act("administrator.remove", known.home.unit, administrator_text(id), roles=[one.role.value for one in held])
    try:
        deps.recorder.writer(act, now=now)(changes)
    except ConditionFailed as failed:
        _check_officers(held, failed, deps)
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1) from None
    deps.pool.disable(id)
    return {"administrator": administrator_text(id), "roles": len(held)}


def _check_officers(held: list[Assignment], failed: ConditionFailed, deps: FirstAdministratorDependencies) -> None:
    """Raise ProtocolError last_officer if that is the reason of the failure."""
    officer = [one.place.organisation for one in held if one.role is Role.NODAL_OFFICER]
    if not failed.is_(UNCHANGED) and any(deps.administrators.officers(one) <= 1 for one in officer):
        raise ProtocolError(ErrorCode.LAST_OFFICER)


def _unit(name: str, *, now: Instant, deps: FirstAdministratorDependencies) -> tuple[UnitId, bool]:
    """Return the platform's unit with this name, and whether it was created. The platform is created too, if
    necessary.
    """
    store = _recorded(deps, "organisation.create", now)
    tree = deps.organisations.tree(PLATFORM)
    if tree is None:
        store.create(Organisation(PLATFORM, PLATFORM_NAME, now.seconds, tree_version=1), "ministry")
        tree = organisations.read_tree(PLATFORM, deps.organisations)
    found = [unit.id for unit in tree.children(tree.organisation.root) if unit.name == name]
    if found:
        return found[0], False
    store = _recorded(deps, "unit.create", now, name=name)
    root = tree.organisation.root
    made = organisations.create_unit(PLATFORM, name, "department", root, now_seconds=now.seconds, store=store)
    return made, True


def _recorded(deps: FirstAdministratorDependencies, action: str, now: Instant, **details: str) -> OrganisationStore:
    act = Act(action=action, actor=OPERATOR, role=None, organisation=PLATFORM, details=details)
    return replace(deps.organisations, writer=deps.recorder.writer(act, now=now))


def _act(action: str, unit: UnitId, subject: str, **details: Any) -> Act:
    return Act(
        action=action, actor=OPERATOR, role=None, organisation=PLATFORM, unit=unit, subject=subject, details=details
    )
