"""Counts the links of a chain of queue entries, so that no chain runs for ever.

A worker may queue more work in its own queue, such as the next attempt of a webhook or the rest of a batch. Lambda's
detection of recursive loops would end such a chain after about 16 invocations
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html). The workers' functions therefore allow
recursion, and this counter replaces the detection: the body of each entry holds the number of entries of the same queue
that led to it.
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
    """Reports that an entry has more links than its queue allows, by a loop or a limit that is too low."""


@dataclass(frozen=True, slots=True)
class _Chain:
    queue: str
    links: int


_current: ContextVar[_Chain | None] = ContextVar("chain", default=None)


def counted(queue: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the body to queue, with one link more than the entry being processed if that is from the same queue."""
    chain = _current.get()
    if chain is None or chain.queue != queue:
        return body
    return {**body, LINKS: chain.links + 1}


@contextmanager
def link(queue: str, body: dict[str, Any], *, most: int) -> Iterator[dict[str, Any]]:
    """Yield the body without its counter. Entries queued in the meantime continue its chain. Raises ChainTooLong."""
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
