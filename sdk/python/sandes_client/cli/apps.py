"""Implements `sandes app`: calls of the app API from a terminal or a script."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from sandes_client.app import AppCredentials, Batch, CredentialsInvalid, Message, Otp, Roster, SyncAppClient, recipient
from sandes_client.app.answers import BatchResult, Category, Language, MessageStatus, Priority, Quota, plain
from sandes_client.app.calls import UploadFormat, message_recipient
from sandes_client.app.credentials import FILE_VARIABLE
from sandes_client.app.exchange import check_idempotency_key
from sandes_client.cli import id_texts
from sandes_client.cli.display import local_time, readable, table_console
from sandes_client.cli.session import CommandFailed, check_pairs, complain, failures_as_lines, pairs

NOT_APPROVED = 3
INCOMPLETE = 3
FAULTS_SHOWN = 10
_SUFFIXES: dict[str, UploadFormat] = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_EPILOG = (
    "Exit status: 0 done, 1 refused or no answer (one line `error: <code>: ...`), 2 wrong usage, 3 the "
    "code is not approved, or rows of the batch or roster have errors."
)


def _group(name: str, help: str) -> typer.Typer:
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=help, epilog=_EPILOG)
    apps.add_typer(group, name=name)
    return group


apps = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=_EPILOG,
    help="Send codes, messages and batches as a governance app, and follow them. `sandes-admin app create` "
    "registers an app and writes its credentials.",
)
otp = _group("otp", "Send and check one-time passwords.")
message = _group("message", "Send messages and notices.")
batch = _group("batch", "Send many messages from a file.")


def _recipient_text(text: str) -> str:
    try:
        recipient(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _message_recipient_text(text: str) -> str:
    try:
        message_recipient(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _one_of(words: Any) -> Any:
    def check(text: str | None) -> str | None:
        if text is not None and text not in get_args(words):
            raise typer.BadParameter(f"must be one of {', '.join(get_args(words))}")
        return text

    return check


Credentials = Annotated[
    Path | None,
    typer.Option("--credentials", envvar=FILE_VARIABLE, dir_okay=False, help="The app's credentials file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON, one object per line.")]
To = Annotated[
    str,
    typer.Argument(
        metavar="TO",
        callback=_recipient_text,
        help="Phone number with + and country code, or account id.",
    ),
]
ToAlsoGroup = Annotated[
    str,
    typer.Argument(
        metavar="TO",
        callback=_message_recipient_text,
        help="Phone number with + and country code, account id, or group: and the id of one of the app's groups.",
    ),
]
Variables = Annotated[
    list[str] | None,
    typer.Option(
        "--var",
        callback=check_pairs,
        metavar="NAME=VALUE",
        help="Variable of the template. Repeat it for each variable.",
    ),
]
Version = Annotated[int | None, typer.Option(min=1, help="Version of the template. Default: the newest.")]
InLanguage = Annotated[
    str | None, typer.Option(callback=_one_of(Language), metavar="[en|hi|mr]", help="Language of the text.")
]


def _idempotency_key(key: str | None) -> str | None:
    """Return the key of a callback. Refuse, as a usage error, a key that no request can have."""
    try:
        return None if key is None else check_idempotency_key(key)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


ClientRef = Annotated[str | None, typer.Option(help="Your own reference. Answers and events repeat it.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        callback=_idempotency_key,
        help="Name of this operation, 1 to 64 printable ASCII characters. If you repeat it with the same name, "
        "nothing is done twice.",
    ),
]
OfCategory = Annotated[
    str | None,
    typer.Option(
        "--category", callback=_one_of(Category), metavar="[notice|alert|transaction]", help="Category of the message."
    ),
]
OfPriority = Annotated[
    str | None,
    typer.Option("--priority", callback=_one_of(Priority), metavar="[normal|high]", help="Urgency of the message."),
]
Confidential = Annotated[bool, typer.Option("--confidential", help="Do not show the message on a locked screen.")]
ExpiresIn = Annotated[
    int | None, typer.Option(min=1, help="Seconds for which the message is kept for devices that are offline.")
]
TemplateName = Annotated[str | None, typer.Option("--template", help="Template of the message.")]


@contextmanager
def _client(credentials: Path | None) -> Generator[SyncAppClient]:
    try:
        known = AppCredentials.read(credentials) if credentials else AppCredentials.from_environment()
    except CredentialsInvalid as error:
        raise typer.BadParameter(str(error), param_hint="--credentials") from None
    with failures_as_lines(), SyncAppClient(known) as client:
        yield client


def _say(line: str, answer: Any, as_json: bool) -> None:
    typer.echo(json.dumps(plain(answer), ensure_ascii=False) if as_json else line)


def _otp_line(sent: Otp) -> str:
    return (
        f"{sent.status} {sent.id} ({sent.channel}; expires {_at(sent.expires_at)}; "
        f"another code from {_at(sent.resend_after)}; attempts left: {sent.attempts_left})"
    )


@otp.command("send")
def otp_send(
    to: To,
    template: Annotated[str, typer.Option(help="Template of the code's message.")],
    *,
    var: Variables = None,
    version: Version = None,
    language: InLanguage = None,
    length: Annotated[int | None, typer.Option(min=6, max=8, help="Number of digits of the code.")] = None,
    ttl: Annotated[int | None, typer.Option(min=120, max=600, help="Seconds for which the code is valid.")] = None,
    purpose: Annotated[str | None, typer.Option(help="Purpose of the code. The check must name the same one.")] = None,
    client_ref: ClientRef = None,
    idempotency_key: Key = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Send a code. Print its state, and the id for checking it."""
    with _client(credentials) as client:
        sent = client.otps.send(
            to,
            template,
            variables=pairs(var),
            version=version,
            language=language,  # type: ignore[arg-type]  # its callback has checked it
            length=length,
            ttl=ttl,
            purpose=purpose,
            client_ref=client_ref,
            idempotency_key=idempotency_key,
        )
    _say(_otp_line(sent), sent, as_json)


