"""Access resets: two officers reset an administrator's second factor, and the person can object (docs/adr/0038).

After the approval, a job that runs every minute does everything step by step, so that no interruption loses anything:
the e-mail to the person, a day's wait, then a new temporary password at the pool and no authenticator. Each step is
written to the reset's row and, in the same transaction, to the audit chain.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sandes.administration import approvals
from sandes.administration.approvals import ApprovalDependencies, ApprovedOperation, Decision, Write
from sandes.administration.authority import GRANTED_BY, Permission, grants, require
from sandes.administration.recorder import Acts, act
from sandes.administration.sign_in import AdministratorPool, fresh, sessions_from
from sandes.model.access_reset import OBJECTION_SECONDS, AccessReset
from sandes.model.administrator import Administrator, Assignment, Caller, Place, Role
from sandes.model.approval import Approval
from sandes.model.audit import SYSTEM, Act
from sandes.model.ids import AdministratorId, administrator_text, base64url_text
from sandes.model.instant import Instant
from sandes.protocol.admin_access_api import AskForAccessReset
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.fields import AdministratorField, OrganisationField, UnitField, Wire
from sandes.store.access_resets import AccessResetStore
from sandes.store.administrators import AdministratorStore
from sandes.store.dynamo import ConditionFailed, StoreUnavailable
from sandes.store.organisations import OrganisationStore
from sandes.store.transaction import Operation

JOB_SECONDS = 20.0
"""How long the job runs. The next run, a minute later, continues."""

_TRIES = 8
"""The most attempts. There are four steps, and each may meet a concurrent change."""

_ROLES = frozenset((Role.PLATFORM_ADMIN, Role.NODAL_OFFICER, Role.UNIT_ADMIN))

ANNOUNCEMENT = """Your access to the administration of Sandes is being reset.

Two officers have asked for it, because you are said to have lost the phone with your authenticator app. From {at} on \
your password and authenticator are replaced, and you are sent a temporary password to this address.

If you have not lost it, object before that: sign in and run `sandes-admin access object`. If you cannot sign in, have \
a nodal officer of your organisation take the reset back.
"""

CHANGED = """The authenticator of your access to the administration of Sandes was removed at your request.

