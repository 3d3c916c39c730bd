"""Compiles the expressions of DynamoDB: conditions, key conditions, filters, projections and updates.

The grammar is that of the AWS documentation (Amazon DynamoDB Developer Guide, "Condition and filter expressions,
operators, and functions" and "Update expressions"). Each expression is parsed once in a process, because stores use
constant expressions, and only names and values change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

Item = Mapping[str, Any]
Value = Mapping[str, Any]
"""Is an attribute value, such as `{"S": "text"}`."""

Path = tuple[str | int, ...]


class Invalid(Exception):
    """Reports an expression that DynamoDB would refuse with a ValidationException."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Holds the names and values of an expression's placeholders."""

    names: Mapping[str, str]
    values: Mapping[str, Value]


Evaluate = Callable[[Item, Bound], Any]

_TOKEN = re.compile(r"\s*(?:(?P<word>[#:]?[A-Za-z0-9_]+)|(?P<sign><>|<=|>=|[=<>(),.+\-\[\]]))")
_COMPARISONS = {"=", "<>", "<", "<=", ">", ">="}
_FUNCTIONS = {"attribute_exists", "attribute_not_exists", "begins_with", "contains", "attribute_type"}
_KEYWORDS = {"AND", "OR", "NOT", "IN", "BETWEEN", "SET", "ADD", "REMOVE", "DELETE"}


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Invalid(f"cannot read {text[at:]!r}")
        found.append(match["word"] or match["sign"])
        at = match.end()
    return found


