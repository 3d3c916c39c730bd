"""The rate limits, and the two ways to enforce them (docs/adr/0005).

A limit is a bucket of `burst` that refills by one every `interval_ms`. Its state is one number: the time at which the
bucket is full again. Each take moves it by an interval. The bucket is empty when that time is `burst` intervals ahead.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv6Address, ip_address, ip_network

from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import StoreUnavailable
from sandes.store.limits import LimitStore

HOUR_SECONDS = 3600


class Limit(Enum):
    """Lists the limits: name, burst, refill interval in milliseconds."""

    SENDS = "sends", 60, 1_000
    INBOX = "inbox", 1_000, 4  # for messages of people to one account, in write units of the largest copy
    RECEIPTS = "receipts", 300, 200
    FRAMES = "frames", 600, 25
    CODES_TO_NUMBER = "codes-to-number", 8, 300_000  # for all callers together: the wait is minutes, never hours
    CODES_FROM_NETWORK = (
        "codes-from-network",
        4,
        600_000,
    )  # to one number: half of that number's own pace, so that other networks get some
    LINKS = "links", 6, 120_000
    LOOKUPS = "lookups", 20, 10_000
    SEARCHES = "searches", 30, 2_000
    PROFILES = "profiles", 120, 500
    INVITATIONS = "invitations", 60, 10_000
    GROUPS_MADE = "groups-made", 10, 600_000
    GROUP_CHANGES = "group-changes", 120, 1_000
    GROUP_POSTS = "group-posts", 20, 2_000
    GROUP_CHUNKS = "group-chunks", 2_000, 500  # a hundred members each; the burst is two posts to the largest group
    VERIFICATION_REQUESTS = "verification-requests", 10, 8_640_000  # ten, then ten a day
    REPORTS = "reports", 20, 4_320_000  # twenty, then twenty a day
    BLOCKS = "blocks", 60, 5_000
    CALLS = "calls", 600, 200  # for calls without a limit of their own: lists, the caller's account, keys of others
    UNIT_CHANGES = "unit-changes", 300, 2_000  # each reads the tree
    ADMIN_LOOKUPS = "admin-lookups", 60, 60_000
    IMPORT_CHECKS = "import-checks", 20, 600_000  # each tells of up to 100,000 numbers how many are registered
    GROUP_DELIVERIES = "group-deliveries", 60, 1_000

    def __init__(self, label: str, burst: int, interval_ms: int) -> None:
        self.label = label
        self.burst = burst
        self.interval_ms = interval_ms

    @property
    def depth_ms(self) -> int:
        return self.burst * self.interval_ms


FRAMES_PER_WRITE = 16
"""The number of frames that receiving devices take from their bucket together, because no other read fetches
the limit.
"""


@dataclass(frozen=True, slots=True)
class PerHour:
    """Describes a limit that the stage sets: a bucket of `count` that refills within an hour."""

    label: str
    count: int

    @property
    def burst(self) -> int:
        return self.count

    @property
    def interval_ms(self) -> int:
        return HOUR_SECONDS * 1000 // self.count

    @property
    def depth_ms(self) -> int:
        return self.burst * self.interval_ms


def network_of(address: str) -> str:
    """Return the network of an address: an IPv4 address itself, or the /64 of an IPv6 address.

    One person has 2^64 addresses in IPv6, because a subscriber gets at least a /64
    (https://www.rfc-editor.org/rfc/rfc6177). Raises ValueError for anything but an address.
    """
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ip_network((parsed, 64), strict=False))
        parsed = parsed.ipv4_mapped
    return str(parsed)


def enforce(store: LimitStore, limit: Limit | PerHour, subject: str, *, now: Instant, weight: int = 1) -> None:
    """Take `weight` from the subject's bucket exactly, or nothing. Use it for rare or expensive calls.

    Raises ProtocolError rate_limited with the seconds to wait, and unavailable if the bucket cannot be reached: this
    limiter fails closed.
    """
    try:
        full_at = store.take(
            subject, limit.label, now_ms=now.ms, cost_ms=weight * limit.interval_ms, latest_ms=now.ms + limit.depth_ms
        )
    except StoreUnavailable as error:
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=5) from error
    if full_at is not None:
        raise rate_limited(limit, full_at, now, wanted=weight)


def rate_limited(limit: Limit | PerHour, full_at_ms: int, now: Instant, *, wanted: int = 1) -> ProtocolError:
    wait_ms = full_at_ms + wanted * limit.interval_ms - now.ms - limit.depth_ms
    return ProtocolError(ErrorCode.RATE_LIMITED, retry_after_seconds=max(1, -(-wait_ms // 1000)))


@dataclass(slots=True)
class _Bucket:
    full_at_ms: int
    unwritten: int
    unwritten_since_ms: int


@dataclass(slots=True)
class Meter:
    """Enforces a limit for frequent calls: it counts in memory and writes to the table once in `write_every` takes.

    Another read fetches the table's number, or the write returns it. A take thus costs 1/8 write and no extra read.
    Other execution environments see a take only after it is written with seven others. Each environment may therefore
    allow up to `write_every` - 1 more than the limit in a burst (`write_every` if the number is not read), and may
    refuse as many takes early for a subject that stays at its limit. If the write fails, traffic stays open. Without a
    store, each environment counts for itself.
    """

    limit: Limit
    store: LimitStore | None
    write_every: int = 8
    capacity: int = 4096
    _buckets: OrderedDict[str, _Bucket] = field(default_factory=OrderedDict)

    def refuse_if_empty(self, subject: str, *, now: Instant, wanted: int = 1) -> None:
        """Raise rate_limited from memory alone, before anything is read for a subject that floods the service.

        `wanted` takes follow, of which either all or none will pass.
        """
        bucket = self._buckets.get(subject)
        if bucket and bucket.full_at_ms + wanted * self.limit.interval_ms > now.ms + self.limit.depth_ms:
            raise rate_limited(self.limit, bucket.full_at_ms, now, wanted=wanted)

    def take(self, subject: str, *, now: Instant, stored_full_at_ms: int = 0, weight: int = 1) -> None:
        """Take `weight`, all or nothing. Raises ProtocolError rate_limited with the seconds to wait."""
        bucket = self._buckets.setdefault(subject, _Bucket(0, 0, now.ms))
        self._buckets.move_to_end(subject)
        if len(self._buckets) > self.capacity:
            self._buckets.popitem(last=False)
        full_at = max(bucket.full_at_ms, stored_full_at_ms, now.ms)
        bucket.full_at_ms = full_at
        self.refuse_if_empty(subject, now=now, wanted=weight)
        bucket.full_at_ms = full_at + weight * self.limit.interval_ms
        if bucket.unwritten == 0:
            bucket.unwritten_since_ms = now.ms
        bucket.unwritten += weight
        if self.store and bucket.unwritten >= self.write_every:
            cost_ms, bucket.unwritten = bucket.unwritten * self.limit.interval_ms, 0
            try:
                full_at = self.store.charge(
                    subject,
                    self.limit.label,
                    now_ms=bucket.unwritten_since_ms,  # the refill since then is not charged
                    cost_ms=cost_ms,
                    latest_ms=now.ms + 2 * self.limit.depth_ms,
                )
            except StoreUnavailable:
                return  # fails open: the next batch is written in its turn
            bucket.full_at_ms = max(bucket.full_at_ms, full_at)