The next sign-in asks for your password and sets up a new authenticator. If that was not you, tell a nodal officer of \
your organisation immediately.
"""


Failed = Callable[[Exception], None]


class StepsFailed(Exception):
    """Reports that the minute job could not make some steps. It raises the alarm that notifies operators."""


class Mailer(Protocol):
    """Sends e-mail to administrators."""

    def send(self, to: str, subject: str, text: str) -> None:
        """Send an e-mail. It may be sent twice if the answer is lost."""
        ...


@dataclass(frozen=True, slots=True)
class AccessDependencies(Acts):
    resets: AccessResetStore
    organisations: OrganisationStore
    pool: AdministratorPool
    mailer: Mailer
    outages: tuple[type[Exception], ...]
    """The exceptions that pool and mailer raise while they cannot be reached."""


class ResetAccess(Wire):
    """Holds the parameters of an approval of an access reset. The person works at `organisation` and `unit`."""

    administrator: AdministratorField
    organisation: OrganisationField
    unit: UnitField
    reason: str


@dataclass(frozen=True, slots=True)
class Resetting(ApprovedOperation[ResetAccess]):
    """Executes `access.reset`. Both people must be able to grant each role of the person, or be platform
    administrators.
    """

    resets: AccessResetStore
    administrators: AdministratorStore
    organisations: OrganisationStore
    can_mail: bool
    permission = Permission.ACCESS
    model = ResetAccess

    def place(self, parameters: ResetAccess) -> Place:
        person, _ = _person(parameters.administrator, self.administrators)
        return person.home

    def roles(self, parameters: ResetAccess) -> Collection[Role]:
        _, held = _person(parameters.administrator, self.administrators)
        return _may_reset(held)

    def asked_for(self, parameters: ResetAccess) -> dict[str, Any]:
        return parameters.model_dump(mode="json", exclude={"reason"})

    def check(self, parameters: ResetAccess, by: Caller, *, now_seconds: int) -> None:
        """Check the request.

        Raises ProtocolError fresh_sign_in_required, own_access, role_above_own, access_reset_pending, mail_not_set_up.
        """
        fresh(by, now_seconds=now_seconds)
        if not self.can_mail:
            raise ProtocolError(ErrorCode.MAIL_NOT_SET_UP)
        if by.id == parameters.administrator:
            raise ProtocolError(ErrorCode.OWN_ACCESS)
        _, held = _person(parameters.administrator, self.administrators)
        live = [one for one in held if one.in_force(now_seconds)]
        if Role.PLATFORM_ADMIN not in by.roles and not all(self._may_take(by, one) for one in live):
            raise ProtocolError(ErrorCode.ROLE_ABOVE_OWN)
        if self.resets.read(parameters.administrator):
            raise ProtocolError(ErrorCode.ACCESS_RESET_PENDING)

    def _may_take(self, by: Caller, held: Assignment) -> bool:
        among = GRANTED_BY[held.role]
        return grants(by, Permission.ROLES, "second", held.place, self.organisations, among=among) is not None

    def carry_out(self, parameters: ResetAccess, decision: Decision, write: Write) -> None:
        """Begin the reset. Raises ProtocolError access_reset_pending."""
        begun = AccessReset(
            administrator=parameters.administrator,
            place=decision.approval.place,
            approval=decision.approval.id,
            requested_by=decision.approval.requested_by,
            approved_by=decision.approver.id,
            approved_at=decision.now.seconds,
        )
        try:
            write([self.resets.putting(begun)], subject=administrator_text(parameters.administrator))
        except ConditionFailed:
            raise ProtocolError(ErrorCode.ACCESS_RESET_PENDING) from None


def ask(
    caller: Caller, id: AdministratorId, body: AskForAccessReset, *, now: Instant, deps: ApprovalDependencies
) -> Approval:
    """Request a reset. Raises ProtocolError not_found without the right, and the errors of `Resetting.check`."""
    person, _ = _person(id, deps.administrators)
    wanted = ResetAccess(
        administrator=id, organisation=person.home.organisation, unit=person.home.unit, reason=body.reason
    )
    return approvals.request(caller, "access.reset", wanted, now=now, deps=deps)


def read(caller: Caller, id: AdministratorId, *, deps: AccessDependencies) -> AccessReset:
    """Return the current reset. Raises ProtocolError not_found."""
    reset = deps.resets.read(id)
    if reset is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    require(caller, Permission.ACCESS, "read", reset.place, deps.organisations)
    return reset


def confirm(caller: Caller, id: AdministratorId, *, now: Instant, deps: AccessDependencies) -> AccessReset:
    """End the wait, as a platform administrator who is neither of the two officers nor the person.

    Raises ProtocolError not_found, fresh_sign_in_required, own_request, own_access, access_reset_state.
    """
    reset = deps.resets.read(id)
    if reset is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    among = frozenset((Role.PLATFORM_ADMIN,))
    right = require(caller, Permission.ACCESS, "second", reset.place, deps.organisations, among=among)
    fresh(caller, now_seconds=now.seconds)
    if caller.id == id:
        raise ProtocolError(ErrorCode.OWN_ACCESS)
    if caller.id in {reset.requested_by, reset.approved_by}:
        raise ProtocolError(ErrorCode.OWN_REQUEST)
    if not reset.can_be_stopped or reset.confirmed_by:
        raise ProtocolError(ErrorCode.ACCESS_RESET_STATE)
    now_seconds = now.seconds
    effective_at = None if reset.effective_at is None else min(reset.effective_at, now_seconds)
    moving = deps.resets.moving(reset, due_at=now_seconds, confirmed_by=caller.id, effective_at=effective_at)
    _write(caller, right, "access.confirm", reset, [moving], now=now, deps=deps)
    return deps.resets.read(id) or reset


def withdraw(caller: Caller, id: AdministratorId, *, now: Instant, deps: AccessDependencies) -> None:
    """Withdraw a reset, as anybody who may reset access. Raises ProtocolError not_found, access_reset_state."""
    reset = deps.resets.read(id)
    if reset is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    right = require(caller, Permission.ACCESS, "second", reset.place, deps.organisations)
    if not reset.can_be_stopped:
        raise ProtocolError(ErrorCode.ACCESS_RESET_STATE)
    _write(caller, right, "access.withdraw", reset, [deps.resets.ending(reset)], now=now, deps=deps)


def object_to(caller: Caller, *, now: Instant, deps: AccessDependencies) -> None:
    """Stop the caller's own reset. Do nothing without one. Raises ProtocolError access_reset_state."""
    reset = deps.resets.read(caller.id)
    if reset is None:
        return
    if not reset.can_be_stopped:
        raise ProtocolError(ErrorCode.ACCESS_RESET_STATE)
    what = _of(reset, "access.object", administrator_text(caller.id))
    try:
        deps.recorder.writer(what, now=now)([deps.resets.ending(reset)])
    except ConditionFailed:  # announced, confirmed, withdrawn or begun at the same moment
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1) from None


def replace_own_authenticator(caller: Caller, *, clock: Callable[[], Instant], deps: AccessDependencies) -> None:
    """Remove the caller's own authenticator after a fresh sign-in with it. The next sign-in sets up another one.

    The act is recorded before anything is done, and the person gets an e-mail. Afterwards, every token of earlier
    sessions is refused. Raises ProtocolError fresh_sign_in_required.
    """
    began = clock()
    fresh(caller, now_seconds=began.seconds)
    home, text = caller.administrator.home, administrator_text(caller.id)
    what = Act(
        action="access.authenticator",
        actor=text,
        role=None,
        organisation=home.organisation,
        unit=home.unit,
        subject=text,
    )
    deps.recorder.record(what, now=began)
    deps.mailer.send(caller.administrator.email, "Your authenticator was removed", CHANGED)
    deps.pool.remove_authenticator(caller.id)
    deps.administrators.write([_ending_sessions(caller.id, clock(), deps)])


