"""Handles the queues of groups."""

from __future__ import annotations

from sandes.edge.queues.groups import *  # noqa: F403  # its entry points
