"""Calls of apps about batches: one content for many recipients (docs/apps/batches.md).

batch_check and batch_send process the batches. The id of a batch is the keyed hash of the request that created it, so
its row also records the idempotency key. Work is queued before the change that needs it, with a delay, and its worker
looks for the change. A crash in between leaves work that is dropped, but never a batch that nobody processes.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandes.apps.app_events import new_event, tell_webhooks
from sandes.apps.messages import AppsDependencies, deadline_of
from sandes.apps.quotas import day_ends_in
from sandes.crypto.codes import same
from sandes.crypto.pepper import Pepper
from sandes.csv_files import csv_text
from sandes.cursors import cursor as make_cursor
from sandes.cursors import position
from sandes.identity.apps import AppCaller, AppRequest, identify
from sandes.model.app import App
from sandes.model.batch import Batch, Chunk, Fault
from sandes.model.delivery import Status
from sandes.model.ids import MessageId, app_text, base64url_text, message_text, new_message_id
from sandes.model.instant import Instant
from sandes.ports.objects import Objects
from sandes.ports.queues import Queue
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.races import Raced, retry_raced
from sandes.store.app_view import Wanted
from sandes.store.batches import BATCH_KEEP_SECONDS, BATCH_STATE, BatchStore, live_batch
from sandes.store.directory import DirectoryStore
from sandes.store.dynamo import ConditionFailed
from sandes.store.transaction import Operation

UPLOAD_SECONDS = 15 * 60
"""How long an upload address is valid."""

KEEP_FILES_SECONDS = 2 * 86_400
"""How long a batch can be committed after its creation. Its files are deleted soon afterwards (infra/uploads.py)."""

START_AFTER_SECONDS = 1
"""The delay of queued work, long enough for the change to be written."""

ORPHAN_SECONDS = 120
"""Queued work whose batch does not need it after this time belongs to a failed request."""

SHOWN_FAULTS = 100
CONTENT_TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
CSV_COLUMNS = ("row", "client_ref", "message", "status", "code")

_READ_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class BatchDependencies:
    """Holds the dependencies. `clock` gives the time of events, whose ids sort by time, since a batch takes
    minutes.
    """

    apps: AppsDependencies
    directory: DirectoryStore
    store: BatchStore
    objects: Objects
    queue: Queue
    clock: Callable[[], Instant]


def create(request: AppRequest, body: app_api.NewBatch, *, now: Instant, deps: BatchDependencies) -> app_api.Batch:
    """Create a batch and start it if the request has its rows, or else return an address for its file.

    A repetition gets the current state of the batch, with a new address while it can be used. Raises ProtocolError
    unknown_template, invalid_request (expires_at), idempotency_mismatch, and the errors of `identify`.
    """
    apps = deps.apps
    wanted = Wanted(template=(body.template, body.version) if body.template else None)
    caller = identify(request, wanted, scope="batch", audience=apps.audience, now=now, view=apps.view)
    for name in request.request_hashes(apps.pepper):
        if stands := deps.store.read(caller.app.id, name, now_seconds=now.seconds):
            return _repeated(stands, request.body_fingerprint(apps.pepper, stands.fingerprint), now, deps)
    id, fingerprint = request.request_hash(apps.pepper), request.body_fingerprint(apps.pepper)
    batch = Batch(
        app=caller.app.id,
        id=id,
        test=caller.key.test,
        state="checking" if body.rows else "open",
        source=body.upload or "inline",
        content=_seal_content(caller, body, id, now, deps),
        fingerprint=fingerprint,
        client_ref=body.client_ref,
        created_at_ms=now.ms,
        expires_at=now.seconds + BATCH_KEEP_SECONDS,
        commits={id: fingerprint} if body.rows else {},
    )
    if body.rows:
        lines = b"".join(row.model_dump_json(exclude_none=True).encode() + b"\n" for row in body.rows)
        deps.objects.put(file_name(batch), io.BytesIO(apps.pepper.seal(lines, id.encode())))
        _queue_start(batch, id, now, deps)
    if not deps.store.create(batch):
        stands = deps.store.read(caller.app.id, id, now_seconds=now.seconds)
        if stands is None:
            raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)
        return _repeated(stands, fingerprint, now, deps)
    return _shown(batch, upload=_upload(batch, now, deps))


def _seal_content(caller: AppCaller, body: app_api.NewBatch, id: str, now: Instant, deps: BatchDependencies) -> bytes:
    """Encrypt the content as it will be sent, with the version of the template that is approved now."""
    template = caller.facts.template
    if body.template is not None and (template is None or template.kind != "message"):
        raise ProtocolError(ErrorCode.UNKNOWN_TEMPLATE)
    deadline_of(body, now_seconds=now.seconds, max_expiry_seconds=deps.apps.max_expiry_seconds)
    fields = {name: getattr(body, name) for name in app_api.Content.model_fields}
    content = app_api.Content(**fields | {"version": template.version if template else None})
    return deps.apps.pepper.seal(content.model_dump_json(exclude_none=True).encode(), id.encode())


def open_content(batch: Batch, pepper: Pepper) -> app_api.Content:
    return app_api.Content.model_validate_json(pepper.open(batch.content, batch.id.encode()))


def _repeated(batch: Batch, fingerprint: bytes, now: Instant, deps: BatchDependencies) -> app_api.Batch:
    if not same(batch.fingerprint, fingerprint):
        raise ProtocolError(ErrorCode.IDEMPOTENCY_MISMATCH)
    return _shown(batch, upload=_upload(batch, now, deps))


def _upload(batch: Batch, now: Instant, deps: BatchDependencies) -> app_api.Upload | None:
    if batch.state != "open":
        return None
    content_type = CONTENT_TYPES[batch.source]
    form = deps.objects.upload_form(
        file_name(batch), content_type=content_type, most_bytes=app_api.MAX_UPLOAD_BYTES, seconds=UPLOAD_SECONDS
    )
    return app_api.Upload(
        url=form.url,
        fields=form.fields,
        expires_at=datetime.fromtimestamp(now.seconds + UPLOAD_SECONDS, UTC),
    )


def commit(
    request: AppRequest, id: str, body: app_api.CommitBatch, *, now: Instant, deps: BatchDependencies
) -> app_api.Batch:
    """Check the uploaded file and, unless it is a dry run, send its valid rows. After a dry run, send them.

    Raises ProtocolError not_found, upload_missing, upload_invalid (too large), batch_state, quota_exceeded (after a dry
    run; the batch stays unchanged), idempotency_mismatch, and the errors of `identify`.
    """
    caller, batch = _own(request, id, now, deps)
    pepper = deps.apps.pepper
    by = request.known_as(batch.commits, pepper)
    fingerprint = request.body_fingerprint(pepper, batch.commits.get(by))
    if by in batch.commits:
        return _committed(batch, by, fingerprint)
    if batch.created_at_ms // 1000 + KEEP_FILES_SECONDS <= now.seconds:
        raise ProtocolError(ErrorCode.BATCH_STATE)
    if batch.state == "open":
        etag = _uploaded(batch, deps)
        operations: list[Operation] = [
            deps.store.committing(batch, "checking", by=by, fingerprint=fingerprint, dry_run=body.dry_run, etag=etag)
        ]
    elif batch.state == "checked" and batch.rows and not body.dry_run:
        content = open_content(batch, deps.apps.pepper)
        deadline_of(content, now_seconds=now.seconds, max_expiry_seconds=deps.apps.max_expiry_seconds)
        operations = [
            deps.store.committing(batch, "sending", by=by, fingerprint=fingerprint, sending_since_ms=now.ms),
            deps.apps.quotas.taking_day(caller.app, batch.rows.valid, test=batch.test, now_seconds=now.seconds),
        ]
    else:
        raise ProtocolError(ErrorCode.BATCH_STATE)
    _queue_start(batch, by, now, deps)
    try:
        deps.store.write(operations)
    except ConditionFailed as failed:
        stands = live_batch(batch.app, failed.row(BATCH_STATE), now.seconds)
        if stands is None:  # the batch itself would have changed, so the day's quota is used up
            raise ProtocolError(ErrorCode.QUOTA_EXCEEDED, retry_after_seconds=day_ends_in(now.seconds)) from None
        if by not in stands.commits:
            raise ProtocolError(ErrorCode.BATCH_STATE) from None
        return _committed(stands, by, fingerprint)
    return _shown(_reread(batch, now, deps))


def _committed(batch: Batch, by: str, fingerprint: bytes) -> app_api.Batch:
    if not same(batch.commits[by], fingerprint):
        raise ProtocolError(ErrorCode.IDEMPOTENCY_MISMATCH)
    return _shown(batch)


def _uploaded(batch: Batch, deps: BatchDependencies) -> str:
    """Return the ETag of the file, so that this very file is checked."""
    found = deps.objects.find(file_name(batch))
    if found is None:
        raise ProtocolError(ErrorCode.UPLOAD_MISSING)
    if found.bytes > app_api.MAX_UPLOAD_BYTES:
        fault = {"pointer": "", "code": "too_large", "message": f"at most {app_api.MAX_UPLOAD_BYTES} bytes"}
        raise ProtocolError(ErrorCode.UPLOAD_INVALID, details={"errors": [fault]})
    return found.etag


def _queue_start(batch: Batch, by: str, now: Instant, deps: BatchDependencies) -> None:
    entry = {"app": app_text(batch.app), "batch": batch.id, "commit": by, "until": now.seconds + ORPHAN_SECONDS}
    deps.queue.send(entry, delay_seconds=START_AFTER_SECONDS)


def state(request: AppRequest, id: str, *, now: Instant, deps: BatchDependencies) -> app_api.Batch:
    """Return the progress and the first faults. Raises ProtocolError not_found, and the errors of `identify`."""
    _, batch = _own(request, id, now, deps)
    faults = [] if batch.reason is None else [batch.reason]
    for _, some in deps.store.faults(batch, limit=SHOWN_FAULTS):
        faults += some
    return _shown(batch, faults=faults[:SHOWN_FAULTS])


def cancel(request: AppRequest, id: str, *, now: Instant, deps: BatchDependencies) -> None:
    """Stop sending the rest of the rows. Sent messages stay. Repeating it is harmless.

    Raises ProtocolError not_found, batch_state after completion or failure, and the errors of `identify`.
    """
    _, batch = _own(request, id, now, deps)

    def attempt() -> None:
        nonlocal batch
        if batch.state == "cancelled":
            return
        if batch.state in {"completed", "failed"}:
            raise ProtocolError(ErrorCode.BATCH_STATE)
        try:
            deps.store.write([deps.store.cancelling(batch, now_ms=now.ms)])
        except ConditionFailed as failed:
            stands = live_batch(batch.app, failed.row(BATCH_STATE), now.seconds)
            if stands is None:
                raise ProtocolError(ErrorCode.NOT_FOUND) from None
            batch = stands
            raise Raced from None
        deps.objects.delete(file_name(batch))

    retry_raced(attempt)


def results(
    request: AppRequest, id: str, *, after: str | None, limit: int, now: Instant, deps: BatchDependencies
) -> app_api.BatchResults:
    """Return the results of `limit` rows in the order of the file, without the unfinished rows.

    Raises ProtocolError not_found, invalid_cursor, and the errors of `identify`.
    """
    caller, batch = _own(request, id, now, deps)
    pepper, of = deps.apps.pepper, f"results {id}"
    first = 1 if after is None else int(position(after, owner=caller.app.id, of=of, pepper=pepper))
    if batch.rows is None:
        return app_api.BatchResults(results=[])
    last = min(first + limit - 1, batch.rows.rows)
    found = {
        faults[0].row: app_api.BatchResult(
            row=faults[0].row, client_ref=client_ref, status="invalid", code=faults[0].code
        )
        for client_ref, faults in deps.store.faults(batch, first=first, last=last)
    }
    if batch.sending_since_ms is not None:
        rows = {message_id(batch, row): row for row in range(first, last + 1) if row not in found}
        ids = list(rows)
        for start in range(0, len(ids), _READ_MESSAGES):
            some = ids[start : start + _READ_MESSAGES]
            for message in deps.apps.view.deliveries.messages(batch.app, some, now_seconds=now.seconds):
                row = rows[message.id]
                found[row] = app_api.BatchResult(
                    row=row,
                    client_ref=message.client_ref,
                    message=message_text(message.id),
                    status="failed" if message.status is Status.FAILED else "accepted",
                    code=message.failure,
                )
    more = last < batch.rows.rows
    return app_api.BatchResults(
        results=[found[row] for row in sorted(found)],
        cursor=make_cursor(str(last + 1), owner=caller.app.id, of=of, pepper=pepper) if more else None,
    )


def results_csv(page: app_api.BatchResults) -> str:
    """Return a page as CSV with a header. Cells that a spreadsheet would read as a formula get a leading apostrophe."""
    return csv_text(
        CSV_COLUMNS,
        [[result.row, result.client_ref, result.message, result.status, result.code] for result in page.results],
    )


# Shared with the workers


def message_id(batch: Batch, row: int) -> MessageId:
    """Return the id of a row's message. It is the same for each attempt, so that the message is stored once."""
    if batch.sending_since_ms is None:
        raise ValueError("the batch has not been sent")
    key = batch.id.encode()  # nobody but the app can know it
    chosen = hashlib.blake2b(str(row).encode(), key=key, digest_size=10, person=b"sandes-row").digest()
    return new_message_id(batch.sending_since_ms, chosen)


