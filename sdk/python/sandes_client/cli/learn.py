"""Fetches the profiles of people in an answer, for showing them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sandes_client.api import ApiError, Unreachable
from sandes_client.cli.display import person_label
from sandes_client.device import DeviceClient
from sandes_client.seal import SenderClass

MOST = 50
"""Number of profiles that are fetched for one answer."""

PATIENCE_SECONDS = 5.0

MAX_AGE_SECONDS = 60
"""Age of a profile, in seconds, up to which it is shown without fetching it again, if no message gives the author's
current class.
"""


async def learn(device: DeviceClient, accounts: Iterable[str]) -> None:
    """Fetch the profiles of `accounts`, as far as they are visible and arrive in time."""
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
    """Return the label of `account` from what this device knows; `learn` fetches it.

    For `account_class`, see `person_label`.
    """
    if account == device.address.account:
        return "you"
    return person_label(device.people.known(account), otherwise or account, account_class)
