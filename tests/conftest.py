"""The deployed system of scenarios and end-to-end tests: an engine for each worker's session, on loopback."""

from __future__ import annotations

import inspect
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # it has no types

from tests.support import published
from tools.backstage import Backstage
from tools.engine import Deployment, Engine
from tools.snapshots import start_deployed

_ENGINE = os.environ.get("PYTEST_XDIST_WORKER") or os.environ.get("TEST_ENGINE", "test")
TESTS = Path(__file__).parent
FOLDER = TESTS.parent / ".local" / _ENGINE
"""One for each worker of a run, and for a run beside another (TEST_ENGINE): each has an engine of its own."""


@dataclass(frozen=True)
class Deployed:
    """A running engine with the real CDK app deployed on it, its state fresh, IAM enforced."""

    engine: Engine
    stack: Deployment

    @cached_property
    def backstage(self) -> Backstage:
        return Backstage.of(self.engine, self.stack)


@pytest.fixture(scope="session", autouse=True)
def as_published() -> Iterator[None]:
    """Hold what the service sends, in this process and on the engine, to docs/protocol."""
    with published.checking():
        yield


@pytest.hookimpl(tryfirst=True)  # before -m chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by what it needs: `engine` and `moto` by its fixtures, `cdk` by its folder.

    The files that take longest come first, so that no worker is left with one of them at the end.
    """
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        if "deployment" in item.fixturenames:
            item.add_marker("engine")
        if item.path.is_relative_to(TESTS / "infra"):
            item.add_marker("cdk")
        fixtures = [made for name in item.fixturenames for made in item._fixtureinfo.name2fixturedefs.get(name, ())]
        if any(_starts_moto(code) for code in (item.obj, *(fixture.func for fixture in fixtures))):
            item.add_marker("moto")
    if "PYTEST_XDIST_WORKER" in os.environ:
        _longest_first(items)


COSTS = {"slow": 60, "engine": 10, "moto": 5, "cdk": 2}
"""How much longer a test with the mark takes than others, roughly."""


def _longest_first(items: list[pytest.Item]) -> None:
    total: Counter[str] = Counter()
    for item in items:
        total[_file(item.nodeid)] += max((COSTS.get(mark.name, 1) for mark in item.iter_markers()), default=1)
    items.sort(key=lambda item: (-total[_file(item.nodeid)], _file(item.nodeid)))


def _file(nodeid: str) -> str:
    """Return the file of a test. All of tests/infra counts as one, whose templates one worker makes once."""
    return "tests/infra" if nodeid.startswith("tests/infra/") else nodeid.partition("::")[0]


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    def _split_scope(self, nodeid: str) -> str:
        return _file(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling | None:
    """Let `--dist loadfile` give a worker whole files, as `_file` tells them apart."""
    return FileScheduling(config, log) if config.getoption("dist") == "loadfile" else None


MOTO = {"mock_aws", "moto_dynamodb", "admin_api", "admin_service", "batch_backend", "import_backend"}


def _starts_moto(function: Callable[..., Any]) -> bool:
    return not MOTO.isdisjoint(getattr(inspect.unwrap(function), "__code__", _NOTHING).co_names)


_NOTHING = (lambda: None).__code__


@pytest.fixture(scope="session")
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployed]:
    if "not engine" in request.config.option.markexpr:
        pytest.fail("a test needs the engine and is not marked: it has to name the fixture `deployment`")
    engine = Engine(FOLDER, enforce_iam=True)
    try:
        stack = start_deployed(engine)
        _keep_heads_by_hand(engine)
        published.engine_urls.update((stack.http_url, stack.websocket_url))
        yield Deployed(engine, stack)
    finally:
        published.engine_urls.clear()
        engine.stop()


def _keep_heads_by_hand(engine: Engine) -> None:
    """The first document of an hour stands: one made by the clock while tests run would know no chain of theirs."""
    events = engine.client("events")
    (rule,) = [rule["Name"] for rule in events.list_rules()["Rules"] if "HeadsEveryHour" in rule["Name"]]
    events.disable_rule(Name=rule)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many cells of route, role and place tests/integration/test_every_right.py has tried."""
    reports = [one for some in terminalreporter.stats.values() for one in some if isinstance(one, pytest.TestReport)]
    calls = [one for one in reports if one.when == "call"]  # teardown reports the same once more
    tried = [int(str(cells)) for one in calls for name, cells in one.user_properties if name == "authorisation_cells"]
    if tried:
        terminalreporter.write_line(f"{sum(tried)} authorisation cells of {len(tried)} routes")
