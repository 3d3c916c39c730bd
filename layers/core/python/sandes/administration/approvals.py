"""Lets one person request a change, and executes it when another one approves it (docs/adr/0027).

An approval is one transaction: the change, the audit entry, and the decision, on condition that the request is still
pending and that both people still have the right. Even if two people approve at the same moment, the change is made
only once.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import ValidationError

from sandes.administration.authority import (
    Need,
    Permission,
    covers,
    everywhere,
    grants,
    of_platform,
    places_seen,
    require,
)
from sandes.administration.recorder import Acts
from sandes.crypto.pepper import Pepper
from sandes.cursors import cursor as make_cursor
from sandes.cursors import position
from sandes.model.administrator import Assignment, Caller, Place, Role
from sandes.model.approval import Approval
from sandes.model.audit import Act
from sandes.model.ids import ApprovalId, OrganisationId, administrator_text, base64url_text, id_text, new_approval_id
from sandes.model.instant import Instant
from sandes.model.mailbox import mailbox_of
from sandes.model.organisation import Tree
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.fields import Wire
from sandes.races import Raced, retry_raced
from sandes.store.approvals import NOBODY_ASKED, ApprovalStore, same_as
from sandes.store.dynamo import ConditionFailed
from sandes.store.organisations import OrganisationStore
from sandes.store.transaction import Operation

Parameters = TypeVar("Parameters", bound=Wire)

MAX_PENDING = 50
"""The most pending requests of one administrator, in all organisations together."""


class Write(Protocol):
    """Writes the change, the decision and the audit entry, or nothing.

    Raises ConditionFailed for the given operations, like `transact`. `subject` is the text of the id that the audit
    entry is about.
    """

    def __call__(self, operations: Sequence[Operation], /, *, subject: str | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """Holds the approval, its approver and the time of the decision."""

    approval: Approval
    approver: Caller
    now: Instant


class ApprovedOperation(ABC, Generic[Parameters]):
    """Describes a kind of change that needs two people.

    The requester needs `asks`, of `asked_by` if that is not the permission itself. The approver needs `second`.
    """

    permission: Permission
    asks: Need = "second"
    asked_by: Permission | None = None
    model: type[Parameters]

    @abstractmethod
    def place(self, parameters: Parameters) -> Place:
        """Return the place where both need the permission. Raises ProtocolError not_found for something without a
        place.
        """

    def roles(self, parameters: Parameters) -> Collection[Role]:  # noqa: ARG002  # others ask
        """Return the roles that may make this change, among those that have the permission."""
        return frozenset(Role)

    def check(self, parameters: Parameters, by: Caller, *, now_seconds: int) -> None:
        """Check the change for one of the two. Raises ProtocolError if it would be refused now, or to this
        administrator.
        """

    def asked_for(self, parameters: Parameters) -> dict[str, Any]:
        """Return the parameters that identify the change: all except ids that are drawn for each request."""
        return parameters.model_dump(mode="json", exclude_none=True)

    @abstractmethod
    def carry_out(self, parameters: Parameters, decision: Decision, write: Write) -> None:
        """Make the change with one call of `write`. Raises ProtocolError if nothing is changed."""

    def recorded(self, parameters: Parameters) -> dict[str, Any]:
        """Return the parameters for the audit chain: ids and changes, and nothing about people except their ids."""
        return parameters.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, slots=True)
class ApprovalDependencies(Acts):
    store: ApprovalStore
    organisations: OrganisationStore
    pepper: Pepper
    operations: Mapping[str, ApprovedOperation[Any]]


def request(caller: Caller, operation: str, parameters: Wire, *, now: Instant, deps: ApprovalDependencies) -> Approval:
    """Request a change.

    Raises ProtocolError not_found without the right, already_pending (with the `approval` of the same change),
    too_many_pending, and the errors of the operation's check.
    """
    asked = deps.operations[operation]
    place = asked.place(parameters)
    require(caller, _asked_by(asked), asked.asks, place, deps.organisations)
    asked.check(parameters, caller, now_seconds=now.seconds)
    right = _right_to_ask(caller, asked, parameters, deps)
    approval = Approval(
        id=new_approval_id(place.organisation, now.ms),
        operation=operation,
        parameters=parameters.model_dump(mode="json", exclude_none=True),
        place=place,
        requested_by=caller.id,
        requester_name=caller.administrator.name,
        requester_home=caller.administrator.home,
        requested_at=now.seconds,
        same=_digest(operation, asked.asked_for(parameters)),
    )
    act = _act(f"{operation}.requested", caller, right, approval, asked.recorded(parameters))
    platforms = of_platform(asked.permission, "second", asked.roles(parameters))
    write = deps.by_right(act, right, now=now)

    def attempt() -> Approval:
        pending = deps.store.pending_of(caller.id, now_seconds=now.seconds)
        if len(pending.approvals) >= MAX_PENDING:
            raise ProtocolError(ErrorCode.TOO_MANY_PENDING)
        try:
            write(deps.store.requesting(approval, pending, of_platform=platforms, now_seconds=now.seconds))
        except ConditionFailed as failed:
            _check_not_the_same(failed)  # otherwise the requester made another request at the same moment
            raise Raced from None
        return approval

    return retry_raced(attempt)


def approve(caller: Caller, id: ApprovalId, *, now: Instant, deps: ApprovalDependencies) -> Approval:
    """Execute the change, once.

    Raises ProtocolError not_found, own_request, same_unit, approval_state, and the errors of the operation.
    """
    approval, operation, _ = _to_decide(caller, id, now, deps)
    parameters = _parameters(approval, operation)
    requester, requesters_right = _requester(approval, operation, parameters, now.seconds, deps)
    if caller.administrator.home in (approval.requester_home, requester.administrator.home):
        raise ProtocolError(ErrorCode.SAME_UNIT)
    if mailbox_of(caller.administrator.email) == mailbox_of(requester.administrator.email):
        raise ProtocolError(ErrorCode.OWN_REQUEST)  # one person with two accounts
    operation.check(parameters, caller, now_seconds=now.seconds)
    right = _right_to_approve(caller, operation, parameters, deps)
    act = _act(approval.operation, caller, right, approval, operation.recorded(parameters))
    beside = [
        deps.store.deciding(approval, "executed", caller.id, now_seconds=now.seconds),
        deps.administrators.still(requesters_right, now_seconds=now.seconds),
        *deps.store.no_longer_pending(approval),
    ]

    def write(operations: Sequence[Operation], /, *, subject: str | None = None) -> None:
        what = replace(act, subject=subject)
        recorded = deps.by_right(what, right, now=now, beside=beside, otherwise=ErrorCode.APPROVAL_STATE)
        recorded(operations)

    try:
        operation.carry_out(parameters, Decision(approval, caller, now), write)
    except ProtocolError:
        _check_pending(_read(id, now, deps), now)  # the refusal may come from a faster approver
        raise
    return _read(id, now, deps)


def reject(caller: Caller, id: ApprovalId, reason: str, *, now: Instant, deps: ApprovalDependencies) -> Approval:
    """Reject the change. It needs the same right as an approval.

    Raises ProtocolError not_found, own_request (cancel it instead), approval_state.
    """
    approval, operation, _ = _to_decide(caller, id, now, deps)
    right = _right_to_approve(caller, operation, _parameters(approval, operation), deps)
    return _close(caller, approval, "rejected", right=right, reason=reason, now=now, deps=deps)


def cancel(caller: Caller, id: ApprovalId, *, now: Instant, deps: ApprovalDependencies) -> Approval:
    """Cancel the caller's own request. Raises ProtocolError not_found for requests of others, approval_state."""
    approval = deps.store.read(id, now_seconds=now.seconds)
    if approval is None or approval.requested_by != caller.id:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    _check_pending(approval, now)
    return _close(caller, approval, "cancelled", now=now, deps=deps)


