"""Defines identifiers and their text forms (docs/protocol/README.md, "Ids").

The client keeps ids as the text that is sent. Bytes appear only where something is signed or unsealed.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import NewType

AccountId = NewType("AccountId", str)
"""Has 13 characters of lower-case base32: 8 bytes."""

AppId = NewType("AppId", str)
"""Is the id of a governance app. It has the form of an account id."""

GroupId = NewType("GroupId", str)
"""Has the form of an account id."""

MessageId = NewType("MessageId", str)
"""Is a UUIDv7 (RFC 9562) in lower case with hyphens."""

EnvelopeId = NewType("EnvelopeId", str)
"""Has 24 bytes as base64url. Its first 16 bytes are the message id."""

RandomBytes = Callable[[int], bytes]

ENVELOPE_BYTES = 24
_ACCOUNT_TEXT = re.compile(r"[a-z2-7]{12}[acegikmoqsuwy246]")
_BASE64URL_TEXT = re.compile(r"[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class DeviceAddress:
    """Names one device of one account; `account.number` in tokens."""

    account: AccountId
    device: int

    def __str__(self) -> str:
        return f"{self.account}.{self.device}"


@dataclass(frozen=True, slots=True)
class AppSender:
    """Names a governance app as the sender. `name` is the server's word, for display."""

    app: AppId
    name: str


def base64url_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def parse_base64url(text: str) -> bytes:
    """Decode base64url without padding. Raise ValueError for anything but its one canonical form."""
    if not _BASE64URL_TEXT.fullmatch(text):
        raise ValueError("expected base64url without padding")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError("expected base64url without padding") from None
    if base64url_text(data) != text:
        raise ValueError("expected base64url without padding, left-over bits zero")
    return data


def account_text(account: bytes) -> AccountId:
    return AccountId(base64.b32encode(account).decode("ascii").rstrip("=").lower())


def account_bytes(account: AccountId) -> bytes:
    return base64.b32decode(account.upper() + "===")


def parse_account(text: str) -> AccountId:
    """Check an account id. Raise ValueError for anything but 13 characters of lower-case base32 in canonical form."""
    if not _ACCOUNT_TEXT.fullmatch(text) or account_text(account_bytes(AccountId(text))) != text:
        raise ValueError("an account id has 13 characters of lower-case base32")
    return AccountId(text)


def parse_group(text: str) -> GroupId:
    """Check a group id. Raise ValueError for anything but 13 characters of lower-case base32 in canonical form."""
    try:
        return GroupId(parse_account(text))
    except ValueError:
        raise ValueError("a group id has 13 characters of lower-case base32") from None


def group_bytes(group: GroupId) -> bytes:
    return account_bytes(AccountId(group))


def parse_envelope(text: str) -> EnvelopeId:
    """Check an envelope id. Raise ValueError unless `text` is 24 bytes of base64url."""
    if len(parse_base64url(text)) != ENVELOPE_BYTES:
        raise ValueError(f"an envelope id has {ENVELOPE_BYTES} bytes")
    return EnvelopeId(text)


def message_text(message: bytes) -> MessageId:
    return MessageId(str(uuid.UUID(bytes=message)))


def message_bytes(message: MessageId) -> bytes:
    return uuid.UUID(message).bytes


def message_time_ms(message: MessageId) -> int:
    """Return the epoch milliseconds with which a UUIDv7 begins (RFC 9562 section 5.7)."""
    return int.from_bytes(message_bytes(message)[:6], "big")


def new_message_id(now_ms: int, random_bytes: RandomBytes) -> MessageId:
    """Return a UUIDv7 for `now_ms`, which should be the server's time."""
    tail = bytearray(random_bytes(10))
    tail[0] = 0x70 | tail[0] & 0x0F
    tail[2] = 0x80 | tail[2] & 0x3F
    return message_text(now_ms.to_bytes(6, "big") + bytes(tail))
