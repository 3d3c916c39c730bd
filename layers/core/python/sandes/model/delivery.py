"""What an app sent and what became of it: messages, their status, and the events by which the app hears of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import cbor2

from sandes.model.ids import AccountId, AppId, EnvelopeId, GroupId, InboxId, MessageId


class Status(IntEnum):
    """Ranks: a status only moves to a higher one, and the rank is its `seq`."""

    ACCEPTED = 1
    QUEUED = 2
    SENT = 3
    DELIVERED = 4
    READ = 5
    EXPIRED = 7
    RECALLED = 8
    FAILED = 9

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Envelopes:
    """The rows that a message is stored as: what a recall takes back."""

    rows: tuple[tuple[InboxId, EnvelopeId], ...]

    def encode(self) -> bytes:
        return cbor2.dumps([list(row) for row in self.rows])

    @classmethod
    def decode(cls, data: bytes) -> Envelopes:
        return cls(tuple((InboxId(inbox), EnvelopeId(envelope)) for inbox, envelope in cbor2.loads(data)))


@dataclass(frozen=True, slots=True)
class AppMessage:
    """`deadline` (epoch seconds) is when its envelopes expire. `template` is `name@version`. `times_ms` by status.

    `to`: the members of `group` that it is for; None for all.
    """

    app: AppId
    id: MessageId
    status: Status
    account: AccountId | None
    envelopes: Envelopes
    deadline: int
    category: str
    language: str
    template: str | None
    client_ref: str | None
    batch: str | None
    failure: str | None
    test: bool
    times_ms: Mapping[Status, int]
    group: GroupId | None = None
    to: Sequence[AccountId] | None = None

    def status_at(self, now_seconds: int) -> Status:
        """`expired` once its time is over, whether or not somebody has written that down yet.

        A message to a group ends as `sent`: its members' receipts are not the app's.
        """
        if self.group is not None and self.status is Status.SENT:
            return self.status
        if self.status < Status.DELIVERED and self.deadline <= now_seconds:
            return Status.EXPIRED
        return self.status


@dataclass(frozen=True, slots=True)
class AppEvent:
    """`id` is a UUIDv7 as text: it sorts by time. `data` holds ids, statuses and times, never content.

    `test`: the event is about something that a test key did.
    """

    app: AppId
    id: str
    type: str
    at_ms: int
    data: Mapping[str, Any]
    test: bool