OtpId = Annotated[str, typer.Argument(metavar="ID", callback=id_texts.OTP, help="Id of the OTP, as `send` printed it.")]


@otp.command("check")
def otp_check(
    id: OtpId,
    code: Annotated[
        str | None, typer.Argument(help="The code. Without it, the command reads the code from standard input.")
    ] = None,
    *,
    purpose: Annotated[str | None, typer.Option(help="Purpose with which the code was sent.")] = None,
    idempotency_key: Key = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Check a code. Exit with status 0 only if it is approved, and with 3 if it is not."""
    given = (code if code is not None else sys.stdin.readline()).strip()
    if not re.fullmatch("[0-9]{6,8}", given):
        raise typer.BadParameter("a code has 6 to 8 digits", param_hint="CODE")
    with _client(credentials) as client:
        checked = client.otps.check(id, given, purpose=purpose, idempotency_key=idempotency_key)
    _say(f"{checked.result}; attempts left: {checked.attempts_left}", checked, as_json)
    if not checked.approved:
        raise typer.Exit(NOT_APPROVED)


@otp.command("resend")
def otp_resend(
    id: OtpId, *, idempotency_key: Key = None, credentials: Credentials = None, as_json: AsJson = False
) -> None:
    """Send a new code. The old one becomes invalid."""
    with _client(credentials) as client:
        sent = client.otps.resend(id, idempotency_key=idempotency_key)
    _say(_otp_line(sent), sent, as_json)


@otp.command("status")
def otp_status(id: OtpId, *, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Show the state of a code."""
    with _client(credentials) as client:
        found = client.otps.get(id)
    _say(_otp_line(found), found, as_json)


@otp.command("cancel")
def otp_cancel(id: OtpId, *, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Cancel a code. It is then no longer accepted."""
    with _client(credentials) as client:
        client.otps.cancel(id)
    _say(f"cancelled {id}", {"id": id, "status": "cancelled"}, as_json)


@message.command("send")
def message_send(
    to: ToAlsoGroup,
    text: Annotated[str | None, typer.Argument(help="Your own text, instead of a template.")] = None,
    *,
    template: TemplateName = None,
    var: Variables = None,
    version: Version = None,
    language: InLanguage = None,
    category: OfCategory = None,
    priority: OfPriority = None,
    confidential: Confidential = False,
    expires_in: ExpiresIn = None,
    client_ref: ClientRef = None,
    idempotency_key: Key = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Send a message. Take the text from a template or give your own. The command prints its state and id."""
    content = _content(text, template, version, language, category)
    with _client(credentials) as client:
        sent = client.messages.send(
            to,
            variables=pairs(var) if var else None,
            priority=priority,  # type: ignore[arg-type]  # its callback has checked it
            confidential=confidential,
            expires_at=_after(expires_in),
            client_ref=client_ref,
            idempotency_key=idempotency_key,
            **content,
        )
    _say(f"{sent.status} {sent.id}", sent, as_json)


def _content(
    text: str | None, template: str | None, version: int | None, language: str | None, category: str | None
) -> dict[str, Any]:
    if (text is None) == (template is None):
        raise typer.BadParameter("give either a text or --template", param_hint="--template")
    return {"body": text, "template": template, "version": version, "language": language, "category": category}


MessageId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        callback=id_texts.APP_MESSAGE,
        help="Id of the message, as `send` printed it.",
    ),
]


