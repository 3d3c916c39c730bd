"""Counts how long a chain of queue entries is, so that no chain runs forever.

A worker may queue more work in its own queue: the next attempt of a webhook, the rest of a batch. Lambda's detection of
recursive loops would end such a chain after about 16 invocations
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html), so the workers' functions allow recursion, and
this counter takes its place: each entry carries in its body how many entries of the same queue led to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

LINKS = "links"
"""The counter's name in the body. No use case sees it or sets it."""


class ChainTooLong(Exception):
    """An entry has more links than its queue allows: a loop, or a limit that is too low."""


@dataclass(frozen=True, slots=True)
class _Chain:
    queue: str
    links: int


_current: ContextVar[_Chain | None] = ContextVar("chain", default=None)


def counted(queue: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the body to be queued: with one link more than the entry being processed, if that is of the same queue."""
    chain = _current.get()
    if chain is None or chain.queue != queue:
        return body
    return {**body, LINKS: chain.links + 1}


@contextmanager
def link(queue: str, body: dict[str, Any], *, most: int) -> Iterator[dict[str, Any]]:
    """Give the body without its counter; what is queued in the meantime continues its chain. Raises ChainTooLong."""
    links = int(body.get(LINKS, 0))
    if links > most:
        raise ChainTooLong
    token = _current.set(_Chain(queue, links))
    try:
        yield {name: value for name, value in body.items() if name != LINKS}
    finally:
        _current.reset(token)


def name_of(queue: str) -> str:
    """Return the queue's name, which is the last part of both its URL and its ARN."""
    return queue.replace("/", ":").rpartition(":")[2]
