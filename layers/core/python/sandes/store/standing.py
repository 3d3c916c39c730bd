"""The attribute of a standing, the same in the routing and in the directory table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandes.model.ids import OrganisationId, UnitId
from sandes.model.standing import Standing
from sandes.store.schema import StandingRow as Row


def standing_attribute(standing: Standing) -> dict[str, Any]:
    return {
        "M": {
            Row.ORGANISATION: {"B": standing.organisation},
            Row.UNIT: {"B": standing.unit},
            Row.EXPIRES_AT: {"N": str(standing.expires_at)},
            Row.LISTED: {"BOOL": standing.listed},
        }
    }


def read_standing(attribute: Mapping[str, Any] | None) -> Standing | None:
    """Read a standing, whether or not it is still in force. Return None if there is none."""
    if attribute is None:
        return None
    fields = attribute["M"]
    return Standing(
        OrganisationId(fields[Row.ORGANISATION]["B"]),
        UnitId(fields[Row.UNIT]["B"]),
        int(fields[Row.EXPIRES_AT]["N"]),
        fields[Row.LISTED]["BOOL"],
    )
