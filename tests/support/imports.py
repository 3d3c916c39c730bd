"""Runs imports of officials in process: real use cases on real stores and S3 over moto, with a queue that the test
processes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto import mock_aws
from openpyxl import Workbook

from sandes.administration.imports import import_work, imports
from sandes.administration.imports.imports import ImportDependencies
from sandes.edge.objects import S3Objects
from sandes.model.administrator import Caller, Place, Role
from sandes.model.ids import ImportId, OrganisationId, UnitId
from sandes.model.instant import Instant
from sandes.protocol import import_api
from sandes.store.administrators import AdministratorStore
from sandes.store.imports import ImportStore
from sandes.store.limits import LimitStore
from sandes.store.nominations import NominationStore
from sandes.store.organisations import OrganisationStore
from sandes.store.routing import RoutingStore
from sandes.store.verifications import VerificationStore
from tests.support.administration import Administration
from tests.support.batches import Crash, Through
from tests.support.dynamodb import memory_dynamodb
from tests.support.queue import FakeQueue
from tests.support.service import Service, new_phone

BUCKET = "uploads"
HEADER = ("phone", "name", "post", "unit", "expires", "action", "reason")
EXPIRES = "2027-03-31"


@dataclass
class Importing:
    """Holds an organisation with an administrator who may import, and the queue of the work."""

    service: Service
    s3: Any
    organisation: OrganisationId
    caller: Caller
    administration: Administration
    queue: FakeQueue = field(default_factory=FakeQueue)
    clock_ms: Callable[[], int] | None = None

    @property
    def now_ms(self) -> int:
        return self.service.now_ms

    def deps(self, through: Through = lambda target: target) -> ImportDependencies:
        """Return the dependencies of one execution environment. Every call to the outside goes `through`."""
        client, table = through(self.service.client), self.service.tables["directory"]
        routing = RoutingStore(client, self.service.tables["routing"])
        return ImportDependencies(
            store=ImportStore(client, table),
            nominations=NominationStore(client, table),
            verifications=VerificationStore(client, table, routing),
            organisations=OrganisationStore(client, table),
            administrators=AdministratorStore(client, table),
            objects=S3Objects(through(self.s3), BUCKET),
            queue=through(self.queue),
            recorder=Administration(self.service, client).recorder,
            pepper=self.service.pepper,
            clock=lambda: Instant(self.clock_ms() if self.clock_ms else self.now_ms),
            keys=self.service.attestation_keys,
            limits=LimitStore(client, self.service.tables["limits"]),
        )

    def create(
        self, *, unit: UnitId | None = None, format: Any = "csv", caller: Caller | None = None, **body: Any
    ) -> import_api.ImportState:
        new = import_api.NewImport(organisation=self.organisation, unit=unit, format=format, **body)
        return imports.create(caller or self.caller, new, now=Instant(self.now_ms), deps=self.deps())

    def upload(self, content: bytes, **terms: Any) -> ImportId:
        """Create an import and put its file at the address for it."""
        made = self.create(**terms)
        self.s3.put_object(Bucket=BUCKET, Key=self.file_name(made.id), Body=content)
        return made.id

    def file_name(self, id: ImportId) -> str:
        one = self.deps().store.read(id, now_seconds=self.now_ms // 1000)
        assert one is not None
        return imports.file_name(one)

    def commit(
        self,
        id: ImportId,
        *,
        dry_run: bool = False,
        caller: Caller | None = None,
        deps: ImportDependencies | None = None,
    ) -> import_api.ImportState:
        body = import_api.CommitImport(dry_run=dry_run)
        return imports.commit(caller or self.caller, id, body, now=Instant(self.now_ms), deps=deps or self.deps())

    def check(self, content: bytes, **terms: Any) -> import_api.ImportState:
        """Upload a file and check it."""
        id = self.upload(content, **terms)
        self.commit(id, dry_run=True, caller=terms.get("caller"))
        self.work_all()
        return self.state(id, caller=terms.get("caller"))

    def run(self, content: bytes, **terms: Any) -> import_api.ImportState:
        """Upload, check and commit a file, and process all rows."""
        checked = self.check(content, **terms)
        assert checked.state == "checked", checked
        self.commit(checked.id, caller=terms.get("caller"))
        self.work_all()
        return self.state(checked.id, caller=terms.get("caller"))

    def state(self, id: ImportId, *, caller: Caller | None = None) -> import_api.ImportState:
        return imports.state(caller or self.caller, id, now=Instant(self.now_ms), deps=self.deps())

    def cancel(self, id: ImportId, *, caller: Caller | None = None) -> None:
        imports.cancel(caller or self.caller, id, now=Instant(self.now_ms), deps=self.deps())

    def page(self, id: ImportId, *, after: str | None = None, limit: int = 250) -> import_api.ImportResults:
        return imports.results(self.caller, id, after=after, limit=limit, now=Instant(self.now_ms), deps=self.deps())

    def results(self, id: ImportId, *, limit: int = 250) -> dict[int, tuple[str, list[str]]]:
        """Return status and codes by row."""
        page = self.page(id, limit=limit)
        found = list(page.results)
        while page.cursor:
            page = self.page(id, after=page.cursor, limit=limit)
            found += page.results
        assert [one.row for one in found] == sorted({one.row for one in found})
        return {one.row: (one.status, [finding.code for finding in one.findings]) for one in found}

    def work_one(self, deps: ImportDependencies | None = None, *, receives: int = 1) -> str:
        """Process the oldest entry of the queue. Put it back if the work ends with `Crash`."""
        entry = self.queue.sent.pop(0)
        try:
            return import_work.work(entry[0], receives=receives, now=Instant(self.now_ms), deps=deps or self.deps())
        except Crash:
            self.queue.sent.append(entry)
            raise

    def work_all(self) -> list[str]:
        """Process all entries without waiting for delays, until only work that is no longer needed is left."""
        done: list[str] = []
        while self.queue.sent and done[-5:] != ["not_yet"] * 5:
            done.append(self.work_one())
            assert len(done) < 500, "the queue is never empty"
        return done

    def told_of_registrations(self) -> None:
        """Move the entries that registrations have queued to the queue of imports."""
        self.queue.sent += self.service.import_queue.sent
        self.service.import_queue.sent.clear()

    def objects(self) -> list[str]:
        return [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def importing(backend: tuple[Service, Any], *, name: str = "Ministry of Railways") -> Importing:
    service, s3 = backend
    organisation = service.organisation(name)
    administration = Administration(service)
    caller = administration.appoint(Role.NODAL_OFFICER, Place.root(organisation))
    return Importing(service, s3, organisation, caller, administration)


def row(phone: str | None = None, **cells: str) -> list[str]:
    values = {"phone": phone or new_phone(), "name": "Asha Rao", "post": "Clerk", "expires": EXPIRES}
    return [(values | cells).get(column, "") for column in HEADER]


def csv_of(*rows: Iterable[str]) -> bytes:
    return "\n".join([",".join(HEADER), *(",".join(one) for one in rows), ""]).encode()


def xlsx_of(*rows: Iterable[Any]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(HEADER)
    for one in rows:
        sheet.append(list(one))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@contextmanager
def import_backend() -> Iterator[tuple[Service, Any]]:
    client, tables, _ = memory_dynamodb()
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        s3.create_bucket(Bucket=BUCKET)
        yield Service(client, tables), s3
