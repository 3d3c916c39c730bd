"""Standings: the class and organisation that a verification gives an account. Other accounts' rights depend on them.

A standing is stored in the directory, and in the routing table beside the devices, so that a send needs no further
read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import OrganisationId, UnitId

AccountClass = Literal["public", "verified"]
"""The class of an account. `verified`: an official attested by an organisation; `public`: everybody else."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Holds a verification that is in force until `expires_at` (epoch seconds), when it ends automatically.

    If `listed` is true, the organisation lists the post publicly. Citizens may then find and write to its holder.
    """

    organisation: OrganisationId
    unit: UnitId
    expires_at: int
    listed: bool


def class_of(standing: Standing | None) -> AccountClass:
    """Return the class that a standing in force gives, or `public` without one."""
    return "verified" if standing else "public"


def in_force(standing: Standing | None, *, now_seconds: int) -> Standing | None:
    """Return the standing, or None if it has expired."""
    return standing if standing and standing.expires_at > now_seconds else None
