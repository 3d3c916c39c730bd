"""Shows answers of the admin API as JSON, tables or lines. Times are in this machine's time zone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Column, Table
from rich.text import Text

from sandes_client.cli.display import readable, table_console

EPILOG = (
    "Exit status: 0 done, 1 refused or no answer (one line `error: <code>: ...`), 2 wrong usage, 3 rows "
    "of an import have errors. Run `sandes-admin login` first. `sandes-admin --help` lists the options "
    "common to all commands."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON, one object per line.")]
Limit = Annotated[int, typer.Option(min=1, help="Show at most this many.")]

Answer = dict[str, Any]


def command_group(help: str) -> typer.Typer:
    return typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=help, short_help=help, epilog=EPILOG)


def examples(*lines: str) -> str:
    """Return the examples at the end of a command's help, each on its own line."""
    return "Examples:\n\n" + "\n\n".join(f"sandes-admin {line}" for line in lines)


def one_of(*words: str) -> Callable[[str | None], str | None]:
    """Return a callback that refuses all other words as wrong usage."""

    def check(text: str | None) -> str | None:
        if text is not None and text not in words:
            raise typer.BadParameter(f"must be one of {', '.join(words)}")
        return text

    return check


def say(line: str, answer: Any, as_json: bool) -> None:
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else line)


@dataclass(frozen=True, slots=True)
class Shown:
    """Describes a column of a table: its head, and the value for one entry of a list.

    `whole` marks ids, which users copy. They are neither cut nor wrapped, however narrow the terminal is. Other columns
    keep at least `least` characters.
    """

    head: str
    cell: Callable[[Answer], Any]
    right: bool = False
    whole: bool = False
    least: int = 10


def show_list(entries: Iterable[Answer], columns: Sequence[Shown], as_json: bool) -> None:
    """Print entries as a table. If ids do not fit on a line, print each entry with one line per column."""
    if as_json:
        for entry in entries:
            typer.echo(json.dumps(entry, ensure_ascii=False))
        return
    rows, console = [[text(one.cell(entry)) for one in columns] for entry in entries], table_console()
    if not rows:
        console.print("Nothing to show.")
    elif widths := _widths(rows, columns, console.width):
        console.print(_table(rows, columns, widths))
    else:
        for row in rows:
            console.print(Text(_entry(row, columns)), soft_wrap=True)


_BETWEEN = 2


def _widths(rows: Sequence[Sequence[str]], columns: Sequence[Shown], room: int) -> list[int] | None:
    """Return the width of each column, or None if the ids do not fit. The widest column is narrowed first."""
    heads = [cell_len(one.head) for one in columns]
    widths = [max(head, *map(cell_len, cells)) for head, cells in zip(heads, zip(*rows, strict=True), strict=True)]
    least = [
        width if one.whole else min(width, max(one.least, head))
        for one, head, width in zip(columns, heads, widths, strict=True)
    ]
    room -= _BETWEEN * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda n: widths[n] if widths[n] > least[n] else 0)
        widths[widest] -= 1
    return widths


def _table(rows: Sequence[Sequence[str]], columns: Sequence[Shown], widths: Sequence[int]) -> Table:
    """Return a table without lines between columns, because they take up space."""
    table = Table(
        *(
            Column(one.head, justify="right" if one.right else "left", width=width, overflow="fold")
            for one, width in zip(columns, widths, strict=True)
        ),
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _entry(row: Sequence[str], columns: Sequence[Shown]) -> str:
    width = max(cell_len(one.head) for one in columns)
    said = [f"{one.head:<{width}}  {cell}" for one, cell in zip(columns, row, strict=True) if cell]
    return "\n".join([*said, ""])


def text(value: Any) -> str:
    """Return the text of a cell or line. None is empty, and control characters are replaced."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(readable(str(value).encode(errors="replace")).split("\n"))


def counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def field(name: str) -> Callable[[Answer], Any]:
    return lambda entry: entry.get(name)


def time_of(name: str) -> Callable[[Answer], str]:
    return lambda entry: at(entry.get(name))


def at(value: Any) -> str:
    """Format a time of the service (RFC 3339, or epoch seconds) in this machine's time zone. None is empty."""
    if value is None:
        return ""
    moment = datetime.fromtimestamp(value).astimezone() if isinstance(value, int) else datetime.fromisoformat(value)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M %Z")


def lines(answer: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return a line `label  value` for each field of the answer. `names` maps fields to their labels."""
    known = {label: answer[name] for name, label in names.items() if answer.get(name) not in (None, "")}
    width = max((len(label) for label in known), default=0)
    return "\n".join(f"  {label:<{width}}  {shown_value(value)}" for label, value in known.items())


def shown_value(value: Any) -> str:
    """Format a value for a line: times are formatted, and text stays as it is."""
    if isinstance(value, list):
        return ", ".join(text(one) for one in value)
    if isinstance(value, str) and _is_time(value):
        return at(value)
    return text(value)


def _is_time(value: str) -> bool:
    if len(value) < 20 or value[4:5] != "-" or value[10:11] != "T":
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
