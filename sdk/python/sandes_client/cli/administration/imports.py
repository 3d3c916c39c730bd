"""`sandes-admin import`: officials from a file, checked first and committed then, with progress."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sandes_client.api import Unreachable
from sandes_client.cli import id_texts
from sandes_client.cli.administration.desk import Desk
from sandes_client.cli.administration.options import InUnit, OfOrganisation, Yes, given
from sandes_client.cli.administration.showing import (
    Answer,
    AsJson,
    Limit,
    Shown,
    counted,
    examples,
    field,
    say,
    show_list,
    text,
    time_of,
)
from sandes_client.cli.session import CommandFailed, confirm, failures_as_lines
from sandes_client.unreachable import why_unreachable
from sandes_client.uploads import encode_form

BAD_ROWS = 3
POLL_SECONDS = 1.0
pause = time.sleep
UPLOAD_SECONDS = 300.0
FINDINGS_SHOWN = 20
_FORMATS = {".csv": "csv", ".xlsx": "xlsx"}
_WORKING = ("checking", "committing")
_BEFORE_COMMIT = ("open", "checking", "checked")

_HELP = "Officials from a file of up to 100,000 rows, CSV or XLSX: checked first, committed then."

imports = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=_HELP,
    short_help=_HELP,
    epilog="Exit status: 0 done, 1 refused or not reached (one line `error: <code>: ...`), 2 wrong usage, "
    f"{BAD_ROWS} rows are not good, or the import failed.",
)

ImportId = Annotated[
    str, typer.Argument(metavar="IMPORT", callback=id_texts.IMPORT, help="Id that `import check` printed.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until it is done.")]


def upload(url: str, fields: dict[str, str], file: Path) -> None:
    """Upload a file by the form that the service gave. Raises CommandFailed or Unreachable."""
    try:
        headers, body = encode_form(fields, file.read_bytes())
        answer = httpx.post(url, headers=headers, content=body, timeout=UPLOAD_SECONDS)
    except OSError as error:
        raise CommandFailed("file_unusable", f"{file}: {error.strerror}") from None
    except httpx.TransportError as error:
        raise Unreachable(why_unreachable(error)) from None
    if not answer.is_success:
        raise CommandFailed("upload_refused", f"the file was not taken: HTTP {answer.status_code}")


@imports.command(
    "check", epilog=examples("import check officials.xlsx", "import check officials.csv --unit ccccccccccccc --json")
)
def import_check(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Rows: .csv or .xlsx.")],
    *,
    organisation: OfOrganisation = None,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="ID", callback=id_texts.UNIT, help="The unit of rows that name none; else the organisation."
        ),
    ] = None,
    client_ref: Annotated[str | None, typer.Option(help="A reference of yours.")] = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Upload a file and have it checked: nothing is changed. Prints what a commit would do, and what is wrong.

    Ctrl-C ends the command, not the check: `show` goes on from its id.
    """
    form = _FORMATS.get(file.suffix.lower())
    if form is None:
        raise typer.BadParameter("the file's name ends with .csv or .xlsx", param_hint="FILE")
    desk: Desk = ctx.obj
    place = desk.target("people", organisation, unit)
    made = desk.post("imports", body=given(**place, format=form, client_ref=client_ref))
    Console(stderr=True, highlight=False).print(f"import {made['id']}")
    with failures_as_lines():
        upload(made["upload"]["url"], made["upload"]["fields"], file)
    now = desk.post("imports", made["id"], "commit", body={"dry_run": True})
    _end(_waited(desk, now) if wait else now, as_json)


@imports.command("commit", epilog=examples("import commit IMPORT", "import commit IMPORT --yes --results results.csv"))
def import_commit(
    ctx: typer.Context,
    id: ImportId,
    *,
    yes: Yes = False,
    results: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write what became of each row to this CSV file.")
    ] = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Do what the check has found good. More than 500 rows take a fresh sign-in."""
    desk: Desk = ctx.obj
    now = desk.get("imports", id)
    with failures_as_lines():
        _refuse_to_overwrite(results)
        if now["state"] == "failed":
            why = f"the import failed: {_why(now)}"
            raise CommandFailed("import_failed", f"{why}; correct the file and run `sandes-admin import check` again")
        if not yes:
            confirm(f"{_planned(now)}: do it?", yes=False)
    now = desk.post("imports", id, "commit", body={"dry_run": False})
    now = _waited(desk, now) if wait else now
    if results is not None and now["state"] not in _WORKING:
        _write(_results(desk, id), results)
    _end(now, as_json)


@imports.command("show")
def import_show(
    ctx: typer.Context,
    id: ImportId,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it is done, with a progress bar.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far an import is, and its first findings."""
    now = ctx.obj.get("imports", id)
    _end(_waited(ctx.obj, now) if wait else now, as_json)


