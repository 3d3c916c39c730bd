"""What an organisation's word makes of an account: its class, and what others' rights depend on.

It is kept in the routing table beside the devices, so that a send needs no further read, and in the directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import OrganisationId, UnitId

AccountClass = Literal["public", "verified"]
"""`verified`: an official attested by an organisation; `public`: everyone else."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A verification that is in force until `expires_at` (epoch seconds), which ends it without anybody's doing.

    `listed`: the organisation lists the post publicly, so that citizens may find and write to its holder.
    """

    organisation: OrganisationId
    unit: UnitId
    expires_at: int
    listed: bool


def class_of(standing: Standing | None) -> AccountClass:
    """The class that a standing in force gives; of somebody without one, `public`."""
    return "verified" if standing else "public"


def in_force(standing: Standing | None, *, now_seconds: int) -> Standing | None:
    """The standing unless its time is over: one that has expired is none."""
    return standing if standing and standing.expires_at > now_seconds else None
