"""Who the people in an answer are, for showing them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sandes_client.api import ApiError, Unreachable
from sandes_client.cli.display import person_label
from sandes_client.device import DeviceClient
from sandes_client.seal import SenderClass

MOST = 50
"""Profiles that are asked for, for one answer."""

PATIENCE_SECONDS = 5.0

MAX_AGE_SECONDS = 60
"""So old a profile is shown without asking again, where no message says of what class its author is now."""


async def learn(device: DeviceClient, accounts: Iterable[str]) -> None:
    """Have the profiles of `accounts` at hand, as far as they may be seen and come in time."""
    wanted = list(dict.fromkeys(accounts))[:MOST]

    async def ask(account: str) -> None:
        try:
            await device.people.profile(account, max_age_seconds=MAX_AGE_SECONDS)
        except (ApiError, Unreachable):
            return

    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(ask(account) for account in wanted))
    except TimeoutError:
        return


def label(
    device: DeviceClient, account: str, otherwise: str | None = None, *, account_class: SenderClass | None = None
) -> str:
    """Who `account` is as far as this device knows: `learn` asks. `account_class`: see `person_label`."""
    if account == device.address.account:
        return "you"
    return person_label(device.people.known(account), otherwise or account, account_class)
