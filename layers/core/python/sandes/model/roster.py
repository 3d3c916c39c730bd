"""Rosters: the complete list of members of an app-managed group, and the resulting changes (docs/apps/groups.md,
"Rosters").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from sandes.model.group import Role
from sandes.model.ids import AccountId, GroupId

RosterState = Literal["applying", "done", "failed"]


class ChangeKind(IntEnum):
    """Lists the kinds of change in the order in which they are made. Removals come first to make room.

    The numbers are stored.
    """

    REMOVE = 1
    SET_ROLE = 2
    ADD = 3


@dataclass(frozen=True, slots=True)
class Change:
    """Describes the change of one person. `role` is the role afterwards; it has no meaning for a removal."""

    kind: ChangeKind
    account: AccountId
    role: Role = "member"


@dataclass(frozen=True, slots=True)
class RosterFault:
    """Describes a fault in a row, counted from 1. It holds no content of the row."""

    row: int
    code: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts people, except for `invalid`, which counts rows."""

    added: int
    removed: int
    unchanged: int
    role_changed: int
    invalid: int

    @property
    def changes(self) -> int:
        return self.added + self.removed + self.role_changed


@dataclass(frozen=True, slots=True)
class Roster:
    """Holds the latest roster of a group. `id` names the roster and its stored data.

    `made` changes have been made; of these, `done` changes have been reported and counted. `version` is the group's
    version when the roster was compared with it. `fingerprint` is that of the request. `run` is the run of the work
    that made or counted the last changes.
    """

    group: GroupId
    id: str
    version: int
    fingerprint: bytes
    state: RosterState
    counts: Counts
    faults: Sequence[RosterFault]
    done: int
    started_at_ms: int
    finished_at_ms: int | None = None
    failure: str | None = None
    run: str | None = None
    made: int = 0
