"""Tests the metrics of functions: CloudWatch's embedded format, and no line without content."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sandes.counting.adding_up import Added
from sandes.edge import telemetry
from sandes.edge.http import problem, resolver
from sandes.edge.queues.streams import BatchFailed, each_batch
from sandes.edge.telemetry import MOST_VALUES, measure, measure_refusal
from sandes.edge.websocket import frame_handler
from sandes.model.statistics import Occurrence
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import StoreUnavailable

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lines:
    """Return the lines of metrics since the last call."""
    monkeypatch.setenv("STAGE", "test")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "send")
    telemetry._metrics.cache_clear()

    def read() -> list[dict[str, Any]]:
        texts = capsys.readouterr().out.splitlines()
        return [line for text in texts if "_aws" in (line := json.loads(text))]

    return read


def names(line: dict[str, Any]) -> dict[str, str]:
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    return {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}


def test_a_line_names_service_and_stage_and_no_other_dimension(lines: Lines) -> None:
    measure({"Failed": 2})
    (line,) = lines()
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Sandes"
    assert [sorted(one) for one in directive["Dimensions"]] == [["service", "stage"]]
    assert (line["service"], line["stage"], line["Failed"]) == ("send", "test", [2.0])
    assert names(line) == {"Failed": "Count"}


def test_nothing_to_say_costs_no_line(lines: Lines) -> None:
    measure({}, milliseconds={"Delivery": []})
    assert lines() == []


def test_of_many_times_as_many_are_taken_as_one_line_holds_over_their_whole_range(lines: Lines) -> None:
    measure({}, milliseconds={"Delivery": list(range(250))})
    (line,) = lines()
    assert names(line) == {"Delivery": "Milliseconds"}
    assert 80 <= len(line["Delivery"]) <= MOST_VALUES
    assert line["Delivery"][-1] > 240


def test_two_calls_of_one_environment_are_two_lines_with_their_own_numbers(lines: Lines) -> None:
    measure({"Failed": 1})
    measure({"Refused": 1})
    assert [sorted(names(line)) for line in lines()] == [["Failed"], ["Refused"]]


@pytest.mark.parametrize("code", list(ErrorCode))
def test_a_refusal_is_told_as_our_fault_or_the_callers(lines: Lines, code: ErrorCode) -> None:
    measure_refusal(code)
    (line,) = lines()
    ours = code in {ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE}
    assert names(line) == {"Failed" if ours else "Refused": "Count"}


def frame_event() -> dict[str, Any]:
    context = {"device": "aaaaaaaaaaaaa.1", "registration": "1", "inbox": "A" * 22, "connected": "1", "socket": "1"}
    return {"requestContext": {"connectionId": "c", "authorizer": context}, "body": '{"type":"ping"}'}


@pytest.mark.parametrize(
    ("error", "metric"),
    [(StoreUnavailable(), "Failed"), (KeyError("x"), "Failed"), (ProtocolError(ErrorCode.REVOKED), "Refused")],
)
def test_a_frame_that_is_refused_is_measured(lines: Lines, error: Exception, metric: str) -> None:
    def use_case(*_: Any) -> Any:
        raise error

    answer = frame_handler(use_case)(frame_event(), SimpleNamespace(aws_request_id="r"))  # type: ignore[arg-type]
    assert '"error"' in answer["body"]
    assert [sorted(names(line)) for line in lines()] == [[metric]]


def test_a_call_that_is_refused_is_measured(lines: Lines) -> None:
    app = resolver()
    app.lambda_context = SimpleNamespace(aws_request_id="r")  # type: ignore[assignment]
    problem(app, ProtocolError(ErrorCode.NOT_FOUND))
    assert [sorted(names(line)) for line in lines()] == [["Refused"]]


# Batches of changes


def batch(count: int = 1) -> dict[str, Any]:
    arn = "arn:aws:dynamodb:us-east-1:000000000000:table/Sandes-TablesCodes1234/stream/2026-11-25T00:00:00.000"
    return {"Records": [{"eventSourceARN": arn, "dynamodb": {}}] * count}


def test_what_a_batch_held_is_measured(lines: Lines) -> None:
    occurrences = [
        *(Occurrence("notice_accepted", 0),) * 3,
        Occurrence("alert_accepted", 0),
        Occurrence("notice_delivered", 0, took_ms=420),
        Occurrence("notice_failed", 0),
        Occurrence("otps", 0),
        Occurrence("otps_used", 0),
        Occurrence("direct_messages", 0, times=40),
    ]
    told = []

    def add_up(table: str, records: Any) -> Added:
        told.append((table, len(records)))
        return Added(4, 1, repeated=False, occurrences=occurrences)

    each_batch(batch(4), add_up)
    assert told == [("Sandes-TablesCodes1234", 4)]
    (line,) = lines()
    numbers = {name: line[name] for name in names(line)}
    assert numbers == {
        "Messages": [4.0],
        "MessagesFailed": [1.0],
        "Otps": [1.0],
        "OtpsUsed": [1.0],
        "SkippedChanges": [1.0],
        "Delivery": [420.0],
    }


def test_a_batch_that_was_added_up_before_is_not_measured_again(lines: Lines) -> None:
    each_batch(batch(), lambda *_: Added(1, 0, repeated=True, occurrences=[]))
    assert lines() == []


def test_a_batch_that_fails_comes_again_and_nothing_of_its_rows_is_said(caplog: pytest.LogCaptureFixture) -> None:
    def add_up(*_: Any) -> Added:
        raise KeyError("canary-of-a-row")

    with pytest.raises(BatchFailed) as caught:
        each_batch(batch(), add_up)
    assert caught.value.__suppress_context__
    assert str(caught.value) == ""
    (record,) = caplog.records
    assert "canary" not in str(record.__dict__)
    assert (record.levelname, record.__dict__["error"]) == ("WARNING", "KeyError")
