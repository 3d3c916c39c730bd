"""Lists over a part of an organisation's tree: a unit and all units below it.

No page reads the whole tree. A page of units, or of rows that are counted in their units, walks the tree from where the
last page ended. A page of other rows reads them in their sort order and looks up the positions of their units
(docs/adr/0042).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from sandes.administration.authority import Permission, path_seen
from sandes.model.administrator import Caller, Place
from sandes.model.ids import UnitId, id_text, parse_unit
from sandes.model.organisation import Tree, Unit
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.organisations import OrganisationStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standing:
    """Holds a unit and its level in the whole tree. The root has level 1."""

    unit: Unit
    level: int


@dataclass(frozen=True, slots=True)
class Walk:
    """Walks a unit and all units below it. Each comes before the units in it, and siblings are sorted by id.

    `page` is the number of siblings that a query reads.
    """

    place: Place
    tree: Tree
    store: OrganisationStore
    page: int

    def units(self) -> Iterator[Standing]:
        """Yield the units, beginning with the unit itself."""
        top = Standing(self.tree.units[self.place.unit], self.tree.level(self.place.unit))
        yield top
        yield from self._below(top)

    def behind(self, unit: UnitId) -> tuple[Standing, Iterator[Standing]]:
        """Return the unit that was reached, and the walk from there on.

        Raises ProtocolError invalid_cursor for a unit that does not exist, or is no longer below the place.
        """
        tree = self.store.paths(self.place.organisation, [unit])
        if tree is None or not tree.within(unit, self.place.unit):
            raise ProtocolError(ErrorCode.INVALID_CURSOR)
        path = tree.path(unit)
        at = Standing(tree.units[unit], len(path))
        return at, self._onwards(at, path[: path.index(self.place.unit) + 1])

    def _onwards(self, at: Standing, path: Sequence[UnitId]) -> Iterator[Standing]:
        yield from self._below(at)
        for up, (child, parent) in enumerate(pairwise(path)):
            yield from self._children(parent, at.level - up, after=child)

    def _below(self, parent: Standing) -> Iterator[Standing]:
        if parent.unit.children:
            yield from self._children(parent.unit.id, parent.level + 1)

    def _children(self, parent: UnitId, level: int, *, after: UnitId | None = None) -> Iterator[Standing]:
        for unit in self.store.children(self.place.organisation, parent, after=after, page=self.page):
            child = Standing(unit, level)
            yield child
            yield from self._below(child)


Rows = Callable[[UnitId | None, str | None, int], tuple[Sequence[T], str | None]]
"""Reads at most `limit` rows after a position, of one unit or of all if it is None. Returns the next position, too."""


def by_unit(
    walk: Walk, rows: Rows[T], *, holds: Callable[[Unit], bool], after: str | None, limit: int
) -> tuple[list[T], str | None]:
    """Return a page of rows that are sorted by unit, and the position of the next page.

    For the whole organisation, the rows are read in one query. Otherwise, the page walks from unit to unit, and reads
    those that have rows by `holds`. It passes at most `limit` units, so it can be short or empty and still have a
    position. Raises ProtocolError invalid_cursor.
    """
    if walk.place.is_root:
        found, last = rows(None, after, limit)
        return list(found), last
    page: list[T] = []
    if after is None:
        reached, start, units = None, None, walk.units()
    else:
        text, _, key = after.partition(" ")
        at, units = walk.behind(parse_unit(text))
        reached, start = id_text(at.unit.id), key or None
        if start is not None:
            units = _first(at, units)
    for passed, one in enumerate(units):
        if passed >= limit:
            return page, f"{reached} "
        if not holds(one.unit) and start is None:
            reached = id_text(one.unit.id)
            continue
        if len(page) >= limit:
            return page, f"{reached} "
        found, last = rows(one.unit.id, start, limit - len(page))
        page += found
        reached, start = id_text(one.unit.id), None
        if last is not None:
            return page, f"{reached} {last}"
    return page, None


def _first(one: Standing, others: Iterator[Standing]) -> Iterator[Standing]:
    yield one
    yield from others


def seen_below(
    caller: Caller, permission: Permission, place: Place, units: Iterable[UnitId], organisations: OrganisationStore
) -> Callable[[UnitId], bool]:
    """Return a test whether one of these units is the place's unit or below it, for a caller who may read there.

    One read for every hundred units covers the right and the units, so a list first reads its page. Raises
    ProtocolError not_found.
    """
    tree = path_seen(caller, permission, place, organisations, also=() if place.is_root else units)
    return lambda unit: place.is_root or tree.within(unit, place.unit)
