"""Options and arguments that several commands of `sandes-admin` have."""

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
        help="Id of the organisation; the one you work in if left out.",
    ),
]
InUnit = Annotated[
    str | None,
    typer.Option(
        "--unit",
        metavar="ID",
        callback=id_texts.UNIT,
        help="Id of the unit, all below it included; if left out, all that you may see of the organisation by a role "
        "for the whole of it, or for one of its units.",
    ),
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


def typed_day(text: str) -> datetime:
    """Parse a day of an option. Raises BadParameter."""
    try:
        return datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007  a day, which `day` places in India
    except ValueError:
        raise typer.BadParameter("write the day as 2027-03-31") from None


def day(moment: datetime | None) -> str | None:
    """The end of a day in India, as it travels: dates in files of officials are meant so, too."""
    if moment is None:
        return None
    ends = moment.replace(tzinfo=INDIA) + timedelta(days=1)
    return ends.astimezone(UTC).isoformat().replace("+00:00", "Z")
