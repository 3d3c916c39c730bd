"""moto's DynamoDB made quick: what it answers stays the same.

For each query moto looks at all of a table, and for each operation of a transaction it copies all of a table, to have
it back should the transaction fail. Here a query sees the partition that is asked for, of a table or an index. Of a
table that is kept, only the rows that the transaction names are copied.

moto also parses each expression anew, several times in a call. Here each is parsed once in a process, and values are
put into what was parsed: expressions are constants of the stores, and only their values change.

moto calls deeply, too, and CPython keeps the frames of calls in pieces of 16 KiB: a loop that calls across the end of
one has a piece mapped and unmapped each time, which was half the time of some tests.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, ParamSpec, TypeVar

from moto.dynamodb.comparisons import AttributeValue, ConditionExpressionParser
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing import ast_nodes, expressions
from moto.dynamodb.parsing.tokens import ExpressionTokenizer
from moto.dynamodb.parsing.validators import (
    ActionCountValidator,
    OverlappingPathsValidator,
    UpdateExpressionValidator,
    UpdateHashRangeKeyValidator,
)

TREE: Any = ast_nodes
"""moto leaves this module, and that of the parsers, untyped."""
Node, DepthFirstTraverser = TREE.Node, TREE.DepthFirstTraverser
UpdateExpressionParser: Any = vars(expressions)["UpdateExpressionParser"]

P = ParamSpec("P")
R = TypeVar("R")
Touched = Mapping[str, Iterable[Mapping[str, Any]]]

_query, _transact = Table.query, DynamoDBBackend.transact_write_items
_shipped_cast_value: Callable[[DynamoType], Any] = vars(DynamoType)["cast_value"].fget
_parse_condition, _make_operand = ConditionExpressionParser.parse, ConditionExpressionParser._make_operand
_touched: ContextVar[Touched] = ContextVar("touched")
"""Rows, or their keys, by table, of the transaction that is under way."""


def _query_of_a_partition(table: Table, hash_key: Any, *arguments: Any, **named: Any) -> Any:
    *_, index, _, _ = arguments
    whole: dict[Any, Any] = table.items
    found = _partition(whole, hash_key) if index is None else _with(whole, named["hash_key_conditions"])
    table = copy.copy(table)
    table.items = defaultdict(dict, found)
    return _query(table, hash_key, *arguments, **named)


def _partition(rows: Mapping[Any, Any], hash_key: Any) -> dict[Any, Any]:
    return {hash_key: rows[hash_key]} if hash_key in rows else {}


def _with(rows: Mapping[Any, Any], conditions: Iterable[tuple[str, DynamoType]]) -> dict[Any, Any]:
    """The rows that may be in a partition of an index: those whose text or bytes are what is asked for, or a number."""
    wanted = [(name, value.type, value.value) for name, value in conditions if value.type in {"S", "B"}]

    def may_be(row: Any) -> bool:
        values = ((row.attrs.get(name), type, value) for name, type, value in wanted)
        return all(one is not None and (one.type, one.value) == (type, value) for one, type, value in values)

    found: dict[Any, Any] = {}
    for hash_key, some in rows.items():
        if not isinstance(some, dict):
            if may_be(some):
                found[hash_key] = some
        elif kept := {sort: row for sort, row in some.items() if may_be(row)}:
            found[hash_key] = kept
    return found


def _cast_value(value: DynamoType) -> Any:
    return value.value if value.type in {"S", "B", "BOOL"} else _shipped_cast_value(value)


def _transact_on_rows(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    touched = defaultdict(list)
    for operation in transact_items:
        for one in operation.values():
            touched[one["TableName"]].append(one["Item"] if "Item" in one else one["Key"])
    before = _touched.set(touched)
    try:
        _transact(backend, transact_items)
    finally:
        _touched.reset(before)


def _kept(table: Table, _: Any) -> Table:
    """The table as it is now: it may be put in the place of the one that the transaction changes."""
    kept, rows = copy.copy(table), defaultdict(dict, table.items)
    for row in _touched.get()[table.name]:
        hash_key = DynamoType(row[table.hash_key_attr])
        found = rows.get(hash_key)
        if found is None:
            continue
        if table.range_key_attr is None:
            rows[hash_key] = copy.deepcopy(found)
            continue
        range_key = DynamoType(row[table.range_key_attr])
        rows[hash_key] = found | ({range_key: copy.deepcopy(found[range_key])} if range_key in found else {})
    kept.items = rows
    if table.stream_shard:
        kept.stream_shard = copy.copy(table.stream_shard)
        kept.stream_shard.table, kept.stream_shard.items = kept, list(table.stream_shard.items)
    return kept


class _Template(ConditionExpressionParser):
    """Parses a condition for any values: a value's place in the tree is its name."""

    def __init__(self, expression: str, names: Mapping[str, str]) -> None:
        super().__init__(expression, dict(names), None)
        self.root: Any = None

    def _lookup_expression_attribute_value(self, name: str) -> Any:
        return name

    def _make_op_condition(self, node: Any) -> Any:
        self.root = node
        return None


