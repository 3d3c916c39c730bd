"""The identifiers of the system and their text forms (docs/protocol/README.md, "Ids"). Each has a type of its own.

Ids are bytes inside the process and in DynamoDB. They are text only on the wire.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType

AccountId = NewType("AccountId", bytes)
"""8 random bytes; 13 characters of lower-case base32 on the wire."""

DeviceNumber = NewType("DeviceNumber", int)
"""A number from 1 to 255, unique among the devices that an account has at one time."""

RegistrationId = NewType("RegistrationId", int)
"""A random 32-bit number of each registration. It tells a reinstalled device from its predecessor."""

InboxId = NewType("InboxId", bytes)
"""16 random bytes of each device. The inbox table alone therefore identifies no account."""

MessageId = NewType("MessageId", bytes)
"""A UUIDv7 (RFC 9562) of 16 bytes, made by the sender on server-corrected time."""

EnvelopeId = NewType("EnvelopeId", bytes)
"""24 bytes: message id, then an 8-byte keyed hash of inbox, message and sender."""

AppId = NewType("AppId", bytes)
"""8 random bytes of a governance app; 13 characters of lower-case base32 on the wire."""

AppKeyId = NewType("AppKeyId", str)
"""8 characters of lower-case base32, unique among the keys of an app. The ids of test keys begin with `t`."""

OrganisationId = NewType("OrganisationId", bytes)
"""8 random bytes of an organisation; 13 characters of lower-case base32 on the wire."""

UnitId = NewType("UnitId", bytes)
"""8 random bytes of a unit; the root unit of an organisation has the organisation's own id."""

GroupId = NewType("GroupId", bytes)
"""8 random bytes of a group; 13 characters of lower-case base32 on the wire."""

BodyId = NewType("BodyId", bytes)
"""16 random bytes that name a body stored once for many devices. Knowing them is enough to fetch the ciphertext."""

AdministratorId = NewType("AdministratorId", bytes)
"""16 bytes: the UUID (`sub`) of an administrator in the user pool, on the wire in its usual text form."""

ApprovalId = NewType("ApprovalId", bytes)
"""24 bytes: the organisation concerned, then a UUIDv7; 32 characters of base64url on the wire."""

ImportId = NewType("ImportId", bytes)
"""24 bytes: the organisation concerned, then a UUIDv7; 32 characters of base64url on the wire."""

RequestId = NewType("RequestId", bytes)
"""24 bytes: the organisation, the requesting account, 8 random bytes; 32 characters of base64url on the wire."""

ComplaintId = NewType("ComplaintId", bytes)
"""24 bytes: the organisation concerned, then a UUIDv7; 32 characters of base64url on the wire."""

ConnectionId = NewType("ConnectionId", str)
"""API Gateway's id of a live websocket."""

ACCOUNT_BYTES = 8
INBOX_BYTES = 16
ENVELOPE_BYTES = 24
APPROVAL_BYTES = 24
MAX_DEVICE_NUMBER = 255

_ACCOUNT_TEXT = re.compile(r"[a-z2-7]{12}[acegikmoqsuwy246]")  # the last character's left-over bit is zero
_TEST_KEY = "t"
_BASE64URL_TEXT = re.compile(r"[A-Za-z0-9_-]*")


def new_account_id() -> AccountId:
    return AccountId(secrets.token_bytes(ACCOUNT_BYTES))


def new_inbox_id() -> InboxId:
    return InboxId(secrets.token_bytes(INBOX_BYTES))


def new_registration_id() -> RegistrationId:
    return RegistrationId(secrets.randbelow(2**32 - 1) + 1)


@lru_cache(maxsize=1024)  # a send formats each account four times
def account_text(account: AccountId) -> str:
    return base64.b32encode(account).decode("ascii").rstrip("=").lower()


def parse_account(text: str) -> AccountId:
    """Parse an account id. Raises ValueError unless `text` has the 13 characters that `account_text` returns."""
    return AccountId(_parse_eight(text, "an account id"))


def _parse_eight(text: str, what: str) -> bytes:
    if not _ACCOUNT_TEXT.fullmatch(text):
        raise ValueError(f"{what} is 13 characters of lower-case base32, as the service gives it")
    return base64.b32decode(text.upper() + "===")


