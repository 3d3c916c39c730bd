"""Stores the keys that this device has pinned for one purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sandes_client.store.database import Database


class PinnedKeysTable:
    """Holds a table of introductions, and the profile's column with the number below which keys were ended."""

    KEYS: ClassVar[str]
    INSERT: ClassVar[str]
    OLDEST: ClassVar[str]
    RAISE_OLDEST: ClassVar[str]

    def __init__(self, database: Database) -> None:
        self._database = database

    def statements(self) -> dict[int, bytes]:
        """Return the introductions of the pinned keys, by number."""
        return {number: bytes(statement) for number, statement in self._database.rows(self.KEYS)}

    def oldest(self) -> int:
        """Return the number below which keys were ended."""
        return int(self._database.row(self.OLDEST)[0])

    def pin(self, statements: Mapping[int, bytes], *, oldest: int) -> None:
        """Store keys that are not pinned yet. A pinned key is never replaced, and an ended one never comes back."""
        with self._database.transaction():
            self._database.run_each(self.INSERT, list(statements.items()))
            self._database.run(self.RAISE_OLDEST, (oldest, oldest))
