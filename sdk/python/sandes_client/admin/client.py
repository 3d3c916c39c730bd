"""Calls the admin API, with one method per HTTP method. The client stays signed in, and retries where that can help."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from sandes_client.admin.cognito import Cognito, SignInRefused
from sandes_client.admin.sign_in import Tokens, refreshed
from sandes_client.api import ApiError, Unreachable
from sandes_client.clock import Chance
from sandes_client.endpoints import check_address
from sandes_client.unreachable import why_unreachable

TIMEOUT_SECONDS = 30.0
TRIES = 4
MAX_WAIT_SECONDS = 30
"""Longest wait before a retry, in seconds. A longer `Retry-After` becomes an error."""

Query = Mapping[str, str | int | None]


class AdminApiError(ApiError):
    """Reports a refusal by the admin API (RFC 9457). Switch on `code`; quote `request_id` to operators."""


class NotSignedIn(Exception):
    """Reports that the sign-in has ended or was revoked. Sign in again."""


class AdminClient:
    """Calls the admin API.

    `path` is the part after `/admin/v1/`. Parts that are given one by one are quoted.

    Each call raises AdminApiError, NotSignedIn or Unreachable. `on_refresh` gets new tokens that replace the old ones.
    """

    def __init__(
        self,
        http_url: str,
        cognito: Cognito,
        tokens: Tokens,
        *,
        on_refresh: Callable[[Tokens], None] | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        check_address("http_url", http_url, ("https", "http"))
        self.tokens = tokens
        self._cognito = cognito
        self._on_refresh = on_refresh
        self._clock = clock
        self._sleep = sleep
        self._chance = Chance()
        self._http = httpx.Client(
            base_url=http_url.rstrip("/") + "/admin/v1/",
            timeout=TIMEOUT_SECONDS,
            transport=transport,
            headers={"User-Agent": "sandes-client", "Accept": "application/json"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def get(self, *path: str, **query: str | int | None) -> Any:
        return _json(self.call("GET", *path, query=query))

    def post(self, *path: str, body: Any = None) -> Any:
        return _json(self.call("POST", *path, body=body))

    def put(self, *path: str, body: Any = None, if_match: str | None = None) -> Any:
        return _json(self.call("PUT", *path, body=body, if_match=if_match))

    def patch(self, *path: str, body: Any, if_match: str | None = None) -> Any:
        return _json(self.call("PATCH", *path, body=body, if_match=if_match))

    def delete(self, *path: str, if_match: str | None = None) -> Any:
        return _json(self.call("DELETE", *path, if_match=if_match))

    def me(self) -> dict[str, Any]:
        """Return who is signed in, and with which roles."""
        return dict(self.get("me"))

    def call(
        self, method: str, *path: str, query: Query | None = None, body: Any = None, if_match: str | None = None
    ) -> httpx.Response:
        """Make a call and return the whole response, for its headers (`ETag`). Raise an error for a refusal."""
        target = path[0] if len(path) == 1 else "/".join(quote(part, safe="") for part in path)
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        headers = {} if if_match is None else {"If-Match": if_match}
        if self.tokens.ended(self._clock()):
            self.refresh()
        renewed = False
        attempt = 1
        while True:
            answer: httpx.Response | None
            try:
                answer = self._http.request(
                    method,
                    target,
                    params=given,
                    json=body,
                    headers=headers | {"Authorization": f"Bearer {self.tokens.access}"},
                )
            except httpx.TransportError as error:
                if method != "GET" or attempt >= TRIES:  # without an answer, a change may have been made
                    raise Unreachable(why_unreachable(error)) from None
                answer = None
            if answer is not None and answer.is_success:
                return answer
            if answer is not None and answer.status_code == 401 and not renewed:
                self.refresh()
                renewed = True
                continue
            wait = self._wait(answer, attempt)
            if wait is None or attempt >= TRIES:
                raise _refusal(answer)
            self._sleep(wait)
            attempt += 1

    def refresh(self) -> None:
        """Replace the tokens. Raise NotSignedIn or Unreachable."""
        try:
            self.tokens = refreshed(self._cognito, self.tokens, clock=self._clock)
        except SignInRefused:
            raise NotSignedIn from None
        if self._on_refresh:
            self._on_refresh(self.tokens)

    def _wait(self, answer: httpx.Response | None, attempt: int) -> float | None:
        """Return the seconds to wait before another try, or None if a retry cannot help."""
        if answer is None:
            return self._chance.full_jitter(attempt - 1)
        if answer.status_code not in (429, 503):
            return None
        text = answer.headers.get("Retry-After", "")
        if not re.fullmatch(r"[0-9]{1,9}", text):
            return self._chance.full_jitter(attempt - 1)
        return int(text) + self._chance.fraction() if int(text) <= MAX_WAIT_SECONDS else None


def _refusal(answer: httpx.Response | None) -> Exception:
    if answer is None:
        return Unreachable("no answer")
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict) and isinstance(problem.get("code"), str):
        return AdminApiError(problem["code"], answer.status_code, problem)
    if answer.status_code == 401:  # the gateway refuses even new tokens
        return NotSignedIn()
    if answer.status_code == 429:
        return AdminApiError("rate_limited", 429, {})
    return Unreachable(f"HTTP {answer.status_code} without a reason")


def _json(answer: httpx.Response) -> Any:
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError:
        raise Unreachable("the answer is not JSON") from None