def new_app_id() -> AppId:
    return AppId(secrets.token_bytes(ACCOUNT_BYTES))


def new_organisation_id() -> OrganisationId:
    """Draw the id of an organisation. Its text does not begin with a hyphen.

    The same holds for the ids of the organisation's approvals, imports, requests and complaints, which begin with it.
    """
    return OrganisationId(without_hyphen(secrets.token_bytes(ACCOUNT_BYTES)))


def new_unit_id() -> UnitId:
    return UnitId(secrets.token_bytes(ACCOUNT_BYTES))


def new_group_id() -> GroupId:
    return GroupId(secrets.token_bytes(ACCOUNT_BYTES))


def new_body_id() -> BodyId:
    return BodyId(secrets.token_bytes(INBOX_BYTES))


def id_text(id: OrganisationId | UnitId | GroupId) -> str:
    """Return the 13 characters of an id, in the form of account ids."""
    return account_text(AccountId(id))


def parse_organisation(text: str) -> OrganisationId:
    """Parse an organisation id. Raises ValueError unless `text` has the 13 characters that `id_text` returns."""
    return OrganisationId(_parse_eight(text, "an organisation id"))


def parse_unit(text: str) -> UnitId:
    """Parse a unit id. Raises ValueError unless `text` has the 13 characters that `id_text` returns."""
    return UnitId(_parse_eight(text, "a unit id"))


def parse_group(text: str) -> GroupId:
    """Parse a group id. Raises ValueError unless `text` has the 13 characters that `id_text` returns."""
    return GroupId(_parse_eight(text, "a group id"))


def new_app_key_id(*, test: bool = False) -> AppKeyId:
    """Draw the id of a key. Only ids of test keys begin with `t`, so that each request shows the kind of its key."""
    text = base64.b32encode(secrets.token_bytes(5)).decode("ascii").lower()
    if test:
        return AppKeyId(_TEST_KEY + text[1:])
    return AppKeyId("a" + text[1:] if text.startswith(_TEST_KEY) else text)


def is_test_key(key: AppKeyId) -> bool:
    return key.startswith(_TEST_KEY)


def app_text(app: AppId) -> str:
    return account_text(AccountId(app))


def parse_app(text: str) -> AppId:
    """Parse an app id. Raises ValueError unless `text` has the 13 characters that `app_text` returns."""
    return AppId(_parse_eight(text, "an app id"))


def new_one_time_id() -> str:
    """Draw 128 random bits as 22 characters of base64url that do not begin with a hyphen."""
    return base64url_text(without_hyphen(secrets.token_bytes(16)))


def without_hyphen(data: bytes) -> bytes:
    """Return `data`, with the first bit cleared if its base64url text would begin with a hyphen.

    Command lines read such a word as an option, and spreadsheets read it as a formula.
    """
    return bytes((data[0] & 0x7F, *data[1:])) if base64url_text(data[:1])[0] == "-" else data


