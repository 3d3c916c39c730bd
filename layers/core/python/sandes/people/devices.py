"""Devices of an account: registration with a phone number, linking, unlinking, seal keys, change of number.

This module implements docs/protocol/README.md, "Registration" and "Devices".
"""

from __future__ import annotations

from dataclasses import dataclass

from sandes.crypto import statements
from sandes.crypto.pepper import Pepper
from sandes.crypto.seal import check_seal_key
from sandes.crypto.statements import (
    Actor,
    act_statement,
    link_id,
    registration_statement,
    seal_key_statement,
    signed_by,
)
from sandes.identity.devices import Caller
from sandes.identity.signed_acts import Signed, check_act, check_time
from sandes.limits import Limit, enforce
from sandes.model.challenge import Challenge, Outcome
from sandes.model.device import MAX_DEVICES, Account, Device, SealKey
from sandes.model.ids import (
    MAX_DEVICE_NUMBER,
    AccountId,
    ConnectionId,
    DeviceAddress,
    DeviceNumber,
    account_text,
    base64url_text,
    new_account_id,
    new_inbox_id,
    new_registration_id,
)
from sandes.model.imports import Nomination
from sandes.model.instant import Instant
from sandes.model.phone import PhoneNumber
from sandes.people.codes import CodeDependencies, challenged_phone, check_code
from sandes.ports.notices import DeviceChanges
from sandes.ports.queues import Queue
from sandes.ports.sockets import Pusher
from sandes.protocol.client_api import (
    ChangePhone,
    LinkDevice,
    LinkOpened,
    NewDevice,
    OpenLink,
    Registered,
    SignedSealKey,
    VerifyRegistration,
)
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.protocol.faults import fault
from sandes.protocol.frames import Revoked, render
from sandes.races import Raced, retry_raced
from sandes.store.codes import ChallengeChanged, CodeStore
from sandes.store.directory import DirectoryStore
from sandes.store.enrolment import EnrolmentRaced, EnrolmentStore
from sandes.store.limits import LimitStore
from sandes.store.people import PeopleView
from sandes.store.routing import RoutingStore
from sandes.store.verification_requests import VerificationRequestStore

LINK_SECONDS = 600

LINK_ATTEMPTS = 3
"""The attempts to use a link. The signature is checked first, so only holders of the link's secret use them up."""

TOLD_AFTER_SECONDS = 1
"""The delay of a queue entry, long enough for the account to be written."""

QUEUED_NUMBER = b"registered number"
"""The context to which the number in an entry of the import queue is encrypted."""

ORPHAN_SECONDS = 120
"""A nominated number that has no account after this time belongs to a failed registration."""


@dataclass(frozen=True, slots=True)
class DeviceDependencies:
    directory: DirectoryStore
    routing: RoutingStore
    enrolment: EnrolmentStore
    codes: CodeDependencies
    pusher: Pusher
    device_changes: DeviceChanges
    imports: Queue
    """The queue of the function that verifies people who were nominated before they registered."""

    @property
    def pepper(self) -> Pepper:
        return self.codes.pepper

    @property
    def people(self) -> PeopleView:
        return PeopleView(self.routing, self.directory)

    @property
    def requests(self) -> VerificationRequestStore:
        return VerificationRequestStore(self.directory.client, self.directory.table)

    @property
    def limits(self) -> LimitStore:
        return self.codes.limits

    @property
    def code_store(self) -> CodeStore:
        return self.codes.codes


def register(id: str, body: VerifyRegistration, *, now: Instant, deps: DeviceDependencies) -> Registered:
    """Create an account with a first device, or make this device the only one of the number's account.

    A repeated request with the same code and key gets the same answer. Raises ProtocolError bad_key, bad_signature,
    suspended, and the errors of `check_code`.
    """
    _check_new_device(body.device, id)
    challenge = check_code(id, body.code, "register", now=now, deps=deps.codes)
    index = deps.pepper.index("phone", challenged_phone(challenge, deps.codes))

    def attempt() -> Registered:
        nonlocal challenge
        if challenge.used:
            return _repeated(challenge, body.device, otherwise=ErrorCode.CODE_USED)
        number = deps.enrolment.nominations.number(index)
        account = deps.directory.account(number.account) if number.account else None
        try:
            if account and account.suspension:
                raise ProtocolError(ErrorCode.SUSPENDED)
            if account is None:
                return _register_new(challenge, body.device, number.nomination, now, deps)
            return _register_again(account, challenge, body.device, now, deps)
        except EnrolmentRaced:
            challenge = _read_again(challenge, now, deps)
            raise Raced from None

    return retry_raced(attempt)


