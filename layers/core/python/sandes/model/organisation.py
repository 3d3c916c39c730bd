"""Organisations and their units: a tree, and what follows from where a unit stands in it."""

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
"""The organisation itself is the first."""

MAX_MAIL_DOMAINS = 20


@dataclass(frozen=True, slots=True)
class Organisation:
    """`audiences`: what it has set itself of its policy. `tree_version` rises whenever its tree changes shape,
    `version` with its name, audiences and mail domains. `mail_domains`: at which its people have their addresses, each
    without its subdomains; none for any.
    """

    id: OrganisationId
    name: str
    created_at: int
    tree_version: int
    audiences: Mapping[Field, Audience] = field(default_factory=dict)
    version: int = 1
    units: int = 0
    """How many units it has besides itself."""
    mail_domains: tuple[str, ...] = ()

    @property
    def root(self) -> UnitId:
        return UnitId(self.id)

    def accepts(self, email: str) -> bool:
        """Tell whether somebody in the organisation, or in a unit of it, may be given this address."""
        return not self.mail_domains or domain_of(email) in self.mail_domains

    @property
    def policy(self) -> dict[Field, Audience]:
        """To whom at most each field of its officials is shown."""
        return OFFICIAL_POLICY | dict(self.audiences)


@dataclass(frozen=True, slots=True)
class Unit:
    """`parent` is None for the root. `officials`, `groups` and `apps` count those of this very unit, `children` the
    units directly in it. `version` rises with name and parent; the root has that of its organisation.
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
    """The units of an organisation, the root among them, as they stood at `organisation.tree_version`.

    A tree may hold a part of the units only, with the path of each in `paths`. `path`, `within` and `level` are right
    in such a part; `children`, `below` and `levels_of` need the whole tree.
    """

    organisation: Organisation
    units: Mapping[UnitId, Unit]
    paths: Mapping[UnitId, Sequence[UnitId]] = field(default_factory=dict)

    def path(self, unit: UnitId) -> list[UnitId]:
        """The unit, then what it is in, up to the root. KeyError for a unit that is not in the tree."""
        if unit in self.paths:
            return [*self.paths[unit]]
        found, at = [unit], self.units[unit].parent
        while at is not None:
            found.append(at)
            at = self.units[at].parent
        return found

    def within(self, unit: UnitId, scope: UnitId) -> bool:
        """Tell whether `unit` is `scope` or lies below it. False if `unit` is not in the tree."""
        return unit in self.units and scope in self.path(unit)

    def children(self, unit: UnitId) -> list[Unit]:
        return [child for child in self.units.values() if child.parent == unit]

    def below(self, unit: UnitId) -> Iterator[Unit]:
        """The unit and everything under it, each before what is in it."""
        by_parent: dict[UnitId | None, list[Unit]] = {}
        for one in self.units.values():
            by_parent.setdefault(one.parent, []).append(one)
        waiting = [self.units[unit]]
        while waiting:
            one = waiting.pop()
            yield one
            waiting += by_parent.get(one.id, [])

    def level(self, unit: UnitId) -> int:
        """1 for the root."""
        return len(self.path(unit))

    def levels_of(self, unit: UnitId) -> int:
        """How many levels the unit takes with what is under it; 1 for one with nothing under it."""
        return 1 + max(self.level(one.id) for one in self.below(unit)) - self.level(unit)
