"""Cursors: the position at which a list continues, for its owner only. Another list, app or account cannot use them.

A position is the key of a row, which may be hidden from the caller. It is therefore encrypted.
"""

from __future__ import annotations

import hashlib

from nacl import bindings
from nacl.exceptions import CryptoError

from sandes.crypto.pepper import Pepper
from sandes.model.ids import AccountId, AdministratorId, AppId, base64url_text, parse_base64url
from sandes.protocol.errors import ErrorCode, ProtocolError

_BLOCK_BYTES = 96
"""The padding of positions, which hides their length. One block makes 182 characters."""


def cursor(position: str, *, owner: AppId | AccountId | AdministratorId, of: str, pepper: Pepper) -> str:
    """Encrypt a position. `of` names the list and what it belongs to: `messages`, `results <batch id>`."""
    padded = bindings.sodium_pad(position.encode(), _BLOCK_BYTES)
    return base64url_text(pepper.seal(padded, _bound_to(owner, of)))


def position(cursor: str, *, owner: AppId | AccountId | AdministratorId, of: str, pepper: Pepper) -> str:
    """Decrypt a cursor. Raises ProtocolError invalid_cursor unless `cursor` made it for this owner and list."""
    try:
        padded = pepper.open(parse_base64url(cursor), _bound_to(owner, of))
    except (ValueError, CryptoError):
        raise ProtocolError(ErrorCode.INVALID_CURSOR) from None
    return bindings.sodium_unpad(padded, _BLOCK_BYTES).decode()


def _bound_to(owner: AppId | AccountId | AdministratorId, of: str) -> bytes:
    """Derive the context for cursors. Other encrypted data is bound to the ids of its owner, so none can pass for a
    cursor.
    """
    return hashlib.blake2b(owner + of.encode(), digest_size=32, person=b"sandes-cursor").digest()
