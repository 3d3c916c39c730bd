"""The websocket frames of both directions, from which docs/protocol/asyncapi.json is generated.

A client frame that wants an answer has a `ref`, which the answer repeats.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, TypeAdapter, ValidationError, model_validator

from sandes.model.device import MAX_DEVICES
from sandes.model.envelope import MIN_EXPIRY_SECONDS, Envelope
from sandes.model.ids import MAX_DEVICE_NUMBER
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.protocol.faults import faults_of
from sandes.protocol.fields import (
    AccountField,
    AppField,
    BodyIdField,
    Bytes,
    EnvelopeIdField,
    GroupField,
    MessageIdField,
    Wire,
)

MAX_FRAME_BYTES = 128 * 1024
"""API Gateway's limit for one websocket message. It closes the socket (1009) if a message is larger."""

MAX_BUNDLE_BYTES = 32 * 1024
"""The size of an `envelopes` frame. API Gateway meters messages in units of 32 KiB, so a frame fills one unit if
possible.
"""

MAX_ACK_IDS = 100
MAX_RECEIPTS = 10

Ref = Annotated[str, Field(min_length=1, max_length=64)]
DeviceField = Annotated[int, Field(ge=1, le=MAX_DEVICE_NUMBER)]
RegistrationField = Annotated[int, Field(ge=1, le=2**32 - 1)]
ExpiresIn = Annotated[int, Field(ge=MIN_EXPIRY_SECONDS, description="seconds; by default the stage's maximum")]


class Hello(Wire):
    """The first frame on a socket. It registers the socket for delivery. Answer: `welcome`, then the stored
    envelopes.
    """

    type: Literal["hello"]
    ref: Ref | None = None
    protocol: Literal[1]
    app: Annotated[str, Field(max_length=64)] = ""
    epoch: Annotated[int, Field(ge=0)] = 0


class AccountRecipient(Wire):
    account: AccountField


class GroupRecipient(Wire):
    group: GroupField


class Copy(Wire):
    """Holds the message for one device of the recipient. `body` is opaque to the server."""

    device: DeviceField
    registration_id: RegistrationField
    body: Bytes


class Send(Wire):
    """Sends one message: a copy for each device of the recipient. Answer: `accepted`.

    If the recipient is the sender's own account, the sender's device gets no copy.
    """

    type: Literal["send"]
    ref: Ref | None = None
    id: MessageIdField
    to: AccountRecipient
    kind: Literal["message"]
    copies: Annotated[tuple[Copy, ...], Field(max_length=MAX_DEVICES)]
    expires_in: ExpiresIn | None = None


class GroupSend(Wire):
    """Sends one message to all members of a group: one `body` for all. Answer: `accepted`.

    `type` is that of `send`; a `to` with `group` makes the difference. The sending device gets no copy.
    """

    type: Literal["send"]
    ref: Ref | None = None
    id: MessageIdField
    to: GroupRecipient
    kind: Literal["message"]
    body: Bytes
    expires_in: ExpiresIn | None = None


class Receipt(Wire):
    """Reports the delivery or reading of messages to the devices of `to` or to `app`, exactly one of the two."""

    to: AccountField | None = None
    app: AppField | None = None
    kind: Literal["delivered", "read"]
    ids: Annotated[tuple[MessageIdField, ...], Field(min_length=1, max_length=MAX_ACK_IDS)]

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.to is None) == (self.app is None):
            raise ValueError("give either to or app")
        return self


class Ack(Wire):
    """Confirms that the device has stored these envelopes durably. The server deletes them. Answer: `acked`."""

    type: Literal["ack"]
    ref: Ref | None = None
    ids: Annotated[tuple[EnvelopeIdField, ...], Field(max_length=MAX_ACK_IDS)]
    receipts: Annotated[tuple[Receipt, ...], Field(max_length=MAX_RECEIPTS)] = ()


class Sync(Wire):
    """Requests the stored envelopes that are not acked, oldest first. Answer: `envelopes` frames, then `drained`."""

    type: Literal["sync"]
    ref: Ref | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 500


class Fetch(Wire):
    """Requests a body that a group message points to. Answer: `body`, or `not_found` after its expiry."""

    type: Literal["fetch"]
    ref: Ref | None = None
    body: BodyIdField


class Ping(Wire):
    """Keeps the socket open, which would otherwise be closed after ten idle minutes. Answer: `pong`."""

    type: Literal["ping"]
    ref: Ref | None = None
    epoch: Annotated[int, Field(ge=0)] = 0


