"""Implements `sandes app webhook`: the app's webhooks, their deliveries, and events on the developer's machine."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Annotated, get_args

import httpx
import typer
from rich.table import Table

from sandes_client.api import Unreachable
from sandes_client.app import SyncAppClient
from sandes_client.app.answers import Event, EventPage, EventType, WebhookDelivery
from sandes_client.app.webhook_relay import RelayKeys, forward
from sandes_client.cli import id_texts
from sandes_client.cli.apps import AsJson, Credentials, _at, _cell, _client, _group, _one_of, _print_each, _say
from sandes_client.cli.display import table_console
from sandes_client.cli.session import confirm, failures_as_lines
from sandes_client.endpoints import EndpointsInvalid, check_address

pause = time.sleep

POLL_SECONDS = 2.0
"""Wait of `listen` between two requests for new events, in seconds."""

REMEMBERED = 1_000
"""Number of event ids that `listen` remembers. The feed repeats an event for a few seconds at most."""

webhook = _group("webhook", "Manage webhooks, see their deliveries, and receive events on your own machine.")

_STATES = ("pending", "delivered", "failed")


def _check_events(events: list[str]) -> list[str]:
    for event in events:
        _one_of(EventType)(event)
    return events


WebhookId = Annotated[
    str,
    typer.Argument(
        metavar="WEBHOOK",
        callback=id_texts.WEBHOOK,
        help="Id of the webhook, as `list` shows it.",
    ),
]
Events = Annotated[
    list[str],
    typer.Option(
        "--event",
        metavar="EVENT",
        callback=_check_events,
        help=f"Event to send. Repeat it for each of {', '.join(get_args(EventType))}.",
    ),
]


@webhook.command("list")
def webhook_list(*, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """List the app's webhooks, without their secrets. A test key sees only webhooks that a test key made."""
    with _client(credentials) as client:
        found = client.webhooks.list()
    if as_json:
        _print_each(found)
        return
    table = Table("webhook", "address", "events", "state")
    for one in found:
        table.add_row(one.id, _cell(one.url), " ".join(one.events), one.disabled or "enabled")
    table_console().print(table)


