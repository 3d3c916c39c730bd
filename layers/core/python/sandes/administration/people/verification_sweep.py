"""What follows when a verification ends: official memberships are ended too, by way of a queue (docs/adr/0017).

What the verification itself gave is gone already: by the account's standing, which a revocation removes and whose time
may simply be over.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandes.model.ids import account_text, id_text
from sandes.model.verification import Ending
from sandes.ports.queues import Queue
from sandes.store.verification_endings import SHARDS
from sandes.store.verifications import VerificationRaced, VerificationStore

SWEEP_SECONDS = 20.0
SLICE = 10
"""As many as the queue takes in a call: what is queued and not marked when time runs out is queued again."""

AGAIN_SECONDS = 300
"""After so long it is queued again, unless the memberships have ended by then."""


@dataclass(frozen=True, slots=True)
class SweepDependencies:
    store: VerificationStore
    group_work: Queue
    any_below: Callable[[int], int] = secrets.randbelow


def end_due(*, now_ms: int, deps: SweepDependencies, elapsed: Callable[[], float]) -> int:
    """Queue the end of the memberships of everybody whom an organisation no longer vouches for; how many there were.

    Each stays due until `end_memberships` has ended the last one, and is queued again every five minutes till then: an
    entry that fails for good loses nothing. That job is to ask whether the organisation vouches for the account by
    then. Ends early, to be called again, after 20 seconds; it begins anywhere, so that no shard waits for ever behind
    a busy one. However long the schedule has paused, nothing is passed over.
    """
    began, queued = elapsed(), 0
    for some in _slices(deps.store.due(now_seconds=now_ms // 1000, first_shard=deps.any_below(SHARDS))):
        ended = [found for ending in some if (found := _ended(ending, now_ms // 1000, deps))]
        deps.group_work.send_many([_job(ending) for ending in ended])
        for ending in ended:
            deps.store.postpone(ending, until=now_ms // 1000 + AGAIN_SECONDS)
        queued += len(ended)
        if elapsed() - began > SWEEP_SECONDS:
            break
    return queued


def _slices(pages: Iterable[Sequence[Ending]]) -> Iterator[Sequence[Ending]]:
    for page in pages:
        for start in range(0, len(page), SLICE):
            yield page[start : start + SLICE]


def _ended(ending: Ending, now_seconds: int, deps: SweepDependencies) -> Ending | None:
    """None if the organisation vouches for the account; one whose time is over is marked as expired here."""
    verification = deps.store.read(ending.account)
    if verification is None or verification.organisation != ending.organisation or verification.ended:
        return ending
    if verification.in_force(now_seconds):
        return None  # renewed since the index was written
    try:
        deps.store.end(verification, "expired", now_seconds=now_seconds)
    except VerificationRaced:
        return None  # renewed, revoked or replaced this very moment: the next sweep sees which
    return replace(ending, at=verification.expires_at, version=verification.version + 1)


def _job(ending: Ending) -> dict[str, Any]:
    return {
        "job": "end_memberships",
        "account": account_text(ending.account),
        "organisation": id_text(ending.organisation),
        "version": ending.version,
    }
