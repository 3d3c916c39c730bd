"""Tests docs/aws-facts.md: every fact has a page of AWS, and the places that rely on it exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/aws-facts.md").read_text()
SOURCES = dict(re.findall(r"^\[([a-z0-9-]+)\]: (\S+)$", PAGE, re.MULTILINE))
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| AWS |")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:50])
def test_every_fact_names_pages_of_aws(row: list[str]) -> None:
    _, _, source, _ = row
    named = re.findall(r"\[[^\]]+\]\[([^\]]+)\]", source)
    assert named
    assert set(named) <= set(SOURCES)


def test_every_source_is_a_page_of_aws_that_is_used() -> None:
    used = set(re.findall(r"\]\[([^\]]+)\]", PAGE))
    assert used == set(SOURCES)
    assert all(url.startswith("https://docs.aws.amazon.com/") for url in SOURCES.values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:50])
def test_the_files_that_rely_on_a_fact_exist(row: list[str]) -> None:
    for path in re.findall(r"`([\w/.-]+\.(?:py|md))`", row[1]):
        assert (ROOT / path).is_file(), path
