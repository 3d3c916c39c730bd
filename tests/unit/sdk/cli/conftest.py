"""A service on a thread of its own, and the command run against it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from sandes_client.api import ClientApi
from sandes_client.cli.main import app
from sandes_client.clock import SystemClock
from tests.unit.sdk.service import AUDIENCE, Service, new_service


class RealClock(SystemClock):
    """The command makes its own clock, so the service runs on the same one."""


@pytest.fixture
def service() -> Iterator[Service]:
    """A service on a thread of its own, since each command runs an event loop of its own."""
    running, ready, done = new_service(), threading.Event(), threading.Event()
    running.clock = RealClock()  # type: ignore[assignment]

    async def serve() -> None:
        async with running:
            ready.set()
            while not done.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(5)
    yield running
    done.set()
    thread.join()


@pytest.fixture
def sandes(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command against the service and returns its result."""
    original = ClientApi.__init__

    def to_service(self: ClientApi, http_url: str, **options: Any) -> None:
        original(self, http_url, **{**options, "transport": httpx.MockTransport(service.http)})

    monkeypatch.setattr(ClientApi, "__init__", to_service)
    for name in ("URL", "SOCKET", "AUDIENCE", "ENDPOINTS", "HOME"):
        monkeypatch.delenv(f"SANDES_{name}", raising=False)
    endpoints = tmp_path / "endpoints.json"
    endpoints.write_text(
        json.dumps({"http_url": "https://service.test", "websocket_url": service.url, "audience": AUDIENCE})
    )

    def run(*words: str, input: str | None = None) -> Any:
        return CliRunner().invoke(
            app, [*words, "--home", str(tmp_path), "--endpoints", str(endpoints)], input=input, catch_exceptions=False
        )

    return run


@pytest.fixture
def registered(service: Service, tmp_path: Path) -> None:
    service.profile(tmp_path / "default.sqlite3").close()
