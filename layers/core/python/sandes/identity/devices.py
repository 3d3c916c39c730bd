"""Who a token speaks for: used by the `$connect` authorizer and by every call of the client API."""

from __future__ import annotations

from dataclasses import dataclass

from sandes.crypto.tokens import TokenExpired, TokenInvalid, claimed_device, verify_token
from sandes.model.device import Account, Device
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.directory import DirectoryStore


@dataclass(frozen=True, slots=True)
class Caller:
    account: Account
    device: Device


def authenticate(token: str, *, audience: str, now_ms: int, directory: DirectoryStore) -> Caller:
    """Find out by one query and one signature check which device a token speaks for.

    A token that is not that of a device costs one more query, whatever is wrong with it: a device that was unlinked or
    replaced is told so, since its old key proves who asks. To anybody else it looks like one that never was.

    Raises ProtocolError token_expired (with the server's time), token_audience (with the server's), revoked (with the
    reason), or token_invalid for everything else: unknown device, other algorithm, bad signature. Raises suspended for
    a token that is good, of an account that may do nothing.
    """
    try:
        address = claimed_device(token)
    except TokenInvalid:
        raise ProtocolError(ErrorCode.TOKEN_INVALID) from None
    account = directory.account(address.account)
    device = account.devices.get(address.device) if account else None
    if account and device and _is_signed_by(token, device.identity_key, audience, now_ms):
        if account.suspension:
            raise ProtocolError(ErrorCode.SUSPENDED)
        return Caller(account, device)
    for former in directory.former_devices(address, now_seconds=now_ms // 1000):
        if _is_signed_by(token, former.identity_key, audience, now_ms):
            raise ProtocolError(ErrorCode.REVOKED, details={"reason": former.reason})
    raise ProtocolError(ErrorCode.TOKEN_INVALID)


def _is_signed_by(token: str, identity_key: bytes, audience: str, now_ms: int) -> bool:
    """Tell whether the key signed the token. Raises ProtocolError token_expired or token_audience."""
    try:
        verify_token(token, identity_key=identity_key, audience=audience, now_seconds=now_ms // 1000)
    except TokenExpired:
        raise ProtocolError(ErrorCode.TOKEN_EXPIRED, details={"server_time": now_ms}) from None
    except TokenInvalid as error:
        if error.wrong_audience:
            raise ProtocolError(ErrorCode.TOKEN_AUDIENCE, details={"audience": audience}) from None
        return False
    return True
