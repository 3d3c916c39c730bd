"""Tests waiting on slow machines: the engine has time to save its state, and a failed demonstration stops no engine."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tools import engine as engines
from tools import patience, run
from tools.demonstration import narrator
from tools.demonstration.narrator import Narrator, StepFailed
from tools.engine import Engine, EngineError
from tools.patience import MOST, slowness

SAVES_SLOWLY = """
import pathlib, signal, sys, time
state = pathlib.Path(sys.argv[1]) / "state"
def save(*_):
    for number in range(25):
        (state / f"{number}.json").write_text("x" * number)
        time.sleep(0.1)
    (state / "complete").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
(state / "ready").touch()
while True:
    time.sleep(0.05)
"""
HANGS = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
(pathlib.Path(sys.argv[1]) / "state" / "ready").touch()
time.sleep(600)
"""


def process(folder: Path, script: str) -> Engine:
    """Make an engine whose process is the script."""
    (folder / "state").mkdir()
    engine = Engine(folder)
    engine._process = subprocess.Popen([sys.executable, "-c", script, str(folder)])  # noqa: S603  # our own script
    while not (folder / "state" / "ready").exists():
        time.sleep(0.02)
    return engine


def test_an_engine_that_is_still_writing_is_waited_for_beyond_any_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "IDLE_SECONDS", 1)
    engine = process(tmp_path, SAVES_SLOWLY)
    engine.stop()
    assert (tmp_path / "state" / "complete").exists(), "it was given more than its second, since it went on writing"
    assert not engine.running


def test_an_engine_that_does_nothing_is_killed_and_it_is_said_that_its_state_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "IDLE_SECONDS", 1)
    engine = process(tmp_path, HANGS)
    with pytest.raises(EngineError, match="is lost"):
        engine.stop()
    assert not engine.running


def test_a_long_wait_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = patience.wait_while
    monkeypatch.setattr(engines, "wait_while", lambda *given, **named: real(*given, **named, every=0.5))
    said: list[str] = []
    process(tmp_path, SAVES_SLOWLY).stop(said.append)
    assert len(said) >= 2
    assert said[0].startswith("the engine is saving its state: ")


# The demonstration


@pytest.mark.parametrize(("factors", "holds"), [([3.0], True), ([1.0], False), ([1.0, 4.0], True)])
async def test_a_step_has_more_time_on_a_slow_machine(
    monkeypatch: pytest.MonkeyPatch, factors: list[float], holds: bool
) -> None:
    given = list(factors)
    monkeypatch.setattr(narrator, "slowness", lambda: given.pop(0) if len(given) > 1 else given[0])
    step = Narrator(Console(quiet=True)).step("Wait", seconds=0.3)
    if holds:
        async with step:
            await asyncio.sleep(0.6)
    else:
        with pytest.raises(StepFailed, match="nothing after"):
            async with step:
                await asyncio.sleep(0.6)


def test_slowness_is_at_least_that_of_a_usual_machine_and_bounded() -> None:
    assert 1.0 <= slowness() <= MOST


class Stopped:
    def wait(self) -> None:
        raise KeyboardInterrupt


def made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *arguments: str, fault: Exception | None = None
) -> tuple[int, list[str]]:
    """Run `make run` without an engine. Return its exit status and its steps."""
    done: list[str] = []

    async def play(*_: Any) -> None:
        done.append("demonstration")
        if fault:
            raise fault

    monkeypatch.setattr(run, "FOLDER", run.ROOT / ".local" / "never")
    monkeypatch.setattr(run, "PEOPLE", tmp_path)
    monkeypatch.setattr(run, "_start", lambda *_: done.append("started"))
    monkeypatch.setattr(run, "_explain", lambda *_: done.append("up"))
    monkeypatch.setattr(run, "play", play)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(threading, "Event", Stopped)
    monkeypatch.setattr(sys, "argv", ["run", *arguments])
    return run.main(), done


@pytest.mark.parametrize("fault", [StepFailed("nothing after 60 s"), ConnectionError("cut")], ids=str)
def test_a_demonstration_that_fails_leaves_the_engine_up_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    status, done = made(monkeypatch, tmp_path, fault=fault)
    assert done == ["started", "demonstration", "up"]
    assert status == 0, "Ctrl-C ended it"
    said = capsys.readouterr().out
    assert "failed:" in said
    assert "stays up" in said


def test_once_ends_with_the_outcome_of_the_demonstration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert made(monkeypatch, tmp_path, "--once", fault=StepFailed("no")) == (1, ["started", "demonstration"])
    assert made(monkeypatch, tmp_path, "--once") == (0, ["started", "demonstration"])


def test_the_demonstration_can_be_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert made(monkeypatch, tmp_path, "--no-demonstration") == (0, ["started", "up"])
    assert made(monkeypatch, tmp_path, "--no-demonstration", "--once") == (0, ["started"])


@pytest.mark.parametrize(("given", "option"), [("DEMO=0", True), ("DEMO=1", False), ("ONCE=1", False)], ids=str)
def test_make_passes_on_that_there_is_no_demonstration(given: str, option: bool) -> None:
    command = ["make", "--dry-run", "--assume-old=setup", "run", given]
    told = subprocess.run(command, cwd=run.ROOT, check=True, capture_output=True, text=True)  # noqa: S603  # our own
    assert ("--no-demonstration" in told.stdout) is option
