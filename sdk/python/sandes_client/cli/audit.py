"""`sandes-admin audit`: whether an exported audit chain is whole, found out on this machine alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from sandes_client.audit import KEY_BYTES, Head, HeadsRefused, Verified, public_keys, read_heads, verify
from sandes_client.cli.place import AsJson
from sandes_client.cli.session import CommandFailed, failures_as_lines
from sandes_client.ids import base64url_text, parse_base64url

NOT_WHOLE = 3
MAX_HEADS_BYTES = 10_000_000
audit = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Audit chains: what administrators have done, in entries that none can be taken out of.",
    epilog=f"Exit status of verify: 0 the chain is whole, {NOT_WHOLE} it is not (the first bad entry is named), "
    "1 it could not be checked (one line `error: <code>: ...`), 2 wrong usage.",
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
            help="Public key of the audit chains, base64url, or a file with it; once for each. Have it from elsewhere "
            "than from whoever gave you the file.",
        ),
    ],
    heads: Annotated[
        list[Path] | None,
        typer.Option(
            help="A document of hourly heads, or a folder of them; once for each. Only they can show that nothing is "
            "missing at the end, and that nobody has used the key to write history anew.",
            exists=True,
        ),
    ] = None,
    chain: Annotated[str | None, typer.Option(help="Id of the organisation whose chain it is to be.")] = None,
    part: Annotated[bool, typer.Option("--part", help="The file may begin later than with entry 1.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a chain: every entry in its place and as it was signed, up to the last one that a head speaks of."""
    with failures_as_lines():
        keys = public_keys(_key(given) for given in key)
        known = [head for path in _documents(heads or []) for head in _heads(path, keys)]
        try:
            with file.open("rb") as opened, _progress(file.stat().st_size) as draw:
                found = verify(opened, keys=keys, heads=known, chain=chain, part=part, progress=draw)
        except OSError as error:
            raise CommandFailed("file_unusable", f"{file}: {error.strerror}") from None
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found), ensure_ascii=False))
    else:
        _say(found)
    if found.fault:
        raise typer.Exit(NOT_WHOLE)


def _say(found: Verified) -> None:
    if found.fault:
        typer.echo(f"NOT WHOLE, line {found.fault.line}: {found.fault.text}")
        if found.entries:
            typer.echo(f"Entries {found.first} to {found.last} before it are whole.")
        return
    typer.echo(f"Whole: entries {found.first} to {found.last} of {found.chain}, {found.heads} heads agree.")
    if found.withheld:
        typer.echo(f"The bodies of {found.withheld} entries are withheld; what is left of them is whole.")
    if found.unwitnessed:
        typer.echo(
            f"No head given is as late as the last {found.unwitnessed} entries: whether more came after them, and "
            "whether the holder of the key has changed them since, cannot be told."
        )


def _key(given: str) -> bytes:
    """Raises BadParameter."""
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


def _heads(path: Path, keys: dict[str, bytes]) -> list[Head]:
    """Raises CommandFailed: a document that is no good says nothing about the chain."""
    try:
        with path.open("rb") as opened:
            return read_heads(opened.read(MAX_HEADS_BYTES), keys)
    except OSError as error:
        raise CommandFailed("file_unusable", f"{path}: {error.strerror}") from None
    except HeadsRefused as refused:
        raise CommandFailed("heads_refused", f"{path}: {refused}") from None


@contextmanager
def _progress(total: int) -> Generator[Callable[[int], None]]:
    """Takes how much has been read and draws it on standard error, if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("checking"), BarColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("checking", total=total)

        def draw(read: int) -> None:
            bar.update(task, completed=read)

        yield draw
