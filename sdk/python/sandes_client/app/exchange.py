"""Defines a call of the app API as steps without input or output: sign, send, judge the answer, wait,
retry.

The async and the sync client carry out the same steps, so neither repeats this code.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx

from sandes_client.api import ApiError, Unreachable
from sandes_client.app.answers import read_answer
from sandes_client.app.credentials import AppCredentials
from sandes_client.clock import Chance
from sandes_client.tokens import SignedRequest, sign_app_token
from sandes_client.unreachable import why_unreachable
from sandes_client.uploads import encode_form

T = TypeVar("T")

TRIES = 5
MAX_WAIT_SECONDS = 30
"""Longest wait before a retry, in seconds. A longer `Retry-After` becomes an error."""

_PASSING_STATUSES = (502, 503, 504)
_PASSING_CODES = ("quota_exceeded", "rate_limited", "unavailable", "sms_unavailable")
"""Codes after which a retry can help. Limits of a single recipient are not among them, because the app must
know them.
"""


class AppApiError(ApiError):
    """Reports a refusal by the app API (RFC 9457). Switch on `code`.

    `status` is the HTTP status. Quote `request_id` to the operator. `errors` are the fields at fault (`pointer`,
    `code`, sometimes `message`). `retry_after` is seconds.
    """


_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,64}")


def check_idempotency_key(key: str) -> str:
    """Return the key. Raise ValueError unless it has 1 to 64 printable ASCII characters, none of them a blank."""
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise ValueError("an idempotency key has 1 to 64 printable ASCII characters, and no blanks")
    return key


@dataclass(frozen=True, slots=True, repr=False)
class Send:
    """Asks the client to send a request. The answer is the response, or the failure to get one."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


Outcome = httpx.Response | httpx.TransportError | None
Steps = Generator[Send | Pause, Outcome, T]