def _register_new(
    challenge: Challenge, new: NewDevice, nomination: Nomination | None, now: Instant, deps: DeviceDependencies
) -> Registered:
    account_id = new_account_id()
    device = _device(account_id, DeviceNumber(1), new, now)
    phone = challenged_phone(challenge, deps.codes)
    indexes = deps.pepper.written("phone", phone)
    account = Account(
        id=account_id,
        phone_index=indexes[0],
        phone_sealed=deps.pepper.seal_phone(phone, account_id),
        created_at=now.seconds,
        last_device=device.number,
        devices={device.number: device},
    )
    _tell_of_registration(phone, nomination, now, deps)
    deps.enrolment.create(account, device, _seal_key(new.seal_key), challenge, indexes=indexes, seen=nomination)
    return _registered(device)


def _tell_of_registration(
    phone: PhoneNumber, nomination: Nomination | None, now: Instant, deps: DeviceDependencies
) -> None:
    """Queue the verification of a nominated number, before the account exists, so that it cannot be forgotten.

    The worker waits for the account (docs/adr/0013).
    """
    if nomination and nomination.in_force(now.seconds):
        number = base64url_text(deps.pepper.seal_phone(phone, QUEUED_NUMBER))
        entry = {"number": number, "until": now.seconds + ORPHAN_SECONDS}
        deps.imports.send(entry, delay_seconds=TOLD_AFTER_SECONDS)


def _register_again(
    account: Account, challenge: Challenge, new: NewDevice, now: Instant, deps: DeviceDependencies
) -> Registered:
    """Give the account to the new holder of its number. Its former devices lose it.

    Senders see the change, and the account's groups are notified.
    """
    before = deps.routing.read(account.id, now_seconds=now.seconds)
    device = _device(account.id, _free_number(account), new, now)
    with deps.device_changes(device, there=True, now=now):
        deps.enrolment.replace(account, device, _seal_key(new.seal_key), challenge, now_seconds=now.seconds)
    for route in before.devices.values() if before else ():
        _close(route.connection, Revoked(reason="replaced"), deps.pusher)
    return _registered(device)


def open_link(
    caller: Caller, body: OpenLink, signed: Signed | None, *, now: Instant, deps: DeviceDependencies
) -> LinkOpened:
    """Let the holder of a link's secret key join the account within ten minutes. The server has only the public key.

    Opening the same link again gets the same answer. Raises ProtocolError too_many_devices, rate_limited, link_invalid
    for a key that was used for another link, and the errors of `check_act`.
    """
    check_act(caller, statements.open_link(body.link), signed, now=now)
    enforce(deps.limits, Limit.LINKS, f"account:{account_text(caller.account.id)}", now=now)
    _check_room(caller.account)
    id, secret = link_id(body.link), base64url_text(body.link)
    subject = str(Outcome(DeviceAddress(caller.account.id, caller.device.number), caller.device.registration))
    expires_at = now.seconds + LINK_SECONDS
    challenge = Challenge(
        id=id,
        purpose="link",
        subject=subject,
        phone_sealed=None,
        hash=deps.pepper.code_hash(code=secret, challenge=id, subject=subject, purpose="link"),
        attempts_left=LINK_ATTEMPTS,
        sends=1,
        code_expires_at=expires_at,
        resend_after=expires_at,
        expires_at=expires_at,
    )
    try:
        deps.code_store.create(challenge)
    except ChallengeChanged as changed:
        there = changed.challenge
        if there is None or (there.purpose, there.subject) != ("link", subject) or there.expires_at <= now.seconds:
            raise ProtocolError(ErrorCode.LINK_INVALID) from None
        expires_at = there.expires_at
    return LinkOpened(id=id, expires_at=expires_at)


