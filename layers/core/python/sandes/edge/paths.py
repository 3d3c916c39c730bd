"""Ids in the paths of all three APIs: a text that is none of the kind is answered as one that nobody has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sandes.model.administrator import AssignmentKey
from sandes.model.ids import (
    parse_account,
    parse_app,
    parse_approval,
    parse_complaint,
    parse_group,
    parse_import,
    parse_message,
    parse_organisation,
    parse_request,
)
from sandes.protocol.errors import ErrorCode, ProtocolError

Id = TypeVar("Id")


def _in_path(parse: Callable[[str], Id]) -> Callable[[str], Id]:
    def read(text: str) -> Id:
        """Raises ProtocolError not_found."""
        try:
            return parse(text)
        except ValueError:
            raise ProtocolError(ErrorCode.NOT_FOUND) from None

    return read


account_in_path = _in_path(parse_account)
app_in_path = _in_path(parse_app)
approval_in_path = _in_path(parse_approval)
assignment_in_path = _in_path(AssignmentKey.parse)
complaint_in_path = _in_path(parse_complaint)
group_in_path = _in_path(parse_group)
import_in_path = _in_path(parse_import)
message_in_path = _in_path(parse_message)
organisation_in_path = _in_path(parse_organisation)
request_in_path = _in_path(parse_request)
