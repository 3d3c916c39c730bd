"""Generates docs/permissions.md: the permissions of each function, so that reviewers see each change in a diff."""

from __future__ import annotations

from collections.abc import Iterator

from infra.function_spec import FunctionSpec
from infra.functions import FUNCTIONS
from infra.permissions import denied, permissions

_PAGE = """# Permissions of the functions

`make specs` generates this page from `infra/functions.py`. `tests/infra/test_permissions.py` compares the template with the same declarations.
Each function may also write its own logs (`AWSLambdaBasicExecutionRole`), and may do nothing else.

A row with *denied* lists writes to partitions of the table `directory`, by the pattern of their keys, that the function must not make.
"""  # noqa: E501  # as lines of documentation


def permissions_page() -> str:
    """Return the whole of docs/permissions.md."""
    return "\n".join((_PAGE, *(line for spec in sorted(FUNCTIONS, key=_name) for line in _section(spec))))


def _name(spec: FunctionSpec) -> str:
    return spec.name


def _section(spec: FunctionSpec) -> Iterator[str]:
    yield f"## {spec.name}"
    yield ""
    yield f"`functions/{spec.folder}/handler.py`, `{spec.entry}`; settings `{spec.settings.__name__}`{_called(spec)}."
    yield ""
    rows = [*_rows(spec), *_denied(spec)]
    if rows:
        yield from ("| resource | actions |", "|---|---|", *rows, "")


def _called(spec: FunctionSpec) -> str:
    if spec.works:
        return f"; processes the queue `{spec.works.queue.name}`"
    if spec.schedule:
        return f"; called every {spec.schedule.every}"
    return ""


def _rows(spec: FunctionSpec) -> Iterator[str]:
    """Yield a row for each resource and condition."""
    actions: dict[tuple[str, str, str], list[str]] = {}
    for one in sorted(permissions(spec)):
        service, _, action = one.action.partition(":")
        actions.setdefault((str(one.resource), one.only_with, service), []).append(action)
    for (resource, only_with, service), listed in actions.items():
        condition = f", if the stage has `{only_with}`" if only_with else ""
        yield f"| {resource}{condition} | {service}: {', '.join(listed)} |"


def _denied(spec: FunctionSpec) -> Iterator[str]:
    for rows in denied(spec):
        of = f" of attributes other than {', '.join(f'`{one}`' for one in rows.but)}" if rows.but else ""
        for key in rows.keys:
            yield f"| table directory, keys `{key}` | *denied*: {', '.join(sorted(rows.actions))}{of} |"