def file_name(batch: Batch) -> str:
    """Return the name of the uploaded or included file. Another body under the same idempotency key has another
    name.
    """
    return f"uploads/batches/{app_text(batch.app)}/{batch.id}/{base64url_text(batch.fingerprint)}"


def rows_name(batch: Batch, check: str) -> str:
    """Return the name of the object with the valid rows of one check."""
    return f"rows/batches/{app_text(batch.app)}/{batch.id}/{check}"


def chunk_owner(batch: Batch, check: str, chunk: int) -> bytes:
    """Return the context to which a chunk is encrypted."""
    return f"{batch.id}/{check}/{chunk}".encode()


def chunk_entry(batch: Batch, chunk: Chunk) -> dict[str, Any]:
    """Build the queue's entry for `batch_send.run_chunk`. It holds only references."""
    return {
        "app": app_text(batch.app),
        "batch": batch.id,
        "chunk": chunk.number,
        "at": chunk.at,
        "bytes": chunk.bytes,
        "rows": chunk.rows,
    }


def conclude(app: App, batch: Batch, operation: Operation, *, now: Instant, deps: BatchDependencies) -> bool:
    """Write the last change of a batch with its event. Return False if the change no longer applies.

    `batch` is the batch after the change.
    """
    rows = batch.rows
    data = {
        "id": batch.id,
        "state": batch.state,
        "rows": rows.rows if rows else 0,
        "valid": rows.valid if rows else 0,
        "invalid": rows.invalid if rows else 0,
        "sent": batch.sent,
        "failed": batch.failed,
        "failure": batch.failure,
        "client_ref": batch.client_ref,
    }
    event = new_event(app.id, "batch.completed", data, test=batch.test, now=Instant(max(now.ms, deps.clock().ms)))
    tell_webhooks(app, [event], deps.apps.webhook_queue)
    try:
        deps.store.write([operation, deps.apps.view.deliveries.recording(event)])
    except ConditionFailed:
        return False
    return True


