"""The SDK sends a number as people paste it, and says what is none."""

from __future__ import annotations

import pytest

from sandes_client.app.calls import recipient
from sandes_client.cli.session import recipient_text
from sandes_client.phone_text import typed_number


@pytest.mark.parametrize(
    "text", ["+919876543210", " +919876543210", "+919876543210 ", "\u202a+919876543210\u202c", "'+919876543210"]
)
def test_blanks_and_invisible_marks_around_a_number_are_dropped(text: str) -> None:
    assert recipient(text) == {"phone": "+919876543210"}
    assert recipient_text(text) == "+919876543210"


def test_digits_and_dashes_of_every_script_are_understood() -> None:
    assert recipient("+९१ ९८७६५\u2011४३२१1") == {"phone": "+91 98765-43211"}


def test_the_service_says_what_is_wrong_with_a_masked_number() -> None:
    assert recipient("+9198765XXXXX") == {"phone": "+9198765XXXXX"}


def test_a_text_that_is_neither_number_nor_account_is_refused() -> None:
    with pytest.raises(ValueError, match="a recipient is"):
        recipient("Asha Rao")


@pytest.mark.parametrize("text", ["+49 30 123456..", "+49 30 ... 123456", "+49--30123456", "+49 30 123456-"])
def test_what_leaves_out_digits_is_no_number_that_the_device_may_remember(text: str) -> None:
    assert typed_number(text) is None
