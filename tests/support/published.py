"""Checks everything that the service sends against docs/protocol: every answer of every API, every frame of the
websocket.

`checking` is in force for the whole run (tests/conftest.py). A route, status, media type or frame that the
specifications do not know is a failure, like a body that does not fit its schema.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

FOLDER = Path(__file__).parents[2] / "docs" / "protocol"
FUNCTIONS = ("client", "otp", "apps", "app_groups", "admin", "admin_people", "admin_apps")
BY_API_GATEWAY = {401, 403, 404, 413, 429, 503}
"""The statuses that API Gateway and its authorizer of administrators answer themselves, as `{"message": ...}`."""

Json = dict[str, Any]


class Unpublished(AssertionError):
    """Reports that the service sent something that docs/protocol does not describe."""


@dataclass(frozen=True)
class Specification:
    """Holds one of the files, with a validator for each schema, made once."""

    document: Json

    @cached_property
    def routes(self) -> list[tuple[re.Pattern[str], Json]]:
        """Return the routes, first those without parameters: `/v1/devices/links` is no device number."""
        paths = sorted(self.document["paths"].items(), key=lambda item: item[0].count("{"))
        return [(re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)), item) for path, item in paths]

    def operations(self, path: str, method: str) -> list[Json]:
        found = [item[method] for pattern, item in self.routes if pattern.fullmatch(path) and method in item]
        return found[:1]

    def resolved(self, node: Json) -> Json:
        while "$ref" in node:
            found: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node

    def check(self, schema: Json, value: Any, where: str) -> None:
        error = next(iter(self._validator(json.dumps(schema, sort_keys=True)).iter_errors(value)), None)
        if error is not None:
            at = "/".join(map(str, error.absolute_path))
            raise Unpublished(f"{where}: /{at}: {error.message[:300]}")

    @cached_property
    def _validators(self) -> dict[str, Draft202012Validator]:
        return {}

    def _validator(self, schema: str) -> Draft202012Validator:
        if schema not in self._validators:
            whole = json.loads(schema) | {"components": self.document["components"]}
            self._validators[schema] = Draft202012Validator(whole)
        return self._validators[schema]


@cache
def specification(name: str) -> Specification:
    return Specification(json.loads((FOLDER / name).read_text(encoding="utf-8")))


def check_answer(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Check an answer. Raises Unpublished if the specification of its API does not describe it."""
    where = f"{method} {path} {status}"
    names = ["admin-openapi.json"] if path.startswith("/admin/") else ["client-openapi.json", "app-openapi.json"]
    specifications = [specification(name) for name in names]
    media = headers.get("content-type", "").partition(";")[0].strip()
    if _by_api_gateway(status, media, body):
        return
    for known in specifications:
        for operation in known.operations(path, method.lower()):
            _check_body(known, _content(known, operation, where, status), where, media, body)
            return
    if status != 404:
        raise Unpublished(f"{where}: the route is in no specification")
    specifications[0].check({"$ref": "#/components/schemas/Problem"}, _json(where, body), where)


def _content(known: Specification, operation: Json, where: str, status: int) -> Json:
    """Return the content that an answer with this status may have, by media type."""
    responses = operation["responses"]
    refused = responses.get("default") if status >= 400 else None
    response = responses.get(str(status), refused)
    if response is None:
        raise Unpublished(f"{where}: the status is not in the specification: {sorted(responses)}")
    return dict(known.resolved(response).get("content", {}))


def _check_body(known: Specification, content: Json, where: str, media: str, body: bytes) -> None:
    if not content:
        if body:
            raise Unpublished(f"{where}: there is a body where the specification has none")
        return
    if media not in content:
        raise Unpublished(f"{where}: {media or 'no media type'} is none of {sorted(content)}")
    if media == "application/json" or media.endswith("+json"):  # lines of JSON are text to a schema
        known.check(content[media]["schema"], _json(where, body), where)


