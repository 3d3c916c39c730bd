"""Ends official memberships by a queue after the end of a verification (docs/adr/0017).

The standing has ended already: a revocation removes it, and otherwise it has expired.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandes.model.ids import account_text, id_text
from sandes.model.instant import Instant
from sandes.model.verification import Ending
from sandes.ports.queues import Queue
from sandes.store.verification_endings import SHARDS
from sandes.store.verifications import VerificationRaced, VerificationStore

SWEEP_SECONDS = 20.0
SLICE = 10
"""The entries of one call to the queue. An entry that was queued but not marked in time is queued again."""

AGAIN_SECONDS = 300
"""The time after which an ending is queued again, unless the memberships have ended."""


@dataclass(frozen=True, slots=True)
class SweepDependencies:
    store: VerificationStore
    group_work: Queue
    any_below: Callable[[int], int] = secrets.randbelow


def end_due(*, now: Instant, deps: SweepDependencies, elapsed: Callable[[], float]) -> int:
    """Queue the end of the memberships of everybody whose verification has ended. Return their number.

    Each ending stays due until `end_memberships` has ended the last membership, and is queued again every five minutes
    until then, so an entry that fails for good loses nothing. The job checks whether the organisation verifies the
    account again. It stops after 20 seconds, and the next call continues. It begins at a random shard, so that no shard
    waits for ever behind a busy one. A paused schedule loses nothing.
    """
    began, queued = elapsed(), 0
    for some in _slices(deps.store.due(now_seconds=now.seconds, first_shard=deps.any_below(SHARDS))):
        ended = [found for ending in some if (found := _ended(ending, now.seconds, deps))]
        deps.group_work.send_many([_job(ending) for ending in ended])
        for ending in ended:
            deps.store.postpone(ending, until=now.seconds + AGAIN_SECONDS)
        queued += len(ended)
        if elapsed() - began > SWEEP_SECONDS:
            break
    return queued


def _slices(pages: Iterable[Sequence[Ending]]) -> Iterator[Sequence[Ending]]:
    for page in pages:
        for start in range(0, len(page), SLICE):
            yield page[start : start + SLICE]


def _ended(ending: Ending, now_seconds: int, deps: SweepDependencies) -> Ending | None:
    """Return the ending, or None if the organisation verifies the account. Mark an expired verification as such."""
    verification = deps.store.read(ending.account)
    if verification is None or verification.organisation != ending.organisation or verification.ended:
        return ending
    if verification.in_force(now_seconds):
        return None  # renewed since the index was written
    try:
        deps.store.end(verification, "expired", now_seconds=now_seconds)
    except VerificationRaced:
        return None  # renewed, revoked or replaced at the same moment: the next sweep sees which
    return replace(ending, at=verification.expires_at, version=verification.version + 1)


def _job(ending: Ending) -> dict[str, Any]:
    return {
        "job": "end_memberships",
        "account": account_text(ending.account),
        "organisation": id_text(ending.organisation),
        "version": ending.version,
    }
