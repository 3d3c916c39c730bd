"""What options of `sandes-admin` mean."""

from __future__ import annotations

from datetime import UTC, datetime

from sandes_client.cli.administration.options import day


def test_a_day_ends_at_midnight_in_india() -> None:
    assert day(datetime(2027, 3, 31, tzinfo=UTC)) == "2027-03-31T18:30:00Z"
    assert day(None) is None
