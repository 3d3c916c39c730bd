"""The tables and their attribute names: readable here, short on disk. infra/ and the tests build tables from this.

One table per lifecycle, because time to live, backup and permissions differ by it (docs/adr/0002).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    type: Literal["B", "S"]


@dataclass(frozen=True, slots=True)
class Table:
    """`ttl` names the attribute with the epoch second after which a row no longer counts.

    `backup`: point-in-time recovery and protection from deletion.
    """

    name: str
    partition: Key
    sort: Key | None
    ttl: str | None
    backup: bool


class InboxRow:
    """Sealed envelopes, one row each. A backup would keep them beyond the promised time: there is none."""

    INBOX = "i"  # B 16
    ENVELOPE = "m"  # B 24: message id, sender hash
    SEAL_KEY_NUMBER = "k"  # N
    EXPIRES_AT = "x"  # N epoch seconds
    ACCEPTED_AT_MS = "t"  # N epoch milliseconds
    SEALED = "b"  # B


class RoutingRow:
    """One item per account, a map entry per device: the whole device list in one read (docs/adr/0003)."""

    ACCOUNT = "a"  # B 8
    CLASS = "l"  # S
    DEVICES = "d"  # M by device number
    # within an entry
    REGISTRATION = "r"  # N
    INBOX = "q"  # B 16
    SEAL_KEY = "s"  # B 32
    SEAL_KEY_NUMBER = "k"  # N
    EPOCH = "e"  # N
    CONNECTION = "c"  # S
    CONNECTION_EXPIRES_AT = "x"  # N epoch seconds
    CONNECTED_AT_MS = "t"  # N epoch milliseconds


class DirectoryRow:
    """Accounts with their devices and blocks (partition `A#account`), and phone numbers (partition `P#index`)."""

    PARTITION = "p"  # S
    SORT = "s"  # S
    # account, sort "0"
    CLASS = "l"  # S
    PHONE_INDEX = "n"  # S
    PHONE_SEALED = "h"  # B
    CREATED_AT = "c"  # N epoch seconds
    LAST_DEVICE = "d"  # N
    # device, sort "0#number"
    REGISTRATION = "r"  # N
    INBOX = "q"  # B 16
    IDENTITY_KEY = "i"  # B 32
    NAME = "w"  # S
    PLATFORM = "o"  # S
    LINKED_AT = "c"  # N epoch seconds
    # phone number, sort "0"
    ACCOUNT = "a"  # B 8


class CodeRow:
    """Challenges: codes sent by SMS and link secrets, as keyed hashes only."""

    ID = "i"  # S
    PURPOSE = "u"  # S
    SUBJECT = "s"  # S
    PHONE_SEALED = "f"  # B
    HASH = "h"  # B 32
    ATTEMPTS_LEFT = "n"  # N
    SENDS = "g"  # N
    CODE_EXPIRES_AT = "e"  # N epoch seconds
    RESEND_AFTER = "y"  # N epoch seconds
    STATE = "z"  # S pending or used
    USED_BY = "w"  # B identity key that the code was used with
    OUTCOME = "o"  # S device address and registration id that came of it
    EXPIRES_AT = "x"  # N epoch seconds


class LimitRow:
    """Token buckets as one number: the time at which the bucket is full again."""

    SUBJECT = "j"  # S
    LIMIT = "l"  # S
    FULL_AT_MS = "v"  # N epoch milliseconds
    EXPIRES_AT = "x"  # N epoch seconds


INBOX = Table("inbox", Key(InboxRow.INBOX, "B"), Key(InboxRow.ENVELOPE, "B"), ttl=InboxRow.EXPIRES_AT, backup=False)
ROUTING = Table("routing", Key(RoutingRow.ACCOUNT, "B"), None, ttl=None, backup=False)
DIRECTORY = Table("directory", Key(DirectoryRow.PARTITION, "S"), Key(DirectoryRow.SORT, "S"), ttl=None, backup=True)
CODES = Table("codes", Key(CodeRow.ID, "S"), None, ttl=CodeRow.EXPIRES_AT, backup=False)
LIMITS = Table("limits", Key(LimitRow.SUBJECT, "S"), Key(LimitRow.LIMIT, "S"), ttl=LimitRow.EXPIRES_AT, backup=False)

TABLES = (INBOX, ROUTING, DIRECTORY, CODES, LIMITS)
