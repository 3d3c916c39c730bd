"""Measures a batch on the local engine: rows a second and AWS calls a row.

One worker in this process handles the queue, with the deployed function's own settings and keys without a role, so that
every call can be counted. The deployed worker is disabled meanwhile. Recipients have one device each, which is offline.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nacl.public import PrivateKey
from nacl.signing import SigningKey

from sandes.apps import batch_send
from sandes.apps.batches import BatchDependencies
from sandes.edge.wiring.apps import wire_batches
from sandes.model.ids import base64url_text, new_account_id, new_inbox_id
from sandes.model.instant import Instant
from sandes.store.directory import phone_key
from sandes.store.schema import DirectoryRow, RoutingRow
from sandes_client.app import AppClient, AppCredentials
from sandes_client.keys import IdentityKey
from tools.backstage import Backstage
from tools.bench.latency import FOLDER, Say
from tools.bench.worker import counted_calls, take_over
from tools.engine import Deployment, Engine, EngineError, deploy, free_port

TEXT = {"en": "{{ name }}, your bill of {{ month }} is ready: {{ sum }} rupees."}


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """Holds `calls` by operation, and seconds, from the commit to the last row."""

    rows: int
    check_seconds: float
    send_seconds: float
    calls: dict[str, int]


def measure(rows: int, say: Say) -> BatchFigures:
    """Start a separate engine, deploy, seed recipients, send a batch to them, stop. Raise EngineError."""
    shutil.rmtree(FOLDER / "engine", ignore_errors=True)
    engine = Engine(FOLDER / "engine", free_port())
    say("starting an engine")
    engine.start()
    try:
        deployment = deploy(engine, say)
        deps, calls = _worker(engine)
        say(f"seeding {rows:,} recipients")
        phones = [f"+9198{number:08}" for number in range(rows)]
        _seed(engine, deployment, deps, phones)
        say("sending")
        return asyncio.run(_send(engine, deployment, deps, calls, phones=phones))
    finally:
        with suppress(EngineError):  # its state is not needed
            engine.stop()


def _worker(engine: Engine) -> tuple[BatchDependencies, Counter[str]]:
    """Return the deployed function's dependencies and a count of their calls. The function itself is disabled."""
    take_over(engine, "AppBatches")
    deps = wire_batches()
    return deps, counted_calls(deps.objects)


def _seed(engine: Engine, deployment: Deployment, deps: BatchDependencies, phones: list[str]) -> None:
    """Create accounts as far as sending reads them: number and routing.

    All share a seal key whose secret nobody has.
    """
    seal_public = bytes(PrivateKey.generate().public_key)
    client = engine.client("dynamodb")
    for start in range(0, len(phones), 12):
        requests: dict[str, list[Any]] = {deployment.tables["directory"]: [], deployment.tables["routing"]: []}
        for phone in phones[start : start + 12]:
            account = new_account_id()
            number = phone_key(deps.apps.pepper.index("phone", phone)) | {DirectoryRow.ACCOUNT: {"B": account}}
            requests[deployment.tables["directory"]].append({"PutRequest": {"Item": number}})
            device = {
                RoutingRow.REGISTRATION: {"N": "1"},
                RoutingRow.INBOX: {"B": new_inbox_id()},
                RoutingRow.SEAL_KEY: {"B": seal_public},
                RoutingRow.SEAL_KEY_NUMBER: {"N": "1"},
                RoutingRow.EPOCH: {"N": "0"},
            }
            routing = {
                RoutingRow.ACCOUNT: {"B": account},
                RoutingRow.DEVICES: {"M": {"1": {"M": device}}},
            }
            requests[deployment.tables["routing"]].append({"PutRequest": {"Item": routing}})
        client.batch_write_item(RequestItems=requests)


async def _send(
    engine: Engine, deployment: Deployment, deps: BatchDependencies, calls: Counter[str], *, phones: list[str]
) -> BatchFigures:
    lines = [f"{phone},Person {number},November,{number}" for number, phone in enumerate(phones)]
    async with AppClient(_register(engine, deployment)) as app:
        made = await app.batches.create(upload="csv", template="bill")
        await app.batches.upload(made, "\n".join(["phone,name,month,sum", *lines]).encode())
        await app.batches.commit(made.id)
        calls.clear()
        started = time.perf_counter()
        checked = started
        for number, entry in enumerate(_entries(engine)):
            await asyncio.to_thread(batch_send.work, entry, now=Instant(time.time_ns() // 1_000_000), deps=deps)
            if number == 0:
                checked = time.perf_counter()
            if number % 10 == 0 and (await app.batches.get(made.id)).state == "completed":
                break
        ended = time.perf_counter()
        done = await app.batches.get(made.id)
    if (done.state, done.sent) != ("completed", len(phones)):
        raise EngineError(f"the batch is {done.state} with {done.sent} of {len(phones)} rows sent")
    return BatchFigures(len(phones), checked - started, ended - checked, dict(calls))


def _entries(engine: Engine) -> Iterator[dict[str, Any]]:
    """Yield the queue's entries, each deleted when the next is requested. End after 15 seconds without any."""
    queues, url = engine.client("sqs"), os.environ["BATCH_QUEUE"]
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 15:
        for message in queues.receive_message(QueueUrl=url, MaxNumberOfMessages=1, WaitTimeSeconds=1).get(
            "Messages", []
        ):
            yield json.loads(message["Body"])
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            quiet_since = time.monotonic()


def _register(engine: Engine, deployment: Deployment) -> AppCredentials:
    """Register an app with a quota that does not limit the batch."""
    key = SigningKey.generate()
    operate = Backstage.of(engine, deployment).operate
    terms = {"name": "bench", "organisation": "bench", "scopes": ["batch"], "mode": "live"}
    made = operate("app.create", **terms, keys=[{"public": base64url_text(bytes(key.verify_key))}])
    operate("app.terms", app=made["app"], mode="live", per_minute=100_000, per_day=1_000_000)
    operate("template.put", app=made["app"], name="bill", kind="message", texts=TEXT)
    return AppCredentials(
        app=made["app"],
        key=made["keys"][0]["id"].partition(".")[2],
        private_key=IdentityKey(bytes(key)),
        http_url=deployment.http_url,
        audience=deployment.audience,
    )
