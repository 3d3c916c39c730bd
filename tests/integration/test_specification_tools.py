"""The published specifications work with the tools that client teams use: Spectral, the AsyncAPI parser,
openapi-typescript and the TypeScript compiler. Not even a warning is accepted.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROTOCOL = ROOT / "docs" / "protocol"
BIN = ROOT / "node_modules" / ".bin"
OPENAPI = ("client-openapi.json", "app-openapi.json", "admin-openapi.json")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  # our own tools on our own files


def spectral(document: Path) -> list[str]:
    """Return Spectral's findings, warnings and hints included, as `rule path: message`."""
    ruleset = ROOT / "tools" / "specs" / "spectral.yaml"
    done = run(BIN / "spectral", "lint", document, "--ruleset", ruleset, "--format", "json", "--quiet")
    assert done.returncode in {0, 1}, done.stderr
    findings: list[dict[str, Any]] = json.loads(done.stdout)
    return [f"{found['code']} {'/'.join(map(str, found['path']))}: {found['message']}" for found in findings]


@pytest.mark.parametrize("name", [*OPENAPI, "asyncapi.json"])
def test_spectral_has_nothing_to_say_about_a_specification(name: str) -> None:
    assert spectral(PROTOCOL / name) == []


def test_spectral_names_an_operation_without_a_description(tmp_path: Path) -> None:
    document = json.loads((PROTOCOL / "client-openapi.json").read_text(encoding="utf-8"))
    del document["paths"]["/v1/me"]["get"]["description"]
    (tmp_path / "broken.json").write_text(json.dumps(document), encoding="utf-8")
    assert [finding.split(":")[0] for finding in spectral(tmp_path / "broken.json")] == [
        "operation-description paths//v1/me/get"
    ]


def test_the_asyncapi_parser_reads_the_specification_without_a_diagnostic() -> None:
    done = run("node", ROOT / "tools" / "specs" / "parse_asyncapi.mjs", PROTOCOL / "asyncapi.json")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("name", OPENAPI)
def test_types_generated_from_a_specification_compile_in_strict_mode(name: str, tmp_path: Path) -> None:
    types = tmp_path / "types.ts"
    made = run(BIN / "openapi-typescript", PROTOCOL / name, "--output", types)
    assert made.returncode == 0, made.stderr
    compiled = run(BIN / "tsc", "--strict", "--noEmit", types)
    assert (compiled.returncode, compiled.stdout) == (0, "")
