"""Bodies of the admin API's statistics."""

from __future__ import annotations

from datetime import datetime

from sandes.model.statistics import Step
from sandes.protocol.fields import Answer, AppField, OrganisationField, UnitField


class AppMessageCounts(Answer):
    """Messages of one category that reached a status in the period; each is counted in every status it reaches."""

    accepted: int
    delivered: int
    read: int
    expired: int
    recalled: int
    failed: int


class MessageCounts(Answer):
    """`direct` and `group`: what officials of the organisation wrote; of the platform, what anybody wrote. `app_group`:
    of apps to their groups.
    """

    direct: int
    group: int
    app_group: int
    notice: AppMessageCounts
    alert: AppMessageCounts
    transaction: AppMessageCounts


class DeliveryTimes(Answer):
    """Of apps' messages to people, from accepted to delivered, in milliseconds; each at most 19 % off."""

    count: int
    p50_ms: int | None = None
    p95_ms: int | None = None
    p99_ms: int | None = None


class OtpCounts(Answer):
    """`conversion`: the part of those sent that was used, as far as it is known by now; absent where none was sent."""

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
    """`registered`: new accounts, of the platform only. `verified`, `verification_ended`: officials that an
    organisation began and ended to vouch for. `active`: accounts that were connected, each once a day, in the hour of
    its first connection; over several days account days.
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
    """An hour or day of UTC; `at`: when it begins."""

    at: datetime
    figures: Figures


class UnitOfficials(Answer):
    """How many officials of this very unit, not of those below it, are verified now."""

    unit: UnitField
    name: str
    verified: int


class QueueDepth(Answer):
    """`waiting`: entries to be worked off, those for later among them. `failed`: those set aside for operators."""

    queue: str
    waiting: int
    failed: int


class Statistics(Answer):
    """Of an organisation, of an app, or of the platform where neither is named.

    `figures`: over the whole time; with `series` absent for who may see units only. Hours and days without anything to
    count are left out of `series`. `units`: of an organisation, a page of them; the answers to a cursor have nothing
    else. `queues`: of the platform, as they were at `queues_at`.
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
