"""The deployed system that scenarios and end-to-end tests talk to: one engine for the whole session, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.engine import Deployment, Engine, deploy

FOLDER = Path(__file__).parent.parent / ".local" / "test"


@dataclass(frozen=True)
class Deployed:
    """A running engine with the real CDK app deployed on it, its state fresh, IAM enforced."""

    engine: Engine
    stack: Deployment


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployed]:
    engine = Engine(FOLDER)
    engine.forget()
    engine.start()
    try:
        stack = deploy(engine)
        engine.stop()
        engine.enforce_iam = True
        engine.start()
        yield Deployed(engine, stack)
    finally:
        engine.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several workers: one has the engine to itself, one the templates; the rest goes wherever there is room."""
    for item in items:
        if item.get_closest_marker("engine") or "deployment" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("engine"))
        elif "infra" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("infra"))
