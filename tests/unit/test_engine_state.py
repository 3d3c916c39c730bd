"""Tests the local engine's saved state on another port."""

from __future__ import annotations

import json
from pathlib import Path

from tools.engine import move_state


def test_saved_addresses_name_the_new_port_and_nothing_else_changes(tmp_path: Path) -> None:
    queues = {"http://localhost:4711/000000000000/q": {"url": "http://127.0.0.1:4711/q", "other": "127.0.0.1:47110"}}
    (tmp_path / "sqs.json").write_text(json.dumps(queues))
    (tmp_path / "dynamodb.json").write_text('{"port": 4711, "text": "call 4711"}')
    move_state(tmp_path, 4711, 4712)
    assert json.loads((tmp_path / "sqs.json").read_text()) == {
        "http://localhost:4712/000000000000/q": {"url": "http://127.0.0.1:4712/q", "other": "127.0.0.1:47110"}
    }
    assert (tmp_path / "dynamodb.json").read_text() == '{"port": 4711, "text": "call 4711"}'


def test_state_that_is_new_or_stays_on_its_port_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sqs.json").write_text('"http://localhost:4711"')
    for former in (0, 4711):
        move_state(tmp_path, former, 4711)
    assert (tmp_path / "sqs.json").read_text() == '"http://localhost:4711"'
