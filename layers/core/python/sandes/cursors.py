"""Cursors: where a list goes on, opaque to the caller and of no use for another list, app or account."""

from __future__ import annotations

from sandes.crypto.codes import same
from sandes.crypto.pepper import Pepper
from sandes.model.ids import AccountId, AdministratorId, AppId, base64url_text, parse_base64url
from sandes.protocol.errors import ErrorCode, ProtocolError

_TAG_BYTES = 16


def cursor(position: str, *, owner: AppId | AccountId | AdministratorId, of: str, pepper: Pepper) -> str:
    """`of` names the list, with whatever it is a list of: `messages`, `results <batch id>`."""
    return base64url_text(_tag(position, owner, of, pepper) + position.encode())


def position(cursor: str, *, owner: AppId | AccountId | AdministratorId, of: str, pepper: Pepper) -> str:
    """Raises ProtocolError invalid_cursor for anything that `cursor` did not give for this owner and list."""
    try:
        data = parse_base64url(cursor)
        text = data[_TAG_BYTES:].decode()
    except ValueError:
        raise ProtocolError(ErrorCode.INVALID_CURSOR) from None
    if not same(data[:_TAG_BYTES], _tag(text, owner, of, pepper)):
        raise ProtocolError(ErrorCode.INVALID_CURSOR)
    return text


def _tag(position: str, owner: AppId | AccountId | AdministratorId, of: str, pepper: Pepper) -> bytes:
    return pepper.fingerprint("cursor", owner, of.encode(), position.encode())
