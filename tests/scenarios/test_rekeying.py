"""Tests the first half of a replacement of the pepper on the deployed system (docs/incidents/pepper.md).

The other half cannot be reverted for the following tests, and would need a restart of every function.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from sandes.crypto.pepper import Pepper
from sandes.model.ids import account_text
from sandes.store.directory import DirectoryStore
from sandes_client.operator import Operator
from tests.conftest import Deployed
from tests.scenarios.test_statistics import start_anew
from tests.support.raw_device import refill_limits, register
from tools import pepper as tool
from tools.backstage import secret_of

pytestmark = pytest.mark.engine


@pytest.fixture
def following(deployment: Deployed) -> Iterator[Pepper]:
    """Add a following value, which the functions for devices and operators have read, and withdraw it at the end."""
    before = secret_of(deployment.engine, "Pepper").decode()
    secrets = deployment.engine.client("secretsmanager")
    (name,) = [one["Name"] for one in secrets.list_secrets()["SecretList"] if "Pepper" in one["Name"]]

    def store(text: str) -> None:
        secrets.put_secret_value(SecretId=name, SecretString=text)
        start_anew(deployment, "Client", "Rekey")

    text = tool.next_value(before, now_seconds=int(time.time()) - 3_600)
    store(text)
    try:
        yield Pepper.of(text.encode())
    finally:
        store(tool.drop(text, now_seconds=int(time.time())))


async def test_numbers_of_before_and_after_are_written_under_both_values(
    deployment: Deployed, following: Pepper
) -> None:
    after = await register(deployment)
    rekey = Operator(deployment.stack.rekey, deployment.engine.url)
    told = rekey.call("pepper.rekey")
    while told["state"] == "running":
        told = rekey.call("pepper.rekey")
    assert told["state"] == "done", told
    assert told["proof"] == following.proof
    again = await register(deployment, after.phone)
    assert again.account == after.account
    directory = DirectoryStore(deployment.engine.client("dynamodb"), deployment.stack.tables["directory"])
    for index in following.indexes("phone", after.phone):
        found = directory.account_of_phone(index)
        assert found is not None
        assert account_text(found) == after.account
    refill_limits(deployment)
    viewer = await register(deployment)
    answer = await viewer.call("POST", "/v1/accounts/lookup", {"phone": after.phone})
    assert answer.json()["account"] == after.account, json.dumps(told)