class _Parser:
    """Reads tokens by recursive descent."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    @property
    def _next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    @property
    def _keyword(self) -> str | None:
        token = self._next
        return token.upper() if token is not None and token.upper() in _KEYWORDS else None

    def _take(self, expected: str | None = None) -> str:
        token = self._next
        if token is None or (expected is not None and token.upper() != expected.upper()):
            raise Invalid(f"expected {expected}, found {token}")
        self._at += 1
        return token

    def ended(self) -> None:
        if self._next is not None:
            raise Invalid(f"unexpected {self._next}")

    def condition(self) -> Evaluate:
        parts = [self._and()]
        while self._keyword == "OR":
            self._take()
            parts.append(self._and())
        if len(parts) == 1:
            return parts[0]
        return lambda item, bound: any(part(item, bound) for part in parts)

    def _and(self) -> Evaluate:
        parts = [self._not()]
        while self._keyword == "AND":
            self._take()
            parts.append(self._not())
        if len(parts) == 1:
            return parts[0]
        return lambda item, bound: all(part(item, bound) for part in parts)

    def _not(self) -> Evaluate:
        if self._keyword != "NOT":
            return self._simple()
        self._take()
        negated = self._not()
        return lambda item, bound: not negated(item, bound)

    def _simple(self) -> Evaluate:
        if self._next == "(":
            self._take()
            inner = self.condition()
            self._take(")")
            return inner
        if self._next in _FUNCTIONS:
            return self._function(self._take())
        left = self.operand()
        if self._keyword == "IN":
            self._take()
            return _is_in(left, self._listed())
        if self._keyword == "BETWEEN":
            self._take()
            low = self.operand()
            self._take("AND")
            high = self.operand()
            return lambda item, bound: (
                _compare(left(item, bound), ">=", low(item, bound))
                and _compare(left(item, bound), "<=", high(item, bound))
            )
        sign = self._take()
        if sign not in _COMPARISONS:
            raise Invalid(f"{sign} is no comparison")
        right = self.operand()
        return lambda item, bound: _compare(left(item, bound), sign, right(item, bound))

    def _listed(self) -> list[Evaluate]:
        self._take("(")
        listed = [self.operand()]
        while self._next == ",":
            self._take()
            listed.append(self.operand())
        self._take(")")
        return listed

    def _function(self, name: str) -> Evaluate:
        operands = self._listed()
        if name.startswith("attribute_"):
            (path,) = operands
            exists = name == "attribute_exists"
            return lambda item, bound: (path(item, bound) is not None) is exists
        of, other = operands
        if name == "begins_with":
            return lambda item, bound: _begins_with(of(item, bound), other(item, bound))
        if name == "contains":
            return lambda item, bound: _contains(of(item, bound), other(item, bound))
        raise Invalid(f"{name} is not known here")

    def operand(self) -> Evaluate:
        token = self._next
        if token is not None and token.startswith(":"):
            self._take()
            return lambda _, bound: _value(bound, token)
        if token == "size":
            self._take()
            (of,) = self._listed()
            return lambda item, bound: _size(of(item, bound))
        path = self.path()
        return lambda item, bound: _read(item, path(bound))

    def path(self) -> Callable[[Bound], Path]:
        steps: list[str | int] = [self._take()]
        while self._next in {".", "["}:
            if self._take() == ".":
                steps.append(self._take())
            else:
                steps.append(int(self._take()))
                self._take("]")
        if not any(isinstance(step, str) and step.startswith("#") for step in steps):
            fixed = tuple(steps)
            return lambda _: fixed
        return lambda bound: tuple(
            _name(bound, step) if isinstance(step, str) and step.startswith("#") else step for step in steps
        )

    def paths(self) -> list[Callable[[Bound], Path]]:
        paths = [self.path()]
        while self._next == ",":
            self._take()
            paths.append(self.path())
        return paths

    def update(self) -> list[_Action]:
        actions: list[_Action] = []
        while self._next is not None:
            clause = self._take().upper()
            if clause not in {"SET", "ADD", "REMOVE", "DELETE"}:
                raise Invalid(f"{clause} is no clause of an update")
            actions.append(self._action(clause))
            while self._next == ",":
                self._take()
                actions.append(self._action(clause))
        return actions

    def _action(self, clause: str) -> _Action:
        path = self.path()
        if clause == "REMOVE":
            return _Action(clause, path, None)
        if clause == "SET":
            self._take("=")
            return _Action(clause, path, self._sum())
        return _Action(clause, path, self.operand())

    def _sum(self) -> Evaluate:
        left = self._set_operand()
        if self._next not in {"+", "-"}:
            return left
        sign = self._take()
        right = self._set_operand()
        return lambda item, bound: _added(left(item, bound), right(item, bound), -1 if sign == "-" else 1)

    def _set_operand(self) -> Evaluate:
        if self._next == "if_not_exists":
            self._take()
            path, default = self._listed_sums()
            return lambda item, bound: found if (found := path(item, bound)) is not None else default(item, bound)
        if self._next == "list_append":
            self._take()
            first, second = self._listed_sums()
            return lambda item, bound: {"L": [*first(item, bound)["L"], *second(item, bound)["L"]]}
        return self.operand()

    def _listed_sums(self) -> list[Evaluate]:
        self._take("(")
        listed = [self._set_operand()]
        while self._next == ",":
            self._take()
            listed.append(self._set_operand())
        self._take(")")
        return listed


@dataclass(frozen=True, slots=True)
class _Action:
    clause: str
    path: Callable[[Bound], Path]
    value: Evaluate | None


@lru_cache(maxsize=4096)
def condition(text: str) -> Evaluate:
    """Compile a condition, a key condition or a filter."""
    parser = _Parser(text)
    compiled = parser.condition()
    parser.ended()
    return compiled


@lru_cache(maxsize=1024)
def _projection(text: str) -> list[Callable[[Bound], Path]]:
    parser = _Parser(text)
    paths = parser.paths()
    parser.ended()
    return paths


@lru_cache(maxsize=4096)
def _update(text: str) -> list[_Action]:
    return _Parser(text).update()


def projected(item: Item, text: str, bound: Bound) -> dict[str, Any]:
    """Return the attributes that a projection names. Nested paths keep their place in their maps."""
    kept: dict[str, Any] = {}
    for path in _projection(text):
        steps = path(bound)
        value = _read(item, steps)
        if value is not None:
            _place(kept, steps, value)
    return kept


def updated(item: Item, text: str, bound: Bound) -> dict[str, Any]:
    """Return a copy of `item` after an update. Every operand is read from the old item.

    Raise Invalid for an update that DynamoDB refuses, such as a path into a missing map.
    """
    actions = [(one, one.path(bound)) for one in _update(text)]
    values = [one.value(item, bound) if one.value else None for one, _ in actions]
    changed: dict[str, Any] = copied(item)
    for (action, path), value in zip(actions, values, strict=True):
        if action.clause == "REMOVE":
            _remove(changed, path)
            continue
        if value is None:
            raise Invalid("an operand of the update is not in the item")
        if action.clause == "SET":
            _set(changed, path, copied(value))
        elif action.clause == "ADD":
            _set(changed, path, _sum_or_union(_read(changed, path), value))
        else:
            _subtract(changed, path, value)
    return changed


def copied(value: Any) -> Any:
    """Copy maps and lists, so that two items share nothing mutable."""
    if isinstance(value, Mapping):
        return {name: copied(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [copied(one) for one in value]
    return bytes(value) if isinstance(value, bytearray) else value


def key_of(value: Value) -> Any:
    """Return a value that orders and distinguishes the values of a key attribute: text, bytes, or a number."""
    ((kind, held),) = value.items()
    if kind == "N":
        return number(held)
    return held.encode() if kind == "S" else bytes(held)


def number(text: str) -> int | Decimal:
    """Read a number of an attribute value."""
    return int(text) if text.lstrip("-").isdecimal() else Decimal(text)


def _value(bound: Bound, name: str) -> Value:
    try:
        return bound.values[name]
    except KeyError:
        raise Invalid(f"value {name} is not defined") from None


def _name(bound: Bound, name: str) -> str:
    try:
        return bound.names[name]
    except KeyError:
        raise Invalid(f"name {name} is not defined") from None


def _read(item: Item, path: Path) -> Any:
    first, *rest = path
    found: Any = item.get(str(first))
    for step in rest:
        if found is None:
            return None
        if isinstance(step, int):
            held = found.get("L")
            found = held[step] if held is not None and step < len(held) else None
        else:
            held = found.get("M")
            found = held.get(step) if held is not None else None
    return found


def _parent(item: dict[str, Any], path: Path) -> Any:
    """Return the map (or list) in which the last step of a path is looked up."""
    if len(path) == 1:
        return item
    found = _read(item, path[:-1])
    held = found and found.get("L" if isinstance(path[-1], int) else "M")
    if held is None:
        raise Invalid("the document path is not in the item")
    return held


def _set(item: dict[str, Any], path: Path, value: Any) -> None:
    parent, last = _parent(item, path), path[-1]
    if isinstance(last, int) and last >= len(parent):
        parent.append(value)
    else:
        parent[last] = value


def _place(kept: dict[str, Any], path: Path, value: Any) -> None:
    for step in path[:-1]:
        kept = kept.setdefault(str(step), {"M": {}})["M"]
    kept[str(path[-1])] = value


def _remove(item: dict[str, Any], path: Path) -> None:
    try:
        parent = _parent(item, path)
    except Invalid:
        if len(path) > 1:
            raise
        return
    last = path[-1]
    if isinstance(last, int):
        if last < len(parent):
            del parent[last]
    else:
        parent.pop(last, None)


def _sum_or_union(before: Any, value: Value) -> Value:
    ((kind, held),) = value.items()
    if kind == "N":
        return _added(before or {"N": "0"}, value, 1)
    if kind not in {"SS", "NS", "BS"}:
        raise Invalid("ADD takes a number or a set")
    had = list(before[kind]) if before else []
    return {kind: [*had, *(one for one in held if one not in had)]}


def _subtract(item: dict[str, Any], path: Path, value: Value) -> None:
    before = _read(item, path)
    if before is None:
        return
    ((kind, held),) = value.items()
    left = [one for one in before[kind] if one not in held]
    if left:
        _set(item, path, {kind: left})
    else:
        _remove(item, path)


def _added(left: Any, right: Any, sign: int) -> Value:
    if left is None or right is None or "N" not in left or "N" not in right:
        raise Invalid("an operand of + or - is no number of the item")
    return {"N": str(number(left["N"]) + sign * number(right["N"]))}


def _size(value: Any) -> Any:
    if value is None:
        return None
    ((kind, held),) = value.items()
    return {"N": str(len(held.encode()) if kind == "S" else len(held))}


def _begins_with(value: Any, prefix: Value) -> bool:
    if value is None:
        return False
    ((kind, start),) = prefix.items()
    return kind in value and value[kind].startswith(start)


def _contains(value: Any, wanted: Value) -> bool:
    if value is None:
        return False
    ((kind, one),) = wanted.items()
    if kind in value:  # a part of a text or of bytes
        return one in value[kind]
    return any(one in held for name, held in value.items() if name == f"{kind}S")


def _is_in(left: Evaluate, listed: list[Evaluate]) -> Evaluate:
    return lambda item, bound: any(_compare(left(item, bound), "=", one(item, bound)) for one in listed)


def _compare(left: Any, sign: str, right: Any) -> bool:
    if left is None or right is None:
        return sign == "<>" and left is not right
    ((left_kind, a),), ((right_kind, b),) = left.items(), right.items()
    if sign in {"=", "<>"}:
        return (left_kind == right_kind and _same(left_kind, a, b)) is (sign == "=")
    if left_kind != right_kind or left_kind not in {"S", "N", "B"}:
        return False
    if left_kind == "N":
        a, b = number(a), number(b)
    elif left_kind == "S":
        a, b = a.encode(), b.encode()
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign])


def _same(kind: str, a: Any, b: Any) -> bool:
    if kind == "N":
        return a == b or number(a) == number(b)
    if kind in {"SS", "NS", "BS"}:
        return len(a) == len(b) and all(one in b for one in a)
    return bool(a == b)
