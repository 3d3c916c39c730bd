"""Processes imports: entries of the queue, chunks of rows, nominated numbers that have registered (docs/adr/0029).

Each transaction that executes rows also writes their results to the chunk's row, and a chunk is counted in one
transaction with its audit entry. Everything here may therefore run again, twice concurrently, or days later: no row is
executed twice, and later changes by administrators stay.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandes.administration.authority import Permission, grants
from sandes.administration.imports.import_check import CHECK_RUNS, check, decode_index, digest, give_up, open_entries
from sandes.administration.imports.import_decisions import Known, decide
from sandes.administration.imports.imports import ImportDependencies, file_name, rows_name
from sandes.administration.people.attestation_keys import announced_key
from sandes.administration.people.verifications import ENDING_SECONDS, Terms, attested
from sandes.administration.roles.admin_identity import with_roles
from sandes.crypto.attestation import AttestationKeys
from sandes.crypto.introductions import Key
from sandes.model.administrator import Assignment
from sandes.model.audit import SYSTEM, Act
from sandes.model.ids import account_text, administrator_text, base64url_text, parse_base64url, parse_import
from sandes.model.imports import NOMINATION_SECONDS, Checked, Entry, Import, Nomination, Origin, Outcome, Result
from sandes.model.instant import Instant
from sandes.model.organisation import Tree
from sandes.model.verification import Verification
from sandes.people.devices import QUEUED_NUMBER
from sandes.protocol.errors import ProtocolError
from sandes.races import Raced, retry_raced
from sandes.store.dynamo import ConditionFailed, StoreUnavailable
from sandes.store.imports import ChunkProgress, encode_results
from sandes.store.transaction import Operation, merged

_NOT_YET_SECONDS = 5

MOST_LINKS = 30 * 86_400 // ENDING_SECONDS
"""The longest chain of queue entries. An entry for a nominated person whose memberships elsewhere have not ended comes
again every minute. If they have not ended after a month, something is broken.
"""

_MAX_OPERATIONS = 99
"""The operations of a transaction, of which DynamoDB allows 100. One of them marks the finished rows."""

_TRIES = 4


def work(queued: Mapping[str, Any], *, receives: int, now: Instant, deps: ImportDependencies) -> str:
    """Process an entry of the queue, and return the outcome for the log.

    `receives` counts the receptions of the entry so far. Raises StoreUnavailable.
    """
    if "number" in queued:
        return verify_nominated(queued, now=now, deps=deps)
    if "chunk" in queued:
        return run_chunk(queued, now=now, deps=deps)
    one = deps.store.read(parse_import(queued["import"]), now_seconds=now.seconds)
    if one is None or one.state == queued["was"]:
        return _again_or_never(queued, now, deps)
    if queued["was"] == "open" and one.state == "checking" and receives > CHECK_RUNS:
        give_up(one, now=now, deps=deps)
    elif queued["was"] == "open" and one.state == "checking":
        check(one, now=now, deps=deps)
    if queued["was"] == "open":
        deps.objects.delete(file_name(one))
        return "checked"
    if one.state == "committing" and one.checked:
        _queue_chunks(one, one.checked, deps)
    return one.state


def _again_or_never(queued: Mapping[str, Any], now: Instant, deps: ImportDependencies) -> str:
    """Queue the entry again, because the change that needs the work may still come. Drop it if that request has
    failed.
    """
    if now.seconds > queued["until"]:
        return "orphan"
    deps.queue.send(dict(queued), delay_seconds=_NOT_YET_SECONDS)
    return "not_yet"


def _queue_chunks(one: Import, rows: Checked, deps: ImportDependencies) -> None:
    index = decode_index(deps.objects.part(rows_name(one, rows.check), rows.index_at, rows.index_bytes))
    id = base64url_text(one.id)
    deps.queue.send_many(
        [{"import": id, "chunk": chunk.number, "at": chunk.at, "bytes": chunk.bytes} for chunk in index]
    )


def run_chunk(queued: Mapping[str, Any], *, now: Instant, deps: ImportDependencies) -> str:
    """Process the unfinished rows of one chunk, and count the chunk once. Return the outcome for the log.

    For a cancelled import, only the results of an earlier run are counted. Raises StoreUnavailable.
    """
    id, number = parse_import(queued["import"]), queued["chunk"]
    one, progress = deps.store.with_chunk(id, number, now_seconds=now.seconds)
    if one is None or one.checked is None or one.by is None:
        return "gone"
    counted = progress.counted
    if not counted and one.state in {"committing", "cancelled"}:
        sealed = deps.objects.part(rows_name(one, one.checked.check), queued["at"], queued["bytes"])
        entries = open_entries(sealed, one, one.checked.check, number, pepper=deps.pepper)
        run = _Run(one, number, progress, deps.organisations.glance(one.place.organisation), now.seconds, deps)
        if one.state == "committing":
            _begin(one, number, entries, now, deps)
            run.work_off(entries)
        results = run.results(entries)
        counted = bool(results) and not _finish(one, number, results, now, deps)
    _complete_if_done(one, now, deps)
    return "counted_before" if counted else one.state


def _begin(one: Import, number: int, entries: Sequence[Entry], now: Instant, deps: ImportDependencies) -> None:
    """Record all changes before the first one is made, so that no change lacks a record if this run is interrupted."""
    details = {
        "chunk": number,
        "rows": [entries[0].row, entries[-1].row],
        "hash": base64url_text(hashlib.sha256(b"".join(map(digest, entries))).digest()),
    }
    deps.recorder.record(_act("import.chunk.begin", one, details), now=now)


def _finish(one: Import, number: int, results: Sequence[Result], now: Instant, deps: ImportDependencies) -> bool:
    """Write the results of a chunk with its audit entry. Return False if that was done before."""
    details = {
        "chunk": number,
        "rows": [results[0].row, results[-1].row],
        "counts": dict(Counter(result.outcome for result in results)),
        "hash": base64url_text(hashlib.sha256(encode_results(results)).digest()),
    }
    write = deps.recorder.writer(_act("import.chunk", one, details), now=now)
    try:
        write(deps.store.finishing_chunk(one, number, results))
    except ConditionFailed:
        return False
    return True


def _act(action: str, one: Import, details: dict[str, Any]) -> Act:
    """Build an act in the name of the administrator who committed the import."""
    id = base64url_text(one.id)
    return Act(
        action=action,
        actor=administrator_text(one.by or one.created_by),
        role=one.role,
        organisation=one.place.organisation,
        unit=one.place.unit,
        subject=id,
        case=id,
        details=details,
    )


def _complete_if_done(one: Import, now: Instant, deps: ImportDependencies) -> None:
    """Complete the import after its last chunk. Any chunk that comes again does the same, in case the first attempt
    failed.
    """
    current = deps.store.read(one.id, now_seconds=now.seconds)
    if (
        current is None
        or current.state != "committing"
        or current.checked is None
        or current.done < current.checked.valid
    ):
        return
    details = {"counts": {outcome: count for outcome, count in current.counts.items() if count}}
    write = deps.recorder.writer(_act("import.complete", current, details), now=now)
    try:
        write([deps.store.completing(current, now_ms=now.ms)])
    except ConditionFailed:
        return
    deps.objects.delete(rows_name(current, current.checked.check))


@dataclass(frozen=True, slots=True)
class _Step:
    """Holds the result of a row and its operations in a transaction."""

    entry: Entry
    result: Result
    operations: list[Operation]


@dataclass(slots=True)
class _Run:
    """Holds one run of a chunk. `progress` is the chunk's state that this run has last read or written."""

    one: Import
    number: int
    progress: ChunkProgress
    tree: Tree | None
    now_seconds: int
    deps: ImportDependencies
    key: Key | None = None

    def work_off(self, entries: Sequence[Entry]) -> None:
        """Execute each unfinished row. Raises StoreUnavailable."""
        left = self._left(entries)
        if any(entry.action == "verify" for entry in left):
            self.key = announced_key(_keys(self.deps), self.deps.verifications, now_seconds=self.now_seconds)
        again: list[Entry] = []
        for bundle in _bundles(self._steps(left)):
            if not self._write(bundle):
                again += [step.entry for step in bundle]
        for entry in again:
            if self.progress.counted:  # a run after the cancellation has counted the chunk
                return
            self._alone(entry)

    def results(self, entries: Sequence[Entry]) -> list[Result]:
        """Return the results of the finished rows, in order."""
        return [self.progress.results[entry.row] for entry in entries if entry.row in self.progress.results]

    @property
    def _key(self) -> Key:
        if self.key is None:
            raise ValueError("a row is verified after the keys of attestations were published")
        return self.key

    def _left(self, entries: Sequence[Entry]) -> list[Entry]:
        return [entry for entry in entries if entry.row not in self.progress.results]

    def _write(self, bundle: Sequence[_Step]) -> bool:
        """Execute the rows of a bundle and record their results, in one transaction.

        Return False if somebody has changed one of the people, or another run has executed rows of this chunk.
        """
        results = [step.result for step in bundle]
        noting = self.deps.store.noting(self.one, self.number, self.progress, results)
        try:
            self.deps.store.write([*merged(operation for step in bundle for operation in step.operations), noting])
        except ConditionFailed:
            self.progress = self.deps.store.progress(self.one.id, self.number)
            return False
        self.progress = ChunkProgress({**self.progress.results, **{result.row: result for result in results}})
        return True

    def _alone(self, entry: Entry) -> None:
        """Execute a row that others changed at the same moment. It is read again for each attempt."""
        for _ in range(_TRIES):
            steps = self._steps(self._left([entry]))
            if not steps or self._write(steps):
                return
        for _ in range(_TRIES):
            busy = _Step(entry, self._result(entry, "failed", "busy"), [])
            if not self._left([entry]) or self._write([busy]):
                return
        raise StoreUnavailable

    def _steps(self, entries: Sequence[Entry]) -> list[_Step]:
        if not entries:
            return []
        indexes = [self.deps.pepper.index("phone", entry.phone) for entry in entries]  # the pepper may be new
        people = self.deps.people.known(indexes, now_seconds=self.now_seconds)
        return [self._step(entry, people[index]) for entry, index in zip(entries, indexes, strict=True)]

    def _result(self, entry: Entry, outcome: Outcome, code: str | None = None) -> Result:
        return Result(entry.row, outcome, code, digest(entry))

    def _step(self, entry: Entry, person: Known) -> _Step:
        if self.tree is None:
            return _Step(entry, self._result(entry, "failed", "unit_unknown"), [])
        decision = decide(entry, person, place=self.one.place, tree=self.tree, now_seconds=self.now_seconds)
        result = self._result(entry, decision.outcome, decision.code)
        origin = Origin(self.one.id, entry.row, decision.outcome)
        if decision.outcome in {"verified", "changed"}:
            if self._is_ending(person):
                return _Step(entry, self._result(entry, "failed", "ending"), [])
            return _Step(entry, result, self._verifying(entry, person, origin, self.tree))
        if decision.outcome == "nominated":
            nominating = self.deps.nominations.putting(
                self._nomination(entry, person, origin),
                indexes=self.deps.pepper.written("phone", entry.phone),
                over=person.nomination,
                now_seconds=self.now_seconds,
            )
            return _Step(entry, result, nominating)
        if decision.outcome == "revoked" and person.verification:
            ending = self.deps.verifications.ending_whole(
                person.verification, "revoked", reason=entry.reason, now_seconds=self.now_seconds, origin=origin
            )
            return _Step(entry, result, ending)
        if decision.outcome == "withdrawn" and person.nomination:
            gone = replace(person.nomination, name="", post="", email=None, origin=origin, withdrawn=True)
            indexes = self.deps.pepper.written("phone", entry.phone)
            withdrawing = self.deps.nominations.putting(gone, indexes=indexes, over=None, now_seconds=self.now_seconds)
            return _Step(entry, result, withdrawing)
        return _Step(entry, result, [])

    def _is_ending(self, person: Known) -> bool:
        """Tell whether memberships of a former organisation are still being ended, which the person would otherwise
        regain.
        """
        last = person.verification
        if last is None or last.organisation == self.one.place.organisation:
            return False
        return self.deps.verifications.is_ending(last.account, last.organisation)

    def _verifying(self, entry: Entry, person: Known, origin: Origin, tree: Tree) -> list[Operation]:
        if person.account is None:
            raise ValueError("nobody is verified without an account")
        last = person.verification
        stays = last if last and last.organisation == self.one.place.organisation else None
        made = attested(
            Terms(
                organisation=self.one.place.organisation,
                unit=entry.unit,
                name=entry.name,
                post=entry.post,
                email=(entry.email or None) if entry.email is not None else (stays.email if stays else None),
                listed=entry.listed if entry.listed is not None else bool(stays and stays.listed),
                expires_at=entry.expires_at,
            ),
            person.account,
            (tree.organisation, tree.units[entry.unit]),
            last,
            now_seconds=self.now_seconds,
            key=self._key,
            origin=origin,
        )
        indexes = self.deps.pepper.indexes("phone", entry.phone)
        operations = self.deps.verifications.putting(made, previous=last, phone_indexes=indexes)
        if person.nomination and person.nomination.place.organisation == self.one.place.organisation:
            operations += self.deps.nominations.removing(person.nomination, indexes=indexes)
        return operations

    def _nomination(self, entry: Entry, person: Known, origin: Origin) -> Nomination:
        own = person.nomination
        if own and (own.withdrawn or own.place.organisation != self.one.place.organisation):
            own = None
        return Nomination(
            index=self.deps.pepper.index("phone", entry.phone),
            phone_sealed=self.deps.pepper.seal_phone(entry.phone, Nomination.sealed_for(self.one.place.organisation)),
            place=replace(self.one.place, unit=entry.unit),
            name=entry.name,
            post=entry.post,
            email=(entry.email or None) if entry.email is not None else (own.email if own else None),
            listed=entry.listed if entry.listed is not None else bool(own and own.listed),
            expires_at=entry.expires_at,
            origin=origin,
            by=self.one.by or self.one.created_by,
            role=self.one.role or "",
            made_at=self.now_seconds,
            vanishes_at=min(entry.expires_at, self.now_seconds + NOMINATION_SECONDS),
        )