def link(body: LinkDevice, *, now: Instant, deps: DeviceDependencies) -> Registered:
    """Add a device to the account whose device opened the link. A repeated request gets the same answer.

    Raises ProtocolError bad_key, bad_signature, clock_skew, link_invalid, too_many_devices.
    """
    _check_joining(body, now)
    try:
        challenge = check_code(link_id(body.link), base64url_text(body.link), "link", now=now, deps=deps.codes)
    except ProtocolError as error:
        raise ProtocolError(ErrorCode.LINK_INVALID) from error
    if Outcome.parse(challenge.subject).address.account != body.account:
        raise ProtocolError(ErrorCode.LINK_INVALID)

    def attempt() -> Registered:
        nonlocal challenge
        if challenge.used:
            return _repeated(challenge, body.device, otherwise=ErrorCode.LINK_INVALID)
        account, opener = _opener(challenge, deps)
        _check_room(account)
        device = _device(account.id, _free_number(account), body.device, now)
        try:
            deps.enrolment.link(account, opener, device, _seal_key(body.device.seal_key), challenge)
            return _registered(device)
        except EnrolmentRaced:
            challenge = _read_again(challenge, now, deps)
            raise Raced from None

    return retry_raced(attempt)


def _check_joining(body: LinkDevice, now: Instant) -> None:
    """Check that the link's key and the new device's key have both signed that this device joins this account."""
    new = body.device
    act = statements.add_device(new.identity_key, body.link)
    statement = act_statement(act, Actor(body.account, device=0, registration=0), at_ms=body.at)
    if not signed_by(body.link, statement, body.signature):
        raise ProtocolError(ErrorCode.BAD_SIGNATURE, details=_fault("/signature"))
    if not signed_by(new.identity_key, statement, new.proof):
        raise ProtocolError(ErrorCode.BAD_SIGNATURE, details=_fault("/device/proof"))
    check_time(body.at, now=now)
    _check_seal_key(new.identity_key, new.seal_key, "/device/seal_key")


def _opener(challenge: Challenge, deps: DeviceDependencies) -> tuple[Account, Device]:
    """Return the account of a link and the device that opened it. A link ends with this device."""
    by = Outcome.parse(challenge.subject)
    account = deps.directory.account(by.address.account)
    device = account.devices.get(by.address.device) if account else None
    if account is None or device is None or device.registration != by.registration or account.suspension:
        raise ProtocolError(ErrorCode.LINK_INVALID)
    return account, device


def unlink(
    caller: Caller, number: DeviceNumber, signed: Signed | None, *, now: Instant, deps: DeviceDependencies
) -> None:
    """Revoke a device of the caller's account: nothing more is sealed to it, and its token and socket end.

    The signature names the device's registration, so it cannot revoke another device that gets the number later. Raises
    ProtocolError not_found, and the errors of `check_act`.
    """
    device = caller.account.devices.get(number)
    if device is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    check_act(caller, statements.remove_device(device.number, device.registration), signed, now=now)
    before = deps.routing.read(caller.account.id, now_seconds=now.seconds)
    if before is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    try:
        with deps.device_changes(device, there=False, now=now):
            deps.enrolment.unlink(device, now_seconds=now.seconds)
    except EnrolmentRaced:
        raise ProtocolError(ErrorCode.NOT_FOUND) from None
    route = before.devices.get(number)
    _close(route.connection if route else None, Revoked(reason="unlinked"), deps.pusher)


def rotate_seal_key(caller: Caller, key: SignedSealKey, *, deps: DeviceDependencies) -> None:
    """Replace the device's seal key for all later envelopes. The number of a replayed older key makes it invalid.

    Raises ProtocolError bad_key, bad_signature, stale_key.
    """
    _check_seal_key(caller.device.identity_key, key, "")
    address = DeviceAddress(caller.account.id, caller.device.number)
    if not deps.routing.rotate_seal_key(address, caller.device.registration, _seal_key(key)):
        raise ProtocolError(ErrorCode.STALE_KEY)


