"""Defines options and arguments that several commands of `sandes-admin` share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import typer

from sandes_client.cli import id_texts

INDIA = timezone(timedelta(hours=5, minutes=30))

OfOrganisation = Annotated[
    str | None,
    typer.Option(
        "--organisation",
        metavar="ID",
        callback=id_texts.ORGANISATION,
        help="Id of the organisation. Default: the one you work in.",
    ),
]
InUnit = Annotated[
    str | None,
    typer.Option(
        "--unit",
        metavar="ID",
        callback=id_texts.UNIT,
        help="Id of the unit. Everything below it is included. Default: all that your roles let you see in the "
        "organisation, or in one of its units.",
    ),
]
Reason = Annotated[str, typer.Option(help="Reason, which is kept in the audit log. It must not name anybody.")]
Version = Annotated[
    int | None,
    typer.Option(
        "--version", min=1, help="Version that `show` printed. The change is refused if there is a newer one."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


def given(**values: Any) -> dict[str, Any]:
    """Return the values that were given. A value that is left out stays as it is, or the service chooses it."""
    return {name: value for name, value in values.items() if value is not None}


def typed_day(text: str) -> datetime:
    """Parse a day of an option. Raise BadParameter."""
    try:
        return datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007  a day, which `day` places in India
    except ValueError:
        raise typer.BadParameter("write the day as 2027-03-31") from None


def day(moment: datetime | None) -> str | None:
    """Return the end of a day in India as it is sent. Dates in files of officials have the same meaning."""
    if moment is None:
        return None
    ends = moment.replace(tzinfo=INDIA) + timedelta(days=1)
    return ends.astimezone(UTC).isoformat().replace("+00:00", "Z")
