"""Moments in time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A moment. `ms` counts milliseconds since 1970-01-01 UTC."""

    ms: int

    @property
    def seconds(self) -> int:
        """Return whole seconds since 1970-01-01 UTC."""
        return self.ms // 1000
