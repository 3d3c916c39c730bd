"""Reads forms as object storage does."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from email.message import Message
from email.parser import BytesParser
from typing import Any, cast


def form_of(content_type: str, body: bytes) -> dict[str, bytes]:
    """Return the fields of multipart/form-data, in their order."""
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts = cast(list[Message], message.get_payload())
    return {
        str(part.get_param("name", header="content-disposition")): cast(bytes, part.get_payload(decode=True))
        for part in parts
    }


def policy_of(fields: Mapping[str, str]) -> list[Any]:
    """Return the conditions with which a form was signed."""
    return list(json.loads(base64.b64decode(fields["policy"]))["conditions"])
