"""The platform's own administrators, whom only operators make: everybody else is made by them (docs/runbook.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from sandes.administration import organisations
from sandes.administration.audit import Recorder
from sandes.administration.authority import APART
from sandes.administration.organisations import CreateUnit, PlaceName
from sandes.administration.sign_in import AdministratorPool
from sandes.model.administrator import PLATFORM, Administrator, Assignment, Place, Role
from sandes.model.audit import OPERATOR, Act
from sandes.model.ids import AdministratorId, UnitId, administrator_text, id_text
from sandes.model.organisation import Organisation
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import faults_of
from sandes.protocol.fields import Name, OneLine, Wire
from sandes.store.administrators import AdministratorStore
from sandes.store.dynamo import ConditionFailed
from sandes.store.organisations import OrganisationStore

PLATFORM_NAME = "Sandes"

Email = Annotated[
    str, OneLine, AfterValidator(str.lower), Field(pattern=r"^[^@\s]{1,64}@[^@\s]+\.[^@\s]+$", max_length=254)
]
"""In lower case: the pool does not tell cases apart either."""


class CreateAdministrator(Wire):
    """A platform administrator. `unit` is the name of a unit of the platform, made if there is none: what takes two
    people of the platform takes two units.
    """

    operation: Literal["administrator.create"]
    email: Email
    name: Annotated[str, Name, Field(min_length=1, max_length=64)]
    unit: PlaceName


@dataclass(frozen=True, slots=True)
class FirstAdministratorDependencies:
    administrators: AdministratorStore
    organisations: OrganisationStore
    pool: AdministratorPool
    recorder: Recorder


def operate(request: Mapping[str, Any], *, now_ms: int, deps: FirstAdministratorDependencies) -> dict[str, Any]:
    """What operators may ask for: `administrator.create`, and nothing else.

    Raises ProtocolError invalid_request, and as `create` does.
    """
    try:
        operation = CreateAdministrator.model_validate(request)
    except ValidationError as error:
        faults = faults_of(error.errors(include_url=False, include_input=False))
        raise ProtocolError(ErrorCode.INVALID_REQUEST, details={"errors": faults}) from None
    return create(operation, now_ms=now_ms, deps=deps)


def create(operation: CreateAdministrator, *, now_ms: int, deps: FirstAdministratorDependencies) -> dict[str, Any]:
    """Invite somebody and make them a platform administrator; again, to move them to another unit or send the
    invitation once more. Answers with `administrator`, `organisation` and `unit`.

    Raises ProtocolError roles_apart for who has a role that no platform administrator may have; unavailable.
    """
    unit = _unit(operation.unit, now_ms=now_ms, deps=deps)
    id = deps.pool.invite(operation.email, operation.name)
    _appoint(id, operation, unit, now_ms=now_ms, deps=deps)
    return {"administrator": administrator_text(id), "organisation": id_text(PLATFORM), "unit": id_text(unit)}


def _appoint(
    id: AdministratorId,
    operation: CreateAdministrator,
    unit: UnitId,
    *,
    now_ms: int,
    deps: FirstAdministratorDependencies,
) -> None:
    now_seconds = now_ms // 1000
    known, held = deps.administrators.read(id) or (None, [])
    roles = {one.role for one in held if one.in_force(now_seconds)}
    if roles & APART[Role.PLATFORM_ADMIN]:
        raise ProtocolError(ErrorCode.ROLES_APART)
    who = Administrator(
        id, operation.email, operation.name, Place(PLATFORM, unit), known.created_at if known else now_seconds
    )
    changes = [deps.administrators.putting(who)]
    if Role.PLATFORM_ADMIN not in roles:
        role = Assignment(id, Role.PLATFORM_ADMIN, Place.root(PLATFORM), OPERATOR, now_seconds)
        changes += deps.administrators.granting(role, who)
    try:
        deps.recorder.writer(_act("administrator.create", unit, administrator_text(id)), now_ms=now_ms)(changes)
    except ConditionFailed:  # made by somebody else in this moment
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1) from None


def _unit(name: str, *, now_ms: int, deps: FirstAdministratorDependencies) -> UnitId:
    """The unit of the platform with this name, made if need be, as the platform itself."""
    store = _recording(deps, "organisation.create", now_ms)
    tree = deps.organisations.tree(PLATFORM)
    if tree is None:
        store.create(Organisation(PLATFORM, PLATFORM_NAME, now_ms // 1000, tree_version=1), "ministry")
        tree = organisations.read_tree(PLATFORM, deps.organisations)
    found = [unit.id for unit in tree.children(tree.organisation.root) if unit.name == name]
    if found:
        return found[0]
    made = CreateUnit(operation="unit.create", organisation=PLATFORM, name=name, kind="department")
    return organisations.create_unit(
        made, now_seconds=now_ms // 1000, store=_recording(deps, "unit.create", now_ms, name=name)
    )


def _recording(deps: FirstAdministratorDependencies, action: str, now_ms: int, **details: str) -> OrganisationStore:
    act = Act(action=action, actor=OPERATOR, role=None, organisation=PLATFORM, details=details)
    return replace(deps.organisations, writer=deps.recorder.writer(act, now_ms=now_ms))


def _act(action: str, unit: UnitId, subject: str) -> Act:
    return Act(action=action, actor=OPERATOR, role=None, organisation=PLATFORM, unit=unit, subject=subject)
