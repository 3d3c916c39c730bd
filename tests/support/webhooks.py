"""Runs webhooks in process: an app with a key, a queue on the test's clock, and a resolver and a receiver that the test
controls.
"""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nacl.signing import SigningKey

from sandes.apps import event_feed, webhook_delivery, webhooks
from sandes.apps.app_events import new_event, tell_webhooks
from sandes.apps.messages import AppsDependencies
from sandes.apps.quotas import Quotas
from sandes.apps.webhook_address import AddressRule, Destination, NameNotResolved, Network
from sandes.apps.webhook_delivery import Reply, WebhookDeliveryDependencies
from sandes.apps.webhooks import WebhookDependencies
from sandes.crypto.pepper import Pepper
from sandes.crypto.sender_hash import SenderHash
from sandes.crypto.webhook_keys import WebhookKeys
from sandes.messaging.push import Push
from sandes.model.app import SCOPES, App, AppKey
from sandes.model.delivery import AppEvent
from sandes.model.ids import AppId, ConnectionId, app_text, new_app_id, new_app_key_id
from sandes.model.instant import Instant
from sandes.ports.sockets import Posted
from sandes.protocol import app_api
from sandes.store.app_view import AppView
from sandes.store.apps import AppStore
from sandes.store.deliveries import DeliveryStore
from sandes.store.inbox import InboxStore
from sandes.store.otps import OtpStore
from sandes.store.routing import RoutingStore
from sandes.store.webhooks import WebhookStore
from tests.support.app_keys import AppKeys
from tests.support.keys import SERVICE_KEYS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW_MS = 1_790_000_000_000
AUDIENCE = "sandes:test"
PEPPER = Pepper.of(b"p" * 32)
KEYS = WebhookKeys.of(b"w" * 64)
URL = "https://hooks.example/sandes?tenant=1"
PUBLIC_ADDRESS = "93.184.215.14"
ALL_EVENTS = list(app_api.EVENT_TYPES)


