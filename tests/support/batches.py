"""Runs batches in process: real use cases on real stores and a real S3 client over moto, with queues that the test
processes.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
from moto import mock_aws
from nacl.signing import SigningKey

from sandes.apps import batch_send, batches
from sandes.apps.batches import BatchDependencies
from sandes.apps.messages import AppsDependencies
from sandes.apps.quotas import Quotas
from sandes.crypto.app_tokens import SignedRequest
from sandes.edge.objects import S3Objects
from sandes.identity.apps import AppRequest
from sandes.messaging.push import Push
from sandes.model.app import SCOPES, App, AppKey, Mode, Webhook
from sandes.model.ids import AppKeyId, app_text, base64url_text, new_app_id, new_app_key_id
from sandes.model.instant import Instant
from sandes.model.template import Template
from sandes.protocol import app_api
from sandes.store.app_view import AppView
from sandes.store.apps import AppStore
from sandes.store.batches import BatchStore
from sandes.store.deliveries import MESSAGE_SHARDS, DeliveryStore
from sandes.store.directory import DirectoryStore
from sandes.store.inbox import InboxStore
from sandes.store.otps import OtpStore
from sandes.store.routing import RoutingStore
from tests.support.dynamodb import memory_dynamodb
from tests.support.keys import SERVICE_KEYS
from tests.support.queue import FakeQueue
from tests.support.service import MAX_EXPIRY_SECONDS, NOW, PEPPER, Service

BUCKET = "uploads"
AUDIENCE = "sandes:test"
Through = Callable[[Any], Any]
Json = dict[str, Any]


class Crash(Exception):
    """Ends the function at this point."""


@dataclass
class Crashing:
    """Ends the function at its `at`-th call to the outside, counted over all wrapped objects; 0 means never. If `after`
    is true, the call is made and its answer is lost.
    """

    at: int = 0
    after: bool = False
    calls: int = 0

    def __call__(self, target: Any) -> Any:
        return _Crashing(target, self)


@dataclass
class _Crashing:
    target: Any
    crashing: Crashing

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.target, name)
        if not callable(value) or name == "exceptions":
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            self.crashing.calls += 1
            now = self.crashing.calls == self.crashing.at
            if now and not self.crashing.after:
                raise Crash
            answer = value(*args, **kwargs)
            if now:
                raise Crash
            return answer

        return call


@dataclass
class BatchApp:
    """Holds an app that sends batches, and the queue of their work."""

    service: Service
    s3: Any
    app: App
    key: SigningKey
    kid: AppKeyId
    queue: FakeQueue = field(default_factory=FakeQueue)
    webhooks: FakeQueue = field(default_factory=FakeQueue)

    @property
    def now_ms(self) -> int:
        return self.service.now_ms

    def deps(self, through: Through = lambda target: target) -> BatchDependencies:
        """Return the dependencies of one execution environment. Every call to the outside goes `through`."""
        client, tables = through(self.service.client), self.service.tables
        routing = RoutingStore(client, tables["routing"])
        deliveries = DeliveryStore(client, tables["deliveries"])
        view = AppView(AppStore(client, tables["directory"]), OtpStore(client, tables["codes"]), deliveries, routing)
        apps = AppsDependencies(
            view=view,
            inbox=InboxStore(client, tables["inbox"]),
            quotas=Quotas(deliveries),
            push=Push(routing, through(self.service.gateway)),
            webhook_queue=through(self.webhooks),
            pepper=PEPPER,
            sender_hash=self.service.sender_hash,
            service_keys=SERVICE_KEYS,
            audience=AUDIENCE,
            max_expiry_seconds=MAX_EXPIRY_SECONDS,
        )
        return BatchDependencies(
            apps=apps,
            directory=DirectoryStore(client, tables["directory"]),
            store=BatchStore(client, tables["deliveries"]),
            objects=S3Objects(through(self.s3), BUCKET),
            queue=through(self.queue),
            clock=lambda: Instant(self.now_ms),
        )

    def request(self, method: str, path: str, body: bytes = b"", key: str | None = None) -> AppRequest:
        if method == "POST":
            key = key or secrets.token_urlsafe(9)
        kid, at = f"{app_text(self.app.id)}.{self.kid}", self.now_ms // 1000
        claims: Json = {"iss": app_text(self.app.id), "aud": AUDIENCE, "iat": at, "exp": at + 60, "htm": method}
        claims |= {"htu": path, "bh": base64url_text(hashlib.sha256(body).digest())} | ({"ik": key} if key else {})
        parts = ({"alg": "EdDSA", "kid": kid, "typ": "JWT"}, claims)
        signed = ".".join(base64url_text(json.dumps(part).encode()) for part in parts)
        token = f"{signed}.{base64url_text(self.key.sign(signed.encode()).signature)}"
        return AppRequest.of(token, SignedRequest(method, path, body, key), "192.0.2.1")

    def create(self, *, key: str | None = None, deps: BatchDependencies | None = None, **body: Any) -> app_api.Batch:
        text = json.dumps(body).encode()
        request = self.request("POST", "/v1/batches", text, key)
        given = app_api.NewBatch.model_validate_json(text)
        return batches.create(request, given, now=Instant(self.now_ms), deps=deps or self.deps())

    def commit(self, id: str, *, key: str | None = None, deps: BatchDependencies | None = None, **body: Any) -> Any:
        text = json.dumps(body).encode()
        request = self.request("POST", f"/v1/batches/{id}/commit", text, key)
        given = app_api.CommitBatch.model_validate_json(text)
        return batches.commit(request, id, given, now=Instant(self.now_ms), deps=deps or self.deps())

    def state(self, id: str) -> app_api.Batch:
        request = self.request("GET", f"/v1/batches/{id}")
        return batches.state(request, id, now=Instant(self.now_ms), deps=self.deps())

    def cancel(self, id: str) -> None:
        batches.cancel(self.request("DELETE", f"/v1/batches/{id}"), id, now=Instant(self.now_ms), deps=self.deps())

    def page(self, id: str, *, after: str | None = None, limit: int = 250) -> app_api.BatchResults:
        request = self.request("GET", f"/v1/batches/{id}/results")
        return batches.results(request, id, after=after, limit=limit, now=Instant(self.now_ms), deps=self.deps())

    def results(self, id: str, *, limit: int = 250) -> list[app_api.BatchResult]:
        page = self.page(id, limit=limit)
        found = page.results
        while page.cursor:
            page = self.page(id, after=page.cursor, limit=limit)
            found = [*found, *page.results]
        return list(found)

    def upload(self, content: bytes, *, kind: str = "csv", **body: Any) -> str:
        """Create a batch and put its file at the address for it."""
        made = self.create(upload=kind, **({"template": "bill"} | body if "body" not in body else body))
        batch = self.deps().store.read(self.app.id, made.id, now_seconds=self.now_ms // 1000)
        assert batch is not None
        self.s3.put_object(Bucket=BUCKET, Key=batches.file_name(batch), Body=content)
        return made.id

    def work_one(self, deps: BatchDependencies | None = None) -> str:
        """Process the oldest entry of the queue. Put it back if the work ends with `Crash`."""
        entry = self.queue.sent.pop(0)
        try:
            return batch_send.work(entry[0], now=Instant(self.now_ms), deps=deps or self.deps())
        except Crash:
            self.queue.sent.append(entry)
            raise

    def work_all(self) -> list[str]:
        """Process all entries without waiting for delays, until only work that its batch no longer needs is left."""
        done: list[str] = []
        while self.queue.sent and done[-5:] != ["not_yet"] * 5:
            done.append(self.work_one())
            assert len(done) < 500, "the queue is never empty"
        return done

    def rows_of(self, partition: str) -> list[Json]:
        """Return the rows of a partition of the deliveries table."""
        pages = self.service.client.get_paginator("query").paginate(
            TableName=self.service.tables["deliveries"],
            KeyConditionExpression="p = :partition",
            ExpressionAttributeValues={":partition": {"S": partition}},
        )
        return [dict(item) for page in pages for item in page["Items"]]

    def everything(self) -> list[Json]:
        """Return all rows of the deliveries table, also those of other apps."""
        pages = self.service.client.get_paginator("scan").paginate(TableName=self.service.tables["deliveries"])
        return [dict(item) for page in pages for item in page["Items"]]

    def messages_of(self, id: str) -> list[Json]:
        shards = (f"M#{app_text(self.app.id)}#{shard}" for shard in range(MESSAGE_SHARDS))
        return [row for shard in shards for row in self.rows_of(shard) if row.get("b", {}).get("S") == id]

    def events(self, type: str, *, test: bool = False) -> list[Json]:
        """Return the events of one type, of live keys or of test keys."""
        rows = [json.loads(row["v"]["B"]) for row in self.rows_of(f"E{'T' * test}#{app_text(self.app.id)}")]
        return [data for name, _, data in rows if name == type]

    def files(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix="").get("Contents", [])
        return [entry["Key"] for entry in found if app_text(self.app.id) in entry["Key"]]

    def change(self, **fields: Any) -> None:
        """Change the terms of the app, also in the table."""
        self.app = replace(self.app, **fields)
        store = AppStore(self.service.client, self.service.tables["directory"])
        kept = store.read(self.app.id)
        assert kept is not None
        assert store.set_terms(kept, mode=self.app.mode, per_minute=self.app.per_minute, per_day=self.app.per_day)


def new_app(service: Service, s3: Any, *, mode: Mode = "live", test: bool = False, **fields: Any) -> BatchApp:
    """Make an app with the template `bill`, which has the variables `name` and `sum`."""
    key, kid = SigningKey.generate(), new_app_key_id(test=test)
    hook = Webhook("h" * 22, "https://example.org", ("batch.completed",), 0, test)
    terms: dict[str, Any] = {
        "id": new_app_id(),
        "name": "Power",
        "organisation": "Energy",
        "mode": mode,
        "scopes": frozenset(SCOPES),
        "sms": False,
        "per_minute": 100_000,
        "per_day": 1_000_000,
        "guests": frozenset(),
        "keys": {kid: AppKey(kid, bytes(key.verify_key), (), 0)},
        "webhooks": {hook.id: hook},
        "created_at": 0,
    }
    app = App(**terms | fields)
    store = AppStore(service.client, service.tables["directory"])
    assert store.create(app)
    texts = {"en": "{{ name }}, your bill is {{ sum }}.", "hi": "{{ name }}, आपका बिल {{ sum }} है।"}
    bill = Template(app.id, "bill", 1, "message", texts, frozenset({"name", "sum"}), None, NOW)
    assert store.add_template(bill, previous=0)
    return BatchApp(service, s3, app, key, kid)


@contextmanager
def batch_backend() -> Iterator[tuple[Service, Any]]:
    client, tables, _ = memory_dynamodb()
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        s3.create_bucket(Bucket=BUCKET)
        yield Service(client, tables), s3
