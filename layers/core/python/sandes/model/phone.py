"""Phone numbers: one spelling, E.164, checked with Google's numbering data."""

from __future__ import annotations

from typing import NewType

import phonenumbers

PhoneNumber = NewType("PhoneNumber", str)
"""E.164 with the plus sign, for example +919876543210."""


def parse_phone(text: str) -> PhoneNumber:
    """Raises ValueError unless `text` is a valid number in international form, spaces and hyphens allowed."""
    if not text.startswith("+") or len(text) > 32:
        raise ValueError("write the number in international form, for example +91 98765 43210")
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        raise ValueError("this is not a phone number") from error
    if not phonenumbers.is_valid_number(number) or number.extension:
        raise ValueError("no such phone number can exist")
    return PhoneNumber(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
