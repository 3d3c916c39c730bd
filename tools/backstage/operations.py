"""Lists the backstage operations by name. Each runs its use case without an administrator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from sandes.administration.apps.app_registry import RegistryDependencies
from sandes.administration.groups.official_groups import OfficialGroupDependencies
from sandes.administration.operators import first_administrators
from sandes.administration.operators.first_administrators import CreateAdministrator, FirstAdministratorDependencies
from sandes.administration.people.verifications import VerificationDependencies
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import faults_of
from sandes.store.organisations import OrganisationStore
from tools.backstage import apps, groups, organisations, verifications

Operation = apps.Operation | organisations.Operation | verifications.Operation | groups.Operation | CreateAdministrator
_operations: TypeAdapter[Operation] = TypeAdapter(Annotated[Operation, Field(discriminator="operation")])


@dataclass(frozen=True, slots=True)
class BackstageDependencies:
    registry: RegistryDependencies
    organisations: OrganisationStore
    verifications: VerificationDependencies
    groups: OfficialGroupDependencies
    administrators: FirstAdministratorDependencies


def parse(request: Mapping[str, Any]) -> Operation:
    """Parse a request. Raise ProtocolError invalid_request, which names the fields at fault."""
    try:
        return _operations.validate_python(request)
    except ValidationError as error:
        faults = faults_of(error.errors(include_url=False, include_input=False))
        raise ProtocolError(ErrorCode.INVALID_REQUEST, details={"errors": faults}) from None


def operate(request: Mapping[str, Any], *, now_seconds: int, deps: BackstageDependencies) -> dict[str, Any]:
    """Carry out one operation. Raise ProtocolError: invalid_request, and the errors of its use case."""
    operation = parse(request)
    if isinstance(operation, CreateAdministrator):
        return first_administrators.create(operation, now=Instant(now_seconds * 1000), deps=deps.administrators)
    if isinstance(operation, organisations.Operation):
        return organisations.carry_out(operation, now_seconds=now_seconds, store=deps.organisations)
    if isinstance(operation, verifications.Operation):
        return verifications.carry_out(operation, now_seconds=now_seconds, deps=deps.verifications)
    if isinstance(operation, groups.Operation):
        return groups.carry_out(operation, now_ms=now_seconds * 1000, deps=deps.groups)
    return apps.carry_out(operation, now_seconds=now_seconds, deps=deps.registry)