def read(caller: Caller, id: ApprovalId, *, now: Instant, deps: ApprovalDependencies) -> Approval:
    """Return an approval that the caller has requested or may read. Raises ProtocolError not_found."""
    approval = deps.store.read(id, now_seconds=now.seconds)
    if approval is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    operation = deps.operations.get(approval.operation)
    if approval.requested_by == caller.id:
        return approval
    if operation is None or not grants(caller, operation.permission, "read", approval.place, deps.organisations):
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return approval


def page(
    caller: Caller,
    organisation: OrganisationId,
    *,
    after: str | None,
    limit: int,
    now: Instant,
    deps: ApprovalDependencies,
) -> tuple[list[Approval], str | None]:
    """Return the approvals that the caller may see, the newest first, and the cursor of the next page.

    A page can have fewer than `limit`, even none, and still have a cursor. Raises ProtocolError invalid_cursor, and
    not_found for an organisation in which the caller has no role.
    """
    here = [one for one in caller.assignments if everywhere(one.role) or one.place.organisation == organisation]
    if not here:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    owner, of = caller.id, f"approvals {id_text(organisation)}"
    start = position(after, owner=owner, of=of, pepper=deps.pepper) if after else None
    found, last = deps.store.of_organisation(organisation, after=start, limit=limit, now_seconds=now.seconds)
    more = make_cursor(last, owner=owner, of=of, pepper=deps.pepper) if last else None
    tree = deps.organisations.paths(organisation, {one.place.unit for one in found})
    if tree is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return [one for one in found if _sees(caller, one, tree, deps)], more


