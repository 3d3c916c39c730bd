"""Ids, numbers and flags in the paths and queries of all three APIs, each in its one form.

A text that is not an id gets the same answer as an id that nobody has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from sandes.model.administrator import AssignmentKey
from sandes.model.ids import (
    parse_account,
    parse_administrator,
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

_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
_FLAGS = {"true": True, "false": False}


def _one_number(value: Any) -> Any:
    """Check for a whole number. Raises PydanticCustomError otherwise.

    Pydantic would also accept `1.0`, `01`, `+1`, ` 1` and `1_0`, each another way to write the same address.
    """
    if isinstance(value, str) and not _WHOLE_NUMBER.fullmatch(value):
        raise PydanticCustomError("int_parsing", "not a whole number in decimal digits")
    return value


def _one_flag(value: Any) -> Any:
    """Check for `true` or `false`. Raises PydanticCustomError otherwise.

    Pydantic would also accept `1`, `yes`, `on`, `T` and others.
    """
    if isinstance(value, str) and value not in _FLAGS:
        raise PydanticCustomError("bool_parsing", "neither true nor false")
    return value


ONE_NUMBER = BeforeValidator(_one_number)
"""Validates an `int` of a path or query: decimal digits without plus, point, blank or leading zero.

Put it after the bounds, so that the specification shows them.
"""

ONE_FLAG = BeforeValidator(_one_flag)
"""Validates a `bool` of a query: `true` or `false`."""


def _in_path(parse: Callable[[str], Id]) -> Callable[[str], Id]:
    def read(text: str) -> Id:
        """Parse an id. Raises ProtocolError not_found."""
        try:
            return parse(text)
        except ValueError:
            raise ProtocolError(ErrorCode.NOT_FOUND) from None

    return read


account_in_path = _in_path(parse_account)
administrator_in_path = _in_path(parse_administrator)
app_in_path = _in_path(parse_app)
approval_in_path = _in_path(parse_approval)
assignment_in_path = _in_path(AssignmentKey.parse)
complaint_in_path = _in_path(parse_complaint)
group_in_path = _in_path(parse_group)
import_in_path = _in_path(parse_import)
message_in_path = _in_path(parse_message)
organisation_in_path = _in_path(parse_organisation)
request_in_path = _in_path(parse_request)
