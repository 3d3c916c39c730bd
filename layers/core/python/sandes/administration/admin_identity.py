"""Who calls the admin API: an administrator whose roles are read on each call, so that what is taken away is gone."""

from __future__ import annotations

from sandes.model.administrator import Caller
from sandes.model.ids import AdministratorId
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.administrators import AdministratorStore


def identify(id: AdministratorId, *, signed_in_at: int, now_seconds: int, administrators: AdministratorStore) -> Caller:
    """One query. `signed_in_at`: epoch seconds. Raises ProtocolError not_found for who was never given a role."""
    known = administrators.read(id)
    if known is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    administrator, assignments = known
    return Caller(administrator, tuple(one for one in assignments if one.in_force(now_seconds)), signed_in_at)
