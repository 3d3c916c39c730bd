"""Parses the content of group envelopes, and opens bodies that are stored separately (docs/protocol/seal2.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import cbor2
from nacl import bindings
from nacl.exceptions import CryptoError

from sandes_client.fields import cbor_map, number_of, sized, text_of
from sandes_client.ids import AccountId, GroupId, account_text, base64url_text
from sandes_client.seal import EnvelopeUnreadable

BODY_ID_BYTES = 16
CONTENT_KEY_BYTES = 32
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class BodyPointer:
    """Holds the place and key of a stored body. `size` is that of the opened body, bytes."""

    id: bytes
    content_key: bytes = field(repr=False)
    size: int

    @property
    def text(self) -> str:
        """Return the id as a `fetch` frame names it."""
        return base64url_text(self.id)

    def open(self, data: bytes) -> bytes:
        """Open the body. Raise EnvelopeUnreadable for other bytes than those of this pointer."""
        try:
            body = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(data, self.id, _NONCE, self.content_key)
        except (CryptoError, ValueError) as error:
            raise EnvelopeUnreadable("the body is not the one to which the message points") from error
        if len(body) != self.size:
            raise EnvelopeUnreadable("the body's size differs from the message's")
        return body


@dataclass(frozen=True, slots=True)
class GroupMessage:
    """Holds a message to a group.

    `version` is the group's when the message was accepted. `body` is a pointer if it has to be fetched.
    """

    group: GroupId
    version: int
    body: bytes | BodyPointer = field(repr=False)


class GroupChange(IntEnum):
    """Lists the changes of a group. The numbers are part of the format."""

    INVITED = 1
    JOINED = 2
    LEFT = 3
    REMOVED = 4
    ROLE = 5
    CHANGED = 6
    DISSOLVED = 7
    MEMBERS = 8
    DEVICES = 9


@dataclass(frozen=True, slots=True)
class Changed:
    """Holds a change.

    `actor` made it, None for the system or an app. `subject` is whom it concerns. `version` is the version after it.
    """

    group: GroupId
    version: int
    change: GroupChange
    actor: AccountId | None
    subject: AccountId | None
    role: str | None
    name: str | None


def parse_group_message(body: bytes) -> GroupMessage:
    """Parse the body of an envelope of kind GROUP_MESSAGE. Raise EnvelopeUnreadable for anything else."""
    try:
        fields = cbor_map(cbor2.loads(body))
        if (3 in fields) == (4 in fields):
            raise ValueError("expected either a body or a pointer")
        group, version = _group(fields[1]), number_of(fields[2])
        if 3 in fields:
            return GroupMessage(group, version, sized(fields[3], None))
        id, content_key, size = fields[4]
        pointer = BodyPointer(sized(id, BODY_ID_BYTES), sized(content_key, CONTENT_KEY_BYTES), number_of(size))
        return GroupMessage(group, version, pointer)
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvelopeUnreadable("not a message of a group") from error


def parse_group_event(body: bytes) -> Changed:
    """Parse the body of an envelope of kind GROUP_EVENT. Raise EnvelopeUnreadable for anything else."""
    try:
        fields = cbor_map(cbor2.loads(body))
        return Changed(
            group=_group(fields[1]),
            version=number_of(fields[2]),
            change=GroupChange(number_of(fields[3])),
            actor=account_text(sized(fields[4], 8)) if 4 in fields else None,
            subject=account_text(sized(fields[5], 8)) if 5 in fields else None,
            role=text_of(fields[6]) if 6 in fields else None,
            name=text_of(fields[7]) if 7 in fields else None,
        )
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvelopeUnreadable("not an event of a group") from error


def _group(value: object) -> GroupId:
    return GroupId(account_text(sized(value, 8)))