@webhook.command("create")
def webhook_create(
    url: Annotated[str, typer.Argument(help="Public https address to which events are posted.")],
    *,
    event: Events,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Register a webhook. Its secret is shown only now."""
    with _client(credentials) as client:
        made = client.webhooks.create(url, event)  # type: ignore[arg-type]  # its callback has checked it
    _say(f"Registered webhook {made.id}.\n  public key {made.public_key}\n  secret {made.secret}", made, as_json)


@webhook.command("change")
def webhook_change(
    webhook: WebhookId,
    *,
    url: Annotated[str | None, typer.Option(help="New https address.")] = None,
    paused: Annotated[
        bool | None, typer.Option("--pause/--resume", help="Stop posting to the webhook, or start again.")
    ] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Change the address of a webhook, pause it or resume it."""
    if url is None and paused is None:
        raise typer.BadParameter("say what to change", param_hint="--url, --pause, --resume")
    with _client(credentials) as client:
        now = client.webhooks.change(webhook, url=url, paused=paused)
    _say(f"{now.id} {_cell(now.url)}: {now.disabled or 'enabled'}", now, as_json)


@webhook.command("remove")
def webhook_remove(
    webhook: WebhookId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    credentials: Credentials = None,
) -> None:
    """Remove a webhook. The service then posts no events to it."""
    with failures_as_lines():
        confirm(f"Remove webhook {webhook}?", yes=yes)
    with _client(credentials) as client:
        client.webhooks.delete(webhook)
    typer.echo(f"Removed webhook {webhook}.")


@webhook.command("test")
def webhook_test(webhook: WebhookId, *, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Post a test event to a webhook. Its type is `webhook.test`. The command prints how to see the result."""
    with _client(credentials) as client:
        sent = client.webhooks.test(webhook)
    _say(_pending_line(webhook, sent), sent, as_json)


def _pending_line(webhook: str, sent: WebhookDelivery) -> str:
    return f"{sent.state} {sent.event}; see `sandes app webhook deliveries {webhook}`"


@webhook.command("deliveries")
def webhook_deliveries(
    webhook: WebhookId,
    *,
    state: Annotated[str | None, typer.Option(metavar="|".join(_STATES), help="Only deliveries in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 50,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """List the deliveries to a webhook, the newest events first."""
    if state not in (None, *_STATES):
        raise typer.BadParameter(f"must be one of {', '.join(_STATES)}", param_hint="--state")
    with _client(credentials) as client:
        entries = client.webhooks.deliveries(webhook, state=state, page_size=min(limit, 100))  # type: ignore[arg-type]
        found = [entry for _, entry in zip(range(limit), entries, strict=False)]
    if as_json:
        _print_each(found)
        return
    table = Table("event", "type", "state", "attempts", "last answer", "next attempt")
    for one in found:
        table.add_row(one.event, one.type, one.state, str(one.attempts), _answer(one), _next(one))
    table_console().print(table)


def _answer(one: WebhookDelivery) -> str:
    return str(one.last_status or "") or _cell(one.last_error)


def _next(one: WebhookDelivery) -> str:
    return _at(one.next_attempt_at) if one.next_attempt_at else ""


@webhook.command("redeliver")
def webhook_redeliver(
    webhook: WebhookId,
    event: Annotated[
        str,
        typer.Argument(
            metavar="EVENT",
            callback=id_texts.EVENT,
            help="Id of the event, as `deliveries` shows it.",
        ),
    ],
    *,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Post an event to a webhook again. It must be of the last 30 days. The command prints how to see the result."""
    with _client(credentials) as client:
        sent = client.webhooks.redeliver(webhook, event)
    _say(_pending_line(webhook, sent), sent, as_json)


@webhook.command("listen")
def webhook_listen(
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--forward-to",
            metavar="URL",
            help="Address to which each event is also posted, for example http://127.0.0.1:8000/hook.",
        ),
    ] = None,
    secret: Annotated[
        str | None, typer.Option(help="Secret (whsec_...) of an earlier run, to sign with. Default: a new secret.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the events of the last 30 days instead of the next event.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Show the events of the last 30 days, then end.")] = False,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show the app's events as they happen.

    The command can also post them to a program on this machine, signed like webhooks.

    You need no public address, because the command reads the events from the app's feed. If the service does not
    answer, the command tries again, and continues after the last event. Ctrl-C ends it.
    """
    keys = _keys(secret)
    if to is not None:
        try:
            check_address("--forward-to", to, ("https", "http"))
        except EndpointsInvalid:
            raise typer.BadParameter(
                "give an https address, or an http address on this machine, such as http://127.0.0.1:8000/hook",
                param_hint="--forward-to",
            ) from None
        typer.echo(f"Signed with public key {keys.public_key}, secret {keys.secret}", err=True)
    with _client(credentials) as client, httpx.Client() as http:
        for event in _events(client, from_start=from_start or once, once=once):
            answer = forward(event, to, keys, http=http, now=time.time) if to else ""
            _say(f"{_at(event.timestamp)}  {event.type}  {event.id}  {answer}".rstrip(), event, as_json)


def _keys(secret: str | None) -> RelayKeys:
    try:
        return RelayKeys(secret) if secret else RelayKeys.new()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--secret") from None


def _events(client: SyncAppClient, *, from_start: bool, once: bool) -> Iterator[Event]:
    """Yield the events of the feed, from the oldest one or from now on. Repeated events are yielded once."""
    cursor: str | None = None
    shown = from_start
    seen: deque[str] = deque(maxlen=REMEMBERED)
    while True:
        page = client.events.page(cursor) if cursor is None or once else _next_page(client, cursor)
        cursor = page.cursor
        for event in page.events:
            if shown and event.id not in seen:
                yield event
            seen.append(event.id)
        if not page.more:
            if once:
                return
            shown = True
            pause(POLL_SECONDS)


def _next_page(client: SyncAppClient, cursor: str) -> EventPage:
    """Return the next page, and retry while the service does not answer.

    Standard error says when that begins and ends.
    """
    cut = False
    while True:
        try:
            page = client.events.page(cursor)
        except Unreachable as error:
            if not cut:
                typer.echo(f"The service does not answer: {error}. The command keeps trying.", err=True)
            cut = True
            pause(POLL_SECONDS)
            continue
        if cut:
            typer.echo("The service answers again.", err=True)
        return page
