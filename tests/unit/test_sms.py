"""Tests SMS: which numbers get any, how many of each purpose, and the registered text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandes.limits import network_of
from sandes.model.phone import PhoneNumber
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.sms import SmsRules, registration_text
from sandes.store.dynamo import StoreUnavailable
from sandes.store.limits import LimitStore
from tests.support.dynamodb import FlakyClient
from tests.support.service import NOW, SMS_RULES, Service, new_phone

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "sms-in-india.md"


def test_the_page_about_sms_in_india_prints_the_text_that_is_sent() -> None:
    registered = registration_text("{#var#}")
    assert f"\n   ```text\n   {registered}\n   ```\n" in PAGE.read_text()


@pytest.mark.parametrize(
    ("number", "allowed"),
    [
        ("+919812345678", True),
        ("+916000000000", True),
        ("+912212345678", False),  # fixed line
        ("+9118001234567", False),  # toll-free
        ("+911860123456", False),  # shared cost
        ("+12025550123", False),
        ("+870773111632", False),
        ("+881612345678", False),
        ("+979123456789", False),  # international premium rate
        ("+80012345678", False),  # international freephone
    ],
)
def test_sms_go_to_mobile_numbers_of_the_country(number: str, allowed: bool) -> None:
    assert SMS_RULES.allow(PhoneNumber(number)) is allowed


def test_a_number_that_may_be_fixed_or_mobile_gets_sms() -> None:
    assert SmsRules.of("+1").allow(PhoneNumber("+12025550123"))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_counts_as_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_registrations_leave_the_budget_of_otps_alone(service: Service) -> None:
    registrations, otps = service.sms_budget("r1", per_hour=1), service.sms_budget("o1", per_hour=1)
    registrations.take(new_phone(), now_seconds=NOW)
    with pytest.raises(ProtocolError) as refused:
        registrations.take(new_phone(), now_seconds=NOW)
    assert refused.value.code is ErrorCode.SMS_LIMITED
    otps.take(new_phone(), now_seconds=NOW)
    assert service.stops == ["r1"]


def test_a_budget_that_cannot_be_read_lets_nothing_through(service: Service) -> None:
    flaky: Any = FlakyClient(service.client, {"update_item": 1})
    store = LimitStore(flaky, service.tables["limits"])
    with pytest.raises(StoreUnavailable):
        store.count("sms:x", "hour#1", most=5, keep_until=NOW + 60)
