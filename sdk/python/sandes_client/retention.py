"""For how long a device keeps what has come to its end (`DeviceClient.open`)."""

from __future__ import annotations

from dataclasses import dataclass

DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Retention:
    """Seconds, counted from the end: of a one-time password its expiry, of a group the day on which the account left.

    None keeps for ever. A group goes with its messages and events; messages between people are not touched.
    """

    codes: int | None = DAY_SECONDS
    left_groups: int | None = 90 * DAY_SECONDS
