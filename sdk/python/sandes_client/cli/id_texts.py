"""Checks ids on command lines. A text that cannot be an id is refused with the command that shows the ids."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import typer

_EIGHT = "[a-z2-7]{12}[acegikmoqsuwy246]"
_ONE_TIME = "[A-Za-z0-9_-]{22}"
_WITH_ORGANISATION = "[A-Za-z0-9_-]{32}"
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def _ids(kind: str, form: str, *, shown_by: str) -> Callable[[Any], Any]:
    """Return the callback of an argument or option, which may be repeated."""
    pattern = re.compile(form)
    article = "an" if kind[0] in "aeio" else "a"

    def check(value: Any) -> Any:
        """Return an id as it is. Raise BadParameter for a text that is not an id of this kind."""
        for text in value if isinstance(value, list) else [value]:
            if text is not None and not pattern.fullmatch(text):
                raise typer.BadParameter(f"this is not {article} {kind} id: {shown_by}")
        return value

    return check


def _listed(kind: str, form: str, command: str) -> Callable[[Any], Any]:
    return _ids(kind, form, shown_by=f"`{command}` shows them")


ACCOUNT = _listed("account", _EIGHT, "sandes-admin person list")
ADMINISTRATOR = _listed("administrator", _UUID, "sandes-admin assignment list")
APP = _listed("app", _EIGHT, "sandes-admin app list")
APPROVAL = _listed("approval", _WITH_ORGANISATION, "sandes-admin approval list")
ASSIGNMENT = _listed("assignment", "[A-Za-z0-9_-]{43,80}", "sandes-admin assignment list")
COMPLAINT = _listed("complaint", _WITH_ORGANISATION, "sandes-admin complaint list")
IMPORT = _listed("import", _WITH_ORGANISATION, "sandes-admin import list")
KEY = _listed("key", rf"({_EIGHT}\.)?[a-z2-7]{{8}}", "sandes-admin app show")
OFFICIAL_GROUP = _listed("group", _EIGHT, "sandes-admin group list")
ORGANISATION = _listed("organisation", _EIGHT, "sandes-admin organisation list")
REQUEST = _listed("request", _WITH_ORGANISATION, "sandes-admin request list")
UNIT = _listed("unit", _EIGHT, "sandes-admin unit list")
WEBHOOK_OF_APP = _listed("webhook", _ONE_TIME, "sandes-admin app webhook list")

APP_GROUP = _listed("group", _EIGHT, "sandes app group list")
APP_MESSAGE = _listed("message", _UUID, "sandes app message list")
BATCH = _ids("batch", _ONE_TIME, shown_by="`sandes app batch send` printed it")
EVENT = _listed("event", _UUID, "sandes app webhook deliveries")
OTP = _ids("one-time password", _ONE_TIME, shown_by="`sandes app otp send` printed it")
WEBHOOK = _listed("webhook", _ONE_TIME, "sandes app webhook list")

APP_OF_MESSAGES = _listed("app", _EIGHT, "sandes inbox")
GROUP = _listed("group", _EIGHT, "sandes group list")
GROUP_MESSAGE = _ids("message", _UUID, shown_by="`sandes group send` printed it")
OWN_REQUEST = _listed("request", _WITH_ORGANISATION, "sandes verification list")
TOLD_ORGANISATION = _ids("organisation", _EIGHT, shown_by="13 characters; ask the organisation for it")
TOLD_UNIT = _ids("unit", _EIGHT, shown_by="13 characters; ask the organisation for it")