@message.command("status")
def message_status(id: MessageId, *, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Show the states that a message has reached, and when."""
    with _client(credentials) as client:
        found = client.messages.get(id)
    lines = [f"{found.status}{f' ({found.failure})' if found.failure else ''} {found.id}"]
    if found.group and found.group.members is not None:
        still = "" if found.group.complete else "; not stored for all members yet"
        lines.append(f"  for {found.group.members} members, stored for {found.group.devices or 0} devices{still}")
    lines += [f"  {status:<10} {_at(at)}" for status, at in sorted(found.times.items(), key=lambda entry: entry[1])]
    _say("\n".join(lines), found, as_json)


@message.command("list")
def message_list(
    *,
    status: Annotated[
        str | None, typer.Option(callback=_one_of(MessageStatus), help="Show only messages in this state.")
    ] = None,
    category: OfCategory = None,
    of_batch: Annotated[
        str | None, typer.Option("--batch", callback=id_texts.BATCH, help="Show only messages of this batch.")
    ] = None,
    client_ref: Annotated[str | None, typer.Option(help="Show only messages with this reference.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 50,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """List messages, the newest first."""
    with _client(credentials) as client:
        found = client.messages.list(
            status=status,  # type: ignore[arg-type]  # their callbacks have checked them
            category=category,  # type: ignore[arg-type]
            batch=of_batch,
            client_ref=client_ref,
            page_size=min(limit, 250),
        )
        listed = list(islice(found, limit))
    if as_json:
        _print_each(listed)
        return
    table = Table(Column("id", no_wrap=True), "state", "category", "template", "reference", "accepted")
    for one in listed:
        table.add_row(one.id, _state(one), one.category, one.template or "", _cell(one.client_ref), _accepted(one))
    table_console().print(table)


def _state(one: Message) -> str:
    return f"{one.status} ({one.failure})" if one.failure else one.status


def _accepted(one: Message) -> str:
    return _at(one.times["accepted"]) if "accepted" in one.times else ""


@message.command("recall")
def message_recall(id: MessageId, *, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Recall a message that no device has received yet."""
    with _client(credentials) as client:
        client.messages.recall(id)
    _say(f"recalled {id}", {"id": id, "status": "recalled"}, as_json)


@batch.command("send")
def batch_send(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="File with the rows, .csv or .ndjson.")
    ],
    *,
    template: TemplateName = None,
    text: Annotated[str | None, typer.Option(help="Your own text, instead of a template.")] = None,
    version: Version = None,
    language: InLanguage = None,
    category: OfCategory = None,
    priority: OfPriority = None,
    confidential: Confidential = False,
    expires_in: ExpiresIn = None,
    client_ref: ClientRef = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the rows. Nothing is sent.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")] = True,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Send a message to everybody in a file. The file has up to 100,000 rows, and a progress bar is shown.

    The file has the columns phone or account, optionally client_ref, and one column for each variable of the template.
    Ctrl-C ends the command, not the batch. `status` and `results` continue from its id.
    """
    form = _SUFFIXES.get(file.suffix.lower())
    if form is None:
        raise typer.BadParameter("the file's name must end with .csv, .ndjson or .jsonl", param_hint="FILE")
    content = _content(text, template, version, language, category)
    with _client(credentials) as client:
        made = client.batches.create(
            upload=form,
            priority=priority,  # type: ignore[arg-type]  # its callback has checked it
            confidential=confidential,
            expires_at=_after(expires_in),
            client_ref=client_ref,
            **content,
        )
        Console(stderr=True, highlight=False).print(f"batch {made.id}")
        try:
            client.batches.upload(made, file)
        except (OSError, ValueError) as error:
            raise CommandFailed("file_unusable", str(error)) from None
        now = client.batches.commit(made.id, dry_run=dry_run)
        if wait:
            with _progress() as bar:
                now = client.batches.wait(made.id, on_progress=bar)
    _say(_batch_line(now), now, as_json)
    _end(now)


BatchId = Annotated[
    str, typer.Argument(metavar="ID", callback=id_texts.BATCH, help="Id of the batch, as `send` printed it.")
]


@batch.command("status")
def batch_status(
    id: BatchId,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is done, with a progress bar.")] = False,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show the progress of a batch."""
    with _client(credentials) as client, _progress() as bar:
        now = client.batches.wait(id, on_progress=bar) if wait else client.batches.get(id)
    _say(_batch_line(now), now, as_json)
    _end(now)


