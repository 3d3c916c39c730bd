"""Builds OpenAPI 3.1 of the HTTPS APIs.

Powertools describes routes, parameters and bodies; this module corrects them.

Each operation lists exactly its possible statuses with their codes: its own (`described` in `sandes.edge`), and those
of every call of its API.
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
    "The access token (not the id token) that the user pool of administrators issues after a sign-in with password and "
    "second factor (docs/adr/0024). The service reads the caller's roles from the directory on each call."
)

SIGNED_BY_APP = (
    "A JWS in compact form, signed with the app's Ed25519 key for this one request. The only alg is EdDSA. The header "
    "kid is the app id, a full stop and the key id. The claims are iss, the app id; aud, the deployment's audience; "
    "iat and exp in epoch seconds, exp at most 60 s after iat; htm, the method; htu, the path with its query as sent, "
    "from /v1 on; bh, SHA-256 of the body's bytes (without a body, of nothing) in base64url without padding; on POST "
    "ik, the Idempotency-Key; and with If-Match im, its value."
)

_ANY_CALL_OF_DEVICES = (ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE)
"""Codes of any call. Token codes are not among them, because some calls need no token
(`sandes.edge.client.caller.described`).
"""

_ANY_CALL_OF_ADMINISTRATORS = (
    *(ErrorCode.TOKEN_INVALID, ErrorCode.NOT_FOUND, ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE),
)
_ANY_CALL = (
    *(ErrorCode.TOKEN_INVALID, ErrorCode.TOKEN_AUDIENCE, ErrorCode.TOKEN_EXPIRED, ErrorCode.ADDRESS_NOT_ALLOWED),
    *(ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE),
)
_BY_API_GATEWAY = {413, 429, 500, 503}
"""Statuses that API Gateway sends itself: too large, too many, the function failed or could not be run."""

_NAMES = {401: "TokenRefused", 500: "Failed", 503: "Unavailable"}
"""Names of refusals that are the same for nearly every call of an API."""

_MEANING = {
    400: "The request is wrong",
    401: "The token was not accepted",
    403: "The caller may not do this",
    404: "The object does not exist, or you may not see it",
    409: "The present state does not allow it",
    412: "The object has changed since you read it",
    413: "The request is too large; API Gateway accepts 10 MB",
    422: "The request cannot be processed",
    428: "The request does not say which version it means",
    429: "There were too many requests",
    500: "The service failed",
    503: "The service is overloaded; you may repeat the request",
}


def client_openapi() -> Json:
    """Return the API of devices: registration, devices, keys, look-up, blocks."""
    document = _described(
        client,
        title="Sandes client API",
        description=(
            "Devices call this API for registration, devices, keys, look-up and blocks. README.md beside this file has "
            "the rules. Every refusal is application/problem+json: decide by `code`."
        ),
        security={"device_token": SIGNED_BY_DEVICE},
    )
    return _in_one([document], _ANY_CALL_OF_DEVICES)


def admin_openapi() -> Json:
    """Return the API of administrators: organisations, units, people, apps, groups, roles, approvals, audit,
    statistics.
    """
    parts = [
        _described(
            handler,
            title="Sandes admin API",
            description=(
                "Administrators of organisations and of the platform call this API (docs/admin). Without permission "
                "the answer is `not_found`, as for an id that does not exist. Every refusal is "
                "application/problem+json: decide by `code`."
            ),
            security={"administrator": SIGNED_IN},
        )
        for handler in HANDLERS_OF_ADMINISTRATORS
    ]
    return _in_one(parts, _ANY_CALL_OF_ADMINISTRATORS)


def app_openapi() -> Json:
    """Return the API of governance apps: OTPs, messages and related calls."""
    parts = [
        _described(
            handler,
            title="Sandes app API",
            description=(
                "Governance apps call this API to send one-time passwords, messages and notices (docs/apps). Every "
                "request is signed. Every POST has an Idempotency-Key, which is remembered for a day. Every refusal is "
                "application/problem+json: decide by `code`."
            ),
            security={"app_token": SIGNED_BY_APP},
        )
        for handler in HANDLERS_OF_APPS
    ]
    return _in_one(parts, _ANY_CALL, idempotent=True)


def _in_one(parts: list[Json], any_call: Collection[ErrorCode], *, idempotent: bool = False) -> Json:
    """Return one document of the parts. Each operation has exactly its possible statuses."""
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
        "description": "An answer that API Gateway itself gives.",
        "properties": {"message": {"type": "string"}},
    }
    for _, _, operation in operations_of(document):
        _describe_call(operation, components["responses"], any_call)
    return _finished(document)


def operations_of(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield path, method and operation of everything that an OpenAPI document describes."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _described(app: APIGatewayHttpResolver, *, title: str, description: str, security: dict[str, str]) -> Json:
    """Return Powertools' description, corrected: a bad body gets 400 instead of 422, and a 204 has no body."""
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
            "description": "The output HttpUrl of the deployment",
            "variables": {
                "host": {"default": "api.example", "description": "API Gateway's host name, or your own domain"}
            },
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
        del found[unused]  # errors of Powertools, which no caller sees
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
    """Yield the codes that follow from the form of a call."""
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
            "The caller chooses a new key for each new request, and sends the same key when it repeats the request. A "
            "repeated request with the same path and body gets the first answer. With another body it gets "
            "`idempotency_mismatch`. The claim `ik` of the token is the same key."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]{1,64}$"},
    }


def _headers() -> Json:
    draft = "as in draft-ietf-httpapi-ratelimit-headers-10. The answer to a repeated request does not have it"
    return {
        "RateLimit-Policy": {
            "description": f"The app's quotas, `q` in `w` seconds, {draft}",
            "schema": {"type": "string"},
            "example": '"minute";q=3000;w=60, "day";q=250000;w=86400',
        },
        "RateLimit": {
            "description": f"The rest of the quota, `r`, and the seconds to the end of the window, `t`, {draft}",
            "schema": {"type": "string"},
            "example": '"minute";r=2999;t=31, "day";r=249999;t=40111',
        },
        "Retry-After": {
            "description": "Seconds to wait, the same as `retry_after`. Answers of API Gateway itself do not have it",
            "schema": {"type": "integer", "minimum": 1},
        },
    }