def page_of_platform(
    caller: Caller, *, after: str | None, limit: int, now: Instant, deps: ApprovalDependencies
) -> tuple[list[Approval], str | None]:
    """Return the pending approvals of all organisations that need a platform administrator, the next to lapse first.

    This takes one query. Raises ProtocolError invalid_cursor, and not_found for everybody but platform administrators.
    """
    if not any(everywhere(one.role) for one in caller.assignments):
        raise ProtocolError(ErrorCode.NOT_FOUND)
    owner, of = caller.id, "approvals of the platform"
    start = position(after, owner=owner, of=of, pepper=deps.pepper) if after else None
    found, last = deps.store.of_platform(after=start, limit=limit, now_seconds=now.seconds)
    more = make_cursor(last, owner=owner, of=of, pepper=deps.pepper) if last else None
    return [one for one in found if one.decision == "pending"], more


def _sees(caller: Caller, approval: Approval, tree: Tree | None, deps: ApprovalDependencies) -> bool:
    if approval.requested_by == caller.id:
        return True
    operation = deps.operations.get(approval.operation)
    seen = places_seen(caller, operation.permission) if operation else ()
    return tree is not None and any(covers(one, approval.place, tree) for one in seen)


def _to_decide(
    caller: Caller, id: ApprovalId, now: Instant, deps: ApprovalDependencies
) -> tuple[Approval, ApprovedOperation[Any], Assignment]:
    """Return an approval that the caller may decide. Raises ProtocolError not_found or own_request.

    An operation of an older deployment that this one does not know cannot be decided, only cancelled.
    """
    approval = deps.store.read(id, now_seconds=now.seconds)
    operation = deps.operations.get(approval.operation) if approval else None
    if approval is None or operation is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    if approval.requested_by == caller.id:  # a requester who may not approve gets the reason
        require(caller, _asked_by(operation), operation.asks, approval.place, deps.organisations)
        raise ProtocolError(ErrorCode.OWN_REQUEST)
    right = require(caller, operation.permission, "second", approval.place, deps.organisations)
    _check_pending(approval, now)
    return approval, operation, right


def _asked_by(operation: ApprovedOperation[Any]) -> Permission:
    return operation.asked_by or operation.permission


