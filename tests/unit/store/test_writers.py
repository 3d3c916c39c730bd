"""Tests that stores with a writer use it for every write. Another write would be an act without an audit entry."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import pytest

import sandes.store

FOLDER = Path(sandes.store.__file__).parent
WRITES = {
    "put_item",
    "update_item",
    "delete_item",
    "transact_write_items",
    "batch_write_item",
    "transact",
    "write_one",
    "batch_write",
}
UPKEEP = {
    "apps": {"change_webhook"},  # without a writer, it asks for the new row
    "membership_changes": {"let_vanish"},
    "verifications": {"publish_attestation_keys"},
}
"""Methods that are not acts of administration, or handle the writer themselves."""


def with_writer() -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield the classes with a writer, also those that inherit it."""
    for file in sorted(FOLDER.glob("*.py")):
        module = import_module(f"sandes.store.{file.stem}")
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef):
                store = getattr(module, node.name)
                if is_dataclass(store) and "writer" in {field.name for field in fields(store)}:
                    yield file.stem, node


def writes(method: ast.FunctionDef) -> set[str]:
    """Return the method's calls that write past the store's writer, on whatever object."""
    called = {node.func for node in ast.walk(method) if isinstance(node, ast.Call)}
    past = {
        node.func.id
        for node in ast.walk(method)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"write", "write_if"}
        if isinstance(node.args[1], ast.Constant)  # None in the place of the writer
    }
    names = {
        func.attr if isinstance(func, ast.Attribute) else func.id
        for func in called
        if isinstance(func, ast.Attribute | ast.Name)
    }
    return names & WRITES | past


STORES = list(with_writer())


def test_there_are_stores_with_a_writer() -> None:
    names = {name for name, _ in STORES}
    assert {"apps", "enrolment", "group_changes", "organisations", "templates", "verifications"} <= names


@pytest.mark.parametrize(("name", "store"), STORES, ids=[name for name, _ in STORES])
def test_a_store_with_a_writer_writes_by_it(name: str, store: ast.ClassDef) -> None:
    past = {node.name for node in store.body if isinstance(node, ast.FunctionDef) and writes(node)}
    assert past == UPKEEP.get(name, set())
