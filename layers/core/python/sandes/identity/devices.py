"""Identifies the device of a token, for the `$connect` authorizer and every call of the client API."""

from __future__ import annotations

from dataclasses import dataclass

from sandes.crypto.tokens import TokenExpired, TokenInvalid, claimed_device, verify_token
from sandes.model.device import Account, Device
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.directory import DirectoryStore


@dataclass(frozen=True, slots=True)
class Caller:
    account: Account
    device: Device


def authenticate(token: str, *, audience: str, now: Instant, directory: DirectoryStore) -> Caller:
    """Identify the device of a token with one query and one signature check.

    If the token is not that of a current device, one more query follows. An unlinked or replaced device gets `revoked`,
    since its old key proves its identity. Everybody else gets the same answer as a device that never existed.

    Raises ProtocolError token_expired (with the server's time), token_audience (with the server's audience), revoked
    (with the reason), suspended for a valid token of a suspended account, or token_invalid for everything else, such as
    an unknown device, another algorithm or a bad signature.
    """
    try:
        address = claimed_device(token)
    except TokenInvalid:
        raise ProtocolError(ErrorCode.TOKEN_INVALID) from None
    account = directory.account(address.account)
    device = account.devices.get(address.device) if account else None
    if account and device and _is_signed_by(token, device.identity_key, audience, now):
        if account.suspension:
            raise ProtocolError(ErrorCode.SUSPENDED)
        return Caller(account, device)
    for former in directory.former_devices(address, now_seconds=now.seconds):
        if _is_signed_by(token, former.identity_key, audience, now):
            raise ProtocolError(ErrorCode.REVOKED, details={"reason": former.reason})
    raise ProtocolError(ErrorCode.TOKEN_INVALID)


def _is_signed_by(token: str, identity_key: bytes, audience: str, now: Instant) -> bool:
    """Tell whether the key signed the token. Raises ProtocolError token_expired or token_audience."""
    try:
        verify_token(token, identity_key=identity_key, audience=audience, now_seconds=now.seconds)
    except TokenExpired:
        raise ProtocolError(ErrorCode.TOKEN_EXPIRED, details={"server_time": now.ms}) from None
    except TokenInvalid as error:
        if error.wrong_audience:
            raise ProtocolError(ErrorCode.TOKEN_AUDIENCE, details={"audience": audience}) from None
        return False
    return True
