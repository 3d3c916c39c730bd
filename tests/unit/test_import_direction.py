"""Imports point one way: functions, edge, use cases, then store, protocol, crypto, and model at the bottom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CORE = ROOT / "layers" / "core" / "python"
SANDES = CORE / "sandes"
FUNCTIONS = ROOT / "functions"

LAYERS = ("model", "crypto", "protocol", "store", "edge")
MAY_IMPORT = {
    "model": {"model"},
    "crypto": {"crypto", "model"},
    "protocol": {"protocol", "model"},
    "store": {"store", "model"},
    "use case": {"use case", "store", "protocol", "crypto", "model"},
    "edge": {"edge", "use case", "store", "protocol", "crypto", "model"},
    "function": {"edge", "use case", "protocol", "model"},
}
AWS = {"boto3", "botocore"}


def name_of(file: Path) -> str:
    return str(file.relative_to(SANDES if file.is_relative_to(SANDES) else ROOT))


def layer_of(file: Path) -> str:
    if file.is_relative_to(FUNCTIONS):
        return "function"
    first = file.relative_to(SANDES).parts[0]
    return first if first in LAYERS else "use case"


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """Modules, those under TYPE_CHECKING too, each with the full name of what is taken from it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(file)} imports relatively"
            assert node.module
            yield from ((node.module, f"{node.module}.{alias.name}") for alias in node.names)


def target_layer(module: str, full: str) -> str | None:
    """The layer of a module of ours, None for somebody else's."""
    if module != "sandes" and not module.startswith("sandes."):
        return None
    second = (full if module == "sandes" else module).split(".")[1]
    return second if second in LAYERS else "use case"


FILES = sorted(file for file in [*SANDES.rglob("*.py"), *FUNCTIONS.rglob("*.py")] if file.name != "__init__.py")


def test_there_are_files_in_every_layer() -> None:
    assert {layer_of(file) for file in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_module_imports_only_from_its_own_layer_and_below(file: Path) -> None:
    wrong = {
        full
        for module, full in imported(file)
        if (layer := target_layer(module, full)) and layer not in MAY_IMPORT[layer_of(file)]
    }
    assert wrong == set()


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_only_stores_and_the_edge_know_aws(file: Path) -> None:
    known = {module for module, _ in imported(file) if module.split(".")[0] in AWS or "mypy_boto3" in module}
    if layer_of(file) not in {"store", "edge"}:
        assert known == set()


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_only_the_settings_read_the_environment(file: Path) -> None:
    if name_of(file) == "edge/settings.py":
        return
    tree = ast.parse(file.read_text())
    read = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}]
    taken = [full for _, full in imported(file) if full in {"os.environ", "os.getenv"}]
    assert (read, taken) == ([], [])


@pytest.mark.parametrize("file", [file for file in FILES if layer_of(file) == "use case"], ids=name_of)
def test_use_cases_are_told_the_time(file: Path) -> None:
    """A default for measuring how long something takes is all they may ask of the clock themselves."""
    tree = ast.parse(file.read_text())
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    clocks = [
        ast.unparse(call)
        for call in calls
        if isinstance(call, ast.Attribute)
        and ast.unparse(call.value) in {"time", "datetime", "datetime.datetime"}
        and call.attr not in {"fromtimestamp", "fromisoformat"}  # turn a time that was given into another form
    ]
    assert clocks == []


def loaded_by(module: str) -> set[str]:
    """All modules in a fresh process that imports `module`."""
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": f"{CORE}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    return set(run.stdout.split())


NOT_FOR_FRAMES = {"phonenumbers", "aws_lambda_powertools.event_handler", "sandes.people.devices", "jwt"}


@pytest.mark.parametrize(
    ("module", "unused"),
    [
        (
            "functions.send.handler",
            {"phonenumbers", "aws_lambda_powertools.event_handler", "sandes.people.devices", "jwt"},
        ),
        (
            "functions.deliver.handler",
            {"phonenumbers", "aws_lambda_powertools.event_handler", "sandes.people.devices", "jwt"},
        ),
        (
            "functions.statistics.handler",
            {"phonenumbers", "aws_lambda_powertools.event_handler", "sandes.messaging.send", "jwt"},
        ),
        ("functions.connect.handler", {"phonenumbers", "aws_lambda_powertools.event_handler", "sandes.messaging.send"}),
    ],
)
def test_a_function_loads_only_what_it_uses(module: str, unused: set[str]) -> None:
    loaded = loaded_by(module)
    assert module in loaded
    assert loaded & unused == set()
