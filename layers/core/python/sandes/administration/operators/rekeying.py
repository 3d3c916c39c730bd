"""Rewrites rows after a change of the pepper's value (docs/adr/0046).

The job reads the directory in passes, a part with each call, until a pass finds nothing to change. Each change is a
transaction on condition of what was read. The job may therefore be interrupted anywhere, run again, or run twice
concurrently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nacl.exceptions import CryptoError

from sandes import runtime
from sandes.administration.apps.app_registry import open_guests, seal_guests
from sandes.administration.recorder import Recorder
from sandes.crypto.pepper import Pepper
from sandes.model.administrator import PLATFORM
from sandes.model.audit import OPERATOR, Act
from sandes.model.ids import AccountId
from sandes.model.imports import Nomination
from sandes.model.instant import Instant
from sandes.model.phone import PhoneNumber
from sandes.people.complaining import pseudonym_of
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.store.app_rows import read_app
from sandes.store.complaints import read_complaint
from sandes.store.directory import phone_key
from sandes.store.dynamo import ConditionFailed, Item
from sandes.store.nominations import nomination_key, read_nomination
from sandes.store.rekeying import Progress, RekeyStore
from sandes.store.schema import DirectoryRow, NominationRow
from sandes.store.transaction import Operation

SETTLE_SECONDS = 900
"""The wait after a step. A running function may still write with the previous step's values, but no call takes
longer.
"""

WORK_SECONDS = 20
"""How long a call works before it answers."""

_AT_ONCE = 8
_NUMBERS = "P#"

Change = Sequence[Operation]
"""The operations of a transaction."""


@dataclass(frozen=True, slots=True)
class RekeyDependencies:
    """Holds the dependencies. `elapsed` returns seconds of a monotonic clock."""

    store: RekeyStore
    pepper: Pepper
    recorder: Recorder
    elapsed: Callable[[], float]


def operate(request: Mapping[str, Any], *, now: Instant, deps: RekeyDependencies) -> dict[str, Any]:
    """Execute an operator's request: `pepper.rekey`, which continues the job, or `pepper.status`.

    The answer has the `state` and the progress. `idle`: there is one value; `settling`: wait for `seconds`; `running`;
    `done`: with the `proof` that tools/pepper.py asks for. Raises ProtocolError invalid_request, unavailable.
    """
    operation = request.get("operation")
    if operation not in {"pepper.rekey", "pepper.status"} or len(request) > 1:
        raise invalid(ErrorCode.INVALID_REQUEST, "/operation", "not_accepted", "pepper.rekey or pepper.status")
    pepper, now_seconds = deps.pepper, now.seconds
    if len(pepper.values) < 2:
        return {"state": "idle", "in_use": pepper.number}
    progress = _of_step(deps.store.progress(), _step(pepper))
    left = pepper.since + SETTLE_SECONDS - now_seconds
    if left > 0:
        return _told(None, pepper) | {"state": "settling", "seconds": left}
    if operation == "pepper.rekey":
        progress = _work(now, deps)
    return _told(progress, pepper)


def _told(progress: Progress | None, pepper: Pepper) -> dict[str, Any]:
    done = progress is not None and progress.done_at is not None
    told: dict[str, Any] = {
        "state": "done" if done else "running",
        "in_use": pepper.number,
        "other": pepper.values[1].number,
    }
    if progress:
        told |= {
            "pass": progress.passes,
            "rows": progress.rows,
            "changed": progress.changed + progress.changed_before,
            "unreadable": progress.unreadable,
        }
    return {**told, "proof": pepper.proof} if done else told


def _step(pepper: Pepper) -> str:
    """Name a step by its values and time. A withdrawn value leaves its number to the next one, so the time is
    needed.
    """
    return " ".join(str(number) for number in (*(one.number for one in pepper.values), pepper.since))


def _of_step(progress: Progress | None, step: str) -> Progress | None:
    """Return the progress, or None if it belongs to another step."""
    return progress if progress and progress.step == step else None


def _work(now: Instant, deps: RekeyDependencies) -> Progress:
    """Work until the time is over or the job is done. Raises ProtocolError unavailable if another call is faster."""
    began = deps.elapsed()
    stands = deps.store.progress()
    progress = _of_step(stands, _step(deps.pepper))
    if progress is None or progress.done_at is not None:  # a call after the end looks at all rows again
        progress = Progress(_step(deps.pepper), stands.version + 1 if stands else 1, passes=1)
        _record("begin", progress, stands, now, deps)
    while progress.done_at is None and deps.elapsed() - began < WORK_SECONDS:
        before, progress = progress, _page(progress, now, deps)
        if progress.done_at is not None:
            _record("end", progress, before, now, deps)
        else:
            _write([deps.store.progressing(before, progress)], deps.store.write)
    return progress


def _page(progress: Progress, now: Instant, deps: RekeyDependencies) -> Progress:
    """Rewrite a page of rows. After the last page, begin another pass, or end if this pass has changed nothing."""
    items, behind = deps.store.page(progress.start)
    rekeying = _Rekeying(deps.store, deps.pepper, now.seconds)
    changes = list(rekeying.changes(items))

    def change(operations: Change) -> None:
        try:
            deps.store.write(operations)
        except ConditionFailed:
            return  # somebody was faster: the next pass looks at the row

    runtime.together(change, changes, at_once=_AT_ONCE)
    progress = replace(
        progress,
        version=progress.version + 1,
        rows=progress.rows + len(items),
        changed=progress.changed + len(changes),
        unreadable=progress.unreadable + rekeying.unreadable,
        start=behind,
    )
    if behind:
        return progress
    if not progress.changed:
        return replace(progress, done_at=now.seconds)
    changed = progress.changed_before + progress.changed
    return Progress(progress.step, progress.version, progress.passes + 1, changed_before=changed)


def _record(what: str, progress: Progress, before: Progress | None, now: Instant, deps: RekeyDependencies) -> None:
    """Record in the platform's chain that a step's job begins or ends."""
    used, other = deps.pepper.values
    details: dict[str, Any] = {"in_use": used.number, "other": other.number}
    if what == "end":
        changed = progress.changed + progress.changed_before
        details |= {"passes": progress.passes, "changed": changed, "unreadable": progress.unreadable}
    act = Act(action=f"pepper.rekey.{what}", actor=OPERATOR, role=None, organisation=PLATFORM, details=details)
    _write([deps.store.progressing(before, progress)], deps.recorder.writer(act, now=now))


def _write(operations: Change, writer: Callable[[Change], None]) -> None:
    """Write operations. Raises ProtocolError unavailable if another call of the job has made progress meanwhile."""
    try:
        writer(operations)
    except ConditionFailed:
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=5) from None


@dataclass(slots=True)
class _Rekeying:
    """Computes the changes of rows. `unreadable` counts the rows that no value decrypts."""

    store: RekeyStore
    pepper: Pepper
    now_seconds: int
    unreadable: int = 0

    def changes(self, items: Sequence[Item]) -> Iterator[Change]:
        numbers = [item for item in items if _partition(item).startswith(_NUMBERS)]
        yield from self._numbers([item for item in numbers if DirectoryRow.ACCOUNT in item])
        yield from self._nominations([item for item in numbers if DirectoryRow.ACCOUNT not in item])
        if self.pepper.former:
            rest = [item for item in items if not _partition(item).startswith(_NUMBERS)]
            yield from self._each(self._guests, [item for item in rest if _partition(item).startswith("APP#")])
            yield from self._each(self._complaint, [item for item in rest if _partition(item).startswith("O#")])

    def _each(self, change: Callable[[Item], Change | None], items: Sequence[Item]) -> Iterator[Change]:
        for item in items:
            try:
                found = change(item)
            except CryptoError:
                self.unreadable += 1
            else:
                if found:
                    yield found

    # Numbers that have an account

    def _numbers(self, items: Sequence[Item]) -> Iterator[Change]:
        accounts = self.store.accounts(AccountId(item[DirectoryRow.ACCOUNT]["B"]) for item in items)
        twins: Mapping[tuple[str, str], Item] = {}
        if self.pepper.following:
            twins = self.store.rows(self._twins(items, accounts))

        def change(item: Item) -> Change | None:
            index, id = _index(item), AccountId(item[DirectoryRow.ACCOUNT]["B"])
            account = accounts.get(id)
            if account is None:
                return [self.store.dropping(index, id)]
            phone = self.pepper.open_phone(account[1], id)
            used, other = self.pepper.indexes("phone", phone)
            if index not in {used, other}:  # a former number of the account
                return [self.store.dropping(index, id)]
            if self.pepper.following:
                if index == other or _has(twins, phone_key(other), DirectoryRow.ACCOUNT, {"B": id}):
                    return None
                return self.store.claiming(id, used=used, following=other)
            if index == used == account[0] and self.pepper.is_own(account[1], id):
                return None
            return self.store.moving(id, account, used=used, sealed=self.pepper.seal_phone(phone, id), former=other)

        return self._each(change, items)

    def _twins(self, items: Sequence[Item], accounts: Mapping[AccountId, tuple[str, bytes]]) -> Iterator[Item]:
        """Yield the keys of the rows under the following value."""
        for item in items:
            id = AccountId(item[DirectoryRow.ACCOUNT]["B"])
            if account := accounts.get(id):
                try:
                    phone = self.pepper.open_phone(account[1], id)
                except CryptoError:
                    continue  # it is counted when the row itself is processed
                yield phone_key(self.pepper.indexes("phone", phone)[1])

    # Nominated numbers

    def _nominations(self, items: Sequence[Item]) -> Iterator[Change]:
        read = {one.index: one for one in map(read_nomination, items) if one.vanishes_at > self.now_seconds}
        others: Mapping[tuple[str, str], Item] = {}
        if self.pepper.following:
            others = self.store.rows(self._other_nominations([*read.values()]))

        def change(item: Item) -> Change | None:
            one = read.get(_index(item))
            if one is None:
                return None  # it has expired and will be deleted
            used, other = self.pepper.indexes("phone", self._number(one))
            if self.pepper.following:
                at = other if one.index == used else used
                if _has(others, nomination_key(at), *_origin(item)):
                    return None
                if one.index == used:
                    return self.store.nominating(replace(one, index=other), as_of=one)
                return self.store.denominating(one, but_of=used)
            if one.index != used:
                return self.store.denominating(one)
            owner = Nomination.sealed_for(one.place.organisation)
            if self.pepper.is_own(one.phone_sealed, owner):
                return None
            return self.store.renominating(one, self.pepper.seal_phone(self._number(one), owner))

        return self._each(change, items)

    def _other_nominations(self, nominations: Sequence[Nomination]) -> Iterator[Item]:
        """Yield the keys of the nominations' rows under the other value."""
        for one in nominations:
            try:
                indexes = self.pepper.indexes("phone", self._number(one))
            except CryptoError:
                continue
            yield from (nomination_key(index) for index in indexes if index != one.index)

    def _number(self, one: Nomination) -> PhoneNumber:
        return self.pepper.open_phone(one.phone_sealed, Nomination.sealed_for(one.place.organisation))

    # Other rows that are kept for long

    def _guests(self, item: Item) -> Change | None:
        app = read_app(item)
        numbers = open_guests(app, self.pepper)
        guests = frozenset(self.pepper.index("phone", number) for number in numbers)
        if guests == app.guests and self.pepper.is_own(app.guests_sealed, app.id):
            return None
        return self.store.reguesting(app, guests, seal_guests(numbers, app.id, self.pepper))

    def _complaint(self, item: Item) -> Change | None:
        one = read_complaint(item)
        if self.pepper.is_own(one.text, one.id) and (one.note is None or self.pepper.is_own(one.note, one.id)):
            return None

        def anew(sealed: bytes) -> bytes:
            return self.pepper.seal(self.pepper.open(sealed, one.id), one.id)

        reporter = AccountId(self.pepper.open(one.reporter, one.id))
        resealed = replace(
            one,
            text=anew(one.text),
            reporter=anew(one.reporter),
            note=anew(one.note) if one.note else None,
            pseudonym=pseudonym_of(reporter, one.about, self.pepper),
        )
        return self.store.resealing(one, resealed)


def _partition(item: Item) -> str:
    return str(item[DirectoryRow.PARTITION]["S"])


def _index(item: Item) -> str:
    return _partition(item).removeprefix(_NUMBERS)


def _origin(item: Item) -> tuple[str, Any]:
    return NominationRow.ORIGIN, item[NominationRow.ORIGIN]


def _has(rows: Mapping[tuple[str, str], Item], key: Item, name: str, value: Any) -> bool:
    row = rows.get((key[DirectoryRow.PARTITION]["S"], key[DirectoryRow.SORT]["S"]))
    return row is not None and row.get(name) == value