def change_phone(
    caller: Caller, body: ChangePhone, signed: Signed | None, *, now: Instant, deps: DeviceDependencies
) -> None:
    """Move the account to the number that the code was sent to. A repeated request does nothing more.

    Raises ProtocolError phone_taken, invalid_request for a number that is not the registration's, and the errors of
    `check_act` and `check_code`.
    """
    check_act(caller, statements.change_phone(body.registration, body.phone), signed, now=now)
    challenge = check_code(body.registration, body.code, "change_phone", now=now, deps=deps.codes)
    if challenge.used:
        if challenge.used_by != caller.device.identity_key:
            raise ProtocolError(ErrorCode.CODE_USED)
        return
    phone = challenged_phone(challenge, deps.codes)
    if body.phone != phone:
        raise invalid(ErrorCode.INVALID_REQUEST, "/phone", "not_accepted")
    indexes = deps.pepper.written("phone", phone)
    number = deps.enrolment.nominations.number(indexes[0])
    if number.account == caller.account.id:
        return
    if number.account is not None:
        raise ProtocolError(ErrorCode.PHONE_TAKEN)
    _tell_of_registration(phone, number.nomination, now, deps)
    before = deps.pepper.open_phone(caller.account.phone_sealed, caller.account.id)
    try:
        deps.enrolment.change_phone(
            caller.account,
            caller.device,
            indexes=indexes,
            phone_sealed=deps.pepper.seal_phone(phone, caller.account.id),
            left=deps.pepper.indexes("phone", before),
            challenge=challenge,
            seen=number.nomination,
        )
    except EnrolmentRaced:
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1) from None


def _check_new_device(new: NewDevice, subject: str) -> None:
    if not signed_by(new.identity_key, registration_statement(subject, new.identity_key), new.proof):
        raise ProtocolError(ErrorCode.BAD_SIGNATURE, details=_fault("/device/proof"))
    _check_seal_key(new.identity_key, new.seal_key, "/device/seal_key")


def _check_seal_key(identity_key: bytes, key: SignedSealKey, pointer: str) -> None:
    """Check a seal key, which is at `pointer` in the request's body. Raises ProtocolError bad_signature or bad_key."""
    if not signed_by(identity_key, seal_key_statement(key.number, key.public), key.signature):
        raise ProtocolError(ErrorCode.BAD_SIGNATURE, details=_fault(f"{pointer}/signature"))
    try:
        check_seal_key(key.public)
    except ValueError:
        raise ProtocolError(ErrorCode.BAD_KEY, details=_fault(f"{pointer}/public")) from None


def _fault(pointer: str) -> dict[str, list[dict[str, str]]]:
    return {"errors": [fault(pointer, "not_accepted")]}


def _check_room(account: Account) -> None:
    if len(account.devices) >= MAX_DEVICES:
        raise ProtocolError(ErrorCode.TOO_MANY_DEVICES)


def _free_number(account: Account) -> DeviceNumber:
    """Return the next number after the last one assigned, in a circle, so that a number is reused as late as
    possible.
    """
    number = account.last_device
    while True:
        number = DeviceNumber(number % MAX_DEVICE_NUMBER + 1)
        if number not in account.devices:
            return number


def _device(account: AccountId, number: DeviceNumber, new: NewDevice, now: Instant) -> Device:
    return Device(
        account=account,
        number=number,
        registration=new_registration_id(),
        inbox=new_inbox_id(),
        identity_key=new.identity_key,
        name=new.name,
        platform=new.platform,
        linked_at=now.seconds,
    )


def _seal_key(key: SignedSealKey) -> SealKey:
    return SealKey(key.number, key.public)


def _registered(device: Device) -> Registered:
    return Registered(account=device.account, device=device.number, registration_id=device.registration)


def _repeated(challenge: Challenge, new: NewDevice, *, otherwise: ErrorCode) -> Registered:
    """Return the earlier answer to the holder of the same key. Raises ProtocolError `otherwise` for anybody else."""
    if challenge.outcome is None or challenge.used_by != new.identity_key:
        raise ProtocolError(otherwise)
    made = challenge.outcome
    return Registered(account=made.address.account, device=made.address.device, registration_id=made.registration)


def _read_again(challenge: Challenge, now: Instant, deps: DeviceDependencies) -> Challenge:
    """Read the challenge again after a lost race. Raises ProtocolError code_expired if its code was replaced
    meanwhile.
    """
    current = deps.code_store.read(challenge.id, purpose=challenge.purpose, now_seconds=now.seconds)
    if current is None or current.hash != challenge.hash:
        raise ProtocolError(ErrorCode.CODE_EXPIRED)
    return current


def _close(connection: ConnectionId | None, last_word: Revoked, pusher: Pusher) -> None:
    if connection is not None:
        pusher.post(connection, render(last_word))
        pusher.close(connection)
