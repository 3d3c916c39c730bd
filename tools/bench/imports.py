"""Measures imports of officials: the check without AWS, and a whole import on the local engine."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from tempfile import NamedTemporaryFile
from typing import Any

import httpx

from sandes.administration.imports import import_work, imports
from sandes.administration.imports.imports import ImportDependencies
from sandes.edge.wiring.imports import wire_import_work
from sandes.model.administrator import Administrator, Assignment, Caller, Place, Role
from sandes.model.ids import AdministratorId, OrganisationId, new_account_id, parse_organisation
from sandes.model.instant import Instant
from sandes.protocol import import_api
from sandes.store.directory import account_key, phone_key
from sandes.store.limits import LimitStore
from sandes.store.schema import DirectoryRow, RoutingRow
from tools.backstage import Backstage
from tools.bench import deployed
from tools.bench.import_check import UNITS, csv_file, xlsx_file
from tools.bench.latency import FOLDER, Say
from tools.bench.table import Row
from tools.bench.worker import counted_calls, take_over
from tools.engine import Deployment, Engine, EngineError, deploy, free_port

CHECK_LIMIT_US = 600.0
"""Budget in microseconds for a row: 100,000 rows in a minute."""


@dataclass(frozen=True, slots=True)
class ImportFigures:
    """Holds `calls` by operation, from the commit to the last row."""

    check_seconds: float
    commit_seconds: float
    check_calls: dict[str, int]
    calls: dict[str, int]


def check_rows(count: int) -> list[Row]:
    rows = []
    for kind, content in (("csv", csv_file), ("xlsx", xlsx_file)):
        with NamedTemporaryFile() as file:
            file.write(content(count))
            file.flush()
            figures = deployed.run("import_check", kind, str(count), file.name, function="admin_people")
        more = f"{figures['file_bytes'] / 1e6:.1f} MB, {figures['more_kb'] / 1024:.0f} MB more memory, n = {count:,}"
        label = f"Check of an import, {kind.upper()}: CPU for a row, AWS left out"
        rows.append(Row(label, figures["seconds"] / count * 1e6, "µs", CHECK_LIMIT_US, more))
    return rows


def engine_rows(count: int, say: Say) -> list[Row]:
    rows = []
    for who, figures in measure(count, say).items():
        calls = sum(figures.calls.values())
        most = ", ".join(f"{name} {number:,}" for name, number in Counter(figures.calls).most_common(4))
        rows += [
            Row(f"Import of {count:,} {who}, engine, one worker", count / figures.commit_seconds, "rows/s"),
            Row("  AWS calls a row, from the commit on", calls / count, note=most),
            Row("  the check before", count / figures.check_seconds, "rows/s"),
            Row("  AWS calls a row of the check", sum(figures.check_calls.values()) / count),
        ]
    return rows


def measure(count: int, say: Say) -> dict[str, ImportFigures]:
    """Start a separate engine, deploy, import, stop. Raise EngineError."""
    shutil.rmtree(FOLDER / "engine", ignore_errors=True)
    engine = Engine(FOLDER / "engine", free_port())
    say("starting an engine")
    engine.start()
    try:
        deployment = deploy(engine, say)
        deps, calls = _worker(engine)
        organisation = _organisation(engine, deployment)
        say(f"seeding {count:,} accounts")
        _seed(engine, deployment, deps, count)
        entries = _entries(engine)
        limits = LimitStore(engine.client("dynamodb"), deployment.tables["limits"])
        work = _Work(deps, calls, organisation, limits, entries)
        say("importing")
        return {
            "people with accounts": work.run(csv_file(count), count),
            "people who have not come yet": work.run(csv_file(count, first=count), count),
        }
    finally:
        with suppress(EngineError):  # its state is not needed
            engine.stop()


def _worker(engine: Engine) -> tuple[ImportDependencies, Counter[str]]:
    """Return the deployed function's dependencies and a count of their calls. The function itself is disabled."""
    take_over(engine, "AdminImports")
    deps = wire_import_work()
    return deps, counted_calls(deps.objects)