@batch.command("results")
def batch_results(
    id: BatchId,
    *,
    faults: Annotated[bool, typer.Option("--faults", help="Show only rows that were not sent.")] = False,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show the result of each row.

    The columns are row number, state, message id or reason, and reference, separated by tabs.
    """
    with _client(credentials) as client:
        for row in client.batches.results(id):
            if not faults or row.status != "accepted":
                _say(_result_line(row), row, as_json)


def _result_line(row: BatchResult) -> str:
    return "\t".join((str(row.row), row.status, row.message or row.code or "", _cell(row.client_ref)))


def _batch_line(now: Batch) -> str:
    why = f" ({now.failure})" if now.failure else ""
    return (
        f"{now.state}{why} {now.id}: rows {now.rows}, valid {now.valid}, invalid {now.invalid}, "
        f"sent {now.sent}, failed {now.failed}"
    )


def _end(now: Batch) -> None:
    """Exit with status 3 if rows were not sent, and print the first of them."""
    for fault in now.faults[:FAULTS_SHOWN]:
        complain(f"row {fault.row}, {readable(fault.field.encode())}: {fault.code}: {readable(fault.message.encode())}")
    if now.state == "failed" or now.invalid or now.failed:
        raise typer.Exit(INCOMPLETE)


@contextmanager
def _progress() -> Generator[Any]:
    """Yield a function that draws each state of a batch or roster on standard error, if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("waiting", total=None)

        def draw(now: Batch | Roster) -> None:
            most = now.valid if isinstance(now, Batch) else now.total
            bar.update(task, description=now.state, completed=now.done, total=most or None)

        yield draw


@apps.command()
def status(*, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Show remaining quotas and approved templates.

    The figures are approximate, because the service reserves messages for the app in blocks and counts whole blocks as
    used.
    """
    with _client(credentials) as client:
        usage, templates = client.usage(), client.templates.list()
    if as_json:
        typer.echo(json.dumps({"usage": plain(usage), "templates": plain(templates)}, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(f"{usage.mode}: {_quota(usage.per_minute)} this minute, {_quota(usage.per_day)} today")
    table = Table("template", "version", "kind", "languages", "variables", "SMS")
    for one in templates:
        named = (one.kind, " ".join(one.languages), " ".join(one.variables), "yes" if one.sms else "no")
        table.add_row(one.id, str(one.version), *named)
    table_console().print(table)


def _quota(quota: Quota) -> str:
    return f"about {quota.left} of {quota.limit} left"


def _print_each(answers: Iterable[Any]) -> None:
    for answer in answers:
        _say("", answer, as_json=True)


def _at(time: datetime) -> str:
    return local_time(round(time.timestamp() * 1000))


def _after(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)


def _cell(text: str | None) -> str:
    return Text(readable((text or "").encode())).plain
