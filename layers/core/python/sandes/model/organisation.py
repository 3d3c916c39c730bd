"""Organisations, the tree of their units, and questions about a unit's position in the tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sandes.model.ids import OrganisationId, UnitId
from sandes.model.mailbox import domain_of
from sandes.model.profile import OFFICIAL_POLICY, Audience, Field

UnitKind = Literal["ministry", "department", "office"]

MAX_UNITS = 10_000
"""The most units that an organisation may have besides itself."""

MAX_LEVELS = 8
"""The most levels of a tree. The organisation itself is the first level."""

MAX_MAIL_DOMAINS = 20


@dataclass(frozen=True, slots=True)
class Organisation:
    """Holds an organisation. `audiences` is the part of its policy that it has set itself.

    `tree_version` rises with every change of the tree's shape, `version` with changes of the name, audiences and mail
    domains. Its people must have addresses at one of `mail_domains`, which do not include their subdomains; without
    mail domains, any address is accepted.
    """

    id: OrganisationId
    name: str
    created_at: int
    tree_version: int
    audiences: Mapping[Field, Audience] = field(default_factory=dict)
    version: int = 1
    units: int = 0
    """The number of units besides the organisation itself."""
    mail_domains: tuple[str, ...] = ()

    @property
    def root(self) -> UnitId:
        return UnitId(self.id)

    def accepts(self, email: str) -> bool:
        """Tell whether this address may be given to somebody in the organisation or one of its units."""
        return not self.mail_domains or domain_of(email) in self.mail_domains

    @property
    def policy(self) -> dict[Field, Audience]:
        """Return the widest audience of each field of the organisation's officials."""
        return OFFICIAL_POLICY | dict(self.audiences)


@dataclass(frozen=True, slots=True)
class Unit:
    """Holds a unit. `parent` is None for the root.

    `officials`, `groups` and `apps` count those of the unit itself, without the units below it. `children` counts the
    units directly in it. `version` rises with changes of the name and parent; the root has the organisation's version.
    """

    id: UnitId
    name: str
    kind: UnitKind
    parent: UnitId | None
    created_at: int
    officials: int = 0
    groups: int = 0
    apps: int = 0
    version: int = 1
    children: int = 0


@dataclass(frozen=True, slots=True)
class Tree:
    """Holds the units of an organisation, with the root, at `organisation.tree_version`.

    A tree may hold only some of the units, with the path of each in `paths`. `path`, `within` and `level` are correct
    for such a part. `children`, `below` and `levels_of` need the whole tree.
    """

    organisation: Organisation
    units: Mapping[UnitId, Unit]
    paths: Mapping[UnitId, Sequence[UnitId]] = field(default_factory=dict)

    def path(self, unit: UnitId) -> list[UnitId]:
        """Return the unit, then each unit above it up to the root. Raises KeyError if the unit is not in the tree."""
        if unit in self.paths:
            return [*self.paths[unit]]
        found, at = [unit], self.units[unit].parent
        while at is not None:
            found.append(at)
            at = self.units[at].parent
        return found

    def within(self, unit: UnitId, scope: UnitId) -> bool:
        """Tell whether `unit` is `scope` or is below it. Return False if `unit` is not in the tree."""
        return unit in self.units and scope in self.path(unit)

    def children(self, unit: UnitId) -> list[Unit]:
        return [child for child in self.units.values() if child.parent == unit]

    def below(self, unit: UnitId) -> Iterator[Unit]:
        """Yield the unit and everything below it. Each unit comes before the units in it."""
        by_parent: dict[UnitId | None, list[Unit]] = {}
        for one in self.units.values():
            by_parent.setdefault(one.parent, []).append(one)
        waiting = [self.units[unit]]
        while waiting:
            one = waiting.pop()
            yield one
            waiting += by_parent.get(one.id, [])

    def level(self, unit: UnitId) -> int:
        """Return the level of the unit. The root has level 1."""
        return len(self.path(unit))

    def levels_of(self, unit: UnitId) -> int:
        """Return how many levels the unit and everything below it have; 1 if it has no children."""
        return 1 + max(self.level(one.id) for one in self.below(unit)) - self.level(unit)
