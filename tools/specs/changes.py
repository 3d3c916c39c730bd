"""Finds changes of a specification that break programs: those written against the old one must work with
the new one.

Nothing published may be removed, whether callers send it or get it: operations, parameters, fields, statuses, values of
an enumeration. What callers send may not become required or narrower, and what they get may not become optional.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tools.specs.schemas import Json

_METHODS = ("get", "put", "post", "delete", "patch")
_UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "minLength", "minItems", "minProperties")

Direction = Literal["sent", "got"]


def breaking(old: Json, new: Json) -> list[str]:
    """Return a line for each change that callers would notice, in OpenAPI or AsyncAPI."""
    change = _Change(old, new)
    return sorted(set(change.of_socket() if "asyncapi" in old else change.of_paths()))


@dataclass(frozen=True, slots=True)
class _Change:
    old: Json
    new: Json

    def of_paths(self) -> Iterator[str]:
        for path, item in self.old["paths"].items():
            for method in item.keys() & set(_METHODS):
                name = f"{method.upper()} {path}"
                operation = self.new["paths"].get(path, {}).get(method)
                if operation is None:
                    yield f"{name} is gone"
                else:
                    yield from self._operation(name, item[method], operation)

    def of_socket(self) -> Iterator[str]:
        for name, operation in self.old["operations"].items():
            if name not in self.new["operations"]:
                yield f"{name} is gone"
                continue
            direction: Direction = "sent" if operation["action"] == "receive" else "got"
            yield from self._messages(operation["messages"], direction)
            yield from self._messages(operation.get("reply", {}).get("messages", []), "got")

    def _messages(self, messages: list[Json], direction: Direction) -> Iterator[str]:
        for reference in messages:
            name = reference["$ref"].rpartition("/")[2]
            now = self.new["components"]["messages"].get(name)
            if now is None:
                yield f"message {name} is gone"
            else:
                was = self.old["components"]["messages"][name]
                yield from self._schema(name, was["payload"], now["payload"], direction, frozenset())

    def _operation(self, name: str, old: Json, new: Json) -> Iterator[str]:
        yield from self._parameters(name, old, new)
        if old.get("security", []) != new.get("security", []):
            yield f"{name} asks for another kind of token"
        was, now = self._body(self.old, old), self._body(self.new, new)
        if was and not now:
            yield f"{name} takes no body any more"
        elif now and not was and new["requestBody"].get("required"):
            yield f"{name} needs a body"
        elif was and now:
            yield from self._schema(f"{name} body", was, now, "sent", frozenset())
        for status, response in old["responses"].items():
            answer = new["responses"].get(status)
            if answer is None:
                yield f"{name} status {status} is gone"
            else:
                yield from self._response(f"{name} {status}", response, answer)

    def _parameters(self, name: str, old: Json, new: Json) -> Iterator[str]:
        was = {_place(p): p for p in (_resolved(self.old, p) for p in old.get("parameters", []))}
        now = {_place(p): p for p in (_resolved(self.new, p) for p in new.get("parameters", []))}
        for key, parameter in was.items():
            if key not in now:
                yield f"{name} parameter {parameter['name']} is gone"
            else:
                yield from self._schema(
                    f"{name} {parameter['name']}", parameter["schema"], now[key]["schema"], "sent", frozenset()
                )
        for key, parameter in now.items():
            if parameter.get("required") and not was.get(key, {}).get("required"):
                yield f"{name} parameter {parameter['name']} became required"

    def _body(self, document: Json, operation: Json) -> Json | None:
        content = _resolved(document, operation.get("requestBody", {})).get("content", {})
        return content["application/json"]["schema"] if "application/json" in content else None

    def _response(self, name: str, old: Json, new: Json) -> Iterator[str]:
        was, now = _resolved(self.old, old), _resolved(self.new, new)
        for header in was.get("headers", {}).keys() - now.get("headers", {}).keys():
            yield f"{name} header {header} is gone"
        for kind, media in was.get("content", {}).items():
            if kind not in now.get("content", {}):
                yield f"{name} as {kind} is gone"
            else:
                yield from self._schema(name, media["schema"], now["content"][kind]["schema"], "got", frozenset())

    def _schema(self, name: str, old: Json, new: Json, direction: Direction, seen: frozenset[str]) -> Iterator[str]:
        if reference := old.get("$ref"):
            if reference in seen:
                return
            seen |= {reference}
        old, new = _resolved(self.old, old), _resolved(self.new, new)
        if direction == "sent" and "anyOf" in new and "anyOf" not in old:  # callers may send more than before
            if all([*self._schema(name, old, choice, direction, seen)] for choice in new["anyOf"]):
                yield f"{name} is none of the new alternatives"
            return
        if old.get("type") != new.get("type") and "type" in new | old:
            yield f"{name} is {new.get('type')} and no longer {old.get('type')}"
        for value in _values(old) - _values(new):
            yield f"{name} value {value} is gone"
        if direction == "sent":
            yield from _narrower(name, old, new)
        yield from self._fields(name, old, new, direction, seen)
        for part in ("items", "additionalProperties"):
            if isinstance(old.get(part), dict) and isinstance(new.get(part), dict):
                yield from self._schema(f"{name}[]", old[part], new[part], direction, seen)
        for part in ("anyOf", "oneOf", "allOf"):
            if len(new.get(part, [])) < len(old.get(part, [])):
                yield f"{name} has fewer alternatives"
            for was, now in zip(old.get(part, []), new.get(part, []), strict=False):
                yield from self._schema(name, was, now, direction, seen)

    def _fields(self, name: str, old: Json, new: Json, direction: Direction, seen: frozenset[str]) -> Iterator[str]:
        was, now = old.get("properties", {}), new.get("properties", {})
        for field, schema in was.items():
            if field not in now:
                yield f"{name}.{field} is gone"
            else:
                yield from self._schema(f"{name}.{field}", schema, now[field], direction, seen)
        needed_before, needed = set(old.get("required", [])), set(new.get("required", []))
        if direction == "sent":
            for field in needed - needed_before:
                yield f"{name}.{field} became required"
        else:
            for field in needed_before & now.keys() - needed:
                yield f"{name}.{field} may be left out"


def _values(schema: Json) -> set[str]:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return {str(value) for value in values}


def _narrower(name: str, old: Json, new: Json) -> Iterator[str]:
    """Yield restrictions that refuse something that was accepted before."""
    for bound in _UPPER:
        if bound in new and new[bound] < old.get(bound, float("inf")):
            yield f"{name} {bound} is {new[bound]}"
    for bound in _LOWER:
        if bound in new and new[bound] > old.get(bound, 0):
            yield f"{name} {bound} is {new[bound]}"
    if new.get("pattern") not in {None, old.get("pattern")}:
        yield f"{name} has another pattern"
    if "enum" in new and "enum" not in old and "const" not in old:
        yield f"{name} takes only some values"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield f"{name} is closed to other fields"


def _place(parameter: Json) -> tuple[str, str]:
    """Return the place of a parameter, and its name. Names of headers ignore case."""
    place, name = parameter["in"], parameter["name"]
    return place, name.lower() if place == "header" else name


def _resolved(document: Json, node: Json) -> Json:
    while "$ref" in node:
        found: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node
