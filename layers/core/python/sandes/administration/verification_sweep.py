"""What follows when a verification ends: official memberships are ended too, by way of a queue (docs/adr/0017).

What the verification itself gave is gone already: by the account's standing, which a revocation removes and whose time
may simply be over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sandes.model.ids import account_text, id_text
from sandes.model.verification import Ending
from sandes.queues import Queue
from sandes.store.verifications import VerificationRaced, VerificationStore

SWEEP_SECONDS = 20.0
SLICE = 10
"""As many as the queue takes in a call: what is queued and not marked when time runs out is queued again."""


@dataclass(frozen=True, slots=True)
class SweepDependencies:
    store: VerificationStore
    group_work: Queue


def end_due(*, now_ms: int, deps: SweepDependencies, elapsed: Callable[[], float]) -> int:
    """Queue the end of the memberships of everybody whom an organisation no longer vouches for; how many there were.

    Each is marked as done only once it is queued, so it may be queued twice: `end_memberships` is to ask whether the
    organisation vouches for the account by then. Ends early, to be called again, after 20 seconds. However long the
    schedule has paused, nothing is passed over.
    """
    began, queued = elapsed(), 0
    for some in _slices(deps.store.due(now_seconds=now_ms // 1000)):
        ended = [ending for ending in some if _has_ended(ending, now_ms // 1000, deps)]
        deps.group_work.send_many([_job(ending) for ending in ended])
        for ending in ended:
            deps.store.done(ending)
        queued += len(ended)
        if elapsed() - began > SWEEP_SECONDS:
            break
    return queued


def _slices(pages: Iterable[Sequence[Ending]]) -> Iterator[Sequence[Ending]]:
    for page in pages:
        for start in range(0, len(page), SLICE):
            yield page[start : start + SLICE]


def _has_ended(ending: Ending, now_seconds: int, deps: SweepDependencies) -> bool:
    """Whether the organisation no longer vouches for the account; one whose time is over is marked as expired here."""
    verification = deps.store.read(ending.account)
    if verification is None or verification.organisation != ending.organisation or verification.ended:
        return True
    if verification.in_force(now_seconds):
        return False  # renewed since the index was written
    try:
        deps.store.end(verification, "expired", now_seconds=now_seconds)
    except VerificationRaced:
        return False  # renewed, revoked or replaced this very moment: the next sweep sees which
    return True


def _job(ending: Ending) -> dict[str, str]:
    return {
        "job": "end_memberships",
        "account": account_text(ending.account),
        "organisation": id_text(ending.organisation),
    }
