"""Tests the arithmetic of the figures about groups."""

from __future__ import annotations

import pytest

from tools.bench.fanout_rows import slope


def test_the_slope_is_that_of_the_line_through_the_points_and_the_least_squares_where_there_is_none() -> None:
    assert slope({100: 5.0 + 100 * 0.13, 1_000: 5.0 + 1_000 * 0.13, 10_000: 5.0 + 10_000 * 0.13}) == pytest.approx(0.13)
    assert slope({0: 0.0, 1: 2.0, 2: 1.0}) == pytest.approx(0.5)
