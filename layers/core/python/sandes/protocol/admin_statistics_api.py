"""Bodies of the admin API's statistics."""

from __future__ import annotations

from datetime import datetime

from sandes.model.statistics import Step
from sandes.protocol.fields import Answer, AppField, OrganisationField, UnitField


class AppMessageCounts(Answer):
    """Counts messages of one category that reached a status in the period. A message counts in every status it
    reaches.
    """

    accepted: int
    delivered: int
    read: int
    expired: int
    recalled: int
    failed: int


class MessageCounts(Answer):
    """Counts messages. `direct` and `group` count those of the organisation's officials, or of everybody for the
    platform.

    `app_group` counts messages of apps to their groups.
    """

    direct: int
    group: int
    app_group: int
    notice: AppMessageCounts
    alert: AppMessageCounts
    transaction: AppMessageCounts


class DeliveryTimes(Answer):
    """Summarises the times from accepted to delivered of apps' messages to people, in milliseconds, at most 19
    % off.
    """

    count: int
    p50_ms: int | None = None
    p95_ms: int | None = None
    p99_ms: int | None = None


class OtpCounts(Answer):
    """Counts one-time passwords. `conversion` is the share of the sent ones that is known to be used.

    It is absent if none was sent.
    """

    sent: int
    resent: int
    used: int
    cancelled: int
    locked: int
    conversion: float | None = None


class WebhookCounts(Answer):
    delivered: int
    failed: int


class Figures(Answer):
    """Holds the counts of a period. `registered` counts new accounts, for the platform only.

    `verified` and `verification_ended` count the officials whose verification began and ended. `active` counts
    connected accounts, each once a day, in the hour of its first connection. Over several days, it is the sum of the
    days.
    """

    registered: int
    verified: int
    verification_ended: int
    active: int
    messages: MessageCounts
    delivery: DeliveryTimes
    otps: OtpCounts
    webhooks: WebhookCounts


class Period(Answer):
    """Holds the counts of an hour or day in UTC. `at` is its start."""

    at: datetime
    figures: Figures


class UnitOfficials(Answer):
    """Counts the officials of this unit who are verified now, without those of the units below it."""

    unit: UnitField
    name: str
    verified: int


class QueueDepth(Answer):
    """Describes a queue. `waiting` counts entries to be processed, also delayed ones. `failed` counts those in the
    dead-letter queue.
    """

    queue: str
    waiting: int
    failed: int


class Statistics(Answer):
    """Holds the statistics of an organisation or an app, or of the platform if neither is named.

    `figures` covers the whole period. It and `series` are absent if the caller may see only units. `series` omits hours
    and days without counts. `units` is one page of an organisation's units; answers to a cursor have nothing else.
    `queues` is for the platform, as of `queues_at`.
    """

    organisation: OrganisationField | None = None
    app: AppField | None = None
    by: Step
    since: datetime
    until: datetime
    figures: Figures | None = None
    series: tuple[Period, ...] = ()
    units: tuple[UnitOfficials, ...] = ()
    cursor: str | None = None
    queues: tuple[QueueDepth, ...] = ()
    queues_at: datetime | None = None
