"""Tests promises of the repository: a licence, a contact, docstrings without fragments, and that git ignores the keys
that readers of the docs create.
"""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
OPTIONS = r"--(?:session|credentials|keys?|output|out|export)"
DESCRIBED = ("layers", "functions", "infra", "sdk", "tools", "tests")
FRAGMENT = re.compile(r':\n +r?"""(?:What|Of|For|By|Who|As|How|Whether)\b.*')
NOT_IMPERATIVE = re.compile(
    r"(?:A|An|All|At|Each|Every|False|From|If|In|It|None|Not|On|One|So|The|These|This|To|True|When|Where|Which|With"
    r"|\w+[^s]s)\b"
)


def created_by_the_docs() -> set[str]:
    """Return the names of files that commands in the docs write into the current folder: sessions, keys, profiles,
    lists.
    """
    names = {"token.txt"}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "sdk" / "python" / "README.md"]:
        text = page.read_text()
        names |= set(re.findall(rf"{OPTIONS} ([\w.-]+\.(?:json|pem))\b", text))
        names |= set(re.findall(r"(?:-out|audit export) ([\w.-]+\.(?:pem|ndjson))\b", text))
        names |= set(
            re.findall(r"(?:service_keys root|import check|batch send|roster GROUP|--results) ([\w.-]+)", text)
        )
        names |= set(re.findall(r"FILE=([\w.-]+\.json)", text))
        names |= set(re.findall(r'Path\("([\w.-]+\.(?:csv|sqlite3))"\)', text))
    return names


def test_git_ignores_every_session_key_and_list_that_the_docs_have_readers_create() -> None:
    """This holds in any folder, and for the files that SQLite writes beside its own."""
    created = created_by_the_docs()
    assert {"farah.json", "my-app.json", "root.key", "alice.sqlite3", "officials.xlsx", "people.csv"} <= created
    names = created | {f"mine/{name}" for name in created} | {".env", "docs/app.json", "alice.sqlite3-wal"}
    seen = subprocess.run(  # noqa: S603  # names from our own docs
        ["git", "check-ignore", "--no-index", *sorted(names)],  # noqa: S607
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert sorted(names) == seen


def test_git_ignores_none_of_the_files_that_belong_to_the_repository() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"],  # noqa: S607  # as above
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert tracked == ""


def test_the_licence_is_in_the_repository_and_named_by_both_packages() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    for file in (ROOT / "pyproject.toml", ROOT / "sdk" / "python" / "pyproject.toml"):
        assert "Apache-2.0" in str(tomllib.loads(file.read_text())["project"]["license"])


def test_a_vulnerability_can_be_reported_to_an_address() -> None:
    assert re.search(r"[\w.]+@[\w.]+\.\w+", (ROOT / "SECURITY.md").read_text()[:500])


def test_docstrings_of_functions_and_classes_begin_with_a_verb_and_are_no_fragments() -> None:
    """Accept the imperative for functions ("Return the ..."), and the third person for classes ("Holds ...")."""
    files = [file for folder in DESCRIBED for file in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 500
    found = {str(file.relative_to(ROOT)): FRAGMENT.findall(file.read_text()) for file in files}
    assert {name: fragments for name, fragments in found.items() if fragments} == {}


def test_docstrings_of_functions_outside_the_tests_begin_in_the_imperative() -> None:
    """Accept "Return the row.", and refuse "The row.", "Returns the row." and "Raises NotFound."."""
    found = [
        f"{file.relative_to(ROOT)}: {node.name}: {text.splitlines()[0]}"
        for folder in DESCRIBED
        if folder != "tests"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and NOT_IMPERATIVE.match(text := ast.get_docstring(node) or "")
    ]
    assert found == []
