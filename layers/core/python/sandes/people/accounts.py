"""Questions of a person's client about accounts: its own, another's devices, the account of a number, blocks."""

from __future__ import annotations

from sandes.identity.devices import Caller
from sandes.limits import Limit, enforce
from sandes.model.device import Account
from sandes.model.ids import AccountId, account_text, new_account_id
from sandes.model.instant import Instant
from sandes.model.standing import class_of
from sandes.people.codes import read_phone
from sandes.people.devices import DeviceDependencies
from sandes.policy import Action, Person, Viewer, decide
from sandes.protocol.client_api import (
    AccountKeys,
    DeviceEntry,
    DeviceKeys,
    DeviceList,
    Found,
    Me,
)
from sandes.protocol.errors import ErrorCode, ProtocolError


def me(caller: Caller, *, now: Instant, deps: DeviceDependencies) -> Me:
    """Return the caller's account. Raises ProtocolError revoked if the device is being unlinked."""
    routes = deps.routing.read(caller.account.id, now_seconds=now.seconds)
    route = routes.devices.get(caller.device.number) if routes else None
    if route is None:
        raise ProtocolError(ErrorCode.REVOKED)
    return Me(
        account=caller.account.id,
        device=caller.device.number,
        phone=deps.pepper.open_phone(caller.account.phone_sealed, caller.account.id),
        account_class=class_of(caller.account.standing_at(now.seconds)),
        created_at=caller.account.created_at,
        seal_key_number=route.seal_key.number,
    )


def list_devices(caller: Caller) -> DeviceList:
    return DeviceList(
        devices=[
            DeviceEntry(
                device=device.number,
                registration_id=device.registration,
                name=device.name,
                platform=device.platform,
                linked_at=device.linked_at,
                current=device.number == caller.device.number,
            )
            for device in sorted(caller.account.devices.values(), key=lambda device: device.linked_at)
        ]
    )


def keys(caller: Caller, account_id: AccountId, *, now: Instant, deps: DeviceDependencies) -> AccountKeys:
    """Return the devices to make copies for. Raises ProtocolError not_found unless the caller may write to the
    account.
    """
    account = _reached(caller, account_id, "message", now=now, deps=deps)
    return AccountKeys(
        account=account.id,
        devices=[
            DeviceKeys(device=device.number, registration_id=device.registration, identity_key=device.identity_key)
            for device in account.devices.values()
        ],
    )


def lookup(caller: Caller, phone_text: str, *, now: Instant, deps: DeviceDependencies) -> Found:
    """Find the account of a phone number. The limit is strict, because somebody could try all numbers.

    Raises ProtocolError invalid_phone, rate_limited, not_found.
    """
    phone = read_phone(phone_text)
    enforce(deps.limits, Limit.LOOKUPS, f"account:{account_text(caller.account.id)}", now=now)
    account = deps.directory.account_of_phone(deps.pepper.index("phone", phone)) or new_account_id()
    return Found(account=_reached(caller, account, "find_by_number", now=now, deps=deps).id)


def _reached(caller: Caller, id: AccountId, asked: Action, *, now: Instant, deps: DeviceDependencies) -> Account:
    """Return the account if the policy allows the caller this action. A refusal takes the same two reads.

    Raises ProtocolError not_found, also if there is no account.
    """
    now_seconds = now.seconds
    account, ties = deps.directory.account(id), deps.people.ties(id, caller.account.id, now_seconds=now.seconds)
    if account is not None:
        person = Person(
            account.standing_at(now_seconds),
            is_viewer=id == caller.account.id,
            blocks=ties.blocks,
            invites=ties.invites,
        )
        if decide(Viewer(caller.account.standing_at(now_seconds)), person, asked):
            return account
    raise ProtocolError(ErrorCode.NOT_FOUND)


def block(caller: Caller, other: AccountId, *, now: Instant, deps: DeviceDependencies) -> None:
    """Block an account: from now on its messages are refused as if this account did not exist. Any id may be blocked.

    Raises ProtocolError rate_limited, too_many_blocks, unavailable.
    """
    _enforce_blocks(caller, now, deps)
    if not deps.directory.block(owner=caller.account.id, blocked=other):
        raise ProtocolError(ErrorCode.TOO_MANY_BLOCKS)


def unblock(caller: Caller, other: AccountId, *, now: Instant, deps: DeviceDependencies) -> None:
    """Unblock an account. Raises ProtocolError rate_limited, unavailable."""
    _enforce_blocks(caller, now, deps)
    deps.directory.unblock(owner=caller.account.id, blocked=other)


def _enforce_blocks(caller: Caller, now: Instant, deps: DeviceDependencies) -> None:
    enforce(deps.limits, Limit.BLOCKS, f"account:{account_text(caller.account.id)}", now=now)
