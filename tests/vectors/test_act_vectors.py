"""Tests that server, second implementation and SDK agree on the acts that devices sign (docs/protocol/README.md,
"Signed acts").
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sandes.crypto import statements
from sandes.crypto.statements import Act, Actor, act_statement, signed_by
from sandes.model.ids import AccountId, GroupId, account_text, id_text
from sandes_client import ids as client_ids
from sandes_client import statements as client_statements
from sandes_client.keys import IdentityKey, SealKey
from tests.vectors import make, reference

ACTS: dict[str, Any] = json.loads((make.FOLDER / "acts.json").read_text())
ACCOUNT = AccountId(bytes.fromhex(ACTS["account"]))
ADDRESS = client_ids.DeviceAddress(client_ids.AccountId(account_text(ACCOUNT)), ACTS["device"])


def named(cases: list[dict[str, Any]]) -> Callable[[Any], Any]:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def act_of_server(case: dict[str, Any]) -> Act:
    match case:
        case {"device": device, "registration_id": registration}:
            return statements.remove_device(device, registration)
        case {"identity_key": identity, "link": link}:
            return statements.add_device(bytes.fromhex(identity), bytes.fromhex(link))
        case {"link": link}:
            return statements.open_link(bytes.fromhex(link))
        case {"registration": registration, "phone": phone}:
            return statements.change_phone(registration, phone)
        case {"token": token}:
            return statements.open_socket(token)
        case {"group": group, "member": member, "role": role}:
            return statements.put_member(bytes.fromhex(group), bytes.fromhex(member), role)
        case {"group": group, "member": member}:
            return statements.remove_member(bytes.fromhex(group), bytes.fromhex(member))
        case {"group": group, "open": is_open}:
            return statements.open_group(bytes.fromhex(group), is_open)
        case {"group": group}:
            return statements.dissolve_group(bytes.fromhex(group))
    raise AssertionError(case)


def act_of_sdk(case: dict[str, Any]) -> client_statements.Act:
    group = client_ids.GroupId(id_text(GroupId(bytes.fromhex(case.get("group", "00" * 8)))))
    member = client_ids.AccountId(account_text(AccountId(bytes.fromhex(case.get("member", "00" * 8)))))
    match case:
        case {"device": device, "registration_id": registration}:
            return client_statements.remove_device(device, registration)
        case {"link": link}:
            return client_statements.open_link(bytes.fromhex(link))
        case {"registration": registration, "phone": phone}:
            return client_statements.change_phone(registration, phone)
        case {"token": token}:
            return client_statements.open_socket(token)
        case {"role": role}:
            return client_statements.put_member(group, member, role)
        case {"member": _}:
            return client_statements.remove_member(group, member)
        case {"open": is_open}:
            return client_statements.open_group(group, is_open)
    return client_statements.dissolve_group(group)


def actor(case: dict[str, Any]) -> Actor:
    joining = "identity_key" in case
    return Actor(ACCOUNT, 0 if joining else ACTS["device"], 0 if joining else ACTS["registration_id"])


@named(ACTS["accepted"])
def test_the_server_composes_and_accepts_the_statements_of_the_file(case: dict[str, Any]) -> None:
    statement = act_statement(act_of_server(case), actor(case), at_ms=ACTS["at"])
    assert statement.hex() == case["statement"]
    public = bytes.fromhex(ACTS["keys"][case["by"]]["public"])
    assert signed_by(public, statement, bytes.fromhex(case["signature"]))
    Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(case["signature"]), statement)


@named([case for case in ACTS["accepted"] if case["by"] == "identity"])
def test_the_sdk_sends_the_header_of_the_file(case: dict[str, Any]) -> None:
    identity = IdentityKey(bytes.fromhex(ACTS["keys"]["identity"]["seed"]))
    signer = client_statements.Signer(identity, ADDRESS, ACTS["registration_id"])
    assert signer.header(act_of_sdk(case), at_ms=ACTS["at"]) == case["header"]


def test_the_sdk_joins_with_both_signatures_of_the_file() -> None:
    keys = {name: IdentityKey(bytes.fromhex(pair["seed"])) for name, pair in ACTS["keys"].items()}
    joining = client_statements.joining_device(
        keys["new identity"],
        SealKey(1, bytes(range(32))),
        account=ADDRESS.account,
        link=keys["link"],
        at_ms=ACTS["at"],
        name="n",
        platform="p",
    )
    signatures = {case["by"]: case["signature"] for case in ACTS["accepted"] if "identity_key" in case}
    assert (joining.signature.hex(), joining.device.proof.hex()) == (signatures["link"], signatures["new identity"])


def test_the_id_of_a_link_follows_from_its_key() -> None:
    link = bytes.fromhex(ACTS["keys"]["link"]["public"])
    assert ACTS["link_id"] == reference.link_id(link) == statements.link_id(link)


@named(ACTS["refused"])
def test_a_signature_holds_for_nothing_but_its_own_statement(case: dict[str, Any]) -> None:
    public = bytes.fromhex(ACTS["keys"]["identity"]["public"])
    statement, signature = bytes.fromhex(case["statement"]), bytes.fromhex(case["signature"])
    assert not signed_by(public, statement, signature)
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public).verify(signature, statement)


def test_no_two_statements_of_the_file_are_the_same() -> None:
    said = {case["statement"] for case in ACTS["accepted"]}
    assert len(said) == len(ACTS["accepted"]) - 1, "only the addition of a device is signed twice"
