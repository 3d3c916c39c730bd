"""Reports on the outbox.

Each command that connects sends waiting messages and prints their results on standard error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import typer

from sandes_client.cli.display import local_time
from sandes_client.cli.texts import failure_line
from sandes_client.device import DeviceClient, SendFailed
from sandes_client.events import Status
from sandes_client.link import DeviceStopped
from sandes_client.store import Outgoing

PATIENCE_SECONDS = 5.0
"""Longest wait, in seconds, for earlier commands' messages once the command has done its own work."""


async def work_off(device: DeviceClient, earlier: Sequence[Outgoing], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait at most `seconds` until the service has answered for messages of earlier commands."""
    try:
        async with asyncio.timeout(seconds):
            for row in earlier:
                try:
                    await device.wait_for(row.number)
                except SendFailed:
                    continue
    except (TimeoutError, DeviceStopped):
        return


def tell(device: DeviceClient, earlier: Sequence[Outgoing]) -> None:
    """Print which messages of earlier commands were sent now, and which have permanently failed."""
    for row in earlier:
        now = device.store.outbox.read(row.number)
        what = f"the message of {local_time(row.queued_at_ms)} to {whom(row)}"
        if now.status is Status.FAILED:
            why = failure_line(SendFailed(now.code or "failed"))
            typer.echo(f"not sent: {what} has failed permanently: {why}", err=True)
        elif now.at_ms is not None:
            typer.echo(f"sent now: {what}", err=True)


def whom(row: Outgoing) -> str:
    return f"group {row.group}" if row.group else row.recipient
