"""The queues of groups."""

from __future__ import annotations

from sandes.edge.queues.groups import fanout, rosters, upkeep

__all__ = ["fanout", "rosters", "upkeep"]
