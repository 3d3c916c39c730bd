"""Options and arguments that several commands of `sandes-admin` have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

OfOrganisation = Annotated[
    str | None,
    typer.Option("--organisation", metavar="ID", help="Id of the organisation; the one you work in if left out."),
]
InUnit = Annotated[
    str | None, typer.Option("--unit", metavar="ID", help="Id of the unit; the whole organisation if left out.")
]
Reason = Annotated[str, typer.Option(help="Why; it is kept on the record, and names nobody.")]
Version = Annotated[
    int | None,
    typer.Option("--version", min=1, help="Only if it still has the version that `show` printed; else refused."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def given(**values: Any) -> dict[str, Any]:
    """What has a value: the rest stays as it is, or is the service's to choose."""
    return {name: value for name, value in values.items() if value is not None}


def day(moment: datetime | None) -> str | None:
    """The beginning of a day, UTC, as it travels."""
    return None if moment is None else moment.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
