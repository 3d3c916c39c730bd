"""Who may do what to whom: one pure function, asked by every use case (docs/adr/0008).

For now all people are of one class and only blocks decide; classes of people come with verified officials.
"""

from __future__ import annotations

from typing import Literal

from sandes.model.device import AccountClass

Action = Literal["message"]


def decide(
    viewer: AccountClass,  # noqa: ARG001  # asked by every caller already, weighed once classes exist
    subject: AccountClass,  # noqa: ARG001
    action: Action,  # noqa: ARG001
    *,
    blocked: bool,
) -> bool:
    """True if the viewer may. To one who may not, the subject looks like somebody who does not exist."""
    return not blocked
