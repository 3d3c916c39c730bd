"""Tests that keys of attestations are published before they sign, and that only successors of published keys sign."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandes.administration.people.attestation_keys import announced_key
from sandes.crypto.attestation import AttestationKeys
from sandes.crypto.introductions import BadKeySecret
from sandes.store.dynamo import StoreUnavailable
from sandes.store.verifications import VerificationStore
from tests.support.service import NOW, Service
from tools.service_keys import end_former, next_secret

FIRST = "plain secret as the deployment makes it, 64 characters in all.."
SECOND = next_secret(FIRST, now_seconds=NOW, in_force_from=NOW + 60, of=AttestationKeys)


def keys(secret: str) -> AttestationKeys:
    return AttestationKeys.of(secret.encode())


@pytest.fixture
def store(service: Service) -> VerificationStore:
    service.client.delete_item(
        TableName=service.tables["directory"], Key={"p": {"S": "K#attestation"}, "s": {"S": "0"}}
    )
    return service.verifications


def test_the_next_key_is_published_before_it_is_in_force(store: VerificationStore) -> None:
    assert announced_key(keys(FIRST), store, now_seconds=NOW).number == 1
    assert announced_key(keys(SECOND), store, now_seconds=NOW + 59).number == 1
    assert store.attestation_keys() == keys(SECOND).told
    assert announced_key(keys(SECOND), store, now_seconds=NOW + 60).number == 2


def test_an_environment_with_the_former_secret_does_not_take_back_what_a_newer_one_published(
    store: VerificationStore,
) -> None:
    announced_key(keys(SECOND), store, now_seconds=NOW)
    assert announced_key(keys(FIRST), store, now_seconds=NOW).number == 1
    assert store.attestation_keys() == keys(SECOND).told


def test_a_key_that_was_ended_signs_nothing(store: VerificationStore) -> None:
    ended = keys(end_former(SECOND, now_seconds=NOW + 60, of=AttestationKeys))
    assert announced_key(ended, store, now_seconds=NOW + 60).number == 2
    for former in (FIRST, SECOND):
        with pytest.raises(StoreUnavailable, match="ended"):
            announced_key(keys(former), store, now_seconds=NOW)
    assert store.attestation_keys() == ended.told
    assert announced_key(keys(SECOND), store, now_seconds=NOW + 60).number == 2


def test_keys_that_do_not_follow_the_published_ones_sign_nothing(store: VerificationStore) -> None:
    announced_key(keys(SECOND), store, now_seconds=NOW)
    other = "another secret, which nobody has introduced to the devices......"
    for secret in (
        other,
        next_secret(other, now_seconds=NOW, in_force_from=0, of=AttestationKeys),
        next_secret(FIRST, now_seconds=NOW, in_force_from=0, of=AttestationKeys),
    ):
        with pytest.raises(BadKeySecret, match="follow"):
            announced_key(keys(secret), store, now_seconds=NOW)
    assert store.attestation_keys() == keys(SECOND).told


def test_a_secret_that_brings_back_an_ended_key_signs_nothing(store: VerificationStore) -> None:
    ended = keys(end_former(SECOND, now_seconds=NOW + 60, of=AttestationKeys))
    announced_key(ended, store, now_seconds=NOW + 60)
    restored = next_secret(SECOND, now_seconds=NOW, in_force_from=0, of=AttestationKeys)
    with pytest.raises(BadKeySecret, match="brings back"):
        announced_key(keys(restored), store, now_seconds=NOW)
    assert store.attestation_keys() == ended.told


def test_of_two_that_publish_at_once_the_newer_list_stays(store: VerificationStore) -> None:
    older, newer = keys(FIRST).told, keys(SECOND).told
    assert store.publish_attestation_keys(older, previous=None)
    assert store.publish_attestation_keys(newer, previous=older)
    assert not store.publish_attestation_keys(older, previous=None)
    assert not store.publish_attestation_keys(replace(older, oldest=2), previous=older)
    assert store.attestation_keys() == newer
