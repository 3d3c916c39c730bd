"""Reads lists that the service gives page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def every(page: Callable[[str | None], Awaitable[tuple[Sequence[T], str | None]]]) -> list[T]:
    """Return all entries of a list. `page` takes the cursor of a page and returns its rows and the next cursor."""
    rows, cursor = await page(None)
    found = [*rows]
    while cursor is not None:
        rows, cursor = await page(cursor)
        found += rows
    return found


def of_cursor(cursor: str | None) -> dict[str, str] | None:
    """Return the query that asks for the page at `cursor`."""
    return {"cursor": cursor} if cursor else None


def next_cursor(answer: dict[str, Any]) -> str | None:
    cursor = answer.get("cursor")
    return str(cursor) if cursor else None
