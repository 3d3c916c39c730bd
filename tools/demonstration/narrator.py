"""Numbers and prints the steps of the demonstration, each of which must succeed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rich.console import Console

from sandes.protocol.errors import ProtocolError
from sandes_client import ApiError, DeviceStopped, SendFailed, Unreachable
from sandes_client.admin import NotSignedIn
from tools.patience import slowness

PATIENCE_SECONDS = 60.0


@asynccontextmanager
async def patient(seconds: float) -> AsyncIterator[None]:
    """Cancel the block after `seconds` on a usual machine, or later on a slow or busy one."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with asyncio.timeout(seconds * await asyncio.to_thread(slowness)) as scope:

        async def extend() -> None:
            while (end := scope.when()) is not None:
                await asyncio.sleep(max(0.0, end - loop.time() - 0.2 * seconds))
                later = started + seconds * await asyncio.to_thread(slowness)
                if later <= end:
                    return
                scope.reschedule(later)

        extending = asyncio.create_task(extend())
        try:
            yield
        finally:
            extending.cancel()


class StepFailed(Exception):
    """Reports a step with an unexpected result. The text says which step, and what differs."""


@dataclass(slots=True)
class Narrator:
    """Numbers the steps, and prints how long each took."""

    console: Console
    _number: int = 0

    @asynccontextmanager
    async def step(self, title: str, *, seconds: float = PATIENCE_SECONDS) -> AsyncIterator[None]:
        self._number += 1
        self.console.print(f"[bold cyan]{self._number:>2}[/] {title}")
        started = time.monotonic()
        try:
            async with patient(seconds):
                yield
        except TimeoutError:
            waited = time.monotonic() - started
            raise StepFailed(f"step {self._number}, {title}: nothing after {waited:.0f} s") from None
        except (StepFailed, ApiError, Unreachable, SendFailed, DeviceStopped, ProtocolError, NotSignedIn) as failed:
            raise StepFailed(f"step {self._number}, {title}: {failed}") from None
        self.console.print(f"   [green]done[/] in {time.monotonic() - started:.1f} s")

    def say(self, text: str) -> None:
        self.console.print(f"   {text}", highlight=False, soft_wrap=True)


def check(holds: bool, what: str) -> None:
    if not holds:
        raise StepFailed(what)
