"""Tests the figures of long lists in the benchmarks: each list is read to its end, and grows with its rows."""

from __future__ import annotations

from tools.bench.lists import list_rows


def test_lists_are_read_to_their_end_and_twice_as_many_rows_take_twice_as_many_calls() -> None:
    few, many = list_rows(150), list_rows(300)
    assert [row.note.partition(" for ")[2].partition(" ")[0] for row in many[::2]] == [
        "301", "300", "301", "300", "300", "300"
    ]  # fmt: skip
    for row, larger in zip(few[::2], many[::2], strict=True):
        taken, more = (int(one.note.partition(" ")[0].replace(",", "")) for one in (row, larger))
        assert taken < more <= 2.2 * taken, larger.what
