"""Stores messages that this device sends. They are written before the first try, and kept with their status."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sandes_client.events import Status
from sandes_client.ids import AccountId, GroupId, MessageId, message_time_ms
from sandes_client.store.database import Database

_RANK = {Status.QUEUED: 0, Status.ACCEPTED: 1, Status.DELIVERED: 2, Status.READ: 3, Status.FAILED: 0}
_COLUMNS = "number, message, recipient, body, copies, expires_in, status, code, queued_at_ms, at_ms, has_left"


MAX_EXPIRY_SECONDS = 30 * 24 * 3600
"""Time for which the service keeps an undelivered message without a shorter `expires_in` (`limits` in `welcome`)."""

_GROUP = "group:"
"""Prefix that separates groups from accounts in one column, because their ids have the same form."""


def group_recipient(group: GroupId) -> str:
    return _GROUP + group


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Holds one row of the outbox. `at_ms` is the server's time of acceptance, None until then.

    `recipient` is an account id, or the result of `group_recipient` for a group. `copies` are as they are sent, and
    None until they leave; a post to a group has one.

    `has_left`: a frame with this id has left this device, and the server may have accepted it. The message then keeps
    its id, because under another id it could be stored twice.
    """

    number: int
    id: MessageId
    recipient: str
    body: bytes = field(repr=False)
    copies: list[dict[str, Any]] | None = field(repr=False)
    expires_in: int | None
    status: Status
    code: str | None
    queued_at_ms: int
    at_ms: int | None
    has_left: bool = False

    @property
    def is_undetermined(self) -> bool:
        """Return whether the message has failed although the server may have accepted it.

        A receipt would prove that.
        """
        return self.status is Status.FAILED and self.has_left

    def reached(self, status: Status) -> bool:
        """Return whether the message has reached `status` or more, and has not failed."""
        return self.status is not Status.FAILED and _RANK[self.status] >= _RANK[status]

    def expired(self, *, now_ms: int) -> bool:
        """Return whether the service no longer keeps the message for devices that have not fetched it.

        This applies to messages to accounts only, because posts to groups have no receipts.
        """
        if self.group is not None or self.status is not Status.ACCEPTED or self.at_ms is None:
            return False
        return now_ms >= self.at_ms + (self.expires_in or MAX_EXPIRY_SECONDS) * 1000

    @property
    def group(self) -> GroupId | None:
        """Return the group of a post, or None for a message to an account."""
        return group_of(self.recipient)


def group_of(recipient: str) -> GroupId | None:
    """Return the group of a recipient, or None for an account."""
    group = recipient.removeprefix(_GROUP)
    return GroupId(group) if group != recipient else None


class OutboxTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, id: MessageId, recipient: str, body: bytes, *, expires_in: int | None, queued_at_ms: int) -> Outgoing:
        number = self._database.insert(
            "INSERT INTO outbox (message, recipient, body, expires_in, queued_at_ms) VALUES (?, ?, ?, ?, ?)",
            (id, recipient, body, expires_in, queued_at_ms),
        )
        return Outgoing(number, id, recipient, body, None, expires_in, Status.QUEUED, None, queued_at_ms, None)

    def newest_id(self, *, before_ms: int) -> MessageId | None:
        """Return the latest id with a time before `before_ms`. Ids of a clock that was ahead are skipped."""
        digits = f"{before_ms:012x}"  # ids begin with their time
        limit = f"{digits[:8]}-{digits[8:]}"
        row = self._database.row("SELECT MAX(message) FROM outbox WHERE message < ?", (limit,))
        return MessageId(row[0]) if row[0] is not None else None

    def leaves(self, number: int, copies: list[dict[str, Any]]) -> bool:
        """Note that a frame with these copies is about to leave. Return False if it is not needed."""
        return bool(
            self._database.run(
                "UPDATE outbox SET copies = ?, has_left = 1 WHERE number = ? AND at_ms IS NULL",
                (json.dumps(copies), number),
            )
        )

    def came_back(self, number: int) -> None:
        """Delete the note that a frame has left. The only one was refused, and nothing of it was stored."""
        self._database.run("UPDATE outbox SET copies = NULL, has_left = 0 WHERE number = ?", (number,))

    def forget_copies(self, number: int) -> None:
        """Delete the copies, because the recipient has other devices now."""
        self._database.run("UPDATE outbox SET copies = NULL WHERE number = ?", (number,))

    def renew(self, number: int, id: MessageId) -> bool:
        """Give a message another id if no frame has left. Return False, without a change, for any other message."""
        return bool(
            self._database.run(
                "UPDATE outbox SET message = ?, copies = NULL WHERE number = ? AND has_left = 0", (id, number)
            )
        )

    def accepted(self, number: int, *, at_ms: int) -> None:
        """Note that a message was accepted, and delete its copies. A `delivered` that came before stays."""
        self._database.run(
            "UPDATE outbox SET at_ms = ?, copies = NULL, code = NULL, "
            "status = CASE WHEN status IN ('queued', 'failed') THEN 'accepted' ELSE status END WHERE number = ?",
            (at_ms, number),
        )

    def failed(self, number: int, code: str) -> bool:
        """Note that a message failed. Return False, without a change, if a receipt has shown that it was accepted."""
        return bool(
            self._database.run(
                "UPDATE outbox SET status = 'failed', code = ?, copies = NULL WHERE number = ? AND at_ms IS NULL",
                (code, number),
            )
        )

    def give_up(self, code: str) -> None:
        """Mark everything that is not accepted yet as failed."""
        self._database.run(
            "UPDATE outbox SET status = 'failed', code = ?, copies = NULL WHERE at_ms IS NULL AND status <> 'failed'",
            (code,),
        )

    def raise_status(self, id: MessageId, reader: AccountId, status: Status) -> Outgoing | None:
        """Store the `status` that `reader` reports.

        Return None if it is not new, or not a message to `reader`.

        The report proves that the server has accepted the message, even one that counted as failed. If no answer gave
        the time, the id's own time is used.
        """
        row = self._database.row(
            f"SELECT {_COLUMNS} FROM outbox WHERE message = ? AND recipient = ?",  # noqa: S608  constant columns
            (id, reader),
        )
        if row is None or _RANK[Status(row[6])] >= _RANK[status]:
            return None
        self._database.run(
            "UPDATE outbox SET status = ?, code = NULL, copies = NULL, at_ms = coalesce(at_ms, ?) WHERE number = ?",
            (status, message_time_ms(id), row[0]),
        )
        return self.read(row[0])

    def read(self, number: int) -> Outgoing:
        """Return a message. Raise KeyError for an unknown number."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM outbox WHERE number = ?", (number,))  # noqa: S608
        if row is None:
            raise KeyError(number)
        return _outgoing(row)

    def next_waiting(self, recipient: str) -> Outgoing | None:
        """Return the oldest message to `recipient` that the server has not answered."""
        row = self._database.row(
            f"SELECT {_COLUMNS} FROM outbox "  # noqa: S608
            "WHERE at_ms IS NULL AND status <> 'failed' AND recipient = ? ORDER BY number LIMIT 1",
            (recipient,),
        )
        return _outgoing(row) if row else None

    def waiting(self) -> list[Outgoing]:
        """Return messages that the server has not answered, the oldest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM outbox INDEXED BY outbox_waiting "  # noqa: S608
            "WHERE at_ms IS NULL AND status <> 'failed' ORDER BY number",
        )
        return [_outgoing(row) for row in rows]

    def waiting_recipients(self) -> list[str]:
        rows = self._database.rows(
            "SELECT recipient, MIN(number) AS first FROM outbox INDEXED BY outbox_waiting "
            "WHERE at_ms IS NULL AND status <> 'failed' GROUP BY recipient ORDER BY first"
        )
        return [str(row[0]) for row in rows]

    def to_recipient(self, recipient: str, *, limit: int) -> list[Outgoing]:
        """Return the last `limit` messages to `recipient`, the oldest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM outbox WHERE recipient = ? ORDER BY number DESC LIMIT ?",  # noqa: S608
            (recipient, limit),
        )
        return [_outgoing(row) for row in reversed(rows)]


def _outgoing(row: Any) -> Outgoing:
    return Outgoing(
        number=row[0],
        id=MessageId(row[1]),
        recipient=row[2],
        body=row[3],
        copies=json.loads(row[4]) if row[4] is not None else None,
        expires_in=row[5],
        status=Status(row[6]),
        code=row[7],
        queued_at_ms=row[8],
        at_ms=row[9],
        has_left=bool(row[10]),
    )
