"""Builds JSON Schema 2020-12 of the models for both kinds of specification."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from sandes.protocol.errors import ErrorCode

Json = dict[str, Any]

VERSION = "1.0.0"
SCHEMAS = "#/components/schemas/"

SIGNED_BY_DEVICE = (
    "A JWS in compact form, signed with the device's Ed25519 identity key. The only alg is EdDSA. The header kid and "
    "the claim iss are the device address. The other claims are aud, the deployment's audience, and iat and exp in "
    "epoch seconds, exp at most 300 s after iat."
)


def error_codes() -> Json:
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


def schemas(*models: type[BaseModel]) -> Json:
    """Return JSON Schema 2020-12 of the models and of the types in them, by name."""
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=SCHEMAS + "{model}")
    schemas: Json = definitions["$defs"]
    return schemas


def tidy(schemas: Json, taken: set[str]) -> None:
    """Remove empty statements. Schemas that the server accepts (`taken`) stay closed; those that it sends are open."""
    for name, schema in schemas.items():
        for field in schema.get("properties", {}).values():
            field.pop("title", None)
            if "default" in field and field["default"] is None:
                del field["default"]
        if name not in taken:
            _open_to_new_fields(schema)


def _open_to_new_fields(schema: Json) -> None:
    """Open a schema that the server sends: it may gain fields, and a field without a value is left out, not null."""
    schema.pop("additionalProperties", None)
    for name, field in schema.get("properties", {}).items():
        choices = [choice for choice in field.get("anyOf", []) if choice != {"type": "null"}]
        if len(choices) == 1:
            schema["properties"][name] = {key: value for key, value in field.items() if key != "anyOf"} | choices[0]


def reachable(schemas: Json, roots: list[Json]) -> set[str]:
    """Return the names of the schemas that `roots` refer to, directly or through others."""
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