def _organisation(engine: Engine, deployment: Deployment) -> OrganisationId:
    operate = Backstage.of(engine, deployment).operate
    made = operate("organisation.create", name="Railways")["organisation"]
    for number in range(UNITS):
        operate("unit.create", organisation=made, name=f"Office {number}", kind="office")
    return parse_organisation(str(made))


def _seed(engine: Engine, deployment: Deployment, deps: ImportDependencies, count: int) -> None:
    """Create accounts as far as an import reads them: number, account, routing."""
    client, tables = engine.client("dynamodb"), deployment.tables
    for start in range(0, count, 8):
        requests: dict[str, list[Any]] = {tables["directory"]: [], tables["routing"]: []}
        for number in range(start, min(start + 8, count)):
            account, index = new_account_id(), deps.pepper.index("phone", f"+9198{number:08}")
            own = {DirectoryRow.PHONE_INDEX: {"S": index}}
            for item in (phone_key(index) | {DirectoryRow.ACCOUNT: {"B": account}}, account_key(account) | own):
                requests[tables["directory"]].append({"PutRequest": {"Item": item}})
            routing = {RoutingRow.ACCOUNT: {"B": account}, RoutingRow.DEVICES: {"M": {}}}
            requests[tables["routing"]].append({"PutRequest": {"Item": routing}})
        client.batch_write_item(RequestItems=requests)


@dataclass(frozen=True, slots=True)
class _Work:
    deps: ImportDependencies
    calls: Counter[str]
    organisation: OrganisationId
    limits: LimitStore
    entries: Iterator[dict[str, Any]]

    def run(self, content: bytes, count: int) -> ImportFigures:
        deps, caller = self.deps, _caller(self.organisation)
        new = import_api.NewImport(organisation=self.organisation, format="csv")
        made = imports.create(caller, new, now=Instant(_now_ms()), deps=deps)
        if made.upload is None:
            raise EngineError("an import without an address for its file")
        httpx.post(made.upload.url, data=made.upload.fields, files={"file": content}).raise_for_status()
        limited = replace(deps, limits=self.limits)
        imports.commit(caller, made.id, import_api.CommitImport(dry_run=True), now=Instant(_now_ms()), deps=limited)
        check_seconds = self._next()
        check_calls = dict(self.calls)
        imports.commit(caller, made.id, import_api.CommitImport(dry_run=False), now=Instant(_now_ms()), deps=deps)
        commit_seconds, calls = 0.0, Counter[str]()
        while imports.state(caller, made.id, now=Instant(_now_ms()), deps=deps).state == "committing":
            commit_seconds += self._next()
            calls += self.calls
        done = imports.state(caller, made.id, now=Instant(_now_ms()), deps=deps)
        if (done.state, done.done, done.counts.failed) != ("completed", count, 0):
            raise EngineError(f"the import is {done.state} with {done.counts}")
        return ImportFigures(check_seconds, commit_seconds, check_calls, dict(calls))

    def _next(self) -> float:
        """Process the queue's next entry, and return the seconds. `calls` are of this entry alone."""
        entry = next(self.entries)
        self.calls.clear()
        started = time.perf_counter()
        import_work.work(entry, receives=1, now=Instant(_now_ms()), deps=self.deps)
        return time.perf_counter() - started


def _caller(organisation: OrganisationId) -> Caller:
    place, id, now = Place.root(organisation), AdministratorId(bytes(16)), _now_ms() // 1000
    role = Assignment(id, Role.NODAL_OFFICER, place, "bench", now)
    return Caller(Administrator(id, "bench@example.gov.in", "Bench", place, now), (role,), now + 3_600)


def _entries(engine: Engine) -> Iterator[dict[str, Any]]:
    """Yield the queue's entries, each deleted when the next is requested.

    Raise EngineError after 30 seconds without any.
    """
    queues, url = engine.client("sqs"), os.environ["IMPORT_QUEUE"]
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 30:
        for message in queues.receive_message(QueueUrl=url, MaxNumberOfMessages=1, WaitTimeSeconds=1).get(
            "Messages", []
        ):
            yield json.loads(message["Body"])
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            quiet_since = time.monotonic()
    raise EngineError("the queue of imports stays empty")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
