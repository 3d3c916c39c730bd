"""Reads everything that a call of the app API first needs, in one round trip over three tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sandes.model.app import App
from sandes.model.delivery import AppMessage
from sandes.model.device import Routes
from sandes.model.group import Group
from sandes.model.ids import AccountId, AppId, EnvelopeId, GroupId, InboxId, MessageId
from sandes.model.otp import Otp
from sandes.model.template import Template
from sandes.store.app_groups import AppTie, is_app_tie, read_app_tie
from sandes.store.app_rows import app_key, is_app, read_app
from sandes.store.apps import AppStore
from sandes.store.deliveries import (
    Answer,
    DeliveryStore,
    answer_key,
    live_answer,
    live_message,
    message_key,
    send_log,
    send_log_key,
)
from sandes.store.directory import phone_key
from sandes.store.dynamo import batch_get
from sandes.store.groups import group_key, group_of_app_key, is_group, read_group
from sandes.store.inbox import InboxStore, envelope_key
from sandes.store.otps import OtpStore, live_otp, otp_key
from sandes.store.routing import RoutingStore, routes
from sandes.store.schema import DeliveryRow, DirectoryRow, InboxRow, RoutingRow
from sandes.store.templates import is_template, read_template, template_key


@dataclass(frozen=True, slots=True)
class Wanted:
    """Names the rows to read besides the app itself. `request` is the keyed hash of an idempotency key."""

    phone_index: str | None = None
    template: tuple[str, int | None] | None = None
    otp: str | None = None
    request: str | None = None
    message: MessageId | None = None
    group: GroupId | None = None


@dataclass(frozen=True, slots=True)
class AppFacts:
    """Holds the rows that were read. None stands for a row that was not requested or does not exist."""

    app: App | None
    account: AccountId | None
    template: Template | None
    otp: Otp | None
    answer: Answer | None
    message: AppMessage | None
    group: Group | None
    app_tie: AppTie | None


@dataclass(frozen=True, slots=True)
class AppView:
    apps: AppStore
    otps: OtpStore
    deliveries: DeliveryStore
    routing: RoutingStore

    def read(self, app: AppId, wanted: Wanted, *, now_seconds: int) -> AppFacts:
        """Read consistently, so that a key revoked before the call is refused, and an answered request is
        recognised.
        """
        found = batch_get(self.apps.client, self._requests(app, wanted))
        facts: dict[str, Any] = dict.fromkeys(field.name for field in fields(AppFacts))
        for item in found[self.apps.table]:
            if is_app(item):
                facts["app"] = read_app(item)
            elif is_template(item):
                facts["template"] = read_template(app, item)
            elif wanted.group and is_group(item):
                facts["group"] = read_group(wanted.group, item)
            elif is_app_tie(item):
                facts["app_tie"] = read_app_tie(item)
            else:
                facts["account"] = AccountId(item[DirectoryRow.ACCOUNT]["B"])
        for item in found.get(self.otps.table, []):
            facts["otp"] = live_otp(item, now_seconds)
        for item in found.get(self.deliveries.table, []):
            if DeliveryRow.ANSWER in item:
                facts["answer"] = live_answer(item, now_seconds)
            else:
                facts["message"] = live_message(app, item, now_seconds)
        return AppFacts(**facts)

    def _requests(self, app: AppId, wanted: Wanted) -> dict[str, Any]:
        keys: dict[str, list[Any]] = {self.apps.table: [app_key(app)], self.otps.table: [], self.deliveries.table: []}
        if wanted.phone_index:
            keys[self.apps.table].append(phone_key(wanted.phone_index))
        if wanted.template:
            keys[self.apps.table].append(template_key(app, *wanted.template))
        if wanted.group:
            keys[self.apps.table] += [group_key(wanted.group), group_of_app_key(app, wanted.group)]
        if wanted.otp:
            keys[self.otps.table].append(otp_key(wanted.otp))
        if wanted.request:
            keys[self.deliveries.table].append(answer_key(app, wanted.request))
        if wanted.message:
            keys[self.deliveries.table].append(message_key(app, wanted.message))
        return {table: {"Keys": some, "ConsistentRead": True} for table, some in keys.items() if some}

    def recipient(
        self,
        account: AccountId | None,
        *,
        subjects: Sequence[str] = (),
        now_seconds: int,
        test: bool = False,
        consistent: bool = False,
    ) -> tuple[Routes | None, list[bytes]]:
        """Return the account's devices, and the recent sends of keys of this kind to `subjects`, in one round trip.

        The read is eventually consistent by default. An outdated log makes the write that depends on it fail, and
        routing is read again after the write.
        """
        requests: dict[str, Any] = {}
        if account:
            requests[self.routing.table] = {"Keys": [{RoutingRow.ACCOUNT: {"B": account}}]}
        if subjects:
            requests[self.deliveries.table] = {"Keys": [send_log_key(subject, test=test) for subject in subjects]}
        for request in requests.values():
            request["ConsistentRead"] = consistent
        found: Mapping[str, Any] = batch_get(self.apps.client, requests) if requests else {}
        rows = found.get(self.routing.table) or [None]
        logs = {item[DeliveryRow.PARTITION]["S"]: item for item in found.get(self.deliveries.table, [])}
        partitions = [send_log_key(subject, test=test)[DeliveryRow.PARTITION]["S"] for subject in subjects]
        known = routes(rows[0], now_seconds=now_seconds) if rows[0] else None
        return known, [send_log(logs.get(partition)) for partition in partitions]

    def otp_and_envelopes(
        self, id: str, rows: Sequence[tuple[InboxId, EnvelopeId]], *, inbox: InboxStore, now_seconds: int
    ) -> tuple[Otp | None, set[EnvelopeId]]:
        """Return an OTP, and which of its envelopes still wait, with one consistent read. Acknowledged ones are
        deleted.
        """
        requests: dict[str, Any] = {self.otps.table: {"Keys": [otp_key(id)], "ConsistentRead": True}}
        if rows:
            keys = [envelope_key(*row) for row in rows]
            requests[inbox.table] = {"Keys": keys, "ConsistentRead": True, "ProjectionExpression": InboxRow.ENVELOPE}
        found = batch_get(self.apps.client, requests)
        otp = next((live_otp(item, now_seconds) for item in found[self.otps.table]), None)
        waiting = {EnvelopeId(item[InboxRow.ENVELOPE]["B"]) for item in found.get(inbox.table, [])}
        return otp, waiting
