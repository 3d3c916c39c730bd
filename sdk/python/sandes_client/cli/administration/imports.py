"""Implements `sandes-admin import`: verifying officials from a file, in a check and a commit."""

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

_HELP = "Verify officials from a CSV or XLSX file of up to 100,000 rows. Check the file first, then commit it."

imports = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=_HELP,
    short_help=_HELP,
    epilog="Exit status: 0 done, 1 refused or no answer (one line `error: <code>: ...`), 2 wrong usage, "
    f"{BAD_ROWS} rows have errors, or the import failed.",
)

ImportId = Annotated[
    str,
    typer.Argument(metavar="IMPORT", callback=id_texts.IMPORT, help="Id of the import, as `import check` printed it."),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")]


def upload(url: str, fields: dict[str, str], file: Path) -> None:
    """Upload a file with the form that the service gave. Raise CommandFailed or Unreachable."""
    try:
        headers, body = encode_form(fields, file.read_bytes())
        answer = httpx.post(url, headers=headers, content=body, timeout=UPLOAD_SECONDS)
    except OSError as error:
        raise CommandFailed("file_unusable", f"{file}: {error.strerror}") from None
    except httpx.TransportError as error:
        raise Unreachable(why_unreachable(error)) from None
    if not answer.is_success:
        raise CommandFailed("upload_refused", f"the upload was refused: HTTP {answer.status_code}")


@imports.command(
    "check", epilog=examples("import check officials.xlsx", "import check officials.csv --unit ccccccccccccc --json")
)
def import_check(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="File with the rows, .csv or .xlsx.")
    ],
    *,
    organisation: OfOrganisation = None,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="ID", callback=id_texts.UNIT, help="Unit of rows that name none. Default: the organisation."
        ),
    ] = None,
    client_ref: Annotated[str | None, typer.Option(help="Your own reference for the import.")] = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Upload a file and check it. Nothing is changed. Print what a commit would do, and the errors found.

    Ctrl-C ends the command, not the check. `import show` continues from the id.
    """
    form = _FORMATS.get(file.suffix.lower())
    if form is None:
        raise typer.BadParameter("the file's name must end with .csv or .xlsx", param_hint="FILE")
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
        Path | None, typer.Option(dir_okay=False, help="Write the result of each row to this CSV file.")
    ] = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Commit the rows that the check found good. More than 500 rows need a fresh sign-in."""
    desk: Desk = ctx.obj
    now = desk.get("imports", id)
    with failures_as_lines():
        _refuse_to_overwrite(results)
        if now["state"] == "failed":
            why = f"the import failed: {_why(now)}"
            raise CommandFailed("import_failed", f"{why}; correct the file and run `sandes-admin import check` again")
        if not yes:
            confirm(f"{_planned(now)}. Continue?", yes=False)
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
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is done, with a progress bar.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the progress of an import, and its first findings."""
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
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="CSV file to write. Without it, a table is printed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the result of each row, by its number."""
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
    """Cancel an import. Finished rows stay, and nominations end. The command asks first if the import was committed."""
    lost = "" if yes else lost_with(ctx.obj.get("imports", id))
    with failures_as_lines():
        confirm(f"{lost}: cancel import {id}?", yes=yes or not lost)
    ctx.obj.delete("imports", id)
    say(f"Cancelled import {id}.", {"id": id, "state": "cancelled"}, as_json)


def lost_with(now: Answer) -> str:
    """Return a text that says what a cancellation loses permanently, or an empty text before the commit."""
    if now["state"] not in ("committing", "completed"):
        return ""
    left, nominated = now["valid"] - now["done"], now["counts"].get("nominated", 0)
    lost = [f"{counted(left, 'good row')} will be left undone"] if left else []
    lost += (
        [f"nominations of this import will not lead to verifications ({counted(nominated, 'row')})"]
        if nominated
        else []
    )
    return ", and ".join(lost)


def _waited(desk: Desk, now: Answer) -> Answer:
    """Poll until the import neither checks nor commits, and return its state."""
    with _progress() as draw:
        draw(now)
        while now["state"] in _WORKING:
            pause(POLL_SECONDS)
            now = desk.get("imports", now["id"])
            draw(now)
    return now


@contextmanager
def _progress() -> Generator[Callable[[Answer], None]]:
    """Yield a function that draws each state of an import on standard error, if that is a terminal."""
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
    """Refuse to overwrite a file. Raise CommandFailed."""
    if file is not None and file.exists():
        raise CommandFailed("file_exists", f"{file} exists already; name another file")


def _write(found: Iterator[Answer], file: Path) -> int:
    """Write the results and return the number of rows. End the command if the file cannot be written."""
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
    """Show the import. Exit with status 3 if rows have errors."""
    if as_json:
        typer.echo(json.dumps(now, ensure_ascii=False))
    elif now["state"] == "failed":
        _say_why(now)
    else:
        told = _planned(now) if now["state"] in _BEFORE_COMMIT else _rows(now)
        typer.echo(f"{now['state']} {now['id']}: {counted(now['rows'], 'row')}, {told}")
        if now.get("header_row"):
            sheet = f' of the sheet "{text(now["sheet"])}"' if now.get("sheet") else ""
            typer.echo(f"column names are in row {now['header_row']}{sheet}")
        if now["state"] not in _BEFORE_COMMIT:
            typer.echo(f"done {now['done']} of {now['valid']}: {_counts(now['counts'])}")
        _say_findings(now, now["findings"])
    if now["state"] == "failed" or now["invalid"] or now["counts"].get("failed"):
        raise typer.Exit(BAD_ROWS)


def _say_why(now: Answer) -> None:
    """Print why a file cannot be used: the first finding. Print rows only if they are the cause."""
    typer.echo(f"failed {now['id']}: {_why(now)}")
    _say_findings(now, now["findings"][1:])


def _why(now: Answer) -> str:
    """Return why an import failed: the code, and the finding that explains it."""
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
        typer.echo(f"and more; to see all: sandes-admin import results {now['id']}")