# The minute job


def work(
    *, clock: Callable[[], Instant], deps: AccessDependencies, elapsed: Callable[[], float], failed: Failed
) -> int:
    """Make the next step of each due reset. Return the number of steps.

    `failed` is called for a step that fails, which is due again a minute later. The others continue.
    """
    passing: tuple[type[Exception], ...] = (*deps.outages, StoreUnavailable, ProtocolError)
    began, done = elapsed(), 0
    for page in deps.resets.due(now_seconds=clock().seconds):
        for id in page:
            try:
                done += _steps(id, clock, deps)
            except passing as error:
                failed(error)  # one person's e-mail must not delay the others
            if elapsed() - began > JOB_SECONDS:
                return done
    return done


def _steps(id: AdministratorId, clock: Callable[[], Instant], deps: AccessDependencies) -> int:
    """Make all steps of a reset that are due now. Return their number."""
    done = 0
    for _ in range(_TRIES):
        reset = deps.resets.read(id)
        if reset is None:
            break
        try:
            if not _step(reset, clock, deps):
                break
        except ConditionFailed:  # objected to, withdrawn or confirmed at the same moment: read it again
            continue
        done += 1
    return done


def _step(reset: AccessReset, clock: Callable[[], Instant], deps: AccessDependencies) -> bool:
    """Make one step. Return False if it is too early. Raises ConditionFailed."""
    now, known = clock(), deps.administrators.read(reset.administrator)
    now_seconds = now.seconds
    if known is None:
        _write_by_itself(reset, "access.end", [deps.resets.ending(reset)], now, deps)
        return True
    person, _ = known
    if reset.state == "announcing":
        effective_at = now_seconds if reset.confirmed_by else now_seconds + OBJECTION_SECONDS
        deps.mailer.send(person.email, "Your access is being reset", ANNOUNCEMENT.format(at=_time(effective_at)))
        moving = deps.resets.moving(reset, due_at=effective_at, state="waiting", effective_at=effective_at)
        _write_by_itself(reset, "access.announce", [moving], now, deps, effective_at=effective_at)
    elif reset.state == "waiting":
        if reset.effective_at is None or reset.effective_at > now_seconds:
            return False
        moving = deps.resets.moving(reset, due_at=now_seconds, state="acting")
        _write_by_itself(reset, "access.replace", [moving], now, deps)
    elif reset.state == "acting":
        deps.pool.lock_out(reset.administrator)
        moving = deps.resets.moving(reset, due_at=now_seconds, state="inviting")
        ended = _ending_sessions(reset.administrator, clock(), deps)  # old credentials are useless now
        _write_by_itself(reset, "access.locked", [moving, ended], now, deps)
    else:
        deps.pool.invite_again(reset.administrator, person.email)
        _write_by_itself(reset, "access.done", [deps.resets.ending(reset)], now, deps)
    return True


def _ending_sessions(id: AdministratorId, now: Instant, deps: AccessDependencies) -> Operation:
    return deps.administrators.ending_sessions(id, sessions_from=sessions_from(now))


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %B %Y, %H:%M UTC")


def _of(reset: AccessReset, action: str, actor: str, **details: Any) -> Act:
    return Act(
        action=action,
        actor=actor,
        role=None,
        organisation=reset.place.organisation,
        unit=reset.place.unit,
        subject=administrator_text(reset.administrator),
        case=base64url_text(reset.approval),
        details=details,
    )


def _write_by_itself(
    reset: AccessReset,
    action: str,
    operations: Sequence[Operation],
    now: Instant,
    deps: AccessDependencies,
    **details: Any,
) -> None:
    """Write a step of the system. Raises ConditionFailed."""
    deps.recorder.writer(_of(reset, action, SYSTEM, **details), now=now)(operations)


def _write(
    caller: Caller,
    right: Assignment,
    action: str,
    reset: AccessReset,
    operations: Sequence[Operation],
    *,
    now: Instant,
    deps: AccessDependencies,
) -> None:
    what = act(caller, right, action, reset.place, administrator_text(reset.administrator))
    try:
        deps.by_right(what, right, now=now)(operations)
    except ConditionFailed:  # changed at the same moment
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1) from None


def _person(id: AdministratorId, administrators: AdministratorStore) -> tuple[Administrator, list[Assignment]]:
    """Return the person and their assignments. Raises ProtocolError not_found."""
    known = administrators.read(id)
    if known is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return known


def _may_reset(held: Collection[Assignment]) -> frozenset[Role]:
    """Return the roles that may reset the person: those that may grant all of their roles, and platform
    administrators.
    """
    allowed = frozenset(_ROLES)
    for one in held:
        allowed &= GRANTED_BY[one.role] | {Role.PLATFORM_ADMIN}
    return allowed
