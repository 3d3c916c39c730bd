"""Builds AsyncAPI of the websocket from the models of sandes.protocol.frames."""

from __future__ import annotations

import inspect
from typing import get_args

from pydantic import BaseModel

from sandes.identity.signed_acts import ACT_FORM, ACT_HEADER
from sandes.protocol.frames import (
    MAX_FRAME_BYTES,
    Accepted,
    Ack,
    Acked,
    Body,
    ClientFrame,
    Drained,
    Envelopes,
    Error,
    Fetch,
    GroupSend,
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
from tools.specs.about import ASYNCAPI_LICENCE, CONTACT
from tools.specs.schemas import SCHEMAS, SIGNED_BY_DEVICE, VERSION, Json, error_codes, reachable, schemas, tidy

CLIENT_FRAMES: tuple[type[BaseModel], ...] = get_args(ClientFrame)
SERVER_FRAMES: tuple[type[BaseModel], ...] = get_args(ServerFrame)

REPLIES: dict[type[BaseModel], tuple[type[BaseModel], ...]] = {
    Hello: (Welcome, Envelopes, Drained, Error),
    Send: (Accepted, Error),
    GroupSend: (Accepted, Error),
    Ack: (Acked, Error),
    Sync: (Envelopes, Drained, Error),
    Fetch: (Body, Error),
    Ping: (Pong, Error),
}
SENDING = (Send, GroupSend)
UNASKED: tuple[type[BaseModel], ...] = (Envelopes, Superseded, Revoked)


def asyncapi() -> Json:
    """Return the websocket from the server's side: `receive` is what a client sends."""
    operations: Json = {}
    for frame in CLIENT_FRAMES:
        operations[_name(frame)] = {
            "action": "receive",
            "channel": {"$ref": "#/channels/socket"},
            "summary": _description(frame),
            "description": _whole_description(frame),
            "tags": [{"name": "sending" if frame in SENDING else "receiving"}],
            "messages": [_channel_message(frame)],
            "reply": {
                "channel": {"$ref": "#/channels/socket"},
                "messages": [_channel_message(reply) for reply in REPLIES[frame]],
            },
        }
    for frame in UNASKED:
        operations[f"{_name(frame)}Unasked"] = {
            "action": "send",
            "channel": {"$ref": "#/channels/socket"},
            "summary": _description(frame),
            "description": _whole_description(frame),
            "tags": [{"name": "receiving"}],
            "messages": [_channel_message(frame)],
        }
    frames = (*CLIENT_FRAMES, *SERVER_FRAMES)
    return {
        "asyncapi": "3.1.0",
        "id": "urn:sandes:websocket",
        "info": {
            "title": "Sandes websocket",
            "version": VERSION,
            "contact": CONTACT,
            "license": ASYNCAPI_LICENCE,
            "tags": [
                {"name": "sending", "description": "Frames by which a device sends messages."},
                {"name": "receiving", "description": "Frames by which a device receives and acknowledges messages."},
            ],
            "description": (
                "A device and the server exchange JSON text frames. README.md beside this file has the rules. "
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
                "description": "The output WebSocketUrl of the deployment",
                "variables": {
                    "host": {
                        "default": "websocket.example",
                        "description": "API Gateway's host name, or your own domain",
                    },
                    "stage": {"default": "v1"},
                },
                "security": [{"$ref": "#/components/securitySchemes/device_token"}],
            }
        },
        "channels": {
            "socket": {
                "address": "/",
                "description": "One socket for each device. The newest socket that has said `hello` is the live one",
                "messages": {_name(frame): {"$ref": f"#/components/messages/{_name(frame)}"} for frame in frames},
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "headers": {
                            "type": "object",
                            "properties": {
                                "Authorization": {"type": "string", "pattern": "^Bearer "},
                                ACT_HEADER: {
                                    "type": "string",
                                    "pattern": ACT_FORM,
                                    "description": "The signed act that opens the socket (README.md, 'Signed acts')",
                                },
                            },
                            "required": ["Authorization", ACT_HEADER],
                        },
                    }
                },
            }
        },
        "operations": operations,
        "components": {
            "messages": {
                _name(frame): {
                    "name": str(get_args(frame.model_fields["type"].annotation)[0]),
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
                    "description": SIGNED_BY_DEVICE,
                }
            },
        },
    }


def _frame_schemas() -> Json:
    frames = (*CLIENT_FRAMES, *SERVER_FRAMES)
    described = schemas(*frames)
    described["ErrorCode"] = error_codes()
    for frame in frames:
        schema = described[frame.__name__]
        schema["required"] = ["type", *(name for name in schema.get("required", []) if name != "type")]
        schema["properties"]["type"].pop("default", None)
    tidy(described, reachable(described, [{"$ref": SCHEMAS + frame.__name__} for frame in CLIENT_FRAMES]))
    return described


def _name(frame: type[BaseModel]) -> str:
    """Return the frame's type, or a name of its own for `GroupSend`, which has the type of `Send`."""
    return frame.__name__[0].lower() + frame.__name__[1:]


def _description(frame: type[BaseModel]) -> str:
    """Return the first sentence of the frame's docstring."""
    text = inspect.cleandoc(frame.__doc__ or frame.__name__)
    return text.split("\n\n")[0].replace("\n", " ")


def _whole_description(frame: type[BaseModel]) -> str:
    """Return the whole docstring of the frame."""
    return inspect.cleandoc(frame.__doc__ or frame.__name__)


def _channel_message(frame: type[BaseModel]) -> Json:
    return {"$ref": f"#/channels/socket/messages/{_name(frame)}"}