@dataclass
class Names:
    """Resolves the given names, and counts the queries for each."""

    known: dict[str, list[str]] = field(default_factory=lambda: {"hooks.example": [PUBLIC_ADDRESS]})
    asked: list[str] = field(default_factory=list)

    def addresses(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host[0].isdigit() or ":" in host:
            return [host]
        if host not in self.known:
            raise NameNotResolved(host)
        return self.known[host]


@dataclass(frozen=True)
class Post:
    to: Destination
    headers: dict[str, str]
    body: bytes
    at_ms: int

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Clock:
    ms: int = NOW_MS

    @property
    def seconds(self) -> int:
        return self.ms // 1000


@dataclass
class Receiver:
    """Accepts posts and answers with `replies` in order, then with `otherwise`."""

    clock: Clock
    replies: list[Reply] = field(default_factory=list)
    otherwise: Reply = field(default_factory=lambda: Reply(200))
    posts: list[Post] = field(default_factory=list)
    meanwhile: Any = None

    def post(self, to: Destination, headers: Mapping[str, str], body: bytes) -> Reply:
        self.posts.append(Post(to, dict(headers), body, self.clock.ms))
        if self.meanwhile:
            self.meanwhile()
        return self.replies.pop(0) if self.replies else self.otherwise


@dataclass
class DelayQueue:
    """Replaces SQS with delays, on the test's clock."""

    clock: Clock
    entries: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    sends: int = 0

    def send(self, body: dict[str, Any], *, delay_seconds: int = 0) -> None:
        self.send_many([body], delay_seconds=delay_seconds)

    def send_many(self, bodies: Sequence[dict[str, Any]], *, delay_seconds: int = 0) -> None:
        assert isinstance(delay_seconds, int)
        assert 0 <= delay_seconds <= 900, "SQS takes no longer delay"
        self.sends += len(bodies)
        at = self.clock.seconds + delay_seconds
        self.entries += [(at, json.loads(json.dumps(body))) for body in bodies]

    def take_due(self) -> list[dict[str, Any]]:
        due = [body for at, body in self.entries if at <= self.clock.seconds]
        self.entries = [(at, body) for at, body in self.entries if at > self.clock.seconds]
        return due


class _NoGateway:
    def post(self, connection: ConnectionId, data: str) -> Posted:
        return Posted.GONE

    def close(self, connection: ConnectionId) -> None:
        return None


class Hooks:
    """Holds an app of its own with the scope `hook`, and everything that webhooks need."""

    def __init__(
        self,
        client: DynamoDBClient,
        tables: Mapping[str, str],
        *,
        networks: tuple[Network, ...] = (),
        scopes: Sequence[str] = SCOPES,
        now_ms: int = NOW_MS,
    ) -> None:
        self.clock = Clock(now_ms)
        self.names = Names()
        self.receiver = Receiver(self.clock)
        self.queue = DelayQueue(self.clock)
        apps = AppStore(client, tables["directory"])
        deliveries = DeliveryStore(client, tables["deliveries"])
        routing = RoutingStore(client, tables["routing"])
        self.view = AppView(apps, OtpStore(client, tables["codes"]), deliveries, routing)
        self.store = WebhookStore(apps, deliveries)
        self.addresses = AddressRule(self.names, networks)
        self.feed_deps = AppsDependencies(
            view=self.view,
            inbox=InboxStore(client, tables["inbox"]),
            quotas=Quotas(deliveries),
            push=Push(routing, _NoGateway()),
            webhook_queue=self.queue,
            pepper=PEPPER,
            sender_hash=SenderHash.of(b"s" * 32),
            service_keys=SERVICE_KEYS,
            audience=AUDIENCE,
            max_expiry_seconds=30 * 86_400,
        )
        self.testing = False
        self.id, self.keys, self._test_keys = self._register(scopes)

    def with_test_key(self) -> Hooks:
        """Return the same app, whose calls are made with its test key."""
        other = copy.copy(self)
        other.testing, other.keys = True, self._test_keys
        return other

    def _register(self, scopes: Sequence[str]) -> tuple[AppId, AppKeys, AppKeys]:
        id, live, test = new_app_id(), new_app_key_id(), new_app_key_id(test=True)
        signing = {live: SigningKey.generate(), test: SigningKey.generate()}
        app = App(
            id=id,
            name="Passport Seva",
            organisation="MEA",
            mode="live",
            scopes=frozenset(scopes),
            sms=False,
            per_minute=1,
            per_day=1,
            guests=frozenset(),
            keys={
                key: AppKey(key, bytes(secret.verify_key), (), self.clock.seconds) for key, secret in signing.items()
            },
            webhooks={},
            created_at=self.clock.seconds,
        )
        assert self.view.apps.create(app)
        made = {key: AppKeys(f"{app_text(id)}.{key}", AUDIENCE, secret) for key, secret in signing.items()}
        return id, made[live], made[test]

    @property
    def deps(self) -> WebhookDependencies:
        return WebhookDependencies(self.view, self.store, self.queue, PEPPER, KEYS, self.addresses, AUDIENCE)

    def delivery_deps(self, **replaced: Any) -> WebhookDeliveryDependencies:
        parts: dict[str, Any] = {
            "store": self.store,
            "queue": self.queue,
            "keys": KEYS,
            "addresses": self.addresses,
            "poster": self.receiver,
            "random": lambda: 0.0,
        }
        return WebhookDeliveryDependencies(**parts | replaced)

    @property
    def app(self) -> App:
        app = self.view.apps.read(self.id)
        assert app is not None
        return app

    def request(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        sent = b"" if body is None else json.dumps(body).encode()
        key = key or (secrets.token_urlsafe(12) if method == "POST" else None)
        return self.keys.request(method, path, sent, key=key, now_ms=self.clock.ms)

    def create(
        self, url: str = URL, events: Sequence[str] = ("message.delivered",), *, key: str | None = None
    ) -> app_api.Webhook:
        body: dict[str, Any] = {"url": url, "events": list(events)}
        request = self.request("POST", "/v1/webhooks", body, key=key)
        return webhooks.create(request, app_api.NewWebhook(**body), now=Instant(self.clock.ms), deps=self.deps)

    def change(self, id: str, **body: Any) -> app_api.Webhook:
        request = self.request("PATCH", f"/v1/webhooks/{id}", body)
        return webhooks.change(request, id, app_api.ChangeWebhook(**body), now=Instant(self.clock.ms), deps=self.deps)

    def show(self, id: str) -> app_api.Webhook:
        request = self.request("GET", f"/v1/webhooks/{id}")
        return webhooks.one(request, id, now=Instant(self.clock.ms), deps=self.deps)

    def all(self) -> list[app_api.Webhook]:
        request = self.request("GET", "/v1/webhooks")
        return webhooks.all_of(request, now=Instant(self.clock.ms), deps=self.deps).webhooks

    def remove(self, id: str) -> None:
        request = self.request("DELETE", f"/v1/webhooks/{id}")
        webhooks.remove(request, id, now=Instant(self.clock.ms), deps=self.deps)

    def test(self, id: str, *, key: str | None = None) -> app_api.WebhookDelivery:
        request = self.request("POST", f"/v1/webhooks/{id}/test", key=key)
        return webhooks.test(request, id, now=Instant(self.clock.ms), deps=self.deps)

    def redeliver(self, id: str, event: str, *, key: str | None = None) -> app_api.WebhookDelivery:
        request = self.request("POST", f"/v1/webhooks/{id}/deliveries/{event}/redeliver", key=key)
        return webhooks.redeliver(request, id, event, now=Instant(self.clock.ms), deps=self.deps)

    def deliveries(
        self, id: str, *, state: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> app_api.WebhookDeliveries:
        request = self.request("GET", f"/v1/webhooks/{id}/deliveries")
        return webhooks.deliveries(
            request, id, state=state, after=cursor, limit=limit, now=Instant(self.clock.ms), deps=self.deps
        )

    def only(self, id: str) -> app_api.WebhookDelivery:
        """Return the only delivery."""
        (delivery,) = self.deliveries(id).deliveries
        return delivery

    def feed(self, cursor: str | None = None, *, limit: int = 100) -> app_api.EventPage:
        request = self.request("GET", "/v1/events")
        return event_feed.page(request, after=cursor, limit=limit, now=Instant(self.clock.ms), deps=self.feed_deps)

    # Events.

    def happen(self, type: str = "message.delivered", *, at_ms: int | None = None) -> AppEvent:
        """Record an event and queue it, as a change of status does."""
        event = new_event(
            self.id, type, {"status": "delivered", "seq": 4}, test=self.testing, now=Instant(at_ms or self.clock.ms)
        )
        tell_webhooks(self.app, [event], self.queue)
        self.view.deliveries.write([self.view.deliveries.recording(event)])
        return event

    def work(self, **replaced: Any) -> list[str]:
        """Process the entries that are due now, and return the outcomes."""
        return [self.deliver(body, **replaced) for body in self.queue.take_due()]

    def deliver(self, body: Mapping[str, Any], **replaced: Any) -> str:
        return webhook_delivery.deliver(body, now=Instant(self.clock.ms), deps=self.delivery_deps(**replaced))

    def after(self, seconds: int, **replaced: Any) -> list[str]:
        """Let time pass, process everything when it is due, and return the outcomes in order."""
        end, outcomes = self.clock.seconds + seconds, []
        while (due := min((at for at, _ in self.queue.entries), default=end + 1)) <= end:
            self.clock.ms = max(self.clock.ms, due * 1000)
            outcomes += self.work(**replaced)
        self.clock.ms = end * 1000
        return outcomes
