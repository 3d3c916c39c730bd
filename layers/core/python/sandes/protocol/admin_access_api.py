"""Bodies of the admin API about an administrator's own access: a lost second factor (docs/admin/access.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sandes.protocol.admin_roles_api import MAX_REASON_CHARS
from sandes.protocol.app_api import Time
from sandes.protocol.fields import AdministratorField, Answer, OneLine, OrganisationField, UnitField, Wire


class AskForAccessReset(Wire):
    """Says why the person cannot sign in, and how the officer has checked their identity. It is stored and recorded."""

    reason: Annotated[str, OneLine, Field(min_length=1, max_length=MAX_REASON_CHARS)]


class AdminAccessReset(Answer):
    """Describes a reset that two officers have approved. `effective_at` is set once the person has got an e-mail.

    Until `effective_at`, the person can object. Both officers, and everybody else who may reset access, can cancel it.
    """

    administrator: AdministratorField
    organisation: OrganisationField
    unit: UnitField
    state: Literal["announcing", "waiting", "acting", "inviting"]
    requested_by: AdministratorField
    approved_by: AdministratorField
    approved_at: Time
    effective_at: Time | None = None
    confirmed_by: AdministratorField | None = None
