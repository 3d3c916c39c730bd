"""Suspends accounts and unlinks all their devices (docs/adr/0028).

An organisation suspends its officials, and the platform suspends accounts that no organisation verifies. Organisations
may verify anybody, so a verification of their own making is not enough: see `_subject` and `_may_resume`.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

from sandes.administration.authority import Permission, grants, require
from sandes.administration.people.officials import PeopleDependencies, place_of, suspension_shown
from sandes.administration.recorder import act
from sandes.model.administrator import PLATFORM, Assignment, Caller, Place
from sandes.model.device import Account
from sandes.model.ids import AccountId, ConnectionId, account_text
from sandes.model.instant import Instant
from sandes.model.suspension import Suspension
from sandes.model.verification import Verification
from sandes.ports.notices import DeviceChanges
from sandes.ports.sockets import Pusher
from sandes.protocol.admin_people_api import DevicesReset, SuspensionState
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Error, Revoked, ServerFrame, render
from sandes.races import retry_raced
from sandes.store.suspensions import SuspensionRaced, SuspensionStore
from sandes.store.verifications import VerificationRaced


@dataclass(frozen=True, slots=True)
class SuspensionDependencies:
    people: PeopleDependencies
    suspensions: SuspensionStore
    pusher: Pusher
    device_changes: DeviceChanges


def suspend(
    caller: Caller, id: AccountId, reason: str, *, now: Instant, deps: SuspensionDependencies
) -> SuspensionState:
    """Suspend an account. From then on its tokens are refused, its sockets are closed, and messages to it wait.

    Repeating it does nothing more, for callers who may end the suspension. Raises ProtocolError not_found,
    verified_lately, already_suspended (by somebody else), unavailable.
    """

    def attempt() -> Account:
        account, verification, place, right = _subject(caller, id, now, deps)
        if account.suspension:
            if _may_resume(caller, account.suspension, verification, now, deps) is None:
                raise ProtocolError(ErrorCode.ALREADY_SUSPENDED)
            return account
        suspension = Suspension(place.organisation, place.unit, now.seconds, reason)
        did = act(caller, right, "person.suspend", place, account_text(id), reason=reason)
        writer = deps.people.by_right(did, right, now=now)
        unchanged = deps.people.verifications.store.unchanged(id, verification)
        replace(deps.suspensions, writer=writer).suspend(id, suspension, beside=[unchanged])
        return replace(account, suspension=suspension)

    account = retry_raced(attempt, on=(SuspensionRaced, VerificationRaced))
    _close(id, Error(code=ErrorCode.SUSPENDED, message=ErrorCode.SUSPENDED.text), now, deps)
    return SuspensionState(account=id, suspended=suspension_shown(account.suspension))


def resume(caller: Caller, id: AccountId, *, now: Instant, deps: SuspensionDependencies) -> SuspensionState:
    """End a suspension, at the place that made it.

    The platform may also end one whose organisation no longer verifies the account. Repeating it does nothing more.
    Raises ProtocolError not_found, unavailable.
    """

    def attempt() -> None:
        account = deps.people.verifications.directory.account(id)
        if account is None or account.suspension is None:
            _standing(caller, id, now, deps)
            return
        verification = deps.people.verifications.store.read(id)
        found = _may_resume(caller, account.suspension, verification, now, deps)
        if found is None:
            raise ProtocolError(ErrorCode.NOT_FOUND)
        right, place = found
        unchanged = deps.people.verifications.store.unchanged(id, verification)
        did = act(caller, right, "person.resume", place, account_text(id))
        writer = deps.people.by_right(did, right, now=now)
        replace(deps.suspensions, writer=writer).resume(id, account.suspension, beside=[unchanged])

    retry_raced(attempt, on=(SuspensionRaced, VerificationRaced))
    return SuspensionState(account=id)


def reset_devices(caller: Caller, id: AccountId, *, now: Instant, deps: SuspensionDependencies) -> DevicesReset:
    """Unlink all devices: nothing more is sealed to them, their tokens and sockets end, and groups are notified.

    The number's holder must register again and be verified again. Raises ProtocolError not_found, verified_lately,
    unavailable.
    """

    def attempt() -> int:
        account, verification, place, right = _subject(caller, id, now, deps)
        devices = list(account.devices.values())
        did = act(caller, right, "person.reset_devices", place, account_text(id), devices=len(devices))
        writer = deps.people.by_right(did, right, now=now)
        unchanged = deps.people.verifications.store.unchanged(id, verification)
        connections = _connections(id, now, deps)
        with ExitStack() as told:
            for device in devices:
                told.enter_context(deps.device_changes(device, there=False, now=now))
            replace(deps.suspensions, writer=writer).unlink_all(account, now_seconds=now.seconds, beside=[unchanged])
        for connection in connections:
            _say(connection, Revoked(reason="unlinked"), deps)
        return len(devices)

    return DevicesReset(account=id, devices=retry_raced(attempt, on=(SuspensionRaced, VerificationRaced)))


def _subject(
    caller: Caller, id: AccountId, now: Instant, deps: SuspensionDependencies
) -> tuple[Account, Verification | None, Place, Assignment]:
    """Return the account, its verification, and the place where the caller needs the right.

    This is the organisation that verifies the account, or else the platform. A verification counts once the person has
    requested it or has had time to notice it. Until then the organisation can end it, and the platform can suspend.
    Raises ProtocolError not_found, verified_lately.
    """
    found = _standing(caller, id, now, deps)
    _, verification, place, _ = found
    if verification and place == place_of(verification) and not verification.settled(now.seconds):
        raise ProtocolError(ErrorCode.VERIFIED_LATELY)
    return found


def _standing(
    caller: Caller, id: AccountId, now: Instant, deps: SuspensionDependencies
) -> tuple[Account, Verification | None, Place, Assignment]:
    """Return the same as `_subject`, also for a recent verification. Raises ProtocolError not_found."""
    known = deps.people.verifications
    account, verification = known.directory.account(id), known.store.read(id)
    if account is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    stands = verification is not None and verification.in_force(now.seconds)
    place = place_of(verification) if verification and stands else Place.root(PLATFORM)
    return account, verification, place, require(caller, Permission.SUSPENSION, "act", place, deps.people.organisations)


def _may_resume(
    caller: Caller,
    suspension: Suspension,
    verification: Verification | None,
    now: Instant,
    deps: SuspensionDependencies,
) -> tuple[Assignment, Place] | None:
    """Return the right to end a suspension, and its place: the unit that made it, or the platform.

    The platform may not end it if the organisation has verified the account without a gap since the suspension. A
    verification that was ended and made again does not count.
    """
    organisations = deps.people.organisations
    stands = (
        verification is not None
        and verification.in_force(now.seconds)
        and verification.organisation == suspension.organisation
        and verification.first_issued_at <= suspension.at
    )
    for place in (_place(suspension), *(() if stands else (Place.root(PLATFORM),))):
        if right := grants(caller, Permission.SUSPENSION, "act", place, organisations):
            return right, place
    return None


def _place(suspension: Suspension) -> Place:
    return Place(suspension.organisation, suspension.unit)


def _connections(id: AccountId, now: Instant, deps: SuspensionDependencies) -> list[ConnectionId]:
    routes = deps.people.verifications.store.routing.read(id, now_seconds=now.seconds)
    return [route.connection for route in routes.devices.values() if route.connection] if routes else []


def _close(id: AccountId, last_word: ServerFrame, now: Instant, deps: SuspensionDependencies) -> None:
    """Close the sockets after the write. Later `hello`s are refused, and all earlier ones are found here."""
    for connection in _connections(id, now, deps):
        _say(connection, last_word, deps)


def _say(connection: ConnectionId, last_word: ServerFrame, deps: SuspensionDependencies) -> None:
    deps.pusher.post(connection, render(last_word))
    deps.pusher.close(connection)
