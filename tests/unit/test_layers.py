"""Tests the layers: imports point downwards (pyproject.toml, `tool.importlinter`), one module reads the environment,
use cases get the time from their callers, and a function loads only what it uses.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CORE = ROOT / "layers" / "core" / "python"
SANDES = CORE / "sandes"
FUNCTIONS = ROOT / "functions"

ABOVE_USE_CASES, BELOW_USE_CASES = {"edge"}, {"store", "protocol", "crypto", "model", "runtime.py"}
FILES = {str(file.relative_to(CORE)): ast.parse(file.read_text()) for file in SANDES.rglob("*.py")} | {
    str(file.relative_to(ROOT)): ast.parse(file.read_text()) for file in FUNCTIONS.rglob("*.py")
}
USE_CASES = {
    name: tree
    for name, tree in FILES.items()
    if name.startswith("sandes/") and Path(name).parts[1] not in ABOVE_USE_CASES | BELOW_USE_CASES
}


def test_layers_import_only_from_layers_below_them() -> None:
    run = subprocess.run(  # noqa: S603
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"],
        cwd=ROOT,
        env={"PYTHONPATH": f"{CORE}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        name
        for name, tree in FILES.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    }
    assert readers == {"sandes/edge/settings.py"}


def test_use_cases_are_told_the_time() -> None:
    """Use cases may use the clock only as a default for measuring durations."""
    assert len(USE_CASES) > 100
    calls = [
        (name, node.func) for name, tree in USE_CASES.items() for node in ast.walk(tree) if isinstance(node, ast.Call)
    ]
    clocks = [
        f"{name}: {ast.unparse(call)}"
        for name, call in calls
        if isinstance(call, ast.Attribute)
        and (ast.unparse(call.value) in {"time", "datetime", "datetime.datetime"} or call.attr == "now_ms")
        and call.attr not in {"fromtimestamp", "fromisoformat"}  # convert a given time
    ]
    assert clocks == []


def loaded_by(module: str) -> set[str]:
    """Return all modules in a fresh process that imports `module`."""
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
