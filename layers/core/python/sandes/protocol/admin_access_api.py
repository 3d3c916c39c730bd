"""Bodies of the admin API about an administrator's own access: a lost second factor (docs/admin/access.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sandes.protocol.admin_roles_api import MAX_REASON_CHARS
from sandes.protocol.app_api import Time
from sandes.protocol.fields import AdministratorField, Answer, OneLine, OrganisationField, UnitField, Wire


class AskForAccessReset(Wire):
    """Why the person cannot sign in, and how the officer has made sure of who asks. It is kept and recorded."""

    reason: Annotated[str, OneLine, Field(min_length=1, max_length=MAX_REASON_CHARS)]


class AdminAccessReset(Answer):
    """A reset that two officers have agreed on. `effective_at` is set once the person was told by e-mail: until then
    the person can object, and both officers, and whoever else may reset, can take it back.
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
