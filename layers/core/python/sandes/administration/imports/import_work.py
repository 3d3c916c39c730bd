"""Process imports: the queue's entries, a chunk of rows, a nominated number that has registered (docs/adr/0029).

Each transaction that does rows also writes what became of them to the chunk's own row, and a chunk is counted in one
transaction with its audit entry. So everything here may be run again, twice at once, or days later: a row that was
done once is not done again, and what an administrator has changed since then stays.
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
from sandes.model.organisation import Tree
from sandes.model.verification import Verification
from sandes.people.devices import QUEUED_NUMBER
from sandes.protocol.errors import ProtocolError
from sandes.store.dynamo import ConditionFailed, StoreUnavailable
from sandes.store.imports import ChunkProgress, encode_results
from sandes.store.transaction import Operation, merged

_NOT_YET_SECONDS = 5

MOST_LINKS = 30 * 86_400 // ENDING_SECONDS
"""Bounds how many queue entries may lead to one another. A nominated person whose memberships elsewhere have not ended
yet is looked at again every minute; when they have not ended after a month, something is broken."""

_MAX_OPERATIONS = 99
"""DynamoDB takes 100 in a transaction; one is the marker of what is done."""

_TRIES = 4


def work(queued: Mapping[str, Any], *, receives: int, now_ms: int, deps: ImportDependencies) -> str:
    """Do what an entry of the queue asks for; what was done, for the log.

    `receives`: how often the entry has been taken by now. Raises StoreUnavailable.
    """
    if "number" in queued:
        return verify_nominated(queued, now_ms=now_ms, deps=deps)
    if "chunk" in queued:
        return run_chunk(queued, now_ms=now_ms, deps=deps)
    one = deps.store.read(parse_import(queued["import"]), now_seconds=now_ms // 1000)
    if one is None or one.state == queued["was"]:
        return _again_or_never(queued, now_ms, deps)
    if queued["was"] == "open" and one.state == "checking" and receives > CHECK_RUNS:
        give_up(one, now_ms=now_ms, deps=deps)
    elif queued["was"] == "open" and one.state == "checking":
        check(one, now_ms=now_ms, deps=deps)
    if queued["was"] == "open":
        deps.objects.delete(file_name(one))
        return "checked"
    if one.state == "committing" and one.checked:
        _queue_chunks(one, one.checked, deps)
    return one.state


def _again_or_never(queued: Mapping[str, Any], now_ms: int, deps: ImportDependencies) -> str:
    """The change that calls for the work comes still, or the request that would have made it has failed."""
    if now_ms // 1000 > queued["until"]:
        return "orphan"
    deps.queue.send(dict(queued), delay_seconds=_NOT_YET_SECONDS)
    return "not_yet"


def _queue_chunks(one: Import, rows: Checked, deps: ImportDependencies) -> None:
    index = decode_index(deps.objects.part(rows_name(one, rows.check), rows.index_at, rows.index_bytes))
    id = base64url_text(one.id)
    deps.queue.send_many(
        [{"import": id, "chunk": chunk.number, "at": chunk.at, "bytes": chunk.bytes} for chunk in index]
    )


def run_chunk(queued: Mapping[str, Any], *, now_ms: int, deps: ImportDependencies) -> str:
    """Process the rows of one chunk that are not done yet, and count the chunk once; what was done, for the log.

    Of a cancelled import, only what an earlier run had done is counted. Raises StoreUnavailable.
    """
    id, number = parse_import(queued["import"]), queued["chunk"]
    one, progress = deps.store.with_chunk(id, number, now_seconds=now_ms // 1000)
    if one is None or one.checked is None or one.by is None:
        return "gone"
    counted = progress.counted
    if not counted and one.state in {"committing", "cancelled"}:
        sealed = deps.objects.part(rows_name(one, one.checked.check), queued["at"], queued["bytes"])
        entries = open_entries(sealed, one, one.checked.check, number, pepper=deps.pepper)
        run = _Run(one, number, progress, deps.organisations.glance(one.place.organisation), now_ms // 1000, deps)
        if one.state == "committing":
            _begin(one, number, entries, now_ms, deps)
            run.work_off(entries)
        results = run.results(entries)
        counted = bool(results) and not _finish(one, number, results, now_ms, deps)
    _complete_if_done(one, now_ms, deps)
    return "counted_before" if counted else one.state


def _begin(one: Import, number: int, entries: Sequence[Entry], now_ms: int, deps: ImportDependencies) -> None:
    """Put on record what is about to be done, so that nothing is done without it, should this end in the middle."""
    details = {
        "chunk": number,
        "rows": [entries[0].row, entries[-1].row],
        "hash": base64url_text(hashlib.sha256(b"".join(map(digest, entries))).digest()),
    }
    deps.recorder.record(_act("import.chunk.begin", one, details), now_ms=now_ms)


def _finish(one: Import, number: int, results: Sequence[Result], now_ms: int, deps: ImportDependencies) -> bool:
    """Write what became of a chunk, with its entry in the audit chain; False if that has been done before."""
    details = {
        "chunk": number,
        "rows": [results[0].row, results[-1].row],
        "counts": dict(Counter(result.outcome for result in results)),
        "hash": base64url_text(hashlib.sha256(encode_results(results)).digest()),
    }
    write = deps.recorder.writer(_act("import.chunk", one, details), now_ms=now_ms)
    try:
        write(deps.store.finishing_chunk(one, number, results))
    except ConditionFailed:
        return False
    return True


def _act(action: str, one: Import, details: dict[str, Any]) -> Act:
    """In the name of who committed it."""
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


def _complete_if_done(one: Import, now_ms: int, deps: ImportDependencies) -> None:
    """The last chunk ends the import; so does any that comes again after it, should that have been cut short."""
    now = deps.store.read(one.id, now_seconds=now_ms // 1000)
    if now is None or now.state != "committing" or now.checked is None or now.done < now.checked.valid:
        return
    details = {"counts": {outcome: count for outcome, count in now.counts.items() if count}}
    write = deps.recorder.writer(_act("import.complete", now, details), now_ms=now_ms)
    try:
        write([deps.store.completing(now, now_ms=now_ms)])
    except ConditionFailed:
        return
    deps.objects.delete(rows_name(now, now.checked.check))


@dataclass(frozen=True, slots=True)
class _Step:
    """What a row comes to, with its part of a transaction."""

    entry: Entry
    result: Result
    operations: list[Operation]


@dataclass(slots=True)
class _Run:
    """One run of a chunk. `progress` is the chunk's as it was last read or written by this run."""

    one: Import
    number: int
    progress: ChunkProgress
    tree: Tree | None
    now_seconds: int
    deps: ImportDependencies
    key: Key | None = None

    def work_off(self, entries: Sequence[Entry]) -> None:
        """Do each row that is not done yet. Raises StoreUnavailable."""
        left = self._left(entries)
        if any(entry.action == "verify" for entry in left):
            self.key = announced_key(_keys(self.deps), self.deps.verifications, now_seconds=self.now_seconds)
        again: list[Entry] = []
        for bundle in _bundles(self._steps(left)):
            if not self._write(bundle):
                again += [step.entry for step in bundle]
        for entry in again:
            if self.progress.counted:  # by a run that came after the import was cancelled
                return
            self._alone(entry)

    def results(self, entries: Sequence[Entry]) -> list[Result]:
        """Return what became of the rows that are done, in order."""
        return [self.progress.results[entry.row] for entry in entries if entry.row in self.progress.results]

    @property
    def _key(self) -> Key:
        if self.key is None:
            raise ValueError("a row is verified after the keys of attestations were published")
        return self.key

    def _left(self, entries: Sequence[Entry]) -> list[Entry]:
        return [entry for entry in entries if entry.row not in self.progress.results]

    def _write(self, bundle: Sequence[_Step]) -> bool:
        """Do the rows of a bundle and note that they are done, in one transaction.

        Returns False if somebody has changed one of the people, or another run has done rows of this chunk.
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
        """Do a row that was changed by others at the same moment; it is read anew each time."""
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
        indexes = [self.deps.pepper.index("phone", entry.phone) for entry in entries]  # not as the check had them
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
        """Whether the person would be let into the groups of an organisation again that they were with before."""
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
    """As many rows as fit into one transaction."""
    bundles: list[list[_Step]] = []
    size = 0
    for step in steps:
        if not bundles or size + len(step.operations) > _MAX_OPERATIONS:
            bundles.append([])
            size = 0
        bundles[-1].append(step)
        size += len(step.operations)
    return bundles


def verify_nominated(queued: Mapping[str, Any], *, now_ms: int, deps: ImportDependencies) -> str:
    """Verify who has registered a number that an organisation had nominated; what was done, for the log.

    A nomination that does not lead to that has ended: it is removed, so that it is not for the next holder of the
    number, and its organisation's chain says why. Raises StoreUnavailable.
    """
    phone = deps.pepper.open_phone(parse_base64url(queued["number"]), QUEUED_NUMBER)
    indexes, now_seconds = deps.pepper.indexes("phone", phone), now_ms // 1000
    for _ in range(_TRIES):
        number = deps.nominations.number(indexes[0])
        nomination = number.nomination
        if nomination is None or not nomination.in_force(now_seconds):
            return "not_nominated"
        if number.account is None:
            return _again_or_never(queued, now_ms, deps)
        last, place = deps.verifications.read(number.account), nomination.place
        found = deps.organisations.unit(place.organisation, place.unit)
        right = _right_of_author(nomination, now_seconds, deps)
        ended = _why_ended(nomination, last, found, right, now_seconds=now_seconds, deps=deps)
        if ended or found is None or right is None:
            removing = deps.nominations.removing(nomination, indexes=indexes)
            if _written(_nomination_ended(nomination, ended), removing, now_ms, deps):
                return ended
            continue
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
            deps.administrators.still(right, now_seconds=now_ms // 1000),
        ]
        if _written(_nominated(nomination, made), verifying, now_ms, deps):
            return "verified"
    return _again_or_never({**queued, "until": now_seconds + _NOT_YET_SECONDS}, now_ms, deps)


def _right_of_author(nomination: Nomination, now_seconds: int, deps: ImportDependencies) -> Assignment | None:
    """By which who committed the import could verify somebody in the unit today."""
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
    """Why a nomination does not count any more; empty if it does."""
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

    An entry of the queue may come days late; then the administrator's word counts, which is the newer one.
    """
    ended = last.ended_at if last.ended == "revoked" else None
    return max(last.issued_at, ended or 0) >= nomination.made_at


def _written(act: Act, operations: Sequence[Operation], now_ms: int, deps: ImportDependencies) -> bool:
    """False, and nothing written, if something has changed since it was read."""
    try:
        deps.recorder.writer(act, now_ms=now_ms)(operations)
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
    """Nobody does anything at this moment: it is the import's doing, whose author `by` is."""
    details = {
        "row": nomination.origin.row,
        "expires_at": made.expires_at,
        "by": administrator_text(nomination.by),
        "role": nomination.role,
    }
    return _by_itself("person.verify", nomination, account_text(made.account), details)


def _nomination_ended(nomination: Nomination, reason: str) -> Act:
    """Whose number it was then is not told: another organisation's official it may be."""
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
