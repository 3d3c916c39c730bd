"""Reads values from decoded CBOR, each of exactly the type that the format states. All functions raise ValueError."""

from __future__ import annotations

from typing import Any


def cbor_map(value: Any) -> dict[Any, Any]:
    if type(value) is not dict:
        raise ValueError("expected a map")
    return value


def sized(value: Any, size: int | None) -> bytes:
    if type(value) is not bytes or (size is not None and len(value) != size):
        raise ValueError("expected bytes of a given size")
    return value


def text_of(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("expected text")
    return value


def number_of(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("expected a number")
    return value
