"""OpenAPI 3.1 of the HTTPS APIs. Powertools describes routes, parameters, bodies; what it cannot say is put right here.

Each operation lists exactly the statuses that it may have and the codes of each: its own (`described` in
`sandes.edge`), and those that every call of its API may meet.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

from functions.admin.handler import app as admin
from functions.admin_apps.handler import app as admin_apps
from functions.admin_people.handler import app as admin_people
from functions.app_groups.handler import app as app_groups
from functions.apps.handler import app as apps
from functions.client.handler import app as client
from functions.otp.handler import app as otp
from sandes.edge.http import ERROR_CODES
from sandes.protocol.client_api import Problem
from sandes.protocol.errors import ErrorCode
from sandes.protocol.faults import header_name
from tools.specs.about import CONTACT, LICENCE, tag_operations
from tools.specs.schemas import SCHEMAS, SIGNED_BY_DEVICE, VERSION, Json, error_codes, reachable, schemas, tidy

HANDLERS_OF_APPS = (otp, apps, app_groups)
HANDLERS_OF_ADMINISTRATORS = (admin, admin_people, admin_apps)

SIGNED_IN = (
    "The access token that the pool of administrators gives who signs in with password and second factor, not the id "
    "token (docs/adr/0024). What it lets one do is read from the directory on each call."
)

SIGNED_BY_APP = (
    "JWS in compact form, alg EdDSA and no other, signed with the app's Ed25519 key; one for each request. Header kid: "
    "app id, full stop, key id. Claims: iss, the app id; aud, the deployment's audience; iat and exp in epoch seconds, "
    "exp at most 60 s after iat; htm, the method; htu, the path with its query as it is sent, from /v1 on; bh, SHA-256 "
    "of the body's bytes (of none: of nothing) in base64url without padding; on POST ik, the Idempotency-Key; with "
    "If-Match im, its value."
)

_ANY_CALL_OF_DEVICES = (ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE)
"""Token codes are not among them: some calls need no token (`sandes.edge.client.caller.described`)."""

_ANY_CALL_OF_ADMINISTRATORS = (
    *(ErrorCode.TOKEN_INVALID, ErrorCode.NOT_FOUND, ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE),
)
_ANY_CALL = (
    *(ErrorCode.TOKEN_INVALID, ErrorCode.TOKEN_AUDIENCE, ErrorCode.TOKEN_EXPIRED, ErrorCode.ADDRESS_NOT_ALLOWED),
    *(ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE),
)
_BY_API_GATEWAY = {413, 429, 500, 503}
"""What API Gateway answers by itself: too large, too many, the function failed or could not be run."""

_NAMES = {401: "TokenRefused", 500: "Failed", 503: "Unavailable"}
"""Refusals that are the same for nearly every call of an API."""

_MEANING = {
    400: "The request is wrong",
    401: "The token was not accepted",
    403: "Not allowed",
    404: "There is nothing here, or nothing of yours",
    409: "Not possible as things stand",
    412: "It has been changed since",
    413: "Too large; API Gateway takes 10 MB",
    422: "The request cannot be processed",
    428: "Say which version is meant",
    429: "Too many",
    500: "Something failed on our side",
    503: "Overloaded; may be repeated",
}


def client_openapi() -> Json:
    """Registration, devices, keys, look-up, blocks: what devices call."""
    document = _described(
        client,
        title="Sandes client API",
        description=(
            "Registration, devices, keys, look-up and blocks; the rules are in README.md beside this file. "
            "Every refusal is application/problem+json: switch on `code`."
        ),
        security={"device_token": SIGNED_BY_DEVICE},
    )
    return _in_one([document], _ANY_CALL_OF_DEVICES)


def admin_openapi() -> Json:
    """What administrators call: organisations, units, people, apps, groups, roles, approvals, audit, statistics."""
    parts = [
        _described(
            handler,
            title="Sandes admin API",
            description=(
                "Organisations run themselves, each in its own units (docs/admin). To who has no right to something it "
                "looks as if it did not exist. Every refusal is application/problem+json: switch on `code`."
            ),
            security={"administrator": SIGNED_IN},
        )
        for handler in HANDLERS_OF_ADMINISTRATORS
    ]
    return _in_one(parts, _ANY_CALL_OF_ADMINISTRATORS)


def app_openapi() -> Json:
    """OTPs, messages and what belongs to them: what governance apps call."""
    parts = [
        _described(
            handler,
            title="Sandes app API",
            description=(
                "One-time passwords, messages and notices of governance apps. Every request is signed; every POST has "
                "an Idempotency-Key, kept for a day. Every refusal is application/problem+json: switch on `code`."
            ),
            security={"app_token": SIGNED_BY_APP},
        )
        for handler in HANDLERS_OF_APPS
    ]
    return _in_one(parts, _ANY_CALL, idempotent=True)


def _in_one(parts: list[Json], any_call: Collection[ErrorCode], *, idempotent: bool = False) -> Json:
    """One document of the parts, each operation with exactly the statuses that it may have."""
    document = parts[0]
    for more in parts[1:]:
        for kind in ("paths", "components"):
            document[kind] |= {name: document[kind].get(name, {}) | item for name, item in more[kind].items()}
    components = document["components"]
    if idempotent:
        components["parameters"] = {"IdempotencyKey": _idempotency_key()}
    headers = _headers()
    components["headers"] = headers if idempotent else {"Retry-After": headers["Retry-After"]}
    components["responses"] = {}
    components["schemas"]["Gateway"] = {
        "title": "Gateway",
        "type": "object",
        "description": "What API Gateway says where it answers by itself.",
        "properties": {"message": {"type": "string"}},
    }
    for _, _, operation in operations_of(document):
        _describe_call(operation, components["responses"], any_call)
    return _finished(document)


def operations_of(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and operation of everything that an OpenAPI document describes."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _described(app: APIGatewayHttpResolver, *, title: str, description: str, security: dict[str, str]) -> Json:
    """What Powertools says, less what it gets wrong: a bad body is our own 400 and not its 422, a 204 has no body."""
    document: Json = json.loads(
        app.get_openapi_json_schema(
            title=title,
            version=VERSION,
            description=description,
            security_schemes={
                name: HTTPBearer(bearerFormat="JWT" if name == "administrator" else "EdDSA JWS", description=text)
                for name, text in security.items()
            },
        )
    )
    document["info"] |= {"contact": CONTACT, "license": LICENCE}
    document["servers"] = [
        {
            "url": "https://{host}",
            "description": "Output HttpUrl of the deployment",
            "variables": {"host": {"default": "api.example", "description": "API Gateway's or a domain of one's own"}},
        }
    ]
    for path, method, operation in operations_of(document):
        operation["operationId"] = operation["operationId"].removesuffix(re.sub(r"\W", "_", f"{path}_{method}"))
        operation["responses"].pop("422", None)
        if "204" in operation["responses"]:
            operation["responses"]["204"].pop("content", None)
    return document


def _finished(document: Json) -> Json:
    """Add tags and the schemas of refusals; remove schemas that nothing refers to."""
    tag_operations(document)
    found = document["components"]["schemas"]
    found |= schemas(Problem)
    found["ErrorCode"] = error_codes()
    found["Problem"]["properties"]["code"] = {"$ref": SCHEMAS + "ErrorCode"}
    for unused in found.keys() - reachable(found, [document["paths"], document["components"]["responses"]]):
        del found[unused]  # Powertools' own errors, which no caller sees
    taken = reachable(found, [operation.get("requestBody", {}) for _, _, operation in operations_of(document)])
    tidy(found, taken)
    return document


# Calls and their refusals.


def _describe_call(operation: Json, shared: Json, any_call: Collection[ErrorCode]) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "header":
            parameter["name"] = header_name(parameter["name"])
    own = {code for code in ErrorCode if code.value in operation.get(ERROR_CODES, ())}
    codes: dict[int, set[ErrorCode]] = defaultdict(set)
    for code in {*any_call, *own, *_codes_of(operation)}:
        codes[code.http_status].add(code)
    operation[ERROR_CODES] = sorted(code for some in codes.values() for code in some)
    statuses = codes.keys() | _BY_API_GATEWAY - (set() if "requestBody" in operation else {413})
    if ErrorCode.IDEMPOTENCY_KEY_MISSING in own:
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
    if ErrorCode.QUOTA_EXCEEDED in own:
        limits = {name: {"$ref": f"#/components/headers/{name}"} for name in ("RateLimit-Policy", "RateLimit")}
        _success(operation)["headers"] = limits
    for status in sorted(statuses):
        refusal = _refusal(status, codes[status])
        if status in _NAMES and shared.setdefault(_NAMES[status], refusal) == refusal:
            refusal = {"$ref": f"#/components/responses/{_NAMES[status]}"}
        operation["responses"][str(status)] = refusal


def _codes_of(operation: Json) -> Iterator[ErrorCode]:
    """What follows from the form of a call."""
    parameters = operation.get("parameters", [])
    if "requestBody" in operation:
        yield ErrorCode.MALFORMED_JSON
    if "requestBody" in operation or parameters:
        yield ErrorCode.INVALID_REQUEST
    if any(parameter["in"] == "path" for parameter in parameters):
        yield ErrorCode.NOT_FOUND


def _success(operation: Json) -> Json:
    response: Json = next(response for status, response in operation["responses"].items() if status.startswith("2"))
    return response


def _refusal(status: int, codes: Collection[ErrorCode]) -> Json:
    names = sorted(code.value for code in codes)
    refusal: Json = {"description": f"{_MEANING[status]}: " + ", ".join(f"`{name}`" for name in names), "content": {}}
    if names:
        one_of_them = {"properties": {"code": {"enum": names}}}
        refusal["content"]["application/problem+json"] = {
            "schema": {"allOf": [{"$ref": SCHEMAS + "Problem"}, one_of_them]}
        }
    else:
        refusal["description"] = _MEANING[status]
    if status in _BY_API_GATEWAY:
        refusal["content"]["application/json"] = {"schema": {"$ref": SCHEMAS + "Gateway"}}
    if status in {429, 503}:
        refusal["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return refusal


def _idempotency_key() -> Json:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "description": (
            "Made by the caller, anew for everything that is to be done once. Repeated with the same path and body it "
            "gets the first answer again, with another body `idempotency_mismatch`. It stands in the token as `ik`."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]{1,64}$"},
    }


def _headers() -> Json:
    draft = "as draft-ietf-httpapi-ratelimit-headers-10 has it; not on the answer to a repeated request"
    return {
        "RateLimit-Policy": {
            "description": f"The app's quotas, `q` in `w` seconds, {draft}",
            "schema": {"type": "string"},
            "example": '"minute";q=3000;w=60, "day";q=250000;w=86400',
        },
        "RateLimit": {
            "description": f"What is left, `r`, and the seconds to the end of the window, `t`, {draft}",
            "schema": {"type": "string"},
            "example": '"minute";r=2999;t=31, "day";r=249999;t=40111',
        },
        "Retry-After": {
            "description": "Seconds to wait, as `retry_after` says too; API Gateway's own answers come without it",
            "schema": {"type": "integer", "minimum": 1},
        },
    }
