"""Defines how long a device keeps data that has come to its end (`DeviceClient.open`)."""

from __future__ import annotations

from dataclasses import dataclass

DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Retention:
    """Holds times in seconds, from the expiry of a one-time password, and from the day on which the account left a
    group.

    None keeps the data for ever. A group is deleted with its messages and events. Messages between people are never
    deleted.
    """

    codes: int | None = DAY_SECONDS
    left_groups: int | None = 90 * DAY_SECONDS
