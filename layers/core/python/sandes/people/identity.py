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
    """One query, one signature check.

    Raises ProtocolError token_expired (with the server's time), or token_invalid for everything else: unknown or
    unlinked device, wrong audience, other algorithm, bad signature. Raises suspended for a token that is good, of an
    account that may do nothing.
    """
    try:
        address = claimed_device(token)
        account = directory.account(address.account)
        device = account.devices.get(address.device) if account else None
        if account is None or device is None:
            raise TokenInvalid
        verify_token(token, identity_key=device.identity_key, audience=audience, now_seconds=now_ms // 1000)
    except TokenExpired:
        raise ProtocolError(ErrorCode.TOKEN_EXPIRED, details={"server_time": now_ms}) from None
    except TokenInvalid:
        raise ProtocolError(ErrorCode.TOKEN_INVALID) from None
    if account.suspension:
        raise ProtocolError(ErrorCode.SUSPENDED)
    return Caller(account, device)
