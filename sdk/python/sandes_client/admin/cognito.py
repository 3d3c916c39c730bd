"""Makes the unsigned HTTPS calls to Cognito that administrators need. They need no AWS credentials."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandes_client.api import Unreachable
from sandes_client.endpoints import check_address
from sandes_client.unreachable import why_unreachable

TIMEOUT_SECONDS = 30.0
_TARGET = "AWSCognitoIdentityProviderService"
_JSON = "application/x-amz-json-1.1"


class SignInRefused(Exception):
    """Reports a refusal.

    `code` is Cognito's name without `Exception`, for example `NotAuthorized` or `CodeMismatch`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Cognito:
    """Calls Cognito.

    `url` is that of the region's service, `client` the id of the pool's client. `transport` is for tests.
    """

    url: str
    client: str
    transport: httpx.BaseTransport | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_address("cognito_url", self.url, ("https", "http"))

    def call(self, action: str, **body: Any) -> dict[str, Any]:
        """Make a call. Raise SignInRefused or Unreachable."""
        headers = {"X-Amz-Target": f"{_TARGET}.{action}", "Content-Type": _JSON, "User-Agent": "sandes-client"}
        try:
            with httpx.Client(timeout=TIMEOUT_SECONDS, transport=self.transport) as http:
                answer = http.post(self.url.rstrip("/") + "/", headers=headers, content=json.dumps(body))
            said = answer.json() if answer.content else {}
        except httpx.TransportError as error:
            raise Unreachable(why_unreachable(error)) from None
        except ValueError:
            raise Unreachable("the answer is not JSON") from None
        if answer.is_success and isinstance(said, dict):
            return said
        kind = said.get("__type") if isinstance(said, dict) else None
        if answer.status_code >= 500 or not isinstance(kind, str):
            raise Unreachable(f"HTTP {answer.status_code} from Cognito")
        code = kind.rpartition("#")[2].removesuffix("Exception")
        raise SignInRefused(code, str(said.get("message") or said.get("Message") or ""))
