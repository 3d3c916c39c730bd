"""Implements `sandes-admin audit`: fetching audit chains, and verifying them on this machine alone."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from sandes_client.admin import AdminClient
from sandes_client.api import ApiError
from sandes_client.audit import (
    KEY_BYTES,
    MAX_LINE_BYTES,
    HeadGone,
    HeadsDocument,
    HeadsRefused,
    Verified,
    entry_in,
    gone_heads,
    public_keys,
    read_document,
    verify,
)
from sandes_client.cli import id_texts
from sandes_client.cli.administration.showing import AsJson, say
from sandes_client.cli.display import one_line
from sandes_client.cli.session import CommandFailed, failures_as_lines
from sandes_client.ids import base64url_text, parse_account, parse_base64url

NOT_WHOLE = 3
_HOUR = 3_600
MAX_HEADS_BYTES = 10_000_000
audit = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Fetch and verify audit chains, which record what administrators have done. Nobody can remove an "
    "entry unnoticed.",
    epilog=f"Exit status of verify: 0 the chain is whole, {NOT_WHOLE} it is not (the first bad entry is named) "
    "or something is missing that --withheld does not account for, 1 it could not be checked (one line "
    "`error: <code>: ...`), 2 wrong usage.",
)


@audit.command("verify")
def verify_command(
    file: Annotated[Path, typer.Argument(help="An exported chain.", exists=True, dir_okay=False)],
    *,
    key: Annotated[
        list[str],
        typer.Option(
            "--key",
            metavar="KEY|FILE",
            help="Public key of the audit chains, base64url, or a file with it. Repeat it for each key. Get the "
            "key from a different source than the file.",
        ),
    ],
    heads: Annotated[
        list[Path] | None,
        typer.Option(
            help="A document of hourly heads, or a folder of them. Repeat it for each document. Only heads show "
            "that no entries are missing at the end, and that nobody has used the key to rewrite history.",
            exists=True,
        ),
    ] = None,
    chain: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Organisation whose chain this is. Default: the organisation in the file's name (ID.ndjson), "
            "otherwise that of the first entry, which you must compare yourself.",
        ),
    ] = None,
    withheld: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|N-M|all",
            help="Entries whose bodies you know to be erased or withheld. Repeat it for each entry or range. No "
            "signature says that a body may be missing.",
        ),
    ] = None,
    part: Annotated[bool, typer.Option("--part", help="Accept a file that begins after entry 1.")] = False,
    as_json: AsJson = False,
) -> None:
    """Verify a chain. Check the place and signature of every entry, up to the last one that a head confirms."""
    allowed = [_numbers(given) for given in withheld or []]
    with failures_as_lines():
        keys = public_keys(_key(given) for given in key)
        documents = [_document(path, keys) for path in _documents(heads or [])]
        known = [head for document in documents for head in document.heads]
        expected = chain or _named_after(file)
        try:
            with file.open("rb") as opened, _progress(file.stat().st_size) as draw:
                found = verify(opened, keys=keys, heads=known, chain=expected, part=part, progress=draw)
        except OSError as error:
            raise CommandFailed("file_unusable", f"{file}: {error.strerror}") from None
    missing, gone = _not_in(found.withheld, allowed), gone_heads(documents)
    by = "option" if chain else "file_name" if expected else "first_entry"
    if as_json:
        told = {"chain_by": by, "missing_bodies": missing, "gone": [dataclasses.asdict(one) for one in gone]}
        typer.echo(json.dumps(dataclasses.asdict(found) | told, ensure_ascii=False))
    else:
        _say(found, by, missing, gone)
    if found.fault or missing or gone:
        raise typer.Exit(NOT_WHOLE)


@audit.command("export")
def export(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="File to write. If it exists, the command continues it.", dir_okay=False)
    ],
    *,
    organisation: Annotated[
        str | None,
        typer.Option(callback=id_texts.ORGANISATION, help="Organisation whose chain is fetched. Default: your own."),
    ] = None,
) -> None:
    """Fetch the whole chain of an organisation. You need the right to read all of it."""
    with failures_as_lines(), ctx.obj.admin() as client:
        after, before = _last_entry(file), 0
        try:
            with file.open("ab") as opened, _counted() as draw:
                while lines := _export(client, organisation, after):
                    last = _number_in(lines.removesuffix(b"\n").rpartition(b"\n")[2], "the answer")
                    if last <= after:
                        raise CommandFailed(
                            "bad_answer", f"entries after {after} were requested, but the answer ends at {last}"
                        )
                    opened.write(lines)
                    after = last
                    before += lines.count(b"\n")
                    draw(after)
        except OSError as error:
            raise CommandFailed("file_unusable", f"{file}: {error.strerror}") from None
    typer.echo(f"Fetched {before} entries; {file} has {after}.")


@audit.command("heads")
def heads_command(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(help="Folder to write. Documents that exist already stay.", file_okay=False)
    ],
    *,
    hours: Annotated[
        int, typer.Option(min=1, max=24 * 366, help="Number of hours, up to and including this one.")
    ] = 24,
) -> None:
    """Fetch the signed heads of the last hours. Keep them apart from the chains."""
    fetched = 0
    with failures_as_lines(), ctx.obj.admin() as client:
        now = int(time.time())
        for at in range(now - (hours - 1) * _HOUR, now + 1, _HOUR):
            hour = datetime.fromtimestamp(at, UTC)
            path = folder / hour.strftime("%Y-%m-%dT%H")
            if path.exists():
                continue
            try:
                document = client.call("GET", "audit/heads", query={"at": hour.strftime("%Y-%m-%dT%H:%M:%SZ")}).content
            except ApiError as error:
                if error.code != "not_found":
                    raise
                continue
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(document)
            fetched += 1
    typer.echo(f"Fetched {fetched} documents of heads into {folder}.")


@audit.command("key")
def key_command(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the public key of the audit chains. Write it down once, and compare it from then on."""
    with failures_as_lines(), ctx.obj.admin() as client:
        told = client.get("audit/key")
    say(told["key"], told, as_json)


