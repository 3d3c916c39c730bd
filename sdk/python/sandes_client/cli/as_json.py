"""Implements `--json` of `sandes`: one JSON object per line, with the protocol's field names."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


def print_json(value: Any, **more: Any) -> None:
    """Print a dataclass or mapping, with the fields `more`, as one line. Fields without a value are left out."""
    fields = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    typer.echo(json.dumps(_plain({**more, **fields}), ensure_ascii=False))


def _plain(value: Any) -> Any:
    """Return `value` in JSON types. Bytes become text if they are UTF-8, otherwise base64."""
    match value:
        case dict():
            return {str(name): _plain(one) for name, one in value.items() if one is not None}
        case list() | tuple():
            return [_plain(one) for one in value]
        case bytes():
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(value).decode("ascii")}
        case str() | int() | float() | bool() | None:
            return value
    return str(value)
