"""Tests that server, second implementation and Python SDK agree on the contents of groups' envelopes, also on refused
ones.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sandes.crypto import seal as server_seal
from sandes.model.ids import AccountId, BodyId, GroupId, account_text
from sandes_client import group_bodies
from sandes_client.seal import EnvelopeUnreadable
from tests.support import opening
from tests.vectors.test_vectors import each, load

GROUPS = load("groups.json")


def server_pointer(case: dict[str, Any]) -> server_seal.BodyPointer:
    id, key = bytes.fromhex(case["id"]), bytes.fromhex(case["content_key"])
    return server_seal.BodyPointer(BodyId(id), key, case.get("size", 0))


def sdk_pointer(case: dict[str, Any]) -> group_bodies.BodyPointer:
    return group_bodies.BodyPointer(bytes.fromhex(case["id"]), bytes.fromhex(case["content_key"]), case.get("size", 0))


@each(GROUPS["messages"])
def test_the_server_writes_these_messages_and_the_sdk_reads_them(case: dict[str, Any]) -> None:
    group = GroupId(bytes.fromhex(case["group"]))
    body = server_pointer(case["pointer"]) if "pointer" in case else bytes.fromhex(case["text"])
    written = server_seal.group_message_body(group, case["version"], body)
    assert written.hex() == case["body"]
    read = group_bodies.parse_group_message(written)
    assert (read.group, read.version) == (account_text(AccountId(bytes(group))), case["version"])
    assert read.body == (sdk_pointer(case["pointer"]) if "pointer" in case else body)


@each(GROUPS["events"])
def test_the_server_writes_these_events_and_the_sdk_reads_them(case: dict[str, Any]) -> None:
    actor, subject = (AccountId(bytes.fromhex(case[who])) if who in case else None for who in ("actor", "subject"))
    written = server_seal.group_event_body(
        GroupId(bytes.fromhex(case["group"])),
        case["version"],
        server_seal.GroupChange(case["change"]),
        actor=actor,
        subject=subject,
        role=case.get("role"),
        name=case.get("title"),
    )
    assert written.hex() == case["body"]
    read = group_bodies.parse_group_event(written)
    assert (read.version, int(read.change), read.role, read.name) == (
        case["version"],
        case["change"],
        case.get("role"),
        case.get("title"),
    )
    assert (read.actor, read.subject) == tuple(account_text(who) if who else None for who in (actor, subject))


@each(GROUPS["refused"])
def test_the_sdk_refuses_these(case: dict[str, Any]) -> None:
    parse = group_bodies.parse_group_message if case["kind"] == 2 else group_bodies.parse_group_event
    with pytest.raises(EnvelopeUnreadable):
        parse(bytes.fromhex(case["body"]))


@each(GROUPS["bodies"])
def test_everybody_opens_a_body_that_is_kept_apart(case: dict[str, Any]) -> None:
    plaintext, data = bytes.fromhex(case["plaintext"]), bytes.fromhex(case["data"])
    assert server_seal.encrypt_body(plaintext, server_pointer(case)) == data
    assert opening.decrypt_body(data, server_pointer(case)) == plaintext
    assert sdk_pointer(case).open(data) == plaintext


@each(GROUPS["refused_bodies"])
def test_nobody_opens_these_bodies(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["data"])
    with pytest.raises(opening.SealBroken):
        opening.decrypt_body(data, server_pointer(case))
    with pytest.raises(EnvelopeUnreadable):
        sdk_pointer({**case, "size": max(len(data) - 16, 0)}).open(data)
    with pytest.raises((InvalidTag, ValueError)):
        ChaCha20Poly1305(bytes.fromhex(case["content_key"])).decrypt(bytes(12), data, bytes.fromhex(case["id"]))


def test_a_body_of_another_size_than_the_message_says_is_refused() -> None:
    case = GROUPS["bodies"][0]
    with pytest.raises(EnvelopeUnreadable):
        sdk_pointer({**case, "size": case["size"] + 1}).open(bytes.fromhex(case["data"]))