def base64url_text(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii").rstrip("=").translate(_TO_URL)


def parse_base64url(text: str) -> bytes:
    """Decode base64url without padding (RFC 4648 section 5).

    Raises ValueError for padding, white space, the other alphabet, or unused bits that are not zero. Each byte string
    therefore has exactly one text.
    """
    if not _BASE64URL_TEXT.fullmatch(text) or len(text) % 4 == 1:
        raise ValueError("expected base64url without padding")
    data = binascii.a2b_base64(text.translate(_FROM_URL) + "=" * (-len(text) % 4))
    if len(text) % 4 and base64url_text(data[-(len(data) % 3) :]) != text[-(len(text) % 4) :]:
        raise ValueError("expected base64url without padding, left-over bits zero")
    return data


_TO_URL = str.maketrans("+/", "-_")
_FROM_URL = str.maketrans("-_", "+/")


def message_text(message: MessageId) -> str:
    return str(uuid.UUID(bytes=message))


def parse_message(text: str) -> MessageId:
    """Parse a message id. Raises ValueError unless `text` is a UUIDv7 in its canonical lower-case form."""
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        raise ValueError("a message id is a UUIDv7") from None
    if parsed.version != 7 or parsed.variant != uuid.RFC_4122 or str(parsed) != text:
        raise ValueError("a message id is a UUIDv7 in lower case with hyphens")
    return MessageId(parsed.bytes)


def administrator_text(id: AdministratorId) -> str:
    return str(uuid.UUID(bytes=id))


def parse_administrator(text: str) -> AdministratorId:
    """Parse an administrator id. Raises ValueError unless `text` is a UUID in lower case with hyphens."""
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        raise ValueError("an administrator id is a UUID") from None
    if str(parsed) != text:
        raise ValueError("an administrator id is a UUID in lower case with hyphens")
    return AdministratorId(parsed.bytes)


def new_approval_id(organisation: OrganisationId, now_ms: int) -> ApprovalId:
    return ApprovalId(organisation + new_message_id(now_ms))


def parse_approval(text: str) -> ApprovalId:
    """Parse an approval id. Raises ValueError unless `text` has the 32 characters that `base64url_text` returns for
    one.
    """
    return ApprovalId(_parse_24(text, "an approval id"))


def new_import_id(organisation: OrganisationId, now_ms: int) -> ImportId:
    return ImportId(organisation + new_message_id(now_ms))


def parse_import(text: str) -> ImportId:
    """Parse an import id. Raises ValueError unless `text` has the 32 characters that `base64url_text` returns
    for one.
    """
    data = parse_base64url(text)
    if len(data) != APPROVAL_BYTES:
        raise ValueError("an import id is 32 characters of base64url")
    return ImportId(data)


def new_request_id(organisation: OrganisationId, account: AccountId) -> RequestId:
    return RequestId(organisation + account + secrets.token_bytes(ACCOUNT_BYTES))


def parse_request(text: str) -> RequestId:
    """Parse a request id. Raises ValueError unless `text` has the 32 characters that `base64url_text` returns
    for one.
    """
    return RequestId(_parse_24(text, "a request id"))


def new_complaint_id(organisation: OrganisationId, now_ms: int) -> ComplaintId:
    return ComplaintId(organisation + new_message_id(now_ms))


def parse_complaint(text: str) -> ComplaintId:
    """Parse a complaint id. Raises ValueError unless `text` has the 32 characters that `base64url_text` returns for
    one.
    """
    return ComplaintId(_parse_24(text, "a complaint id"))


def _parse_24(text: str, what: str) -> bytes:
    data = parse_base64url(text)
    if len(data) != APPROVAL_BYTES:
        raise ValueError(f"{what} is 32 characters of base64url")
    return data


def join_accounts(accounts: Iterable[AccountId]) -> bytes:
    """Concatenate the ids, 8 bytes each."""
    return b"".join(accounts)


def split_accounts(data: bytes) -> tuple[AccountId, ...]:
    return tuple(AccountId(data[at : at + ACCOUNT_BYTES]) for at in range(0, len(data), ACCOUNT_BYTES))


def message_time_ms(message: MessageId) -> int:
    """Return the Unix time in milliseconds at the start of a UUIDv7 (RFC 9562 section 5.7)."""
    return int.from_bytes(message[:6], "big")


def new_message_id(now_ms: int, chosen: bytes | None = None) -> MessageId:
    """Make a UUIDv7. `chosen` (10 bytes) replaces the random bytes if the same id must result again."""
    random = bytearray(secrets.token_bytes(10) if chosen is None else chosen)
    random[0] = 0x70 | random[0] & 0x0F
    random[2] = 0x80 | random[2] & 0x3F
    return MessageId(now_ms.to_bytes(6, "big") + bytes(random))


@dataclass(frozen=True, slots=True)
class DeviceAddress:
    """Names one device of one account: `account.number` on the wire and in tokens."""

    account: AccountId
    device: DeviceNumber

    def __str__(self) -> str:
        return f"{account_text(self.account)}.{self.device}"

    @classmethod
    def parse(cls, text: str) -> DeviceAddress:
        """Parse a device address. Raises ValueError unless `text` is in the form that `str()` returns."""
        account, _, number = text.partition(".")
        if not re.fullmatch(r"[1-9][0-9]{0,2}", number) or int(number) > MAX_DEVICE_NUMBER:
            raise ValueError("a device address is an account id, a full stop and a number from 1 to 255")
        return cls(parse_account(account), DeviceNumber(int(number)))
