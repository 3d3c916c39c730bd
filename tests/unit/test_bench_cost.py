"""Tests the cost of one-time passwords, which follows from counted calls and the price table."""

from __future__ import annotations

import pytest

from tools.bench.cost import AWS_CALL_MS, SMS_BATCH, per_million, used

COUNTED = {
    "trips": 2,
    "calls": {"send the code": {"BatchGetItem": 4}, "SMS not needed": {"BatchGetItem": 2}},
    "units": {"codes write": 10, "inbox write": 4, "codes read": 6},
}


def test_counts_are_those_of_one_round_trip() -> None:
    uses = used(COUNTED, {"send the code": 3.0, "SMS not needed": 1.0})
    assert (uses["dynamodb_write"], uses["dynamodb_read"]) == (7, 3)
    assert uses["lambda_request"] == 1 + 1 / SMS_BATCH
    assert uses["lambda_gb_second"] == pytest.approx((3 + 1 + 3 * AWS_CALL_MS) / 1000)


def test_a_million_costs_what_the_table_says() -> None:
    cost = per_million({"dynamodb_write": 8, "lambda_gb_second": 0.03, "log_gb": 1e-6})
    assert cost == pytest.approx({"dynamodb_write": 5.0, "lambda_gb_second": 0.400002, "log_gb": 0.5})


def test_everything_that_is_used_has_a_price() -> None:
    uses = used(COUNTED, {"send the code": 3.0, "SMS not needed": 1.0})
    assert per_million(uses).keys() == uses.keys()
