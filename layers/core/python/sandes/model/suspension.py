"""Suspensions: a suspended account may do nothing until it is resumed (docs/adr/0028)."""

from __future__ import annotations

from dataclasses import dataclass

from sandes.model.ids import OrganisationId, UnitId


@dataclass(frozen=True, slots=True)
class Suspension:
    """Holds a suspension by a unit of an organisation, or by the platform. `at` is epoch seconds."""

    organisation: OrganisationId
    unit: UnitId
    at: int
    reason: str
