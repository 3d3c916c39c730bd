"""Deliveries to webhooks in the deliveries table, and a read in one round trip of all rows that a delivery needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from sandes.model.app import App
from sandes.model.delivery import AppEvent
from sandes.model.ids import AppId
from sandes.model.webhook import DeliveryState, WebhookDelivery
from sandes.store.app_rows import app_key, read_app
from sandes.store.apps import AppStore
from sandes.store.deliveries import DeliveryStore, event_key, live_event, webhook_delivery_key
from sandes.store.dynamo import Item, batch_get
from sandes.store.schema import DeliveryRow as Row
from sandes.store.transaction import Put, write_if


@dataclass(frozen=True, slots=True)
class WebhookStore:
    apps: AppStore
    deliveries: DeliveryStore

    def read(
        self, app: AppId, event: str, webhook: str, *, test: bool, now_seconds: int
    ) -> tuple[App | None, AppEvent | None, WebhookDelivery | None]:
        """Return the app, one of its events, and its delivery to one webhook, with one consistent read."""
        keys = [event_key(app, event, test=test), webhook_delivery_key(app, webhook, event, test=test)]
        found = batch_get(
            self.apps.client,
            {
                self.apps.table: {"Keys": [app_key(app)], "ConsistentRead": True},
                self.deliveries.table: {"Keys": keys, "ConsistentRead": True},
            },
        )
        read = next((read_app(item) for item in found[self.apps.table]), None)
        rows = {item[Row.PARTITION]["S"][0]: item for item in found[self.deliveries.table]}
        return (
            read,
            live_event(app, rows.get("E"), now_seconds, test=test),
            _live(app, webhook, rows.get("W"), now_seconds, test=test),
        )

    def note(self, delivery: WebhookDelivery) -> bool:
        """Record the result of an attempt. Return False if a later attempt or run is recorded already.

        A successful delivery is recorded whatever other attempts of the same run have recorded.
        """
        condition = f"attribute_not_exists({Row.PARTITION}) OR ({Row.RUN} = :run"
        values: dict[str, Any] = {":run": {"N": str(delivery.run)}}
        if delivery.state != "delivered":
            condition += f" AND {Row.STATE} = :pending AND {Row.ATTEMPTS} <= :attempts"
            values |= {":pending": {"S": "pending"}, ":attempts": {"N": str(delivery.attempts)}}
        noted = Put(self.deliveries.table, _item(delivery), condition=f"{condition})", values=values)
        return write_if(self.deliveries.client, None, [noted])

    def restarting(self, old: WebhookDelivery | None, new: WebhookDelivery) -> Put:
        """Build the part of a transaction that starts a new run. The condition fails if the delivery has changed since
        the read.
        """
        if old is None:
            return Put(self.deliveries.table, _item(new), condition=f"attribute_not_exists({Row.PARTITION})")
        read = {":run": {"N": str(old.run)}}
        return Put(self.deliveries.table, _item(new), condition=f"{Row.RUN} = :run", values=read)

    def pages(
        self, app: AppId, webhook: str, *, test: bool, before: str | None, limit: int, now_seconds: int
    ) -> Iterator[tuple[list[WebhookDelivery], str | None]]:
        """Yield pages, the newest events first, from before `before`, with the event id to continue from."""
        for items, last in self.deliveries.webhook_rows(app, webhook, test=test, before=before, limit=limit):
            yield [row for item in items if (row := _live(app, webhook, item, now_seconds, test=test))], last


def _item(delivery: WebhookDelivery) -> dict[str, Any]:
    key = webhook_delivery_key(delivery.app, delivery.webhook, delivery.event, test=delivery.test)
    item = key | {
        Row.TYPE: {"S": delivery.type},
        Row.STATE: {"S": delivery.state},
        Row.RUN: {"N": str(delivery.run)},
        Row.ATTEMPTS: {"N": str(delivery.attempts)},
        Row.UPDATED_AT: {"N": str(delivery.updated_at)},
        Row.EXPIRES_AT: {"N": str(delivery.expires_at)},
    }
    if delivery.last_status is not None:
        item[Row.LAST_STATUS] = {"N": str(delivery.last_status)}
    if delivery.last_error is not None:
        item[Row.LAST_ERROR] = {"S": delivery.last_error}
    if delivery.next_attempt_at is not None:
        item[Row.NEXT_ATTEMPT_AT] = {"N": str(delivery.next_attempt_at)}
    return item


def _live(app: AppId, webhook: str, item: Item | None, now_seconds: int, *, test: bool) -> WebhookDelivery | None:
    if item is None or int(item[Row.EXPIRES_AT]["N"]) <= now_seconds:
        return None

    def number(name: str) -> int | None:
        return int(item[name]["N"]) if name in item else None

    return WebhookDelivery(
        app=app,
        test=test,
        webhook=webhook,
        event=item[Row.SORT]["S"],
        type=item[Row.TYPE]["S"],
        state=cast("DeliveryState", item[Row.STATE]["S"]),
        run=int(item[Row.RUN]["N"]),
        attempts=int(item[Row.ATTEMPTS]["N"]),
        last_status=number(Row.LAST_STATUS),
        last_error=item[Row.LAST_ERROR]["S"] if Row.LAST_ERROR in item else None,
        next_attempt_at=number(Row.NEXT_ATTEMPT_AT),
        updated_at=int(item[Row.UPDATED_AT]["N"]),
        expires_at=int(item[Row.EXPIRES_AT]["N"]),
    )