def _bundles(steps: Iterable[_Step]) -> list[list[_Step]]:
    """Divide the rows into bundles that fit into one transaction each."""
    bundles: list[list[_Step]] = []
    size = 0
    for step in steps:
        if not bundles or size + len(step.operations) > _MAX_OPERATIONS:
            bundles.append([])
            size = 0
        bundles[-1].append(step)
        size += len(step.operations)
    return bundles


def verify_nominated(queued: Mapping[str, Any], *, now: Instant, deps: ImportDependencies) -> str:
    """Verify the person who has registered a nominated number. Return the outcome for the log.

    A nomination that cannot be used ends: it is removed, so that the number's next holder does not get it, and the
    organisation's audit chain records the reason. Raises StoreUnavailable.
    """
    phone = deps.pepper.open_phone(parse_base64url(queued["number"]), QUEUED_NUMBER)
    indexes, now_seconds = deps.pepper.indexes("phone", phone), now.seconds

    def attempt() -> str:
        number = deps.nominations.number(indexes[0])
        nomination = number.nomination
        if nomination is None or not nomination.in_force(now_seconds):
            return "not_nominated"
        if number.account is None:
            return _again_or_never(queued, now, deps)
        last, place = deps.verifications.read(number.account), nomination.place
        found = deps.organisations.unit(place.organisation, place.unit)
        right = _right_of_author(nomination, now_seconds, deps)
        ended = _why_ended(nomination, last, found, right, now_seconds=now_seconds, deps=deps)
        if ended or found is None or right is None:
            removing = deps.nominations.removing(nomination, indexes=indexes)
            if _written(_nomination_ended(nomination, ended), removing, now, deps):
                return ended
            raise Raced
        if (
            last
            and last.organisation != place.organisation
            and deps.verifications.is_ending(number.account, last.organisation)
        ):
            deps.queue.send(dict(queued), delay_seconds=ENDING_SECONDS)
            return "ending"
        key = announced_key(_keys(deps), deps.verifications, now_seconds=now_seconds)
        made = attested(
            _terms(nomination),
            number.account,
            found,
            last,
            now_seconds=now_seconds,
            key=key,
            origin=replace(nomination.origin, outcome="nominated"),
        )
        verifying = [
            *deps.verifications.putting(made, previous=last, phone_indexes=indexes),
            *deps.nominations.removing(nomination, indexes=indexes),
            deps.store.standing(nomination.origin.id),
            deps.administrators.still(right, now_seconds=now.seconds),
        ]
        if _written(_nominated(nomination, made), verifying, now, deps):
            return "verified"
        raise Raced

    try:
        return retry_raced(attempt, otherwise=Raced())
    except Raced:
        return _again_or_never({**queued, "until": now_seconds + _NOT_YET_SECONDS}, now, deps)


