"""The `$connect` authorizer, and the end of a connection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandes import runtime
from sandes.crypto.statements import open_socket
from sandes.edge.telemetry import logger
from sandes.edge.websocket import principal_of
from sandes.identity.devices import authenticate
from sandes.identity.signed_acts import ACT_HEADER, check_act, read_signed
from sandes.model.principal import Principal
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.directory import DirectoryStore
from sandes.store.routing import DeviceGone, RoutingStore


@dataclass(frozen=True, slots=True)
class AuthorizerDependencies:
    directory: DirectoryStore
    routing: RoutingStore
    audience: str


def bearer(headers: dict[str, str]) -> str:
    """Return the token of an Authorization header, or an empty string. Header names come in any case."""
    scheme, _, token = (_header(headers, "authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _header(headers: dict[str, str], wanted: str) -> str | None:
    return next((value for name, value in headers.items() if name.lower() == wanted), None)


def authorize(event: dict[str, Any], deps: AuthorizerDependencies) -> dict[str, Any]:
    """Return an IAM policy that opens the socket, with the principal in its context, or that refuses it (403).

    A socket outlives the token that opens it, so the handshake also has a signed act (docs/adr/0034). The socket gets a
    number, by which a device's newest socket is known without a clock (docs/adr/0032).
    """
    now = runtime.now()
    try:
        headers = event.get("headers") or {}
        token = bearer(headers)
        caller = authenticate(token, audience=deps.audience, now=now, directory=deps.directory)
        check_act(caller, open_socket(token), read_signed(_header(headers, ACT_HEADER.lower())), now=now)
        principal = Principal.of(caller.device, now.ms)
        principal = replace(principal, socket=deps.routing.number_socket(principal))
    except ProtocolError as error:
        logger().info("connect", outcome=error.code)
        return _policy("Deny", event["methodArn"], "unknown", {})
    except (ClientError, BotoCoreError) as error:
        logger().error("connect", outcome=ErrorCode.UNAVAILABLE, error=type(error).__name__)
        return _policy("Deny", event["methodArn"], "unknown", {})
    except DeviceGone:
        logger().info("connect", outcome=ErrorCode.REVOKED)
        return _policy("Deny", event["methodArn"], "unknown", {})
    logger().info("connect", outcome="allowed", device=str(principal.address))
    return _policy("Allow", event["methodArn"], str(principal.address), principal.to_context())


def _policy(effect: str, resource: str, principal_id: str, context: dict[str, str]) -> dict[str, Any]:
    return {
        "principalId": principal_id,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}],
        },
        "context": context,
    }


def disconnected(event: dict[str, Any], deps: AuthorizerDependencies) -> dict[str, Any]:
    """Forget the socket if it is still the device's live one. This event may be late, or never come.

    It may also come without the authorizer's context. Then the device of the socket is unknown, and the device's row
    keeps the connection until the next `hello`, or until a post finds the socket gone.
    """
    if not event["requestContext"].get("authorizer"):
        logger().info("disconnect", connection=event["requestContext"]["connectionId"], outcome="unknown_device")
        return {"statusCode": 200}
    principal, connection = principal_of(event)
    try:
        forgotten = deps.routing.disconnect(principal.address, connection, now_seconds=runtime.now().seconds)
    except (ClientError, BotoCoreError) as error:  # the row expires anyway, and posts find the socket gone
        logger().warning("disconnect", connection=connection, error=type(error).__name__)
        return {"statusCode": 200}
    logger().info("disconnect", connection=connection, forgotten=forgotten)
    return {"statusCode": 200}