def _json(where: str, body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise Unpublished(f"{where}: this is not JSON: {body[:100]!r}") from None


def _by_api_gateway(status: int, media: str, body: bytes) -> bool:
    if status not in BY_API_GATEWAY or media == "application/problem+json":
        return False
    try:
        said = json.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and said.keys() == {"message"}


def check_frame(text: str | bytes) -> None:
    """Check a frame of the server. Raises Unpublished if asyncapi.json does not describe it."""
    known = specification("asyncapi.json")
    frame = _json("frame", text.encode() if isinstance(text, str) else text)
    kind = frame.get("type") if isinstance(frame, dict) else None
    for name, message in known.document["components"]["messages"].items():
        if message["name"] == kind and name in sent_by_server():
            known.check(message["payload"], frame, f"frame {kind}")
            return
    raise Unpublished(f"frame {kind!r}: the server sends no such frame")


@cache
def sent_by_server() -> frozenset[str]:
    document = specification("asyncapi.json").document
    references = [
        reference["$ref"].rpartition("/")[2]
        for operation in document["operations"].values()
        for reference in (
            *(operation["messages"] if operation["action"] == "send" else ()),
            *operation.get("reply", {}).get("messages", ()),
        )
    ]
    return frozenset(references)


engine_urls: set[str] = set()
"""The URLs of the deployed service while it runs."""


def _of_engine(url: str) -> str | None:
    """Return the path behind the URL of the deployed service, or None for another URL."""
    for base in engine_urls:
        if url.startswith(base):
            return "/" + url.removeprefix(base).lstrip("/")
    return None


@contextmanager
def checking() -> Iterator[None]:
    """Check the answers of handlers in this process, and those that any client gets from a deployed service."""
    with pytest.MonkeyPatch.context() as patch:
        _check_handlers(patch)
        _check_http(patch)
        _check_sockets(patch)
        yield


def _is_deployed(app: APIGatewayHttpResolver) -> bool:
    """Tell whether the resolver is a deployed one. Tests have resolvers of their own, which nothing publishes."""
    modules = (sys.modules.get(f"functions.{name}.handler") for name in FUNCTIONS)
    return any(module is not None and module.app is app for module in modules)


def _check_handlers(patch: pytest.MonkeyPatch) -> None:
    original = APIGatewayHttpResolver.resolve

    def resolve(self: APIGatewayHttpResolver, event: Any, context: Any) -> dict[str, Any]:
        answer = original(self, event, context)
        if _is_deployed(self):
            values = {name: ", ".join(several) for name, several in (answer.get("multiValueHeaders") or {}).items()}
            headers = {name.lower(): str(value) for name, value in {**values, **(answer.get("headers") or {})}.items()}
            method = event["requestContext"]["http"]["method"]
            check_answer(method, event["rawPath"], answer["statusCode"], headers, (answer.get("body") or "").encode())
        return answer

    patch.setattr(APIGatewayHttpResolver, "resolve", resolve)


def _check_http(patch: pytest.MonkeyPatch) -> None:
    sync_send, async_send = httpx.Client.send, httpx.AsyncClient.send

    def check(response: httpx.Response) -> httpx.Response:
        path = _of_engine(str(response.request.url.copy_with(query=None)))
        if path is not None and response.is_closed:
            check_answer(response.request.method, path, response.status_code, response.headers, response.content)
        return response

    def send(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        return check(sync_send(self, request, **options))

    async def send_async(self: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        return check(await async_send(self, request, **options))

    patch.setattr(httpx.Client, "send", send)
    patch.setattr(httpx.AsyncClient, "send", send_async)


def _check_sockets(patch: pytest.MonkeyPatch) -> None:
    original = websockets.ClientConnection.recv

    async def recv(self: websockets.ClientConnection, decode: bool | None = None) -> Any:
        text = await original(self, decode)
        if self.request is not None and f"://{self.request.headers.get('Host', '')}" in _hosts():
            check_frame(text)
        return text

    patch.setattr(websockets.ClientConnection, "recv", recv)


def _hosts() -> set[str]:
    return {f"://{httpx.URL(url).netloc.decode()}" for url in engine_urls if url.startswith("ws")}
