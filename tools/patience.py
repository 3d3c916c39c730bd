"""Waits as long as this machine needs: longer if it is slow or busy, and while a process makes progress."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

Say = Callable[[str], None]

_LOOPS = 500_000
_USUAL_SECONDS = 0.03
MOST = 20.0


def slowness() -> float:
    """Return how many times slower than a usual laptop this machine is now, by the wall: from 1 to 20."""
    started = time.perf_counter()
    total = 0
    for number in range(_LOOPS):
        total += number
    return min(MOST, max(1.0, (time.perf_counter() - started) / _USUAL_SECONDS))


@dataclass(slots=True)
class Progress:
    """Detects whether a process makes progress: it uses CPU, or files in its folders change."""

    pid: int
    folders: tuple[Path, ...]
    _seen: tuple[str, ...] = field(default=(), init=False)

    def made(self) -> bool:
        """Return whether anything has changed since the last call."""
        before, self._seen = self._seen, (_cpu_time(self.pid), *_files(self.folders))
        return self._seen != before


def wait_while(
    done: Callable[[], bool], progress: Progress, *, idle_seconds: float, say: Say, doing: str, every: float = 10.0
) -> bool:
    """Wait until `done`, while there is progress. Return False after `idle_seconds` without any.

    `say` gets a message every few seconds with the time that `doing` has taken.
    """
    started = last = told = time.monotonic()
    while not done():
        now = time.monotonic()
        if progress.made():
            last = now
        if now - last > idle_seconds:
            return False
        if now - told >= every:
            told = now
            say(f"{doing}: {now - started:.0f} s so far")
        time.sleep(0.1)
    return True


def _cpu_time(pid: int) -> str:
    """Return the CPU time of a process as `ps` prints it; its resolution of a second is enough."""
    found = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return found.stdout.strip()


def _files(folders: Iterable[Path]) -> list[str]:
    """Return names, sizes and times of the files directly in the folders."""
    found = []
    for folder in folders:
        for file in sorted(folder.glob("*")):
            try:
                about = file.stat()
            except FileNotFoundError:  # renamed in the meantime
                continue
            found.append(f"{file.name} {about.st_size} {about.st_mtime_ns}")
    return found
