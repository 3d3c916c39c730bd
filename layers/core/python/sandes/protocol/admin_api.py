"""Bodies of the HTTPS admin API."""

from __future__ import annotations

from sandes.protocol.fields import AdministratorField, Wire


class AdminMe(Wire):
    """`signed_in_at`: epoch seconds of the sign-in."""

    administrator: AdministratorField
    signed_in_at: int
