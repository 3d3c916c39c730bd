"""Tests that names in every script are accepted unchanged, and that too many marks on one letter are refused."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from sandes.protocol.fields import Name, OneLine

ADAPTERS = [TypeAdapter[str](Annotated[str, Name]), TypeAdapter[str](Annotated[str, OneLine])]


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(
    "text",
    [
        "Z" + "\u0335" * 14 + "\u0321" * 14 + "\u031b" * 14 + "\u0353" * 14,
        "a\u0301\u0302\u0303\u0304\u0305",
        "\u00e1\u0302\u0303\u0304\u0305",  # the first mark is part of the letter
        "\u0915\u0901\u0902\u0941\u0942\u0943",
        "a\u20dd\u20dd\u20dd\u20dd\u20dd",
        "\u0915\u0941\u200d\u0941\u200d\u0941\u200d\u0941\u200d\u0941",
        "Asha R\u0332\u0332\u0332\u0332\u0332ao",
    ],
)
def test_more_than_four_marks_on_one_letter_are_refused(adapter: TypeAdapter[str], text: str) -> None:
    with pytest.raises(ValidationError, match="at most 4 marks"):
        adapter.validate_python(text, strict=True)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(
    "text",
    [
        "\u0906\u0936\u093e \u0930\u093e\u0935",
        "\u0915\u094d\u0937\u094d\u092e\u093f\u0902",
        "\u0938\u0921\u093c\u0915",
        "\u0c36\u0c4d\u0c30\u0c40\u0c28\u0c3f\u0c35\u0c3e\u0c38\u0c4d",
        "Nguy\u1ec5n Th\u1ecb \u1eadn",
        "\u0639\u064e\u0628\u0652\u062f\u064f\u0651\u0647",
        "\u0e17\u0e35\u0e48\u0e19\u0e35\u0e48",
        "a\u0301\u0302\u0303\u0304",
    ],
)
def test_names_of_real_scripts_stay(adapter: TypeAdapter[str], text: str) -> None:
    assert len(adapter.validate_python(text, strict=True)) <= len(text)
