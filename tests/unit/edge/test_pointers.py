"""Tests that a fault of a body points to the wrong value, however deep it is, in every API."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from sandes.protocol import faults
from tests.unit.edge.test_answers import APPS
from tests.unit.edge.test_http import CONTEXT
from tools.specs.routes import routes_of

ROOT = Path(__file__).parents[3]
WRONG = {"no": ["such", "value"]}
"""Neither a text nor a number nor a list. Where any object is allowed, 7 is wrong."""


def leaves(annotation: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the places of values, and a wrong value for each."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            for path, wrong in leaves(field.annotation):
                yield (field.alias or name, *path), wrong
        return
    parts = [part for part in get_args(annotation) if part is not type(None)]
    origin = get_origin(annotation)
    if origin in {dict, Mapping}:
        yield (), 7
    elif origin in {list, tuple, Sequence}:
        yield (), WRONG
        for path, wrong in leaves(parts[0]):
            yield (0, *path), wrong
    elif len(parts) == 1 and type(None) in get_args(annotation):
        yield from leaves(parts[0])
    else:
        yield (), WRONG


def body_with(path: tuple[str | int, ...], wrong: Any) -> Any:
    for step in reversed(path):
        wrong = [wrong] if step == 0 else {step: wrong}
    return wrong


CASES = [
    pytest.param(app, route, path, wrong, id=f"{route.method} {route.path} {faults.json_pointer(path)}")
    for app in APPS
    for route in routes_of(app)
    for param in route.dependant.body_params
    for path, wrong in leaves(param.field_info.annotation)
    if path
]


def test_there_are_bodies_with_fields() -> None:
    assert len(CASES) > 150
    assert any("/0" in str(case.id) for case in CASES)


@pytest.mark.parametrize(("app", "route", "path", "wrong"), CASES)
def test_a_fault_points_at_the_wrong_value(
    app: Any, route: Any, path: tuple[str | int, ...], wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "MAX_FAULTS", 1_000)
    address = "/".join("a" * 13 if part.startswith("<") else part for part in route.path.split("/"))
    event = {
        "version": "2.0",
        "rawPath": address,
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": route.method, "path": address}, "stage": "$default"},
        "body": json.dumps(body_with(path, wrong)),
        "isBase64Encoded": False,
    }
    answer = app.resolve(event, CONTEXT)
    said = json.loads(answer["body"])
    assert (answer["statusCode"], said["code"]) == (400, "invalid_request")
    assert faults.json_pointer(path) in [fault["pointer"] for fault in said["errors"]]


PARAMETERS = [
    pytest.param(app, route, field, name, id=f"{route.method} {route.path} {name}")
    for app in APPS
    for route in routes_of(app)
    for field, name in (
        *((field, field.alias) for field in route.dependant.query_params),
        *((field, faults.header_name(field.alias)) for field in route.dependant.header_params),
    )
]


@pytest.mark.parametrize(("app", "route", "field", "name"), PARAMETERS)
def test_a_fault_points_at_a_parameter_by_the_name_that_is_published(
    app: Any, route: Any, field: Any, name: str
) -> None:
    """This includes headers, which arrive in lower case. A value given twice is wrong wherever one is expected."""
    address = "/".join("a" * 13 if part.startswith("<") else part for part in route.path.split("/"))
    long = "x" * 2_000
    is_query = field in route.dependant.query_params
    event = {
        "version": "2.0",
        "rawPath": address,
        "rawQueryString": f"{name}={long}&{name}={long}" if is_query else "",
        "queryStringParameters": {name: f"{long},{long}"} if is_query else {},
        "headers": {} if is_query else {name.lower(): f"{long},{long}"},
        "requestContext": {"http": {"method": route.method, "path": address}, "stage": "$default"},
        "body": "{}",
        "isBase64Encoded": False,
    }
    said = json.loads(app.resolve(event, CONTEXT)["body"])
    assert (said["status"], said["code"]) == (400, "invalid_request")
    assert f"/{name}" in [fault["pointer"] for fault in said["errors"]]


def test_headers_are_published_by_the_names_that_pointers_have() -> None:
    found = {
        parameter["name"]
        for path in (ROOT / "docs/protocol").glob("*-openapi.json")
        for calls in json.loads(path.read_text())["paths"].values()
        for operation in calls.values()
        for parameter in operation.get("parameters", ())
        if parameter.get("in") == "header"
    }
    assert found == {"If-Match", "Sandes-Act"}


def places(schema: Mapping[str, Any], document: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Yield pointers to everything that a body may contain. An asterisk stands for a number or any name."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    yield at
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from places(part, document, at)
    for name, part in schema.get("properties", {}).items():
        yield from places(part, document, f"{at}/{name}")
    for kind in ("items", "additionalProperties"):
        if isinstance(schema.get(kind), dict):
            yield from places(schema[kind], document, f"{at}/*")
    for part in schema.get("patternProperties", {}).values():
        yield from places(part, document, f"{at}/*")


def published() -> set[str]:
    """Return the pointers into all bodies, and those to all parameters."""
    found: set[str] = set()
    for path in (ROOT / "docs/protocol").glob("*-openapi.json"):
        document = json.loads(path.read_text())
        for operation in (one for calls in document["paths"].values() for one in calls.values()):
            if not isinstance(operation, dict):
                continue
            for given in operation.get("parameters", ()):
                shared = document.get("components", {}).get("parameters", {})
                parameter = shared[given["$ref"].rpartition("/")[2]] if "$ref" in given else given
                found.add(f"/{parameter['name'].lower()}")
            content = operation.get("requestBody", {}).get("content", {})
            found.update(places(content.get("application/json", {}).get("schema", {}), document))
    for frame in json.loads((ROOT / "docs/protocol/asyncapi.json").read_text())["components"]["schemas"].values():
        found.update(f"/{name}" for name in frame.get("properties", {}))
    return found


def written_by_hand() -> Iterator[tuple[str, str]]:
    """Yield the pointers that the source passes to `invalid`, `missing` and `fault`, and their places."""
    for path in sorted((ROOT / "layers/core/python/sandes").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in {"invalid", "missing", "fault", "_fault"}:
                continue
            for value in node.args:
                text = value.value if isinstance(value, ast.Constant) else None
                if isinstance(value, ast.JoinedStr):
                    text = "".join(str(one.value) if isinstance(one, ast.Constant) else "*" for one in value.values)
                if isinstance(text, str) and text.startswith("/"):
                    yield text, f"{path.name}:{node.lineno}"


def test_pointers_that_are_written_by_hand_lead_to_something_that_callers_send() -> None:
    known, found = published() | {"/operation"}, list(written_by_hand())  # operators call Lambda directly
    assert len(found) > 40
    assert [(pointer, where) for pointer, where in found if pointer.lower() not in known and pointer != "/*"] == []
