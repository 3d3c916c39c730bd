"""Counters of the statistics, their scopes and their periods (docs/adr/0026). They are numbers without personal data.

Delivery times are counted in buckets of half an octave. Percentiles computed from them have an error of at most 19 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sandes.model.delivery import Status
from sandes.model.ids import AppId, OrganisationId, app_text, id_text

REGISTERED = "registered"
VERIFIED = "verified"
VERIFICATION_ENDED = "verification_ended"
ACTIVE = "active"
DIRECT_MESSAGES = "direct_messages"
GROUP_MESSAGES = "group_messages"
APP_GROUP_MESSAGES = "app_group_messages"
OTPS = "otps"
OTP_RESENDS = "otp_resends"
OTPS_USED = "otps_used"
OTPS_CANCELLED = "otps_cancelled"
OTPS_LOCKED = "otps_locked"
WEBHOOKS_DELIVERED = "webhooks_delivered"
WEBHOOKS_FAILED = "webhooks_failed"
_TOOK = "took_"

CATEGORIES = ("notice", "alert", "transaction")
STATUSES = (Status.ACCEPTED, Status.DELIVERED, Status.READ, Status.EXPIRED, Status.RECALLED, Status.FAILED)
"""The statuses of an app's message that are counted. `queued` and `sent` are only steps towards them."""

KEEP_SECONDS = 400 * 86_400
"""How long counts are kept: a year, and a month to compare it with."""

Step = Literal["hour", "day"]
MAX_STEPS: Mapping[Step, int] = {"hour": 7 * 24, "day": 400}
"""The most periods of one request: as many as one query of the table returns."""

PLATFORM = "platform"

_MOST_BUCKETS = 64


def message_counter(category: str, status: Status) -> str:
    """Return the counter of app messages that have reached a status. A message counts once in each status it
    reaches.
    """
    return f"{category}_{status.label}"


def organisation_scope(organisation: OrganisationId) -> str:
    return f"O#{id_text(organisation)}"


def app_scope(app: AppId) -> str:
    return f"APP#{app_text(app)}"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Describes something to count, for the platform and, where they are set, for an organisation and an app.

    `at_seconds` is the time of the occurrence in epoch seconds. `took_ms` is its duration, which is also counted in its
    bucket.
    """

    counter: str
    at_seconds: int
    organisation: OrganisationId | None = None
    app: AppId | None = None
    times: int = 1
    took_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """Names the counter to increase: scope, hour since the epoch, and the counter of an `Occurrence`."""

    scope: str
    hour: int
    counter: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Identifies a batch of a table's stream by the sequence numbers of its first and last change."""

    table: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Depth:
    """Holds the length of a queue: entries that wait or are being processed, and entries that failed for good."""

    queue: str
    waiting: int
    failed: int


def took_counter(milliseconds: int) -> str:
    """Return the bucket in which a delivery time is counted."""
    return f"{_TOOK}{min(_MOST_BUCKETS - 1, int(2 * math.log2(max(1, milliseconds))))}"


def hour_of(seconds: int) -> int:
    return seconds // 3600


def period(step: Step, hour: int) -> str:
    """Return the name of a period in UTC, such as `hour#2026-11-25T23` or `day#2026-11-25`."""
    at = datetime.fromtimestamp(hour * 3600, UTC)
    return f"hour#{at:%Y-%m-%dT%H}" if step == "hour" else f"day#{at:%Y-%m-%d}"


def period_start(text: str) -> datetime:
    """Parse the start of a period from the text that `period` returns."""
    step, _, at = text.partition("#")
    return datetime.strptime(at, "%Y-%m-%dT%H" if step == "hour" else "%Y-%m-%d").replace(tzinfo=UTC)


def periods(step: Step, first: datetime, last: datetime) -> Iterator[str]:
    """Yield every period from the one that contains `first` to the one that contains `last`."""
    width = timedelta(hours=1) if step == "hour" else timedelta(days=1)
    at = period_start(period(step, hour_of(int(first.timestamp()))))
    while at <= last:
        yield period(step, hour_of(int(at.timestamp())))
        at += width


def day_of(milliseconds: int) -> int:
    """Return the number of days since the epoch, in UTC."""
    return milliseconds // 86_400_000


@dataclass(frozen=True, slots=True)
class Took:
    """Holds the number of measured times and their percentiles in milliseconds."""

    count: int
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None


def took(counts: Mapping[str, int]) -> Took:
    """Summarise the delivery times among `counts`. A percentile is the middle of its bucket, at most 19 % off."""
    buckets = sorted((int(name.removeprefix(_TOOK)), n) for name, n in counts.items() if name.startswith(_TOOK))
    total = sum(n for _, n in buckets)

    def percentile(percent: int) -> int | None:
        left = -(-total * percent // 100)
        for bucket, n in buckets:
            left -= n
            if left <= 0:
                return round(2 ** (bucket / 2 + 0.25))
        return None

    if not total:
        return Took(0, None, None, None)
    return Took(total, percentile(50), percentile(95), percentile(99))
