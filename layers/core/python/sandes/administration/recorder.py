"""Records every act of administration in the audit chain, in the same transaction as the change (docs/adr/0025)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandes import runtime
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
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.administrators import AdministratorStore
from sandes.store.audit import AuditStore, ChainMoved
from sandes.store.dynamo import ConditionFailed, Sleep, StoreUnavailable, waits
from sandes.store.transaction import Check, Operation, Writer

TRIES = 64
LONGEST_WAIT_SECONDS = 0.2
"""The most attempts to append, and the longest wait between two of them. All waits together take six seconds on average
and twelve at most. A wait that is longer than a few appends only leaves the chain idle.
"""

MAX_BODY_BYTES = 16_384


class ChainBroken(Exception):
    """Reports that neither the key nor a former one has signed the last entry of a chain. Nothing is added to it."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Appends entries. It caches the end of each chain, and reads it again if others have written meanwhile."""

    store: AuditStore
    key: AuditKey
    former: tuple[bytes, ...] = ()
    """Earlier public keys. They may have signed a chain's last entry, but sign no new ones."""
    new_salt: Callable[[], bytes] = lambda: secrets.token_bytes(SALT_BYTES)
    sleep: Sleep = runtime.sleep
    _heads: dict[OrganisationId, Head] = field(default_factory=dict, repr=False)

    def writer(
        self,
        act: Act,
        *,
        now: Instant,
        right: Check | None = None,
        beside: Sequence[Operation] = (),
        otherwise: ErrorCode = ErrorCode.NOT_FOUND,
    ) -> Writer:
        """Return a store's writer that adds an entry of `act` to each of its transactions.

        `right` is the check that the actor still has the right. `beside` are further operations of each transaction.
        The writer raises ConditionFailed like `transact`, but reports only the store's own operations. If their
        conditions hold, it raises ProtocolError: not_found for a lost right, `otherwise` for a failed condition of
        `beside`. It also raises StoreUnavailable, for example if others kept writing to the chain; ChainBroken;
        ValueError or TypeError for details that are not JSON or exceed MAX_BODY_BYTES. In each case nothing is written.
        """
        content = body(act.details, self.new_salt())
        if len(content) > MAX_BODY_BYTES:
            raise ValueError("too much detail for an entry of the audit chain")
        added = [*beside, *([right] if right else [])]

        def write(operations: Sequence[Operation]) -> None:
            try:
                self._write(act, content, now, [*operations, *added])
            except ConditionFailed as failed:
                if own := failed.without(added):
                    raise own from failed
                lost = failed.without(beside) is not None
                raise ProtocolError(ErrorCode.NOT_FOUND if lost else otherwise) from None

        return write

    def record(self, act: Act, *, now: Instant) -> None:
        """Record an act that writes nothing else, or not in one transaction. Raises the same as a writer."""
        self.writer(act, now=now)([])

    def _write(self, act: Act, content: bytes, now: Instant, operations: Sequence[Operation]) -> None:
        chain = act.organisation
        for _ in waits(self.sleep, tries=TRIES, longest=LONGEST_WAIT_SECONDS):
            head = self._heads.pop(chain, None) or self._head(chain)
            made = self._entry(act, content, head, now)
            try:
                self.store.append(made, operations)
            except (ChainMoved, StoreUnavailable):  # a conflict with another append, most likely
                continue
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

    def _entry(self, act: Act, content: bytes, head: Head, now: Instant) -> Entry:
        said = statement(
            act,
            seq=head.seq + 1,
            at_ms=max(now.ms, head.at_ms + 1),
            body_hash=body_hash(content),
            prev=head.hash,
            key=self.key.id,
        )
        return read_entry(said, self.key.sign_entry(said), content)


@dataclass(frozen=True, slots=True)
class Acts:
    """Holds the stores with which the acts of administrators are written. The dependencies of a use case inherit it."""

    recorder: Recorder
    administrators: AdministratorStore

    def by_right(
        self,
        act: Act,
        right: Assignment | None,
        *,
        now: Instant,
        beside: Sequence[Operation] = (),
        otherwise: ErrorCode = ErrorCode.NOT_FOUND,
    ) -> Writer:
        """Return a writer like that of `Recorder.writer`, which writes only while the administrator has this right.

        `right` is None for an act that needs no right, such as cancelling one's own request.
        """
        still = self.administrators.still(right, now_seconds=now.seconds) if right else None
        return self.recorder.writer(act, now=now, right=still, beside=beside, otherwise=otherwise)


def is_of_chain(entry: Entry, chain: OrganisationId, publics: Iterable[bytes]) -> bool:
    """Tell whether one of the keys has signed the entry for this chain."""
    return entry.chain == chain and any(is_signed_entry(entry.statement, entry.signature, public) for public in publics)


def head_of(entry: Entry) -> Head:
    return Head(entry.chain, entry.seq, entry.at_ms, link_hash(entry.statement, entry.signature))


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
