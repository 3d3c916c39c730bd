"""The e-mail addresses that an organisation accepts for its people (docs/admin/mail-domains.md)."""

from __future__ import annotations

from sandes.model.organisation import Organisation
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import fault


def check_address(email: str | None, organisation: Organisation, pointer: str) -> None:
    """Check that an address is at a domain of the organisation. The field at `pointer` holds the address.

    Raises ProtocolError mail_domain_not_allowed, with the allowed `mail_domains`.
    """
    if email is None or organisation.accepts(email):
        return
    allowed = list(organisation.mail_domains)
    message = f"The organisation accepts addresses at these domains only: {', '.join(allowed)}."
    details = {"errors": [fault(pointer, "other_domain", message)], "mail_domains": allowed}
    raise ProtocolError(ErrorCode.MAIL_DOMAIN_NOT_ALLOWED, details=details)
