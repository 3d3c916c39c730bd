"""Builds the acts that a device must sign for calls of the client API, from the calls themselves."""

from __future__ import annotations

from typing import Any

from sandes.crypto import statements
from sandes.crypto.statements import Act
from sandes.model.ids import parse_account, parse_base64url, parse_group


def act_of(method: str, path: str, body: Any = None, *, registration: int = 0) -> Act | None:
    """Return the act of a call, or None if it needs no signature. `registration` is that of a device to unlink."""
    said = body if isinstance(body, dict) else {}
    match method, path.partition("?")[0].strip("/").split("/")[1:]:
        case "POST", ["devices", "links"]:
            return statements.open_link(parse_base64url(said["link"]))
        case "DELETE", ["devices", number]:
            return statements.remove_device(int(number), registration)
        case "PUT", ["me", "phone"]:
            return statements.change_phone(said["registration"], said["phone"])
        case "PUT", ["groups", group, "members", account]:
            return statements.put_member(parse_group(group), parse_account(account), said.get("role", "member"))
        case "DELETE", ["groups", group, "members", account]:
            return statements.remove_member(parse_group(group), parse_account(account))
        case "DELETE", ["groups", group]:
            return statements.dissolve_group(parse_group(group))
        case "PATCH", ["groups", group] if said.get("open") is not None:
            return statements.open_group(parse_group(group), said["open"])
    return None
