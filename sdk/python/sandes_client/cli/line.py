"""Who of several commands of one profile is connected: one at a time, since a device has one live socket.

A command that connects holds the profile's line. Another one writes its message into the outbox, which the holder
sends, and takes the line once it is free.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path


class Line:
    """A lock beside the profile's file, which ends with the process that holds it."""

    def __init__(self, profile: Path) -> None:
        self._path = profile.with_name(profile.name + ".line")
        self._held: sqlite3.Connection | None = None

    def take(self) -> bool:
        """Try to take the line. Returns False if another command holds it."""
        if self._held is not None:
            return True
        # An exclusive transaction of a database of its own: SQLite's locks work on every system, and end with a crash.
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
