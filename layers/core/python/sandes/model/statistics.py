"""What is counted, for whom and by when (docs/adr/0026): numbers only, nobody's doings.

Times of delivery are counted in buckets of half an octave, from which percentiles follow with an error of at most 19 %.
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
"""Of a message of an app, those that are counted; `queued` and `sent` are on the way to them."""

KEEP_SECONDS = 400 * 86_400
"""A year, and a month to compare it with."""

Step = Literal["hour", "day"]
MAX_STEPS: Mapping[Step, int] = {"hour": 7 * 24, "day": 400}
"""Of one question: what one query of the table brings."""

PLATFORM = "platform"

_MOST_BUCKETS = 64


def message_counter(category: str, status: Status) -> str:
    """Messages of apps that have reached a status; each is counted once in each that it reaches."""
    return f"{category}_{status.label}"


def organisation_scope(organisation: OrganisationId) -> str:
    return f"O#{id_text(organisation)}"


def app_scope(app: AppId) -> str:
    return f"APP#{app_text(app)}"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something to be counted: for the platform always, for an organisation and an app where they are named.

    `at_seconds`: when it happened, epoch seconds. `took_ms`: how long that took, counted in its bucket as well.
    """

    counter: str
    at_seconds: int
    organisation: OrganisationId | None = None
    app: AppId | None = None
    times: int = 1
    took_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """Where a number of occurrences is added: the hour since the epoch, and what `Occurrence` says."""

    scope: str
    hour: int
    counter: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Of a table's stream, by the sequence numbers of its first and last change."""

    table: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Depth:
    """Of a queue: entries that wait or are being worked off, and those that failed for good."""

    queue: str
    waiting: int
    failed: int


def took_counter(milliseconds: int) -> str:
    """The bucket that a time of delivery is counted in."""
    return f"{_TOOK}{min(_MOST_BUCKETS - 1, int(2 * math.log2(max(1, milliseconds))))}"


def hour_of(seconds: int) -> int:
    return seconds // 3600


def period(step: Step, hour: int) -> str:
    """`hour#2026-11-25T23` or `day#2026-11-25`, in UTC."""
    at = datetime.fromtimestamp(hour * 3600, UTC)
    return f"hour#{at:%Y-%m-%dT%H}" if step == "hour" else f"day#{at:%Y-%m-%d}"


def period_start(text: str) -> datetime:
    """When a period began, from what `period` gives."""
    step, _, at = text.partition("#")
    return datetime.strptime(at, "%Y-%m-%dT%H" if step == "hour" else "%Y-%m-%d").replace(tzinfo=UTC)


def periods(step: Step, first: datetime, last: datetime) -> Iterator[str]:
    """Every period from the one that holds `first` to the one that holds `last`."""
    width = timedelta(hours=1) if step == "hour" else timedelta(days=1)
    at = period_start(period(step, hour_of(int(first.timestamp()))))
    while at <= last:
        yield period(step, hour_of(int(at.timestamp())))
        at += width


def day_of(milliseconds: int) -> int:
    """Days since the epoch, in UTC."""
    return milliseconds // 86_400_000


@dataclass(frozen=True, slots=True)
class Took:
    """How many times were measured, and what they were at most in so many of a hundred cases, in milliseconds."""

    count: int
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None


def took(counts: Mapping[str, int]) -> Took:
    """The times of delivery among `counts`. A percentile is the middle of its bucket: at most 19 % off."""
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
