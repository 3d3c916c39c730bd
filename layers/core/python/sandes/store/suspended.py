"""The attribute of a suspension in an account's row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandes.model.ids import OrganisationId, UnitId
from sandes.model.suspension import Suspension
from sandes.store.schema import SuspensionRow as Row


def suspension_attribute(suspension: Suspension) -> dict[str, Any]:
    return {
        "M": {
            Row.ORGANISATION: {"B": suspension.organisation},
            Row.UNIT: {"B": suspension.unit},
            Row.AT: {"N": str(suspension.at)},
            Row.REASON: {"S": suspension.reason},
        }
    }


def read_suspension(attribute: Mapping[str, Any] | None) -> Suspension | None:
    if attribute is None:
        return None
    fields = attribute["M"]
    return Suspension(
        OrganisationId(fields[Row.ORGANISATION]["B"]),
        UnitId(fields[Row.UNIT]["B"]),
        int(fields[Row.AT]["N"]),
        fields[Row.REASON]["S"],
    )