def _right_of_author(nomination: Nomination, now_seconds: int, deps: ImportDependencies) -> Assignment | None:
    """Return the right by which the import's author may verify people in the unit now, or None."""
    try:
        author = with_roles(nomination.by, signed_in_at=0, now_seconds=now_seconds, administrators=deps.administrators)
    except ProtocolError:
        return None
    return grants(author, Permission.PEOPLE, "act", nomination.place, deps.organisations)


def _why_ended(
    nomination: Nomination,
    last: Verification | None,
    unit: object,
    right: Assignment | None,
    *,
    now_seconds: int,
    deps: ImportDependencies,
) -> str:
    """Return the reason why a nomination no longer counts, or an empty text if it does."""
    made_by = deps.store.read(nomination.origin.id, now_seconds=now_seconds)
    if made_by is None or not made_by.stands:
        return "cancelled"
    if last and last.in_force(now_seconds):
        return "verified_already"
    if last and _decided_since(nomination, last):
        return "decided_since"
    if unit is None:
        return "unit_gone"
    return "" if right else "author_may_no_more"


def _decided_since(nomination: Nomination, last: Verification) -> bool:
    """Tell whether an administrator has verified the person, or ended a verification, after the nomination was made.

    A queue entry may come days late. The administrator's decision then counts, because it is newer.
    """
    ended = last.ended_at if last.ended == "revoked" else None
    return max(last.issued_at, ended or 0) >= nomination.made_at


