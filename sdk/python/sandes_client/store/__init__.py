"""Stores the data of a device durably: one SQLite file per profile."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sandes_client.ids import AccountId
from sandes_client.retention import Retention
from sandes_client.store.app_inbox import AppInboxTable, StoredAppMessage
from sandes_client.store.attestation_keys import AttestationKeysTable
from sandes_client.store.database import Database, StoreUnusable
from sandes_client.store.groups import GroupInboxTable, GroupsTable, KnownGroup, StoredGroupEvent, StoredGroupMessage
from sandes_client.store.inbox import AckBatch, InboxTable, StoredMessage
from sandes_client.store.outbox import OutboxTable, Outgoing, group_of
from sandes_client.store.people import KeptProfile, PeopleTable
from sandes_client.store.profile import Account, ProfileTable
from sandes_client.store.service_keys import Refusals, ServiceKeysTable

__all__ = [
    "Account",
    "AckBatch",
    "KeptProfile",
    "KnownGroup",
    "Outgoing",
    "Refusals",
    "Store",
    "StoreUnusable",
    "StoredAppMessage",
    "StoredGroupEvent",
    "StoredGroupMessage",
    "StoredMessage",
]


class Store:
    """Holds the tables of a profile.

    Every write is on disk when the call returns, unless it is inside `transaction()`.

    Use it from one thread. Calls raise StoreUnusable or sqlite3.Error.
    """

    def __init__(self, database: Database, path: Path) -> None:
        self._database = database
        self.path = path
        self.profile = ProfileTable(database)
        self.inbox = InboxTable(database)
        self.app_inbox = AppInboxTable(database, self.inbox)
        self.groups = GroupsTable(database)
        self.group_inbox = GroupInboxTable(database)
        self.people = PeopleTable(database)
        self.outbox = OutboxTable(database)
        self.service_keys = ServiceKeysTable(database)
        self.attestation_keys = AttestationKeysTable(database)

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open or create the profile at `path`, readable by its owner only. Raise StoreUnusable."""
        return cls(Database.open(path), path)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Make all writes in the block together. They are on disk when it ends, or none happens."""
        with self._database.transaction():
            yield

    def newest_at_ms(self, recipient: str) -> int | None:
        """Return the time of the newest message that came from a recipient of messages: an account or a group."""
        group = group_of(recipient)
        if group is None:
            return self.inbox.newest_at_ms(AccountId(recipient))
        return self.group_inbox.newest_at_ms(group)

    def works(self) -> bool:
        """Return whether data of the size of a message can be written."""
        return self._database.works()

    def forget_old(self, *, now_ms: int, retention: Retention) -> None:
        """Delete data that is of no more use.

        `now_ms` is the server's time, because this machine's clock may be wrong.
        """
        codes, left_groups = retention.codes, retention.left_groups
        self.inbox.forget_seen(now_ms=now_ms)
        self.app_inbox.forget_voids(now_ms=now_ms)
        forgotten = [
            codes is not None and self.app_inbox.forget_codes(now_ms=now_ms, kept_seconds=codes),
            left_groups is not None and self.groups.forget_left(now_ms=now_ms, kept_seconds=left_groups),
        ]
        if any(forgotten):
            self._database.scrub()

    def forget_keys(self) -> None:
        """Destroy the identity and seal keys, and fail all unsent messages, because the device was revoked."""
        with self._database.transaction():
            self.profile.destroy_keys()
            self.outbox.give_up("revoked")
            self.inbox.forget_acks()
        self._database.scrub()

    def changes_of_others(self) -> int:
        """Return a number that changes when another program writes to the profile."""
        return self._database.changes_of_others()

    def close(self) -> None:
        self._database.close()
