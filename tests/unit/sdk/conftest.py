"""Fixtures of the client's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.testing

from sandes_client import Store
from tests.unit.sdk.service import Service, new_service

# typer builds all commands of a program anew for each call of it, which takes longer than most tests
vars(typer.testing)["_get_command"] = cache(typer.main.get_command)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with new_service() as running:
        yield running


@pytest.fixture
def store(service: Service, tmp_path: Path) -> Iterator[Store]:
    opened = service.profile(tmp_path / "alice.sqlite3")
    yield opened
    opened.close()
