"""Calls of administrators about imports of officials by a file (docs/admin/imports.md, docs/adr/0029).

import_check and import_work process the imports. A file is uploaded, checked, and only then committed. Work is queued
before the change that needs it, with a delay, and its worker looks for the change (docs/adr/0013).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import cbor2

from sandes.administration.authority import Need, Permission, covers, places_seen, require, require_in
from sandes.administration.imports.import_decisions import Knowing
from sandes.administration.imports.import_files import MAX_FILE_BYTES
from sandes.administration.imports.import_rows import FINDINGS, BadRow
from sandes.administration.recorder import Recorder
from sandes.administration.sign_in import fresh
from sandes.crypto.attestation import AttestationKeys
from sandes.crypto.pepper import Pepper
from sandes.csv_files import csv_text
from sandes.cursors import cursor as make_cursor
from sandes.cursors import position
from sandes.limits import Limit, enforce
from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.audit import Act
from sandes.model.ids import (
    ACCOUNT_BYTES,
    ImportId,
    OrganisationId,
    UnitId,
    administrator_text,
    base64url_text,
    id_text,
    new_import_id,
)
from sandes.model.imports import Checked, Import, Outcome
from sandes.model.instant import Instant
from sandes.ports.objects import Found, ObjectMissing, Objects
from sandes.ports.queues import Queue
from sandes.protocol import import_api
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.races import Raced, retry_raced
from sandes.store.administrators import AdministratorStore
from sandes.store.dynamo import ConditionFailed
from sandes.store.imports import IMPORT_STATE, ImportStore, live_import
from sandes.store.limits import LimitStore
from sandes.store.nominations import NominationStore
from sandes.store.organisations import OrganisationStore
from sandes.store.verifications import VerificationStore

UPLOAD_SECONDS = 15 * 60
"""How long an upload address is valid."""

COMMIT_WITHIN_SECONDS = 2 * 86_400
"""How long an import can be committed after its creation. Its file and rows are kept somewhat longer
(infra/uploads.py).
"""

FRESH_ABOVE_ROWS = 500
"""The most rows that can be committed without a fresh sign-in."""

START_AFTER_SECONDS = 1
"""The delay of queued work, long enough for the change to be written."""

ORPHAN_SECONDS = 120
"""Queued work that nothing needs after this time belongs to a failed request."""

CHUNK_ROWS = 100
"""The rows of a chunk. Chunk n holds the valid ones among rows 100n + 1 to 100n + 100."""

SHOWN_FINDINGS = 100
CONTENT_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
CSV_COLUMNS = ("row", "status", "field", "column", "code", "message")


@dataclass(frozen=True, slots=True)
class ImportDependencies:
    """Holds the dependencies. Only the calls have `limits`, and only the worker has `keys`.

    `clock` is read during the work, because a check takes minutes.
    """

    store: ImportStore
    nominations: NominationStore
    verifications: VerificationStore
    organisations: OrganisationStore
    administrators: AdministratorStore
    objects: Objects
    queue: Queue
    recorder: Recorder
    pepper: Pepper
    clock: Callable[[], Instant]
    keys: AttestationKeys | None = None
    limits: LimitStore | None = None

    @property
    def people(self) -> Knowing:
        return Knowing(self.nominations, self.verifications, self.store)


def create(
    caller: Caller, body: import_api.NewImport, *, now: Instant, deps: ImportDependencies
) -> import_api.ImportState:
    """Create an import at a unit, or for the whole organisation, and return an address for its file.

    Raises ProtocolError not_found.
    """
    place = Place(body.organisation, body.unit or UnitId(body.organisation))
    right = require(caller, Permission.PEOPLE, "act", place, deps.organisations)
    if deps.organisations.unit(place.organisation, place.unit) is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    new = Import(
        id=new_import_id(place.organisation, now.ms),
        place=place,
        format=body.format,
        state="open",
        created_by=caller.id,
        created_at_ms=now.ms,
        counts={},
        client_ref=body.client_ref,
    )
    act = _act("import.create", caller, right, new, {"format": new.format})
    deps.recorder.writer(act, now=now)([deps.store.creating(new)])
    return _shown(new, upload=_upload(new, now, deps))


def _act(action: str, caller: Caller, right: Assignment, one: Import, details: dict[str, Any]) -> Act:
    id = base64url_text(one.id)
    return Act(
        action=action,
        actor=administrator_text(caller.id),
        role=right.role.value,
        organisation=one.place.organisation,
        unit=one.place.unit,
        subject=id,
        case=id,
        details=details,
    )


def _upload(one: Import, now: Instant, deps: ImportDependencies) -> import_api.ImportUpload:
    content_type = CONTENT_TYPES[one.format]
    form = deps.objects.upload_form(
        file_name(one), content_type=content_type, most_bytes=MAX_FILE_BYTES, seconds=UPLOAD_SECONDS
    )
    return import_api.ImportUpload(
        url=form.url,
        fields=form.fields,
        expires_at=datetime.fromtimestamp(now.seconds + UPLOAD_SECONDS, UTC),
    )


def commit(
    caller: Caller, id: ImportId, body: import_api.CommitImport, *, now: Instant, deps: ImportDependencies
) -> import_api.ImportState:
    """Check the uploaded file with `dry_run`, or else execute its valid rows. A repetition does nothing more.

    Raises ProtocolError not_found, upload_missing, upload_invalid (too large), import_state (not checked yet, without
    valid rows, cancelled, failed, or two days old), rate_limited, and fresh_sign_in_required for more than 500 rows.
    """
    one, right = _own(caller, id, "act", now, deps)
    if body.dry_run:
        return _check(caller, right, one, now, deps)
    if one.state in {"committing", "completed"}:
        return _shown(one)
    if one.state != "checked" or one.checked is None or not one.checked.valid or _is_late(one, now):
        raise ProtocolError(ErrorCode.IMPORT_STATE)
    if one.checked.rows > FRESH_ABOVE_ROWS:
        fresh(caller, now_seconds=now.seconds)
    details = {
        "rows": one.checked.rows,
        "valid": one.checked.valid,
        "hash": base64url_text(one.checked.hash),
        "planned": dict(one.planned or {}),
    }
    operation = deps.store.committing(one, by=caller.id, role=right.role.value, now_ms=now.ms)
    _queue_start(one, now, deps)
    try:
        deps.recorder.writer(_act("import.commit", caller, right, one, details), now=now)([operation])
    except ConditionFailed as failed:
        stands = live_import(failed.row(IMPORT_STATE), now.seconds)
        if stands is None or stands.state not in {"committing", "completed"}:
            raise ProtocolError(ErrorCode.IMPORT_STATE) from None
        return _shown(stands)
    return _shown(_reread(one, now, deps))


def _check(
    caller: Caller, right: Assignment, one: Import, now: Instant, deps: ImportDependencies
) -> import_api.ImportState:
    """Queue a check. It reveals for each number whether it is known, so it is limited and recorded like look-ups."""
    if one.state in {"checking", "checked"}:
        return _shown(one)
    if one.state != "open" or _is_late(one, now):
        raise ProtocolError(ErrorCode.IMPORT_STATE)
    if deps.limits is None:
        raise ValueError("checks are asked for within a limit")
    file = _uploaded(one, deps)
    enforce(deps.limits, Limit.IMPORT_CHECKS, f"administrator:{administrator_text(caller.id)}", now=now)
    act = _act("import.check", caller, right, one, {"bytes": file.bytes})
    _queue_start(one, now, deps)
    try:
        deps.recorder.writer(act, now=now)([deps.store.checking(one, etag=file.etag)])
    except ConditionFailed as failed:
        stands = live_import(failed.row(IMPORT_STATE), now.seconds)
        if stands is None or stands.state not in {"checking", "checked"}:
            raise ProtocolError(ErrorCode.IMPORT_STATE) from None
        return _shown(stands)
    return _shown(_reread(one, now, deps))


def _is_late(one: Import, now: Instant) -> bool:
    return one.created_at_ms // 1000 + COMMIT_WITHIN_SECONDS <= now.seconds


def _uploaded(one: Import, deps: ImportDependencies) -> Found:
    """Return the uploaded file, so that this very file is checked."""
    found = deps.objects.find(file_name(one))
    if found is None:
        raise ProtocolError(ErrorCode.UPLOAD_MISSING)
    if found.bytes > MAX_FILE_BYTES:
        raise invalid(ErrorCode.UPLOAD_INVALID, "", "too_large", f"at most {MAX_FILE_BYTES} bytes")
    return found


def _queue_start(one: Import, now: Instant, deps: ImportDependencies) -> None:
    entry = {"import": base64url_text(one.id), "was": one.state, "until": now.seconds + ORPHAN_SECONDS}
    deps.queue.send(entry, delay_seconds=START_AFTER_SECONDS)


def state(caller: Caller, id: ImportId, *, now: Instant, deps: ImportDependencies) -> import_api.ImportState:
    """Return the progress and the first findings. Raises ProtocolError not_found."""
    one, _ = _own(caller, id, "read", now, deps)
    return _shown(
        one, findings=[*_faults_of_file(one), *(found for bad in _found(one, deps) for found in _told(bad, one))]
    )


def page(
    caller: Caller,
    organisation: OrganisationId,
    *,
    unit: UnitId | None,
    after: str | None,
    limit: int,
    now: Instant,
    deps: ImportDependencies,
) -> import_api.ImportPage:
    """Return imports at the places where the caller may see them, of one unit and below it if set, the newest first.

    A page can have fewer than `limit`, even none, and still have a cursor. Raises ProtocolError not_found,
    invalid_cursor.
    """
    rights = [one for one in places_seen(caller, Permission.PEOPLE) if one.place.organisation == organisation]
    if not rights:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    owner, of = caller.id, f"imports {id_text(organisation)} {id_text(unit) if unit else ''}"
    start = position(after, owner=owner, of=of, pepper=deps.pepper) if after else None
    found, last = deps.store.of_organisation(organisation, after=start, limit=limit, now_seconds=now.seconds)
    wanted = {one.place.unit for one in found} | ({unit} if unit else set())
    tree = deps.organisations.paths(organisation, wanted)
    if tree is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    if unit:
        require_in(caller, Permission.PEOPLE, "read", unit, tree)
    seen = [
        one
        for one in found
        if any(covers(right, one.place, tree) for right in rights) and (not unit or tree.within(one.place.unit, unit))
    ]
    more = make_cursor(last, owner=owner, of=of, pepper=deps.pepper) if last else None
    return import_api.ImportPage(imports=[_shown(one) for one in seen], cursor=more)


def results(
    caller: Caller, id: ImportId, *, after: str | None, limit: int, now: Instant, deps: ImportDependencies
) -> import_api.ImportResults:
    """Return the results of `limit` rows in the file's order. Blank rows and unfinished valid rows are left out.

    A page can therefore have fewer, even none, and still have a cursor. Raises ProtocolError not_found, invalid_cursor.
    """
    one, _ = _own(caller, id, "read", now, deps)
    owner, of = caller.id, f"results {base64url_text(id)}"
    start = int(position(after, owner=owner, of=of, pepper=deps.pepper)) if after else 0
    table = one.checked.table if one.checked else None
    if table is None:
        return import_api.ImportResults(results=[])
    first = start or table.header_row + 1
    last = min(first + limit - 1, table.last_row)
    rows = {
        bad.row: import_api.RowResult(row=bad.row, status="invalid", findings=_told(bad, one))
        for bad in _found(one, deps)
        if first <= bad.row <= last
    }
    if one.committed_at_ms is not None:
        for result in deps.store.results(id, first_chunk=chunk_of(first), last_chunk=chunk_of(last)):
            if first <= result.row <= last:
                told = _told(BadRow(result.row, [result.code]), one) if result.code else []
                rows[result.row] = import_api.RowResult(row=result.row, status=result.outcome, findings=told)
    return import_api.ImportResults(
        results=[rows[row] for row in sorted(rows)],
        cursor=make_cursor(str(last + 1), owner=owner, of=of, pepper=deps.pepper) if last < table.last_row else None,
    )


def results_csv(page: import_api.ImportResults) -> str:
    """Return a page as CSV with a header and a line for each row, or for each of its findings."""
    lines = []
    for result in page.results:
        told: list[tuple[str, ...]] = [
            (found.field, found.column or "", found.code, found.message) for found in result.findings
        ]
        lines += [[result.row, result.status, *cells] for cells in told or [("", "", "", "")]]
    return csv_text(CSV_COLUMNS, lines)


def cancel(caller: Caller, id: ImportId, *, now: Instant, deps: ImportDependencies) -> None:
    """Cancel an import. Unfinished rows are not executed. Finished rows stay, but none of its nominations counts any
    more.

    For a completed import, this ends the waiting nominations. Repeating it is harmless. Raises ProtocolError not_found,
    and import_state after a failure.
    """
    one, right = _own(caller, id, "act", now, deps)

    def attempt() -> None:
        nonlocal one
        if one.state == "cancelled":
            return
        if one.state == "failed":
            raise ProtocolError(ErrorCode.IMPORT_STATE)
        act = _act("import.cancel", caller, right, one, {"was": one.state, "done": one.done})
        try:
            deps.recorder.writer(act, now=now)([deps.store.cancelling(one, now_ms=now.ms)])
        except ConditionFailed as failed:
            stands = live_import(failed.row(IMPORT_STATE), now.seconds)
            if stands is None:
                raise ProtocolError(ErrorCode.NOT_FOUND) from None
            one = stands
            raise Raced from None
        deps.objects.delete(file_name(one))

    retry_raced(attempt)


# Shared with the workers


def file_name(one: Import) -> str:
    """Return the name of the uploaded file."""
    return f"uploads/imports/{base64url_text(one.id)}"


def rows_name(one: Import, check: str) -> str:
    """Return the name of the object with the valid rows of one check: encrypted chunks, then their index."""
    return f"rows/imports/{base64url_text(one.id)}/{check}"


def findings_name(one: Import, check: str) -> str:
    """Return the name of the object with the findings of one check, which contains no content of rows."""
    return f"findings/{base64url_text(one.id)}/{check}"


def chunk_of(row: int) -> int:
    return (row - 2) // CHUNK_ROWS  # the header takes at least one row


def chunk_owner(one: Import, check: str, chunk: int) -> bytes:
    """Return the context to which a chunk is encrypted."""
    return one.id + f"/{check}/{chunk}".encode()


def encode_findings(found: Sequence[BadRow]) -> bytes:
    return cbor2.dumps([[bad.row, *bad.faults] for bad in found])


def _found(one: Import, deps: ImportDependencies) -> list[BadRow]:
    """Return the findings of the check in the order of the rows, or none if they were deleted."""
    if one.checked is None or not one.checked.invalid:
        return []
    try:
        data = b"".join(deps.objects.read(findings_name(one, one.checked.check), etag=None))
    except ObjectMissing:
        return []
    return [BadRow(row, faults) for row, *faults in cbor2.loads(data)]


def _told(bad: BadRow, one: Import) -> list[import_api.Finding]:
    names = one.checked.table.names if one.checked and one.checked.table else {}
    return [
        import_api.Finding(
            row=bad.row,
            field=FINDINGS[fault][0],
            column=names.get(FINDINGS[fault][0]),
            code=code,
            message=FINDINGS[fault][1],
        )
        for fault, code in zip(bad.faults, bad.codes, strict=True)
    ]


def _faults_of_file(one: Import) -> list[import_api.Finding]:
    if one.reason is None:
        return []
    reason = one.reason
    return [import_api.Finding(row=reason.row, field=reason.field, code=reason.code, message=reason.message)]


def _own(caller: Caller, id: ImportId, need: Need, now: Instant, deps: ImportDependencies) -> tuple[Import, Assignment]:
    """Return an import and the caller's right. Raises ProtocolError not_found, also outside the caller's places."""
    one = deps.store.read(id, now_seconds=now.seconds)
    place = one.place if one else Place.root(OrganisationId(id[:ACCOUNT_BYTES]))
    right = require(caller, Permission.PEOPLE, need, place, deps.organisations)
    if one is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return one, right


def _reread(one: Import, now: Instant, deps: ImportDependencies) -> Import:
    return deps.store.read(one.id, now_seconds=now.seconds) or one


def _shown(
    one: Import, *, upload: import_api.ImportUpload | None = None, findings: Sequence[import_api.Finding] = ()
) -> import_api.ImportState:
    checked: Checked | None = one.checked
    return import_api.ImportState(
        id=one.id,
        organisation=one.place.organisation,
        unit=one.place.unit,
        format=one.format,
        state=one.state,
        rows=checked.rows if checked else 0,
        valid=checked.valid if checked else 0,
        invalid=checked.invalid if checked else 0,
        sheet=checked.table.sheet if checked and checked.table else None,
        header_row=checked.table.header_row if checked and checked.table else None,
        planned=_counts(one.planned) if one.planned is not None else None,
        done=one.done,
        counts=_counts(one.counts),
        failure=one.failure,
        client_ref=one.client_ref,
        upload=upload,
        findings=list(findings[:SHOWN_FINDINGS]),
        created_by=one.created_by,
        committed_by=one.by,
        created_at=_time(one.created_at_ms),
        committed_at=_time(one.committed_at_ms) if one.committed_at_ms else None,
        finished_at=_time(one.finished_at_ms) if one.finished_at_ms else None,
    )


def _counts(by_outcome: Mapping[Outcome, int]) -> import_api.RowCounts:
    return import_api.RowCounts(**{str(outcome): count for outcome, count in by_outcome.items()})


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC)
