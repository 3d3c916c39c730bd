"""Generate the protocol's specifications from the code that speaks it.

    python -m tools.specs            write docs/protocol/asyncapi.json and docs/protocol/client-openapi.json
    python -m tools.specs --check    exit 1 if a committed file is not what the code says

The websocket comes from the models of sandes.protocol.frames, the HTTPS client API from the routes of
functions/client. Objects that the server sends stay open to new fields, so a client must pass over what it does not
know; objects that it takes are closed.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "core" / "python")]

from functions.client.handler import app  # noqa: E402  # needs the path above
from sandes.protocol.client_api import Problem  # noqa: E402
from sandes.protocol.errors import ErrorCode  # noqa: E402
from sandes.protocol.frames import (  # noqa: E402
    MAX_FRAME_BYTES,
    Accepted,
    Ack,
    Acked,
    ClientFrame,
    Drained,
    Envelopes,
    Error,
    Hello,
    Ping,
    Pong,
    Revoked,
    Send,
    ServerFrame,
    Superseded,
    Sync,
    Welcome,
)

Json = dict[str, Any]

FOLDER = ROOT / "docs" / "protocol"
VERSION = "1.0.0"
SCHEMAS = "#/components/schemas/"

CLIENT_FRAMES: tuple[type[BaseModel], ...] = get_args(ClientFrame)
SERVER_FRAMES: tuple[type[BaseModel], ...] = get_args(ServerFrame)

REPLIES: dict[type[BaseModel], tuple[type[BaseModel], ...]] = {
    Hello: (Welcome, Envelopes, Drained, Error),
    Send: (Accepted, Error),
    Ack: (Acked, Error),
    Sync: (Envelopes, Drained, Error),
    Ping: (Pong, Error),
}
UNASKED: tuple[type[BaseModel], ...] = (Envelopes, Superseded, Revoked)

AUTHORIZATION = (
    "JWS in compact form, alg EdDSA and no other, signed with the device's Ed25519 identity key. Header kid and claim "
    "iss: device address; aud: the deployment's audience; iat and exp in epoch seconds, exp at most 300 s after iat."
)


def asyncapi() -> Json:
    """The websocket, from the server's side: `receive` is what a client sends."""
    operations: Json = {}
    for frame in CLIENT_FRAMES:
        operations[_type(frame)] = {
            "action": "receive",
            "channel": {"$ref": "#/channels/socket"},
            "summary": _description(frame),
            "messages": [_channel_message(frame)],
            "reply": {
                "channel": {"$ref": "#/channels/socket"},
                "messages": [_channel_message(reply) for reply in REPLIES[frame]],
            },
        }
    for frame in UNASKED:
        operations[f"{_type(frame)}Unasked"] = {
            "action": "send",
            "channel": {"$ref": "#/channels/socket"},
            "summary": _description(frame),
            "messages": [_channel_message(frame)],
        }
    frames = (*CLIENT_FRAMES, *SERVER_FRAMES)
    return {
        "asyncapi": "3.0.0",
        "id": "urn:sandes:websocket",
        "info": {
            "title": "Sandes websocket",
            "version": VERSION,
            "description": (
                "JSON text frames between a device and the server; the rules are in README.md beside this file. "
                f"A message has at most {MAX_FRAME_BYTES} bytes, in websocket frames of at most 32 KiB. "
                "A client frame may carry `ref`, which its answers repeat. Schemas are JSON Schema 2020-12."
            ),
        },
        "defaultContentType": "application/json",
        "servers": {
            "deployment": {
                "host": "{host}",
                "protocol": "wss",
                "pathname": "/{stage}",
                "description": "Output WebSocketUrl of the deployment",
                "variables": {
                    "host": {"default": "websocket.example", "description": "API Gateway's or a domain of one's own"},
                    "stage": {"default": "v1"},
                },
                "security": [{"$ref": "#/components/securitySchemes/device_token"}],
            }
        },
        "channels": {
            "socket": {
                "address": "/",
                "description": "One socket for each device; the newest that said `hello` is the live one",
                "messages": {_type(frame): {"$ref": f"#/components/messages/{_type(frame)}"} for frame in frames},
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "headers": {
                            "type": "object",
                            "properties": {"Authorization": {"type": "string", "pattern": "^Bearer "}},
                            "required": ["Authorization"],
                        },
                    }
                },
            }
        },
        "operations": operations,
        "components": {
            "messages": {
                _type(frame): {
                    "name": _type(frame),
                    "title": frame.__name__,
                    "summary": _description(frame),
                    "contentType": "application/json",
                    "payload": {"$ref": SCHEMAS + frame.__name__},
                }
                for frame in frames
            },
            "schemas": _frame_schemas(),
            "securitySchemes": {
                "device_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "EdDSA JWS",
                    "description": AUTHORIZATION,
                }
            },
        },
    }


