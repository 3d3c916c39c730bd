"""What waits to be sent: each command that connects sends it, and says on standard error what became of it."""

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
"""For messages of earlier commands, once the command has done its own work."""


async def work_off(device: DeviceClient, earlier: Sequence[Outgoing], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the service has answered for messages of earlier commands, at most so long."""
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
    """Say which messages of earlier commands were sent now, and which have failed for good."""
    for row in earlier:
        now = device.store.outbox.read(row.number)
        what = f"the message of {local_time(row.queued_at_ms)} to {whom(row)}"
        if now.status is Status.FAILED:
            why = failure_line(SendFailed(now.code or "failed"))
            typer.echo(f"not sent: {what} has failed for good: {why}", err=True)
        elif now.at_ms is not None:
            typer.echo(f"sent now: {what}", err=True)


def whom(row: Outgoing) -> str:
    return f"group {row.group}" if row.group else row.recipient
