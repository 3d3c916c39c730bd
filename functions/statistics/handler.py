"""Statistics, from streams and each minute."""

from __future__ import annotations

from sandes.edge.queues.statistics import changes, queues

__all__ = ["changes", "queues"]