@cache
def _template(expression: str, names: frozenset[tuple[str, str]]) -> _Template:
    template = _Template(expression, dict(names))
    template.parse()
    return template


def _parse_once(parser: ConditionExpressionParser) -> Any:
    if not parser.condition_expression or isinstance(parser, _Template):
        return _parse_condition(parser)
    names = frozenset((parser.expression_attribute_names or {}).items())
    template = _template(parser.condition_expression, names)
    parser.expr_attr_names_found.extend(template.expr_attr_names_found)
    parser.expr_attr_values_found.extend(template.expr_attr_values_found)
    return parser._make_op_condition(template.root)


def _operand_of_a_template(parser: ConditionExpressionParser, node: Any) -> Any:
    if node.kind == parser.Kind.EXPRESSION_ATTRIBUTE_VALUE:
        return AttributeValue(parser._lookup_expression_attribute_value(node.text))
    return _make_operand(parser, node)


@cache
def _update(expression: str) -> Any:
    """moto copies what it changes of the tree; copies share `passed`."""
    tree = UpdateExpressionParser(ExpressionTokenizer.make_list(expression)).parse()
    tree.passed = set()
    return tree


def _validate_once(validator: UpdateExpressionValidator) -> Any:
    """What depends on no value is validated once for each update with its names."""
    tree, passed = validator.node_to_validate, validator.node_to_validate.passed
    names = frozenset((validator.expression_attribute_names or {}).items())
    key = (names, frozenset(validator.table.table_key_attrs))
    for processor in validator.processors:
        if key not in passed or not isinstance(processor, OF_NAMES):
            tree = processor.traverse(tree)
    passed.add(key)
    return tree


OF_NAMES = (ActionCountValidator, OverlappingPathsValidator, UpdateHashRangeKeyValidator)


@cache
def _is_a(kind: Any, *of: Any) -> bool:
    """moto's nodes have an abstract base, of which each `isinstance` is a call."""
    return issubclass(kind, of)


def _find_clauses(node: Any, kinds: list[type]) -> list[Any]:
    found = []
    for child in node.children or ():
        if type(child) in kinds:
            found.append(child)
        elif _is_a(child.__class__, TREE.Expression, TREE.UpdateExpressionFunction):
            found += _find_clauses(child, kinds)
    return found


def _copied(node: Any, memo: dict[int, Any]) -> Any:
    """A tree of its own; what the leaves hold is text."""
    made = object.__new__(type(node))
    made.__dict__ = dict(node.__dict__)
    made.parent = None
    if isinstance(node.children, list):
        made.children = [_copied(child, memo) if _is_a(child.__class__, Node) else child for child in node.children]
        for child in made.children:
            if _is_a(child.__class__, Node):
                child.parent = made
    return made


def _traverse(traverser: Any, root: Any) -> Any:
    """As moto does, with the classes of nodes looked up once."""
    processors = traverser._processing_map()
    found: dict[type, Any] = {}

    def processor_of(kind: type) -> Any:
        if kind not in found:
            found[kind] = next((process for of, process in processors.items() if issubclass(kind, of)), None)
        return found[kind]

    def visit(node: Any, index: int) -> Any:
        parent = node.parent
        for place, child in enumerate(node.children or ()):
            traverser.pre_processing_of_child(node, place)
            if _is_a(child.__class__, Node):
                visit(child, place)
        process = processor_of(type(node))
        if process:
            node = process(node)
            node.parent = parent
            if parent:
                parent.children[index] = node
        return node

    return visit(root, -1)


def with_room(call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Call with a mebibyte for the frames of what is called: what this frame, of just over one, leaves of two."""
    return call(*arguments, **named)


with_room.__code__ = with_room.__code__.replace(co_stacksize=2**17)


def install() -> None:
    """In this process."""
    _patch(QUICK)


@contextmanager
def as_shipped() -> Iterator[None]:
    """moto without what is quicker here, to compare the two."""
    _patch(SHIPPED)
    try:
        yield
    finally:
        _patch(QUICK)


def _patch(methods: Iterable[tuple[type, str, Any]]) -> None:
    for owner, name, method in methods:
        if method is None:
            delattr(owner, name)
        else:
            setattr(owner, name, method)


QUICK: tuple[tuple[type, str, Any], ...] = (
    (Table, "query", _query_of_a_partition),
    (Table, "__deepcopy__", _kept),
    (DynamoType, "cast_value", property(_cast_value)),
    (DynamoDBBackend, "transact_write_items", _transact_on_rows),
    (ConditionExpressionParser, "parse", _parse_once),
    (ConditionExpressionParser, "_make_operand", _operand_of_a_template),
    (UpdateExpressionParser, "make", staticmethod(_update)),
    (UpdateExpressionValidator, "validate", _validate_once),
    (Node, "find_clauses", _find_clauses),
    (Node, "__deepcopy__", _copied),
    (DepthFirstTraverser, "traverse", _traverse),
)
SHIPPED = tuple((owner, name, vars(owner).get(name)) for owner, name, _ in QUICK)
