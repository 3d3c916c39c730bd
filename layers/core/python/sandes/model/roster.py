"""Rosters: who is to be in a group of an app, as one list, and what it changes (docs/apps/groups.md, "Rosters")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from sandes.model.group import Role
from sandes.model.ids import AccountId, GroupId

RosterState = Literal["applying", "done", "failed"]


class ChangeKind(IntEnum):
    """In the order in which they are made: who leaves makes room for who comes. The numbers stand in what is kept."""

    REMOVE = 1
    SET_ROLE = 2
    ADD = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One person's. `role` is the one afterwards; of somebody who is removed, it says nothing."""

    kind: ChangeKind
    account: AccountId
    role: Role = "member"


@dataclass(frozen=True, slots=True)
class RosterFault:
    """What is wrong with a row, counted from 1. Holds nothing of the row."""

    row: int
    code: str


@dataclass(frozen=True, slots=True)
class Counts:
    """People, but for `invalid`, which counts rows."""

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
    """The last roster of a group. `id` names it and what is kept of it.

    `made` of its changes have been made, and of these `done` have been told and counted. `version` is the group's when
    the roster was compared with it. `fingerprint` is that of the request. `run` is the run of the work that made or
    counted the last changes.
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
