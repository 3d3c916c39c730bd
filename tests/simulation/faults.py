"""Which fault happens where: a function of the seed and the place, and of nothing that happened before.

Each place is a caller, what it does, and how often it has done that. Leaving one fault out therefore moves no other,
and a failing history can be made shorter by leaving faults out (tests/simulation/shrink.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Site: TypeAlias = tuple[str, str, int]
"""A caller, what it does, and how often it did so before."""

Rates: TypeAlias = Mapping[str, float]
"""How likely each kind of fault is at one place."""


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that happened. `at_ms` is epoch milliseconds of virtual time."""

    kind: str
    site: Site
    at_ms: int

    def __str__(self) -> str:
        caller, does, times = self.site
        return f"{self.kind} at {caller} / {does} number {times}"


@dataclass
class Faults:
    """Decides on faults by `seed`, except at the sites in `left_out`, until it is told to stop."""

    seed: int
    left_out: frozenset[Site] = frozenset()
    only: frozenset[Site] | None = None
    """The only sites at which faults happen. None stands for all sites."""
    injected: list[Injected] = field(default_factory=list)
    active: bool = False
    _times: Counter[tuple[str, str]] = field(default_factory=Counter)

    def site(self, caller: str, does: str) -> Site:
        """Name the next place of this kind."""
        times = self._times[caller, does]
        self._times[caller, does] += 1
        return caller, does, times

    def draw(self, site: Site, rates: Rates, *, at_ms: int) -> str | None:
        """Return the fault that happens at a site, or None."""
        if not self.active or site in self.left_out or (self.only is not None and site not in self.only):
            return None
        chance = self.fraction(site, "fault")
        for kind, rate in rates.items():
            if chance < rate:
                self.injected.append(Injected(kind, site, at_ms))
                return kind
            chance -= rate
        return None

    def fraction(self, site: Site, purpose: str) -> float:
        """Return a number from 0 up to 1 that belongs to this site and purpose."""
        text = f"{self.seed}|{site[0]}|{site[1]}|{site[2]}|{purpose}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest()) / 2**56

    def between(self, site: Site, purpose: str, low: float, high: float) -> float:
        return low + (high - low) * self.fraction(site, purpose)
