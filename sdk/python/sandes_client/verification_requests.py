"""Asking an organisation to be verified, as an application does it: `DeviceClient.people`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

State = Literal["open", "verified", "rejected", "lapsed"]


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """Times are epoch seconds. `reason`: of a rejection. `lapsed`: not decided in time, or its device is gone.

    `source` `import`: the organisation has named one's number by itself.
    """

    id: str
    organisation: str
    unit: str
    name: str
    post: str
    email: str | None
    source: Literal["device", "import"]
    state: State
    requested_at: int
    lapses_at: int
    decided_at: int | None = None
    reason: str | None = None


def read_request(answer: dict[str, Any]) -> VerificationRequest:
    """Raises ValueError, KeyError or TypeError for what no service of this version answers."""
    state, source = answer["state"], answer["source"]
    if state not in get_args(State) or source not in {"device", "import"}:
        raise ValueError("an unknown kind of request")
    decided_at, email, reason = answer.get("decided_at"), answer.get("email"), answer.get("reason")
    return VerificationRequest(
        id=str(answer["id"]),
        organisation=str(answer["organisation"]),
        unit=str(answer["unit"]),
        name=str(answer["name"]),
        post=str(answer["post"]),
        email=None if email is None else str(email),
        source=cast('Literal["device", "import"]', source),
        state=cast("State", state),
        requested_at=int(answer["requested_at"]),
        lapses_at=int(answer["lapses_at"]),
        decided_at=None if decided_at is None else int(decided_at),
        reason=None if reason is None else str(reason),
    )