ClientFrame = Hello | Send | GroupSend | Ack | Sync | Fetch | Ping


class Inbox(Wire):
    pending: Annotated[
        int,
        Field(
            description="the number of waiting envelopes, counted up to 100. 0 means none; of others, some may "
            "have expired"
        ),
    ]


class Limits(Wire):
    """Lists the limits of this stage."""

    max_body_bytes: int
    max_expiry_seconds: int
    max_ack_ids: int
    max_devices: int
    max_frame_bytes: int


class ServiceKeyIntroduction(Wire):
    """Introduces a key of the service (docs/protocol/service-keys.md). The first key has no signature."""

    statement: Annotated[Bytes, Field(description="deterministic CBOR")]
    signature: Annotated[
        Bytes | None, Field(description="Ed25519 signature by the successor key of the previous key")
    ] = None


class ServiceKeyList(Wire):
    """Lists the keys that authenticate the service to devices, in order. Devices refuse envelopes of keys below
    `oldest`.
    """

    oldest: Annotated[int, Field(ge=1, le=255)]
    introductions: tuple[ServiceKeyIntroduction, ...]


class Welcome(Wire):
    """Answers `hello`. If `pending` is 0, the socket is live from here; otherwise `envelopes` frames and `drained`
    follow.
    """

    type: Literal["welcome"] = "welcome"
    ref: str | None = None
    server_time: Annotated[int, Field(description="epoch milliseconds")]
    epoch: int
    inbox: Inbox
    limits: Limits
    service_keys: ServiceKeyList
    reconnect_after: Annotated[int, Field(description="seconds after which the client opens a new socket")]


class Pong(Wire):
    """Answers `ping` if the device is reached on this socket.

    If `pending` is above 0 and no `envelopes` come, send `sync`.
    """

    type: Literal["pong"] = "pong"
    ref: str | None = None
    server_time: Annotated[int, Field(description="epoch milliseconds")]
    epoch: int
    inbox: Inbox


class Accepted(Wire):
    """Says that the message is stored for every device of the recipient.

    `at` is the time that they will see, epoch milliseconds.
    """

    type: Literal["accepted"] = "accepted"
    ref: str | None = None
    id: MessageIdField
    at: int


class Acked(Wire):
    """Says that these envelopes are deleted, and that the receipts are stored for the authors."""

    type: Literal["acked"] = "acked"
    ref: str | None = None
    ids: tuple[EnvelopeIdField, ...]


class Body(Wire):
    """Holds the ciphertext of a body. The content key in the envelope decrypts it (docs/protocol/groups.md)."""

    type: Literal["body"] = "body"
    ref: str | None = None
    id: BodyIdField
    data: Bytes


class SealedEnvelope(Wire):
    """Holds an envelope. The seal key whose number is in `header` decrypts `sealed` (docs/protocol/seal2.md). Ack it by
    `id`.
    """

    id: EnvelopeIdField
    header: Bytes
    sealed: Bytes


class Envelopes(Wire):
    """Holds one or more envelopes. Any of them can come twice: remember seen message ids for 7 days."""

    type: Literal["envelopes"] = "envelopes"
    envelopes: tuple[SealedEnvelope, ...]


class Drained(Wire):
    """Says that the stored inbox has been sent. If `more` is true, ack what came, then `sync` again."""

    type: Literal["drained"] = "drained"
    ref: str | None = None
    more: bool


class Superseded(Wire):
    """Says that a newer socket of this device has said `hello`. The server closes this socket, or the client does with
    4409.
    """

    type: Literal["superseded"] = "superseded"


class Revoked(Wire):
    """Says that the device no longer belongs to the account. The server closes the socket, or the client does with
    4401.
    """

    type: Literal["revoked"] = "revoked"
    reason: Literal["unlinked", "replaced"]


_NUMBERS = {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": MAX_DEVICE_NUMBER}}

ERROR_DETAILS: dict[str, Any] = {
    "errors": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["pointer", "code"],
            "properties": {name: {"type": "string"} for name in ("pointer", "code", "message")},
        },
        "description": "with `invalid_frame`: the fields at fault",
    },
    "server_time": {
        "type": "integer",
        "description": "with `clock_skew`, `id_too_old` and `token_expired`: the server's time, epoch milliseconds",
    },
    "max_frame_bytes": {"type": "integer", "description": "with `too_large`: the maximum size of a frame, in bytes"},
    "max_body_bytes": {
        "type": "integer",
        "description": "with `too_large`: the maximum size of the body of a copy, in bytes",
    },
    "request_id": {"type": "string", "description": "with `internal`: quote it in a report"},
    "missing": _NUMBERS
    | {"description": "with `device_mismatch`: devices of the recipient without a copy in the frame"},
    "extra": _NUMBERS
    | {"description": "with `device_mismatch`: devices that the frame names and the recipient does not have"},
    "stale": _NUMBERS
    | {"description": "with `device_mismatch`: devices that have registered again since, with other keys"},
}
"""The fields that `details` of an `error` frame may have."""


