"""Tests names and addresses that people confuse, and others that they do not."""

from __future__ import annotations

import pytest

from sandes.model.lookalikes import look_alike


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("latha@ports.example", "latha@p0rts.example"),
        ("latha@ports.example", "1atha@ports.example"),
        ("marvin@rail.example", "rnarvin@rail.example"),
        ("latha@ports.example", "lathaa@ports.example"),
        ("latha@ports.example", "ltaha@ports.example"),
        ("latha@ports.example", "latha@port.example"),
        ("Latha Menon", "L\u0430th\u0430 Menon"),
        ("Latha Menon", "L\u03b1tha Menon"),
        ("Latha Menon", "Latha  M\u00e9non"),
        ("Latha Menon", "\uff2catha Menon"),
        ("Latha Menon", "LATHA MENON"),
        ("Ilya Rao", "llya Rao"),
    ],
)
def test_what_looks_alike_is_found(first: str, second: str) -> None:
    assert look_alike(first, second)
    assert look_alike(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("latha@ports.example", "latha@ports.example"),
        ("latha@ports.example", "farah@ports.example"),
        ("Asha", "Usha"),
        ("Latha Menon", "Farah Khan"),
        ("\u0906\u0936\u093e", "\u0909\u0937\u093e"),
    ],
)
def test_what_is_different_or_the_same_is_no_lookalike(first: str, second: str) -> None:
    assert not look_alike(first, second)
