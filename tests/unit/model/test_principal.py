"""Tests that the principal survives its way through API Gateway's authorizer context."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandes.model.ids import AccountId, DeviceAddress, DeviceNumber, InboxId, RegistrationId
from sandes.model.principal import Principal

principals = st.builds(
    lambda account, number, registration, inbox, at: Principal(
        DeviceAddress(AccountId(account), DeviceNumber(number)),
        RegistrationId(registration),
        InboxId(inbox),
        at,
    ),
    st.binary(min_size=8, max_size=8),
    st.integers(1, 255),
    st.integers(1, 2**32 - 1),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**52),
)


@given(principals)
def test_a_principal_comes_back_from_its_context(principal: Principal) -> None:
    context = principal.to_context()
    assert Principal.from_context(context) == principal
    assert all(type(value) is str for value in context.values())
    assert len(json.dumps(context)) < 8192


GOOD = Principal(
    DeviceAddress(AccountId(bytes(8)), DeviceNumber(1)), RegistrationId(1), InboxId(bytes(16)), 1
).to_context()


@pytest.mark.parametrize("name", sorted(GOOD.keys() - {"socket"}))  # one without a number counts as the oldest
def test_a_context_without_a_part_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        Principal.from_context({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_context_with_a_garbled_part_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Principal.from_context(GOOD | {name: "!"})
