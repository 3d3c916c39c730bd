"""The audit chain: every act of administration leaves an entry, in the same transaction (docs/adr/0025)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandes.crypto.audit_chain import (
    FIRST,
    SALT_BYTES,
    AuditKey,
    body,
    body_hash,
    is_signed_entry,
    link_hash,
    statement,
)
from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.audit import Act, Entry, Head, read_entry
from sandes.model.ids import OrganisationId, administrator_text
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.audit import AuditStore
from sandes.store.dynamo import ConditionFailed, Item, Sleep, StoreUnavailable, Writer, transact, waits

TRIES = 64
LONGEST_WAIT_SECONDS = 0.2
"""So often others may be faster at a chain: six seconds in the mean, twelve at most. Whoever waits longer than a few
appends take only leaves the chain idle.
"""

MAX_BODY_BYTES = 16_384


class BesideFailed(Exception):
    """A condition of what was to be written beside an act did not hold: the first such, by its place, and its row."""

    def __init__(self, index: int, item: Item | None) -> None:
        super().__init__("condition beside an act failed")
        self.index, self.item = index, item


class ChainBroken(Exception):
    """The last entry of a chain is signed by neither the key nor a former one. Nothing is written on top of it."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Appends entries. It remembers where each chain ends, and reads that again when others have written meanwhile."""

    store: AuditStore
    key: AuditKey
    former: tuple[bytes, ...] = ()
    """Public keys of before: an entry of theirs may be the last of a chain, none is signed with them."""
    new_salt: Callable[[], bytes] = lambda: secrets.token_bytes(SALT_BYTES)
    sleep: Sleep = time.sleep
    _heads: dict[OrganisationId, Head] = field(default_factory=dict, repr=False)

    def writer(self, act: Act, *, now_ms: int, beside: Sequence[Any] = ()) -> Writer:
        """A store's writer, which writes an entry of `act`, and what is `beside`, with each of its transactions.

        It raises ConditionFailed as `transact` does if an operation of the store fails, of these operations only;
        BesideFailed if none does, but one that is beside them; StoreUnavailable, also if others kept writing to the
        chain; ChainBroken; ValueError or TypeError for details that are no JSON or above MAX_BODY_BYTES. In each case
        nothing is written.
        """
        content = body(act.details, self.new_salt())
        if len(content) > MAX_BODY_BYTES:
            raise ValueError("too much detail for an entry of the audit chain")

        def write(operations: Sequence[Any]) -> None:
            self._write(act, content, now_ms, list(operations), list(beside))

        return write

    def record(self, act: Act, *, now_ms: int) -> None:
        """An entry for an act that writes nothing itself, or not in one transaction. Raises as a writer does."""
        self.writer(act, now_ms=now_ms)([])

    def _write(self, act: Act, content: bytes, now_ms: int, operations: list[Any], beside: list[Any]) -> None:
        chain = act.organisation
        for _ in waits(self.sleep, tries=TRIES, longest=LONGEST_WAIT_SECONDS):
            head = self._heads.pop(chain, None) or self._head(chain)
            made = self._entry(act, content, head, now_ms)
            try:
                transact(self.store.client, [*operations, *beside, *self.store.adding(made)], tries=1)
            except ConditionFailed as failed:
                _raise_what_failed(failed, len(operations), len(beside))
                continue  # the chain has moved on, and nothing else was wrong
            except StoreUnavailable:
                continue  # a conflict: most likely with who is moving the chain on
            self._heads[chain] = head_of(made)
            return
        raise StoreUnavailable

    def _head(self, chain: OrganisationId) -> Head:
        last = self.store.last(chain)
        if last is None:
            return Head(chain, 0, 0, FIRST)
        if not is_of_chain(last, chain, (self.key.public, *self.former)):
            raise ChainBroken
        return head_of(last)

    def _entry(self, act: Act, content: bytes, head: Head, now_ms: int) -> Entry:
        said = statement(
            act,
            seq=head.seq + 1,
            at_ms=max(now_ms, head.at_ms + 1),
            body_hash=body_hash(content),
            prev=head.hash,
            key=self.key.id,
        )
        return read_entry(said, self.key.sign_entry(said), content)


def is_of_chain(entry: Entry, chain: OrganisationId, publics: Iterable[bytes]) -> bool:
    """Whether one of the keys has signed it for this chain."""
    return entry.chain == chain and any(is_signed_entry(entry.statement, entry.signature, public) for public in publics)


def head_of(entry: Entry) -> Head:
    return Head(entry.chain, entry.seq, entry.at_ms, link_hash(entry.statement, entry.signature))


def _raise_what_failed(failed: ConditionFailed, operations: int, beside: int) -> None:
    """Nothing if it was neither of the two, but the entry."""
    ours = [n for n in failed.failed if n < operations]
    if ours:
        raise ConditionFailed(failed.items[:operations], ours) from failed
    theirs = sorted(n for n in failed.failed if n < operations + beside)
    if theirs:
        raise BesideFailed(theirs[0] - operations, failed.items[theirs[0]]) from failed


def act(caller: Caller, right: Assignment, action: str, place: Place, subject: str | None, **details: Any) -> Act:
    return Act(
        action=action,
        actor=administrator_text(caller.id),
        role=right.role.value,
        organisation=place.organisation,
        unit=place.unit,
        subject=subject,
        details=details,
    )


def recording(recorder: Recorder, what: Act, *, now_ms: int, conditions: Sequence[Any]) -> Writer:
    """A store's writer, with an entry of the act, that writes only while the conditions hold: the caller's right, and
    that what it is about is where they have it. Raises ProtocolError not_found if one does not.
    """
    write = recorder.writer(what, now_ms=now_ms, beside=conditions)

    def while_it_lasts(operations: Sequence[Any]) -> None:
        try:
            write(operations)
        except BesideFailed:
            raise ProtocolError(ErrorCode.NOT_FOUND) from None

    return while_it_lasts
