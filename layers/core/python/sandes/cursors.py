"""Cursors: where a list goes on, for its owner to send back, and of no use for another list, app or account.

A position is the key of a row, which may be one that is kept from whoever turns the page: it is sealed.
"""

from __future__ import annotations

import hashlib

from nacl import bindings
from nacl.exceptions import CryptoError

from sandes.crypto.pepper import Pepper
from sandes.model.ids import AccountId, AdministratorId, AppId, base64url_text, parse_base64url
from sandes.protocol.errors import ErrorCode, ProtocolError

_BLOCK_BYTES = 96
"""Positions are padded to multiples of it, so that their length tells nothing: one makes 182 characters."""


def cursor(position: str, *, owner: AppId | AccountId | AdministratorId, of: str, pepper: Pepper) -> str:
    """`of` names the list, with whatever it is a list of: `messages`, `results <batch id>`."""
    padded = bindings.sodium_pad(position.encode(), _BLOCK_BYTES)
    return base64url_text(pepper.seal(padded, _bound_to(owner, of)))


def position(cursor: str, *, owner: AppId | AccountId | AdministratorId, of: str, pepper: Pepper) -> str:
    """Raises ProtocolError invalid_cursor for anything that `cursor` did not give for this owner and list."""
    try:
        padded = pepper.open(parse_base64url(cursor), _bound_to(owner, of))
    except (ValueError, CryptoError):
        raise ProtocolError(ErrorCode.INVALID_CURSOR) from None
    return bindings.sodium_unpad(padded, _BLOCK_BYTES).decode()


def _bound_to(owner: AppId | AccountId | AdministratorId, of: str) -> bytes:
    """For cursors only: what else is sealed is bound to the ids of what it belongs to."""
    return hashlib.blake2b(owner + of.encode(), digest_size=32, person=b"sandes-cursor").digest()