def _written(act: Act, operations: Sequence[Operation], now: Instant, deps: ImportDependencies) -> bool:
    """Write operations with an act. Return False, with nothing written, if something has changed since it was read."""
    try:
        deps.recorder.writer(act, now=now)(operations)
    except ConditionFailed:
        return False
    return True


def _terms(nomination: Nomination) -> Terms:
    return Terms(
        organisation=nomination.place.organisation,
        unit=nomination.place.unit,
        name=nomination.name,
        post=nomination.post,
        email=nomination.email,
        listed=nomination.listed,
        expires_at=nomination.expires_at,
    )


def _nominated(nomination: Nomination, made: Verification) -> Act:
    """Build the act of a verification by the system. `by` is the author of the import that caused it."""
    details = {
        "row": nomination.origin.row,
        "expires_at": made.expires_at,
        "by": administrator_text(nomination.by),
        "role": nomination.role,
    }
    return _by_itself("person.verify", nomination, account_text(made.account), details)


def _nomination_ended(nomination: Nomination, reason: str) -> Act:
    """Build the act of a nomination's end. It does not say whose number it was, who may be another organisation's
    official.
    """
    return _by_itself("nomination.end", nomination, None, {"row": nomination.origin.row, "reason": reason})


def _by_itself(action: str, nomination: Nomination, subject: str | None, details: dict[str, Any]) -> Act:
    return Act(
        action=action,
        actor=SYSTEM,
        role=None,
        organisation=nomination.place.organisation,
        unit=nomination.place.unit,
        subject=subject,
        case=base64url_text(nomination.origin.id),
        details=details,
    )


def _keys(deps: ImportDependencies) -> AttestationKeys:
    if deps.keys is None:
        raise ValueError("people are verified with the keys of attestations")
    return deps.keys
