"""Builds the SMS budget, for the two functions that send SMS."""

from __future__ import annotations

from sandes.edge.clients import client_of
from sandes.edge.sms import sms_stopped
from sandes.sms import SmsBudget
from sandes.store.limits import LimitStore


def sms_budget(purpose: str, per_hour: int, per_prefix: int, *, limits_table: str) -> SmsBudget:
    return SmsBudget(purpose, per_hour, per_prefix, LimitStore(client_of("dynamodb"), limits_table), sms_stopped)
