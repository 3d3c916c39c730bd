"""Lists whose rows stand by unit, over a unit and all below it.

Such a list is read by one query a page, over the stretch from the first to the last of the units; where a page runs
into units of others, the next one begins behind these.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandes.model.ids import UnitId, id_text
from sandes.model.organisation import Tree, Unit


@dataclass(frozen=True, slots=True)
class Scope:
    """Units by their text, which is how their rows are sorted."""

    units: Sequence[str]

    @classmethod
    def below(cls, unit: UnitId, tree: Tree, *, if_any: Callable[[Unit], bool] = lambda _: True) -> Scope:
        """The unit and all below it, without those of which `if_any` says that there is nothing in them."""
        return cls(sorted(id_text(one.id) for one in tree.below(unit) if if_any(one)))

    def holds(self, unit: UnitId) -> bool:
        at = bisect_left(self.units, id_text(unit))
        return at < len(self.units) and self.units[at] == id_text(unit)

    def behind(self, unit: UnitId) -> str | None:
        """The next unit after this one, or None."""
        at = bisect_right(self.units, id_text(unit))
        return self.units[at] if at < len(self.units) else None
