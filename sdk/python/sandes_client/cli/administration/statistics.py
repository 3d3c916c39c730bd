"""Implements `sandes-admin stats`: figures and bars for an organisation, an app or the platform."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sandes_client.cli import id_texts
from sandes_client.cli.administration.desk import MAX_PAGE
from sandes_client.cli.administration.options import OfOrganisation
from sandes_client.cli.administration.showing import Answer, AsJson, Shown, at, field, one_of, show_list, text
from sandes_client.cli.display import table_console

BAR_WIDTH = 40
_FORMS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M")


def _typed_hour(text: str) -> datetime:
    """Parse a day or hour of an option. Raise BadParameter."""
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  taken as UTC
        except ValueError:
            continue
    raise typer.BadParameter("write a day as 2027-03-31 and an hour as 2027-03-31T09:00")


_SERIES: dict[str, Callable[[Answer], int]] = {
    "messages": lambda figures: sum(_messages(figures["messages"]).values()),
    "active": lambda figures: int(figures["active"]),
    "otps": lambda figures: int(figures["otps"]["sent"]),
    "verified": lambda figures: int(figures["verified"]),
    "registered": lambda figures: int(figures["registered"]),
}


def stats(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    app: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=id_texts.APP,
            help="Id of an app. Its figures replace those of the organisation.",
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=_typed_hour,
            metavar="YYYY-MM-DD[THH:MM]",
            help="First day or hour (UTC).",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=_typed_hour,
            metavar="YYYY-MM-DD[THH:MM]",
            help="Last day or hour (UTC), included.",
        ),
    ] = None,
    hourly: Annotated[bool, typer.Option("--hourly", help="Show figures by hour instead of by day.")] = False,
    show: Annotated[
        str,
        typer.Option("--bars", callback=one_of(*_SERIES), metavar="|".join(_SERIES), help="Figure that the bars show."),
    ] = "messages",
    as_json: AsJson = False,
) -> None:
    """Show figures, with a bar for each day.

    They are those of an organisation, an app or, for platform administrators, the platform.

    Examples: sandes-admin stats --since 2026-11-01; sandes-admin stats --hourly --bars otps --app ppppppppppppa
    """
    question = {
        "organisation": organisation,
        "app": app,
        "since": _utc(since),
        "until": _utc(until),
        "by": "hour" if hourly else "day",
    }
    found = ctx.obj.get("stats", limit=MAX_PAGE, **question)
    while cursor := found.pop("cursor", None):
        page = ctx.obj.get("stats", limit=MAX_PAGE, cursor=cursor, **question)
        found |= {"units": [*found["units"], *page["units"]], "cursor": page.get("cursor")}
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    console = table_console()
    whose = found.get("app") or found.get("organisation") or "the platform"
    console.print(Text(f"{whose}, {at(found['since'])} to {at(found['until'])}"))
    if figures := found.get("figures"):
        console.print(_figures(figures))
    if found["series"]:
        console.print(bars(found["series"], show, hourly=hourly))
    if found["units"]:
        columns = [Shown("unit", field("unit"), whole=True), Shown("name", field("name"))]
        show_list(found["units"], [*columns, Shown("verified", field("verified"), right=True)], as_json=False)
    if found["queues"]:
        counts = [Shown(name, field(name), right=True) for name in ("waiting", "failed")]
        show_list(found["queues"], [Shown("queue", field("queue"), whole=True), *counts], as_json=False)


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _messages(counts: Answer) -> dict[str, int]:
    """Return the number of messages by kind. Of messages by apps, only accepted ones count."""
    return {kind: count if isinstance(count, int) else count["accepted"] for kind, count in counts.items()}


def _figures(figures: Answer) -> Table:
    otps, delivery, webhooks = figures["otps"], figures["delivery"], figures["webhooks"]
    conversion = f", {otps['conversion']:.0%} of them used" if otps.get("conversion") is not None else ""
    times = f", p50 {delivery['p50_ms']} ms, p95 {delivery['p95_ms']} ms" if delivery.get("p50_ms") is not None else ""
    rows: list[tuple[Any, ...]] = [
        ("registered", figures["registered"]),
        ("verified", f"{figures['verified']}, ended {figures['verification_ended']}"),
        ("active", figures["active"]),
        ("messages", ", ".join(f"{count} {kind}" for kind, count in _messages(figures["messages"]).items() if count)),
        ("delivered", f"{delivery['count']}{times}"),
        ("OTPs", f"{otps['sent']} sent{conversion}, {otps['resent']} resent, {otps['locked']} locked"),
        ("webhooks", f"{webhooks['delivered']} delivered, {webhooks['failed']} failed"),
    ]
    return _rows(("", "figure"), [(name, value or "none") for name, value in rows])


def bars(series: list[Answer], what: str, *, hourly: bool) -> Table:
    counted = [(period["at"], _SERIES[what](period["figures"])) for period in series]
    most = max(count for _, count in counted) or 1
    form = "%Y-%m-%d %H:%M" if hourly else "%Y-%m-%d"
    table = Table("hour (UTC)" if hourly else "day (UTC)", what, "")
    for moment, count in counted:
        bar = "█" * max(round(count / most * BAR_WIDTH), 1 if count else 0)
        table.add_row(datetime.fromisoformat(moment).strftime(form), str(count), bar)
    return table


def _rows(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    table = Table(*heads)
    for row in rows:
        table.add_row(*(Text(text(cell)) for cell in row))
    return table