@dataclass(slots=True)
class Caller:
    """Holds who calls, and the clock as the service has corrected it. `tries` is the limit of every call."""

    credentials: AppCredentials
    clock_ms: Callable[[], int]
    chance: Chance = field(default_factory=Chance)
    tries: int = TRIES
    _offset_ms: int = 0

    def now_ms(self) -> int:
        return self.clock_ms() + self._offset_ms

    def get(self, kind: type[T], *path: str, **query: str | int | None) -> Steps[T]:
        return read_answer(kind, _json((yield from self.call("GET", path, query=query))))

    def post(self, kind: type[T], *path: str, body: Any = None, key: str | None = None) -> Steps[T]:
        """Post. `key` is the Idempotency-Key, created here by default. All tries of this call have the same one."""
        return read_answer(kind, _json((yield from self.call("POST", path, body=body, key=key))))

    def patch(self, kind: type[T], *path: str, body: Any, if_match: str | None = None) -> Steps[T]:
        return read_answer(kind, _json((yield from self.call("PATCH", path, body=body, if_match=if_match))))

    def put(self, kind: type[T], *path: str, body: Any, if_match: str | None = None) -> Steps[T]:
        return read_answer(kind, _json((yield from self.call("PUT", path, body=body, if_match=if_match))))

    def delete(self, *path: str) -> Steps[None]:
        """Delete.

        A missing object on a retry counts as deleted, because the try with the lost answer may have deleted it.
        """
        yield from self.call("DELETE", path, gone_is_done=True)

    def call(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: Any = None,
        key: str | None = None,
        if_match: str | None = None,
        gone_is_done: bool = False,
    ) -> Steps[httpx.Response]:
        """Call until there is an answer that a retry would not change.

        Raise AppApiError or Unreachable, or ValueError for an impossible key before anything is sent.
        """
        if key is not None:
            check_idempotency_key(key)
        target = "/v1/" + "/".join(quote(part, safe="") for part in path)
        if given := {name: value for name, value in (query or {}).items() if value is not None}:
            target += "?" + urlencode(given, quote_via=quote, safe="")
        content = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        idempotency_key = (key if key is not None else secrets.token_urlsafe(16)) if method == "POST" else None
        request = SignedRequest(method, target, content, idempotency_key, if_match)
        corrected = lost = False
        attempt = 1
        while True:
            outcome = yield self._signed(request)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return outcome
            if not corrected and self._corrects_clock(outcome):
                corrected = True
                continue
            if gone_is_done and lost and isinstance(outcome, httpx.Response) and outcome.status_code == 404:
                return outcome
            lost = lost or not isinstance(outcome, httpx.Response) or outcome.status_code >= 500
            wait = self._wait(outcome, attempt)
            if wait is None or attempt >= self.tries:
                raise failure(outcome)
            yield Pause(wait)
            attempt += 1

    def post_file(self, url: str, fields: Mapping[str, str], content: bytes) -> Steps[None]:
        """Upload a file by its form. Raise AppApiError `upload_refused`, or Unreachable."""
        headers, body = encode_form(fields, content)
        for attempt in range(1, self.tries + 1):
            outcome = yield Send("POST", url, headers, body)
            if isinstance(outcome, httpx.Response):
                if outcome.is_success:
                    return
                if outcome.status_code < 500:
                    raise AppApiError("upload_refused", outcome.status_code, {"title": "The upload was refused."})
            if attempt < self.tries:
                yield Pause(self.chance.full_jitter(attempt - 1))
        raise failure(outcome)

    def _signed(self, request: SignedRequest) -> Send:
        token = sign_app_token(
            self.credentials.private_key,
            self.credentials.key_name,
            request,
            audience=self.credentials.audience,
            now_seconds=self.now_ms() // 1000,
        )
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "sandes-client"}
        if request.body:
            headers["Content-Type"] = "application/json"
        if request.idempotency_key is not None:
            headers["Idempotency-Key"] = request.idempotency_key
        if request.if_match is not None:
            headers["If-Match"] = request.if_match
        url = self.credentials.http_url.rstrip("/") + request.target
        return Send(request.method, url, headers, request.body)

    def _corrects_clock(self, outcome: Outcome) -> bool:
        """Correct the clock if the token was refused for its time and the service gave its time.

        Return whether it did.
        """
        if not isinstance(outcome, httpx.Response) or outcome.status_code != 401:
            return False
        problem = _problem(outcome)
        server_time = problem.get("server_time")
        if problem.get("code") != "token_expired" or type(server_time) is not int:
            return False
        self._offset_ms = server_time - self.clock_ms()
        return True

    def _wait(self, outcome: Outcome, attempt: int) -> float | None:
        """Return the seconds to wait before another try, or None if a retry cannot help."""
        jitter = self.chance.full_jitter(attempt - 1)
        if not isinstance(outcome, httpx.Response):
            return jitter
        code = _problem(outcome).get("code")
        passing = (
            code in _PASSING_CODES
            or outcome.status_code in _PASSING_STATUSES
            or (code is None and (outcome.status_code == 429 or outcome.status_code >= 500))  # the gateway's answer
        )
        if not passing:
            return None
        retry_after = _retry_after(outcome)
        if retry_after is None:
            return jitter
        return retry_after + self.chance.fraction() if retry_after <= MAX_WAIT_SECONDS else None


def failure(outcome: Outcome) -> AppApiError | Unreachable:
    if not isinstance(outcome, httpx.Response):
        return Unreachable(why_unreachable(outcome))
    problem = _problem(outcome)
    problem.setdefault("retry_after", _retry_after(outcome))
    if isinstance(problem.get("code"), str):
        return AppApiError(problem["code"], outcome.status_code, problem)
    if outcome.status_code == 429:
        return AppApiError("rate_limited", 429, problem)
    return Unreachable(f"HTTP {outcome.status_code} without a reason")


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise Unreachable("the answer is not JSON") from None


def _retry_after(response: httpx.Response) -> int | None:
    """Return the header in seconds. This service does not use its other form, a date."""
    text = response.headers.get("Retry-After", "")
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
