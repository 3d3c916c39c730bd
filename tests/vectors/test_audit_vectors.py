"""Tests that server, second implementation and offline verifier agree on audit chains, also on refused ones."""

from __future__ import annotations

import io
from typing import Any

import pytest

from sandes.crypto import audit_chain
from sandes.crypto.audit_chain import FIRST, AuditKey
from sandes.model.audit import Act, Head, read_entry
from sandes.model.ids import parse_organisation, parse_unit
from sandes_client.audit import HeadsRefused, public_keys, read_heads, verify
from tests.vectors.test_vectors import each, load

AUDIT = load("audit.json")
KEY = AuditKey.of(bytes.fromhex(AUDIT["secret"]))
KEYS = public_keys([bytes.fromhex(AUDIT["public"])])
HEADS = AUDIT["heads"]["line"].encode()


def file(lines: list[str]) -> io.BytesIO:
    return io.BytesIO("".join(line + "\n" for line in lines).encode())


def test_the_key_comes_of_the_secret() -> None:
    assert (KEY.public.hex(), KEY.id) == (AUDIT["public"], AUDIT["key"])
    assert list(KEYS) == [AUDIT["key"]]


@each(AUDIT["entries"])
def test_the_server_writes_and_reads_these_entries(case: dict[str, Any]) -> None:
    given = case["act"]
    act = Act(
        action=given["action"],
        actor=given["actor"],
        role=given["role"],
        organisation=parse_organisation(given["chain"]),
        unit=parse_unit(given["unit"]) if given["unit"] else None,
        subject=given["subject"],
        case=given["case"],
        details=case["details"],
    )
    before = [bytes.fromhex(one["hash"]) for one in AUDIT["entries"] if one["seq"] == case["seq"] - 1]
    prev = before[0] if before else FIRST
    body = audit_chain.body(act.details, bytes.fromhex(case["salt"]))
    statement = audit_chain.statement(
        act,
        seq=case["seq"],
        at_ms=case["at_ms"],
        body_hash=audit_chain.body_hash(body),
        prev=prev,
        key=KEY.id,
    )
    signature = KEY.sign_entry(statement)
    shown = body if '"content"' in case["line"] else None
    assert audit_chain.line(statement, signature, shown).decode() == case["line"]
    assert audit_chain.link_hash(statement, signature).hex() == case["hash"]
    assert audit_chain.split(case["line"].encode()) == (statement, signature, shown)
    entry = read_entry(statement, signature, body)
    assert (entry.chain, entry.seq, entry.at_ms, entry.actor) == (
        act.organisation,
        case["seq"],
        case["at_ms"],
        act.actor,
    )
    assert (entry.role, entry.action, entry.unit, entry.subject) == (act.role, act.action, act.unit, act.subject)
    assert (entry.case, entry.prev, entry.key) == (act.case, prev, KEY.id)
    assert audit_chain.details_of(entry) == case["details"]
    assert audit_chain.is_signed_entry(statement, signature, KEY.public)


def test_the_server_writes_these_heads_and_the_verifier_reads_them() -> None:
    given = AUDIT["heads"]
    heads = [
        Head(parse_organisation(one["chain"]), one["seq"], one["at_ms"], bytes.fromhex(one["hash"]))
        for one in given["heads"]
    ]
    statement = audit_chain.heads_statement(reversed(heads), at_ms=given["at_ms"], key=KEY.id)
    assert audit_chain.line(statement, KEY.sign_heads(statement)).decode() == given["line"]
    assert [(one.chain, one.seq, one.at_ms) for one in read_heads(HEADS, KEYS)] == [
        (one["chain"], one["seq"], one["at_ms"]) for one in given["heads"]
    ]


def test_the_verifier_finds_the_chain_whole() -> None:
    lines = [case["line"] for case in AUDIT["entries"]]
    found = verify(file(lines), keys=KEYS, heads=read_heads(HEADS, KEYS), chain=AUDIT["chain"])
    assert (found.fault, found.entries, found.heads, len(found.withheld), found.unwitnessed) == (None, 4, 1, 1, 0)


@each(AUDIT["refused"])
def test_the_verifier_names_the_first_bad_entry(case: dict[str, Any]) -> None:
    fault = verify(file(case["lines"]), keys=KEYS, heads=read_heads(HEADS, KEYS), chain=AUDIT["chain"]).fault
    assert fault is not None
    assert (fault.kind, fault.seq) == (case["kind"], case["seq"])


@each(AUDIT["refused_heads"])
def test_the_verifier_refuses_heads_that_are_not_signed_as_such(case: dict[str, Any]) -> None:
    with pytest.raises(HeadsRefused):
        read_heads(case["line"].encode(), KEYS)
