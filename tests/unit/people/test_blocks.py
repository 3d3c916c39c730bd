"""Tests blocks: the number that an account may have, and how often it may change them."""

from __future__ import annotations

from functools import partial

import pytest

from sandes.limits import Limit
from sandes.model.ids import new_account_id
from sandes.model.instant import Instant
from sandes.people import accounts
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.directory import DirectoryStore, account_key
from sandes.store.schema import DirectoryRow
from tests.support.service import NOW_MS, Service


def test_an_account_blocks_so_many_others_and_no_more(service: Service) -> None:
    owner, others = new_account_id(), [new_account_id() for _ in range(4)]
    store = DirectoryStore(service.client, service.tables["directory"])
    block = partial(store.block, owner=owner, most=3)
    assert [block(blocked=other) for other in others] == [True, True, True, False]
    assert block(blocked=others[0])  # it exists already
    store.unblock(owner=owner, blocked=others[3])  # nothing was blocked
    assert not block(blocked=others[3])
    store.unblock(owner=owner, blocked=others[0])
    assert [block(blocked=other) for other in (others[3], others[0])] == [True, False]
    assert block(owner=new_account_id(), blocked=others[0])


def test_too_many_blocks_have_a_code_of_their_own(service: Service) -> None:
    person = service.person()
    counted = account_key(person.account) | {DirectoryRow.SORT: {"S": "BN"}, DirectoryRow.BLOCKS: {"N": "5000"}}
    service.client.put_item(TableName=service.tables["directory"], Item=counted)
    with pytest.raises(ProtocolError) as refused:
        accounts.block(service.caller(person), new_account_id(), now=Instant(NOW_MS), deps=service.device_deps)
    assert refused.value.code is ErrorCode.TOO_MANY_BLOCKS


def test_blocks_and_their_ends_share_a_rate(service: Service) -> None:
    asha, other = service.caller(service.person()), new_account_id()
    for _ in range(Limit.BLOCKS.burst // 2):
        accounts.block(asha, other, now=Instant(NOW_MS), deps=service.device_deps)
        accounts.unblock(asha, other, now=Instant(NOW_MS), deps=service.device_deps)
    for change in (accounts.block, accounts.unblock):
        with pytest.raises(ProtocolError) as refused:
            change(asha, other, now=Instant(NOW_MS), deps=service.device_deps)
        assert (refused.value.code, refused.value.retry_after_seconds) == (ErrorCode.RATE_LIMITED, 5)