@audit.command("list")
def list_command(
    ctx: typer.Context,
    *,
    organisation: Annotated[
        str | None,
        typer.Option(callback=id_texts.ORGANISATION, help="Organisation whose chain is shown. Default: your own."),
    ] = None,
    unit: Annotated[
        str | None, typer.Option(callback=id_texts.UNIT, help="Show only entries of this unit and below it.")
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option(
            callback=id_texts.ADMINISTRATOR,
            help="Show only entries of the administrator with this id.",
        ),
    ] = None,
    action: Annotated[str | None, typer.Option(help="Show only this action, for example unit.create.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show audit entries, the newest first."""
    found: list[dict[str, Any]] = []
    query = {"organisation": organisation, "unit": unit, "actor": actor, "action": action}
    with failures_as_lines(), ctx.obj.admin() as client:
        cursor = None
        while len(found) < limit:
            page = client.get("audit", **query, limit=min(limit - len(found), 250), cursor=cursor)
            found += page["entries"]
            if not (cursor := page.get("cursor")):
                break
    say("\n".join(one_line(_line(one)) for one in found) or _nothing(action), {"entries": found}, as_json)


def _nothing(action: str | None) -> str:
    """Return what to print if there are no entries. The action may be misspelt."""
    return f"No entry has the action {action}; docs/admin/audit-actions.md lists the actions." if action else "Nothing."


def _line(one: dict[str, Any]) -> str:
    """Return an entry as a line: number, time (UTC), action and subject, administrator, unit."""
    at = datetime.fromtimestamp(one["at_ms"] / 1000, UTC)
    details = json.dumps(one.get("details"), ensure_ascii=False)
    words = (
        *(
            f"{one['seq']:>6}",
            f"{at:%Y-%m-%d %H:%M:%S} UTC",
            one["action"],
            one.get("subject") or "",
            "by",
            one["actor"],
        ),
        *("at", one.get("unit") or one["organisation"], details),
        "" if one.get("signed", True) else "NOT SIGNED: written without the service",
    )
    return " ".join(word for word in words if word)


def _export(client: AdminClient, organisation: str | None, after: int) -> bytes:
    return client.call("GET", "audit/export", query={"organisation": organisation, "after": after}).content


def _last_entry(file: Path) -> int:
    """Return the number of the last entry in a file, or 0 if there is none. Raise CommandFailed."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            opened.seek(max(size - MAX_LINE_BYTES, 0))
            lines = opened.read().splitlines(keepends=True)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise CommandFailed("file_unusable", f"{file}: {error.strerror}") from None
    if lines and not lines[-1].endswith(b"\n"):
        raise CommandFailed("file_unusable", f"{file} ends in the middle of an entry: remove the file and start again")
    return _number_in(lines[-1][:-1], str(file)) if lines else 0


def _number_in(line: bytes, of: str) -> int:
    """Return the number of the entry in a line. Raise CommandFailed."""
    try:
        return int(entry_in(line)["seq"])
    except (KeyError, TypeError, ValueError):
        raise CommandFailed("file_unusable", f"{of} does not end with an entry of an audit chain") from None


_CHAIN_BY = {
    "option": "from --chain",
    "file_name": "from the file's name",
    "first_entry": "from its first entry: compare it, or give --chain",
}
_SHOWN = 20


def _say(found: Verified, by: str, missing: list[tuple[int, int]], gone: list[HeadGone]) -> None:
    typer.echo(f"Organisation: {one_line(found.chain or 'unknown')} ({_CHAIN_BY[by]}).")
    for one in gone:
        until = f"only up to {one.seq}" if one.seq else "no more"
        typer.echo(
            f"HEADS GONE: {one_line(one.head.chain)} had entry {one.head.seq}, and the heads of "
            f"{_time(one.at_ms)} have it {until}. It was removed from the table, or from the list of chains."
        )
    if found.fault:
        typer.echo(f"NOT WHOLE, line {found.fault.line}: {found.fault.text}")
        if found.entries:
            typer.echo(f"Entries {found.first} to {found.last} before it are whole.")
        return
    if missing:
        typer.echo(
            f"BODIES MISSING: {_runs(missing)}. Their content is lost unless somebody has another copy. If "
            "you know that they were erased, confirm it with --withheld."
        )
    whole = "Whole except for the missing bodies" if missing or gone else "Whole"
    typer.echo(f"{whole}: entries {found.first} to {found.last} of {found.chain}, {found.heads} heads agree.")
    if found.withheld and not missing:
        typer.echo(f"Bodies withheld, as you confirmed: {_runs(found.withheld)}.")
    if found.unwitnessed:
        typer.echo(
            f"No given head covers the last {found.unwitnessed} entries. Whether more entries followed, or "
            "the holder of the key has changed these since, cannot be checked."
        )


def _runs(runs: Sequence[tuple[int, int]]) -> str:
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in runs[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(runs) - _SHOWN} more runs" if len(runs) > _SHOWN else "")


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _named_after(file: Path) -> str | None:
    """Return the organisation whose id the file's name begins with, or None."""
    try:
        return parse_account(file.name.partition(".")[0])
    except ValueError:
        return None


def _numbers(given: str) -> tuple[int, int]:
    """Return the first and the last number. Raise BadParameter."""
    if given == "all":
        return 1, sys.maxsize
    first, _, last = given.partition("-")
    try:
        run = int(first), int(last or first)
    except ValueError:
        run = 0, 0
    if not 1 <= run[0] <= run[1]:
        raise typer.BadParameter("give the number of an entry, a range like 10-12, or all", param_hint="--withheld")
    return run


def _not_in(runs: Sequence[tuple[int, int]], allowed: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return runs of numbers without the allowed numbers."""
    left = list(runs)
    for start, end in allowed:
        left = [
            part
            for first, last in left
            for part in ((first, min(last, start - 1)), (max(first, end + 1), last))
            if part[0] <= part[1]
        ]
    return left


def _key(given: str) -> bytes:
    """Return the public key given as text or file. Raise BadParameter."""
    text, path = given, Path(given)
    try:
        if len(given) != len(base64url_text(bytes(KEY_BYTES))) or path.exists():
            text = path.read_text(encoding="ascii").strip()
            if text.startswith("{"):
                text = str(json.loads(text)["key"])
        public = parse_base64url(text)
    except (OSError, KeyError, TypeError, ValueError):
        public = b""
    if len(public) != KEY_BYTES:
        raise typer.BadParameter("a key is 43 characters of base64url, or a file with it", param_hint="--key")
    return public


def _documents(given: Iterable[Path]) -> list[Path]:
    return [
        path for one in given for path in (sorted(p for p in one.rglob("*") if p.is_file()) if one.is_dir() else [one])
    ]


def _document(path: Path, keys: dict[str, bytes]) -> HeadsDocument:
    """Return a document of heads. Raise CommandFailed for a bad document, which says nothing about the chain."""
    try:
        with path.open("rb") as opened:
            return read_document(opened.read(MAX_HEADS_BYTES), keys)
    except OSError as error:
        raise CommandFailed("file_unusable", f"{path}: {error.strerror}") from None
    except HeadsRefused as refused:
        raise CommandFailed("heads_refused", f"{path}: {refused}") from None


@contextmanager
def _counted() -> Generator[Callable[[int], None]]:
    """Yield a function that draws the number of fetched entries on standard error, if that is a terminal."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed} entries"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("fetching", total=None)

        def draw(fetched: int) -> None:
            bar.update(task, completed=fetched)

        yield draw


@contextmanager
def _progress(total: int) -> Generator[Callable[[int], None]]:
    """Yield a function that draws the number of read entries on standard error, if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("checking"), BarColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("checking", total=total)

        def draw(read: int) -> None:
            bar.update(task, completed=read)

        yield draw
