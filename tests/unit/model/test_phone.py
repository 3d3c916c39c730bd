"""Phone numbers have one spelling."""

from __future__ import annotations

import pytest

from sandes.model.phone import parse_phone


@pytest.mark.parametrize(
    "text", ["+919876543210", "+91 98765 43210", "+91-98765-43210", "+91 (98765) 43210", "+9109876543210"]
)
def test_every_spelling_of_a_number_becomes_the_same_e164(text: str) -> None:
    assert parse_phone(text) == "+919876543210"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "9876543210",
        "0919876543210",
        "+91",
        "+911",
        "+919876543210123",
        "+999123456789",
        "+91 98765 43210 ext. 5",
        "+91 9876 x3210",
        "+" + "9" * 40,
        "tel:+919876543210",
    ],
)
def test_what_is_no_number_in_international_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        parse_phone(text)