def _own(request: AppRequest, id: str, now: Instant, deps: BatchDependencies) -> tuple[AppCaller, Batch]:
    """Return the caller and its batch.

    A batch of another app, or a test batch requested with a live key, gets the same answer as one that does not exist.
    """
    apps = deps.apps
    caller = identify(request, Wanted(), scope="batch", audience=apps.audience, now=now, view=apps.view)
    batch = deps.store.read(caller.app.id, id, now_seconds=now.seconds)
    if batch is None or batch.test != caller.key.test:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return caller, batch


def _reread(batch: Batch, now: Instant, deps: BatchDependencies) -> Batch:
    return deps.store.read(batch.app, batch.id, now_seconds=now.seconds) or batch


def _shown(batch: Batch, *, upload: app_api.Upload | None = None, faults: Sequence[Fault] = ()) -> app_api.Batch:
    rows = batch.rows
    return app_api.Batch(
        id=batch.id,
        state=batch.state,
        rows=rows.rows if rows else 0,
        valid=rows.valid if rows else 0,
        invalid=rows.invalid if rows else 0,
        done=batch.done,
        sent=batch.sent,
        failed=batch.failed,
        failure=batch.failure,
        client_ref=batch.client_ref,
        upload=upload,
        faults=[
            app_api.RowFault(row=fault.row, field=fault.field, code=fault.code, message=fault.message)
            for fault in faults
        ],
        created_at=datetime.fromtimestamp(batch.created_at_ms // 1000, UTC),
        finished_at=datetime.fromtimestamp(batch.finished_at_ms // 1000, UTC) if batch.finished_at_ms else None,
    )