class Error(Wire):
    """Refuses a frame. Branch on `code`. `ref` is that of the refused frame, if it could be read."""

    type: Literal["error"] = "error"
    ref: str | None = None
    code: ErrorCode
    message: str
    retry_after: Annotated[int, Field(description="seconds")] | None = None
    details: Annotated[dict[str, Any] | None, Field(json_schema_extra={"properties": ERROR_DETAILS})] = None


ServerFrame = Welcome | Pong | Accepted | Acked | Envelopes | Drained | Body | Superseded | Revoked | Error


def _tag(frame: Any) -> str | None:
    """Return the tag of a frame's model: its type, except for a message to a group."""
    if not isinstance(frame, dict):
        return None
    kind, to = frame.get("type"), frame.get("to")
    if kind == "send" and isinstance(to, dict) and "group" in to:
        return "send to a group"
    return str(kind) if "type" in frame else None


client_frames: TypeAdapter[ClientFrame] = TypeAdapter(
    Annotated[
        Annotated[Hello, Tag("hello")]
        | Annotated[Send, Tag("send")]
        | Annotated[GroupSend, Tag("send to a group")]
        | Annotated[Ack, Tag("ack")]
        | Annotated[Sync, Tag("sync")]
        | Annotated[Fetch, Tag("fetch")]
        | Annotated[Ping, Tag("ping")],
        Discriminator(_tag),
    ]
)


def parse_frame(text: str) -> ClientFrame:
    """Parse a client frame.

    Raises ProtocolError too_large, malformed_json, unknown_type, or invalid_frame with a pointer for each fault.
    """
    if len(text) > MAX_FRAME_BYTES:
        raise ProtocolError(ErrorCode.TOO_LARGE, details={"max_frame_bytes": MAX_FRAME_BYTES})
    try:
        return client_frames.validate_json(text)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        kinds = {fault["type"] for fault in faults}
        if "json_invalid" in kinds or not text.lstrip().startswith("{"):
            raise ProtocolError(ErrorCode.MALFORMED_JSON) from None
        if "union_tag_invalid" in kinds:
            raise ProtocolError(ErrorCode.UNKNOWN_TYPE) from None
        if "union_tag_not_found" in kinds:
            raise invalid(ErrorCode.INVALID_FRAME, "/type", "missing") from None
        raise ProtocolError(ErrorCode.INVALID_FRAME, details={"errors": faults_of(faults)}) from None


def ref_of(text: str) -> str | None:
    """Return the `ref` of a frame that did not parse, if it can be read. Clients match the error to their frame
    by it.
    """
    try:
        ref = json.loads(text).get("ref")
        if not isinstance(ref, str):
            return None
        ref.encode()  # raises an error for a lone surrogate, which could not be sent back
    except (ValueError, AttributeError, RecursionError):
        return None
    return ref if 1 <= len(ref) <= 64 else None


def render(frame: ServerFrame) -> str:
    return frame.model_dump_json(exclude_none=True)


def error_frame(error: ProtocolError, ref: str | None) -> Error:
    return Error(
        ref=ref,
        code=error.code,
        message=error.code.text,
        retry_after=error.retry_after_seconds,
        details=error.details or None,
    )


def sealed_envelope(envelope: Envelope) -> SealedEnvelope:
    return SealedEnvelope(id=envelope.id, header=envelope.header, sealed=envelope.sealed)


def bundle(envelopes: Sequence[Envelope]) -> list[str]:
    """Render `envelopes` frames of at most 32 KiB each. A larger envelope is sent alone."""
    frames: list[str] = []
    batch: list[SealedEnvelope] = []
    size = 0
    for envelope in envelopes:
        rendered_bytes = len(envelope.sealed) * 4 // 3 + 200
        if batch and size + rendered_bytes > MAX_BUNDLE_BYTES:
            frames.append(render(Envelopes(envelopes=tuple(batch))))
            batch, size = [], 0
        batch.append(sealed_envelope(envelope))
        size += rendered_bytes
    if batch:
        frames.append(render(Envelopes(envelopes=tuple(batch))))
    return frames
