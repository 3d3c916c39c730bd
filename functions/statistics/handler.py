"""Handles statistics, from streams and each minute."""

from __future__ import annotations

from sandes.edge.queues.statistics import *  # noqa: F403  # its entry points