def _right_to_ask(
    caller: Caller, operation: ApprovedOperation[Parameters], parameters: Parameters, deps: ApprovalDependencies
) -> Assignment:
    """Return the assignment that lets the caller request this change. Raises ProtocolError not_found."""
    place, among = operation.place(parameters), operation.roles(parameters)
    return require(caller, _asked_by(operation), operation.asks, place, deps.organisations, among=among)


def _right_to_approve(
    caller: Caller, operation: ApprovedOperation[Parameters], parameters: Parameters, deps: ApprovalDependencies
) -> Assignment:
    """Return the assignment that lets the caller approve this change. Raises ProtocolError not_found."""
    place, among = operation.place(parameters), operation.roles(parameters)
    return require(caller, operation.permission, "second", place, deps.organisations, among=among)


def _check_pending(approval: Approval, now: Instant) -> None:
    if approval.state(now.seconds) != "pending":
        raise ProtocolError(ErrorCode.APPROVAL_STATE)


def _parameters(approval: Approval, operation: ApprovedOperation[Parameters]) -> Parameters:
    """Parse the stored parameters. Raises ProtocolError approval_state if this deployment does not understand them.

    It is also raised if the subject of the change has moved to another place since.
    """
    try:
        parameters = operation.model.model_validate_json(json.dumps(approval.parameters))
    except ValidationError:
        raise ProtocolError(ErrorCode.APPROVAL_STATE) from None
    if operation.place(parameters) != approval.place:
        raise ProtocolError(ErrorCode.APPROVAL_STATE)
    return parameters


def _requester(
    approval: Approval,
    operation: ApprovedOperation[Parameters],
    parameters: Parameters,
    now_seconds: int,
    deps: ApprovalDependencies,
) -> tuple[Caller, Assignment]:
    """Return the requester with their current roles, and the assignment that gives the right to request.

    Raises ProtocolError approval_state if the requester has lost the right.
    """
    known = deps.administrators.read(approval.requested_by)
    if known is not None:
        who, assignments = known
        live = tuple(one for one in assignments if one.in_force(now_seconds))
        requester = Caller(who, live, signed_in_at=approval.requested_at)
        try:
            return requester, _right_to_ask(requester, operation, parameters, deps)
        except ProtocolError:
            raise ProtocolError(ErrorCode.APPROVAL_STATE) from None
    raise ProtocolError(ErrorCode.APPROVAL_STATE)


def _close(
    caller: Caller,
    approval: Approval,
    decision: Literal["rejected", "cancelled"],
    *,
    right: Assignment | None = None,
    reason: str | None = None,
    now: Instant,
    deps: ApprovalDependencies,
) -> Approval:
    decided = deps.store.deciding(approval, decision, caller.id, now_seconds=now.seconds, reason=reason)
    beside = [decided, *deps.store.no_longer_pending(approval)]
    act = _act(f"{approval.operation}.{decision}", caller, right, approval, {"reason": reason} if reason else {})
    deps.by_right(act, right, now=now, beside=beside, otherwise=ErrorCode.APPROVAL_STATE)([])
    return _read(approval.id, now, deps)


def _digest(operation: str, asked_for: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps([operation, asked_for], sort_keys=True).encode()).digest()


def _check_not_the_same(failed: ConditionFailed) -> None:
    """Raise ProtocolError already_pending if the failure shows a pending request for the same change."""
    row = failed.row(NOBODY_ASKED)
    if row is not None:
        raise ProtocolError(ErrorCode.ALREADY_PENDING, details={"approval": base64url_text(same_as(row))})


def _read(id: ApprovalId, now: Instant, deps: ApprovalDependencies) -> Approval:
    approval = deps.store.read(id, now_seconds=now.seconds)
    if approval is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return approval


def _act(action: str, caller: Caller, right: Assignment | None, approval: Approval, details: Mapping[str, Any]) -> Act:
    return Act(
        action=action,
        actor=administrator_text(caller.id),
        role=right.role.value if right else None,
        organisation=approval.place.organisation,
        unit=approval.place.unit,
        case=base64url_text(approval.id),
        details=dict(details) | {"requested_by": administrator_text(approval.requested_by)},
    )
