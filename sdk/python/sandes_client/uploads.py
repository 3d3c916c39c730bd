"""Builds forms that upload files: fields that the service signed, then the file."""

from __future__ import annotations

from collections.abc import Mapping

import httpx


def encode_form(fields: Mapping[str, str], content: bytes) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of the POST that uploads a file. The storage needs the file last."""
    request = httpx.Request("POST", "https://storage.invalid/", data=dict(fields), files={"file": ("file", content)})
    return {"Content-Type": request.headers["Content-Type"]}, request.read()
