"""Lets one command of a profile connect at a time, because a device has one live socket.

A command that connects holds the profile's line. Another command writes its message into the outbox, which the holder
sends, and takes the line once it is free.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path


class Line:
    """Is a lock beside the profile's file. It ends with the process that holds it."""

    def __init__(self, profile: Path) -> None:
        self._path = profile.with_name(profile.name + ".line")
        self._held: sqlite3.Connection | None = None

    def take(self) -> bool:
        """Try to take the line. Return False if another command holds it."""
        if self._held is not None:
            return True
        # The lock is an exclusive transaction of a separate database, because SQLite's locks work on every system and
        # end with a crash.
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
        try:
            self._path.chmod(0o600)
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            connection.close()
            return False
        self._held = connection
        return True

    def leave(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