def client_openapi() -> Json:
    """The HTTPS client API. Powertools describes routes, parameters, bodies; what it cannot say is put right here."""
    from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

    document: Json = json.loads(
        app.get_openapi_json_schema(
            title="Sandes client API",
            version=VERSION,
            description=(
                "Registration, devices, keys, look-up and blocks; the rules are in README.md beside this file. "
                "Every refusal is application/problem+json: switch on `code`."
            ),
            security_schemes={"device_token": HTTPBearer(bearerFormat="EdDSA JWS", description=AUTHORIZATION)},
        )
    )
    document["servers"] = [
        {
            "url": "https://{host}",
            "description": "Output HttpUrl of the deployment",
            "variables": {"host": {"default": "api.example", "description": "API Gateway's or a domain of one's own"}},
        }
    ]
    for path, method, operation in operations_of(document):
        operation["operationId"] = operation["operationId"].removesuffix(re.sub(r"\W", "_", f"{path}_{method}"))
        _set_responses(operation["responses"])
    components = document["components"]
    components["responses"] = {"Refused": _refused()}
    schemas = components["schemas"]
    schemas |= _schemas(Problem)
    schemas["ErrorCode"] = _error_codes()
    schemas["Problem"]["properties"]["code"] = {"$ref": SCHEMAS + "ErrorCode"}
    for unused in schemas.keys() - _reachable(schemas, [document["paths"], components["responses"]]):
        del schemas[unused]  # Powertools' own errors, which no caller sees
    taken = _reachable(schemas, [operation.get("requestBody", {}) for _, _, operation in operations_of(document)])
    _tidy(schemas, taken)
    return document


def operations_of(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and operation of everything that an OpenAPI document describes."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _set_responses(responses: Json) -> None:
    """Success as the route declares it, a 204 without a body; a bad body is our own 400 and not Powertools' 422."""
    responses.pop("422", None)
    if "204" in responses:
        responses["204"].pop("content", None)
    responses["default"] = {"$ref": "#/components/responses/Refused"}


def _refused() -> Json:
    return {
        "description": "Refused; switch on `code`. The status that each code travels under is listed with ErrorCode.",
        "headers": {
            "Retry-After": {
                "description": "seconds to wait, as `retry_after` says too",
                "schema": {"type": "integer", "minimum": 1},
            }
        },
        "content": {"application/problem+json": {"schema": {"$ref": SCHEMAS + "Problem"}}},
    }


def _error_codes() -> Json:
    return {
        "title": "ErrorCode",
        "type": "string",
        "description": "\n".join(
            ["The closed registry of error codes.", "", "| code | HTTP | text |", "|---|---|---|"]
            + [f"| `{code.value}` | {code.http_status} | {code.text} |" for code in ErrorCode]
        ),
        "enum": [code.value for code in ErrorCode],
        "x-error-codes": {code.value: {"http_status": code.http_status, "text": code.text} for code in ErrorCode},
    }


def _frame_schemas() -> Json:
    frames = (*CLIENT_FRAMES, *SERVER_FRAMES)
    schemas = _schemas(*frames)
    schemas["ErrorCode"] = _error_codes()
    for frame in frames:
        schema = schemas[frame.__name__]
        schema["required"] = ["type", *(name for name in schema.get("required", []) if name != "type")]
        schema["properties"]["type"].pop("default", None)
    _tidy(schemas, _reachable(schemas, [{"$ref": SCHEMAS + frame.__name__} for frame in CLIENT_FRAMES]))
    return schemas


def _schemas(*models: type[BaseModel]) -> Json:
    """JSON Schema 2020-12 of the models and of what they are made of, by name."""
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=SCHEMAS + "{model}")
    schemas: Json = definitions["$defs"]
    return schemas


def _tidy(schemas: Json, taken: set[str]) -> None:
    """Leave out what says nothing. What the server takes (`taken`) stays closed, what it sends is open."""
    for name, schema in schemas.items():
        for field in schema.get("properties", {}).values():
            field.pop("title", None)
            if "default" in field and field["default"] is None:
                del field["default"]
        if name not in taken:
            _open_to_new_fields(schema)


def _open_to_new_fields(schema: Json) -> None:
    """What the server sends: it may gain fields, and a field without a value is left out rather than null."""
    schema.pop("additionalProperties", None)
    for name, field in schema.get("properties", {}).items():
        choices = [choice for choice in field.get("anyOf", []) if choice != {"type": "null"}]
        if len(choices) == 1:
            schema["properties"][name] = {key: value for key, value in field.items() if key != "anyOf"} | choices[0]


def _reachable(schemas: Json, roots: list[Json]) -> set[str]:
    """The names of the schemas that `roots` refer to, directly or through others."""
    found: set[str] = set()
    waiting = list(_references(roots))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(schemas[name])
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if str(node.get("$ref", "")).startswith(SCHEMAS):
            yield node["$ref"].removeprefix(SCHEMAS)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _type(frame: type[BaseModel]) -> str:
    return str(get_args(frame.model_fields["type"].annotation)[0])


def _description(frame: type[BaseModel]) -> str:
    """The first sentence of the frame's docstring."""
    text = inspect.cleandoc(frame.__doc__ or frame.__name__)
    return text.split("\n\n")[0].replace("\n", " ")


def _channel_message(frame: type[BaseModel]) -> Json:
    return {"$ref": f"#/channels/socket/messages/{_type(frame)}"}


SPECIFICATIONS: dict[str, Callable[[], Json]] = {"asyncapi.json": asyncapi, "client-openapi.json": client_openapi}


def rendered(document: Json) -> str:
    """The same text for the same document, whatever the order in which it was put together."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def outdated() -> list[str]:
    """The names of the committed files that differ from what the code says."""
    return [
        name
        for name, build in SPECIFICATIONS.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != rendered(build())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.specs", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    if parser.parse_args().check:
        stale = outdated()
        if stale:
            sys.exit(f"out of date in docs/protocol: {', '.join(stale)}; run `make specs` and commit")
        return
    for name, build in SPECIFICATIONS.items():
        (FOLDER / name).write_text(rendered(build()), encoding="utf-8")


if __name__ == "__main__":
    main()
