"""Examples in the help of `sandes-admin`: what stands there can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from sandes.model.ids import parse_account
from sandes_client.cli.admin import admin

PREFIX = "sandes-admin "


def commands(group: Any) -> Iterator[Any]:
    for command in group.commands.values():
        yield command
        if hasattr(command, "commands"):
            yield from commands(command)


ROOT: Any = typer.main.get_command(admin)
EXAMPLES = [
    line.removeprefix(PREFIX)
    for command in commands(ROOT)
    for line in re.split(r"\n|; (?=sandes-admin)|(?<=Examples: )", f"{command.epilog or ''}\n{command.help or ''}")
    if line.startswith(PREFIX)
]


PLACEHOLDERS = {"COMPLAINT": "c" * 32, "IMPORT": "i" * 32, "REQUEST": "r" * 32, "WEBHOOK": "w" * 22}
"""Words that stand in examples for ids too long to read."""


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 40


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_right_usage_with_ids_as_the_service_takes_them(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for id in re.findall(r"(?<![\w-])[a-z2-7]{13}(?![\w-])", example):
        parse_account(id)
    monkeypatch.chdir(tmp_path)
    for name in ("officials.csv", "officials.xlsx"):
        (tmp_path / name).touch()
    words, command = shlex.split(example), ROOT
    words = [PLACEHOLDERS.get(word, word) for word in words]
    context = command.make_context("sandes-admin", words, resilient_parsing=True)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words, parent=context)
