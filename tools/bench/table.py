"""Prints the rows of the budget table, also as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """Holds one figure. Without a `limit`, it has no budget itself. Without a `value`, `note` says why."""

    what: str
    value: float | None
    unit: str = ""
    limit: float | None = None
    note: str = ""

    @property
    def ok(self) -> bool | None:
        return None if self.limit is None or self.value is None else self.value <= self.limit


def show(rows: Sequence[Row]) -> None:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("what")
    table.add_column("budget", justify="right")
    table.add_column("measured", justify="right")
    table.add_column("ok")
    table.add_column("note")
    marks = {True: "yes", False: "NO", None: ""}
    for row in rows:
        table.add_row(row.what, _text(row.limit, row.unit, "≤ "), _text(row.value, row.unit), marks[row.ok], row.note)
    Console(width=None if Console().is_terminal else 150).print(table)


def _text(value: float | None, unit: str, sign: str = "") -> str:
    if value is None:
        return "-" if not sign else ""
    digits = f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.2f}"
    return f"{sign}{digits} {unit}".rstrip()


def write(rows: Sequence[Row], file: Path, facts: dict[str, object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    document = facts | {"rows": [asdict(row) | {"ok": row.ok} for row in rows]}
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def missed(rows: Sequence[Row]) -> list[str]:
    return [row.what for row in rows if row.ok is False]
