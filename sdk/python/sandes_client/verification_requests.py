"""Defines requests to be verified, which applications make with `DeviceClient.people`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

State = Literal["open", "verified", "rejected", "lapsed"]


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """Holds a request.

    Times are epoch seconds. `reason` is why it was rejected. `lapsed`: not decided in time, or its device is gone.

    `source` is `import` if the organisation named the number by itself.
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
    """Read a request. Raise ValueError, KeyError or TypeError for an answer that no service of this version gives."""
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