@imports.command("list")
def import_list(
    ctx: typer.Context,
    *,
    organisation: OfOrganisation = None,
    unit: InUnit = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List imports, the newest first."""
    found = ctx.obj.every("imports", "imports", limit=limit, **ctx.obj.place("people", organisation, unit))
    columns = [
        Shown("import", field("id"), whole=True),
        Shown("state", field("state")),
        Shown("rows", field("rows"), right=True),
        Shown("bad", field("invalid"), right=True),
        Shown("done", field("done"), right=True),
        Shown("ref", field("client_ref"), least=4),
        Shown("at", time_of("created_at")),
    ]
    show_list(found, columns, as_json)


@imports.command("results", epilog=examples("import results IMPORT --out results.csv"))
def import_results(
    ctx: typer.Context,
    id: ImportId,
    *,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="A CSV file to write; else a table.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what became of each row, by its number."""
    with failures_as_lines():
        _refuse_to_overwrite(out)
    found = _results(ctx.obj, id)
    if out is not None:
        count = _write(found, out)
        say(f"{counted(count, 'row')} in {out}.", {"rows": count, "file": str(out)}, as_json)
        return
    columns = [Shown("row", field("row"), right=True), Shown("status", field("status")), Shown("findings", _findings)]
    show_list(found, columns, as_json)


@imports.command("cancel")
def import_cancel(ctx: typer.Context, id: ImportId, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Cancel an import. Finished rows stay, nominations end. Asks first if it was committed."""
    lost = "" if yes else lost_with(ctx.obj.get("imports", id))
    with failures_as_lines():
        confirm(f"{lost}: cancel import {id}?", yes=yes or not lost)
    ctx.obj.delete("imports", id)
    say(f"Cancelled import {id}.", {"id": id, "state": "cancelled"}, as_json)


def lost_with(now: Answer) -> str:
    """What cannot be had back, once an import is cancelled; nothing before it is committed."""
    if now["state"] not in ("committing", "completed"):
        return ""
    left, nominated = now["valid"] - now["done"], now["counts"].get("nominated", 0)
    lost = [f"{counted(left, 'good row')} will be left undone"] if left else []
    lost += (
        [f"who was nominated will not be verified by it any more ({counted(nominated, 'row')})"] if nominated else []
    )
    return ", and ".join(lost)


def _waited(desk: Desk, now: Answer) -> Answer:
    """As it is once it neither checks nor commits."""
    with _progress() as draw:
        draw(now)
        while now["state"] in _WORKING:
            pause(POLL_SECONDS)
            now = desk.get("imports", now["id"])
            draw(now)
    return now


@contextmanager
def _progress() -> Generator[Callable[[Answer], None]]:
    """Takes each state of an import and draws it on standard error, if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("waiting", total=None)

        def draw(now: Answer) -> None:
            total = now["valid"] if now["state"] == "committing" else None
            bar.update(task, description=now["state"], completed=now["done"], total=total or None)

        yield draw


def _results(desk: Desk, id: str) -> Iterator[Answer]:
    return desk.every("results", "imports", id, "results", limit=1_000_000)


def _refuse_to_overwrite(file: Path | None) -> None:
    """Raises CommandFailed."""
    if file is not None and file.exists():
        raise CommandFailed("file_exists", f"{file} is there already; name another file")


def _write(found: Iterator[Answer], file: Path) -> int:
    """How many rows. Ends the command if the file cannot be written."""
    count = 0
    with failures_as_lines():
        try:
            with file.open("w", encoding="utf-8", newline="") as opened:
                table = csv.writer(opened)
                table.writerow(("row", "status", "findings"))
                for row in found:
                    table.writerow((row["row"], row["status"], _findings(row)))
                    count += 1
        except OSError as error:
            raise CommandFailed("file_unusable", f"{file}: {error.strerror}") from None
    return count


def _findings(row: Answer) -> str:
    return "; ".join(f"{_column(one)}: {text(one['message'])}" for one in row["findings"])


def _counts(counts: Answer | None) -> str:
    return ", ".join(f"{number} {word}" for word, number in (counts or {}).items() if number) or "nothing"


def _planned(now: Answer) -> str:
    return f"{_rows(now)}; a commit means {_counts(now.get('planned'))}"


def _rows(now: Answer) -> str:
    return f"{counted(now['valid'], 'good row')}, {counted(now['invalid'], 'bad one')}"


def _end(now: Answer, as_json: bool) -> None:
    """Show the import; exit with 3 if rows are not good."""
    if as_json:
        typer.echo(json.dumps(now, ensure_ascii=False))
    elif now["state"] == "failed":
        _say_why(now)
    else:
        told = _planned(now) if now["state"] in _BEFORE_COMMIT else _rows(now)
        typer.echo(f"{now['state']} {now['id']}: {counted(now['rows'], 'row')}, {told}")
        if now.get("header_row"):
            sheet = f' of the sheet "{text(now["sheet"])}"' if now.get("sheet") else ""
            typer.echo(f"names of columns are in row {now['header_row']}{sheet}")
        if now["state"] not in _BEFORE_COMMIT:
            typer.echo(f"done {now['done']} of {now['valid']}: {_counts(now['counts'])}")
        _say_findings(now, now["findings"])
    if now["state"] == "failed" or now["invalid"] or now["counts"].get("failed"):
        raise typer.Exit(BAD_ROWS)


def _say_why(now: Answer) -> None:
    """Of a file that is of no use: the reason, which is the first finding, and rows only if they are what is wrong."""
    typer.echo(f"failed {now['id']}: {_why(now)}")
    _say_findings(now, now["findings"][1:])


def _why(now: Answer) -> str:
    """Of an import that failed: the code, and the finding that tells the reason."""
    why = now["findings"][0] if now["findings"] else None
    reason = f": {text(why['field'])}: {text(why['message'])} ({why['code']})" if why else ""
    return f"{now.get('failure')}{reason}"


def _column(finding: Answer) -> str:
    """Return the column's name in the file."""
    return finding.get("column") or str(finding["field"])


def _say_findings(now: Answer, findings: list[Answer]) -> None:
    if not findings:
        return
    columns = [
        Shown("row", field("row"), right=True),
        Shown("column", _column),
        *(Shown(name, field(name)) for name in ("code", "message")),
    ]
    show_list(findings[:FINDINGS_SHOWN], columns, as_json=False)
    if now["invalid"] > FINDINGS_SHOWN:
        typer.echo(f"and more; all of them: sandes-admin import results {now['id']}")
