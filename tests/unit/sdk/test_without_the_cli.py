"""Tests that the library works without the packages of the extra `cli`, and that the commands then say what to do."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandes_client.cli.start import CLI_PACKAGES, MISSING

SDK = Path(__file__).parent.parent.parent.parent / "sdk" / "python"
PACKAGE = SDK / "sandes_client"
PROJECT = tomllib.loads((SDK / "pyproject.toml").read_text())["project"]
MODULES = {"PyNaCl": "nacl"}
"""The modules of packages whose module has another name."""

WITHOUT = f"""
import sys
for name in {sorted(CLI_PACKAGES)!r}:
    sys.modules[name] = None  # an import of it raises ModuleNotFoundError
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter in which the packages of the extra `cli` cannot be imported."""
    return subprocess.run(  # noqa: S603  # our own code
        [sys.executable, "-c", WITHOUT + code], check=False, capture_output=True, text=True, cwd=SDK
    )


def files(*, cli: bool) -> list[Path]:
    found = [file for file in sorted(PACKAGE.rglob("*.py")) if ("cli" in file.relative_to(PACKAGE).parts) is cli]
    assert found
    return found


def imported(file: Path) -> Iterator[str]:
    """Yield the packages that a module of the SDK imports, without the standard library."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [str(node.module)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"sandes_client"}


def modules_of(requirements: list[str]) -> set[str]:
    names = (re.split(r"[<>=~!\[ ]", requirement)[0] for requirement in requirements)
    return {MODULES.get(name, name) for name in names}


def test_every_module_that_is_not_a_command_can_be_imported_without_the_extra() -> None:
    names = [
        ".".join(file.relative_to(SDK).with_suffix("").parts).removesuffix(".__init__") for file in files(cli=False)
    ]
    ran = python(f"import importlib\nfor name in {names!r}:\n    importlib.import_module(name)\nprint('imported')")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("imported\n", "", 0)


@pytest.mark.parametrize("command", sorted(PROJECT["scripts"]))
def test_a_command_without_the_extra_says_in_one_sentence_what_to_install(command: str) -> None:
    module, function = PROJECT["scripts"][command].split(":")
    ran = python(f"sys.argv = ['x', '--help']\nfrom {module} import {function}\n{function}()")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", MISSING + "\n", 1)


def test_another_missing_module_is_not_taken_for_the_extra() -> None:
    ran = python("sys.modules['cbor2'] = None\nfrom sandes_client.cli import start\nstart._start('sandes_client.seal')")
    assert "cbor2" in ran.stderr
    assert MISSING not in ran.stderr


def test_the_extras_have_what_the_modules_import() -> None:
    extras = {name: modules_of(requirements) for name, requirements in PROJECT["optional-dependencies"].items()}
    library = modules_of(PROJECT["dependencies"])
    assert extras["cli"] == CLI_PACKAGES
    assert {name for file in files(cli=False) for name in imported(file)} == library | {"boto3", "botocore"}
    assert {name for file in files(cli=True) for name in imported(file)} <= library | CLI_PACKAGES
