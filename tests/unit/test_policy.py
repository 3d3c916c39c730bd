"""Policy: blocks decide, classes do not yet."""

from __future__ import annotations

import pytest

from sandes.model.device import AccountClass
from sandes.policy import decide


@pytest.mark.parametrize("viewer", ["public", "verified"])
@pytest.mark.parametrize("subject", ["public", "verified"])
def test_everybody_may_write_to_everybody_who_does_not_block_them(viewer: AccountClass, subject: AccountClass) -> None:
    assert decide(viewer, subject, "message", blocked=False)
    assert not decide(viewer, subject, "message", blocked=True)
