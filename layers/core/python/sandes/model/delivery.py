"""The messages that apps sent, their status, and the events that report the status to the app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import cbor2

from sandes.model.ids import AccountId, AppId, EnvelopeId, GroupId, InboxId, MessageId


class Status(IntEnum):
    """Lists the statuses by rank. A status only changes to one of a higher rank. The rank is the `seq` of events."""

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
    """Lists the inbox rows that hold a message. A recall deletes them."""

    rows: tuple[tuple[InboxId, EnvelopeId], ...]

    def encode(self) -> bytes:
        return cbor2.dumps([list(row) for row in self.rows])

    @classmethod
    def decode(cls, data: bytes) -> Envelopes:
        return cls(tuple((InboxId(inbox), EnvelopeId(envelope)) for inbox, envelope in cbor2.loads(data)))


@dataclass(frozen=True, slots=True)
class AppMessage:
    """Holds a message of an app. Its envelopes expire at `deadline` (epoch seconds).

    `template` is `name@version`. `times_ms` holds the time of each status. `to` lists the members of `group` that the
    message is for; None means all members.
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
        """Return the status, which is `expired` after the deadline even if nobody has written that yet.

        A message to a group stays `sent`, because the app does not get the members' receipts.
        """
        if self.group is not None and self.status is Status.SENT:
            return self.status
        if self.status < Status.DELIVERED and self.deadline <= now_seconds:
            return Status.EXPIRED
        return self.status


@dataclass(frozen=True, slots=True)
class AppEvent:
    """Holds an event for an app. `id` is a UUIDv7 as text, which sorts by time.

    `data` holds ids, statuses and times, never content. If `test` is true, the event is about something that a test key
    sent.
    """

    app: AppId
    id: str
    type: str
    at_ms: int
    data: Mapping[str, Any]
    test: bool
