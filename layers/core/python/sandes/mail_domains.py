"""Which e-mail addresses an organisation accepts for its people (docs/admin/README.md, "Mail domains")."""

from __future__ import annotations

from sandes.model.organisation import Organisation
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import fault


def check_address(email: str | None, organisation: Organisation, pointer: str) -> None:
    """Refuse an address at another domain than the organisation's, given in the field at `pointer`.

    Raises ProtocolError mail_domain_not_allowed, with the `mail_domains` that are allowed.
    """
    if email is None or organisation.accepts(email):
        return
    allowed = list(organisation.mail_domains)
    message = f"The organisation accepts addresses at these domains only: {', '.join(allowed)}."
    details = {"errors": [fault(pointer, "other_domain", message)], "mail_domains": allowed}
    raise ProtocolError(ErrorCode.MAIL_DOMAIN_NOT_ALLOWED, details=details)
