"""The offline check of audit chains: whatever is done to a file, the first bad entry is named."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandes.crypto import audit_chain
from sandes.crypto.audit_chain import FIRST, AuditKey
from sandes.model.audit import Act
from sandes.model.audit import Head as KeptHead
from sandes.model.ids import OrganisationId, UnitId, base64url_text, id_text
from sandes_client.audit import (
    Head,
    HeadsDocument,
    HeadsRefused,
    Verified,
    gone_heads,
    public_keys,
    read_heads,
    verify,
)

KEY, OTHER = AuditKey.of(b"k" * 32), AuditKey.of(b"o" * 32)
CHAIN, ELSEWHERE = OrganisationId(b"chain..1"), OrganisationId(b"chain..2")
NOW_MS = 1_790_000_000_000


def chain(
    length: int, *, of: OrganisationId = CHAIN, key: AuditKey = KEY, after: Sequence[bytes] = (), word: str = "rename"
) -> list[bytes]:
    """The lines of a chain, or those that go on from `after`, which are left out."""
    prev, lines = FIRST, []
    if after:
        statement, signature, _ = audit_chain.split(after[-1][:-1])
        prev = audit_chain.link_hash(statement, signature)
    for seq in range(len(after) + 1, len(after) + length + 1):
        act = Act(
            action=f"unit.{word}",
            actor="operator",
            role=None,
            organisation=of,
            unit=UnitId(of),
            subject="signature",
            case=',"signature":"' if seq % 2 else None,
            details={"name": [f"Desk {seq}", "रेल"], "signature": "x"},
        )
        content = audit_chain.body(act.details, seq.to_bytes(16, "big"))
        statement = audit_chain.statement(
            act, seq=seq, at_ms=NOW_MS + seq, body_hash=audit_chain.body_hash(content), prev=prev, key=key.id
        )
        signature = key.sign_entry(statement)
        prev = audit_chain.link_hash(statement, signature)
        lines.append(audit_chain.line(statement, signature, content) + b"\n")
    return lines


def head(lines: Sequence[bytes], *, key: AuditKey = KEY, of: OrganisationId = CHAIN, at_ms: int = NOW_MS) -> bytes:
    """A document with the head of the chain."""
    statement, signature, _ = audit_chain.split(lines[-1][:-1])
    ends = KeptHead(of, len(lines), NOW_MS + len(lines), audit_chain.link_hash(statement, signature))
    other = KeptHead(OrganisationId(bytes(8)), 7, NOW_MS, bytes(32))
    said = audit_chain.heads_statement([ends, other], at_ms=at_ms, key=key.id)
    return audit_chain.line(said, key.sign_heads(said)) + b"\n"


def check(data: bytes, *heads: bytes, key: AuditKey = KEY, **more: Any) -> Verified:
    keys = public_keys([key.public])
    given = [one for document in heads for one in read_heads(document, keys)]
    return verify(io.BytesIO(data), keys=keys, heads=given, **more)


def named(data: bytes, *heads: bytes, **more: Any) -> tuple[str, int]:
    fault = check(data, *heads, **more).fault
    assert fault is not None
    assert fault.last == fault.seq or fault.kind == "rewritten"
    return fault.kind, fault.seq


LINES = chain(12)
FILE = b"".join(LINES)
HEAD = head(LINES)


def test_a_whole_chain_is_found_whole() -> None:
    assert check(FILE, HEAD) == Verified(id_text(CHAIN), 1, 12, 12, (), 1, 0, None)


def test_entries_after_the_last_head_are_vouched_for_by_their_signature_and_counted() -> None:
    found = check(FILE, head(LINES[:9]))
    assert (found.fault, found.entries, found.heads, found.unwitnessed) == (None, 12, 1, 3)
    assert check(FILE).unwitnessed == 12


def without_bodies(*numbers: int) -> list[bytes]:
    return [
        audit_chain.line(*audit_chain.split(line[:-1])[:2]) + b"\n" if seq in numbers else line
        for seq, line in enumerate(LINES, 1)
    ]


def test_a_body_may_be_withheld_and_which_are_is_said() -> None:
    found = check(b"".join(without_bodies(5, 6, 12)), HEAD)
    assert (found.fault, found.withheld, found.entries) == (None, ((5, 6), (12, 12)), 12)


def test_a_chain_that_is_in_earlier_heads_and_not_in_later_ones_is_named() -> None:
    def document(at_ms: int, **chains: int) -> HeadsDocument:
        return HeadsDocument(at_ms, [Head(chain, seq, at_ms, "") for chain, seq in chains.items()])

    first, second, third = document(1, a=3, b=5), document(2, a=3, b=6, c=1), document(3, a=4, b=6, c=1)
    assert gone_heads([third, first, second]) == []
    found = gone_heads([document(4, a=2, c=1), third, first, second])
    assert [(one.head.chain, one.head.seq, one.at_ms, one.seq) for one in found] == [("a", 4, 4, 2), ("b", 6, 4, None)]
    later = gone_heads([first, document(2, a=3), document(3, a=3, b=5)])
    assert [(one.head.chain, one.at_ms) for one in later] == [("b", 2)]


@pytest.mark.parametrize(
    ("name", "changed", "expected"),
    [
        ("an edit", [*LINES[:3], LINES[3].replace(b"unit.rename", b"unit.remove"), *LINES[4:]], ("altered", 4)),
        ("an edit of the last", [*LINES[:-1], LINES[-1].replace(b"unit.rename", b"unit.remove")], ("altered", 12)),
        ("an edited body", [*LINES[:3], LINES[3].replace(b"Desk 4", b"Desk 5"), *LINES[4:]], ("body", 4)),
        ("one dropped", LINES[:3] + LINES[4:], ("missing", 4)),
        ("the first dropped", LINES[1:], ("missing", 1)),
        ("two swapped", [*LINES[:3], LINES[4], LINES[3], *LINES[5:]], ("missing", 4)),
        ("one twice", [*LINES[:4], LINES[3], *LINES[4:]], ("misplaced", 5)),
        ("the end cut off", LINES[:9], ("truncated", 10)),
        ("half a line cut off", [*LINES[:11], LINES[11][:-40]], ("format", 12)),
        ("one of another chain", [*LINES[:3], chain(4, of=ELSEWHERE)[3], *LINES[4:]], ("other_chain", 4)),
        ("an entry put in", [*LINES[:3], chain(1, key=OTHER, after=LINES[:3])[0], *LINES[3:]], ("other_key", 4)),
        ("another key", chain(12, key=OTHER), ("other_key", 1)),
        ("no entry at all", [], ("empty", 1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_first_bad_entry_is_named(name: str, changed: list[bytes], expected: tuple[str, int]) -> None:
    assert named(b"".join(changed), HEAD) == expected


def forged(since: int) -> list[bytes]:
    """Entry `since` altered, all later ones chained anew, with the signatures they had."""
    lines = LINES[: since - 1]
    anew = chain(len(LINES) - since + 1, after=lines, word="forged") if lines else chain(len(LINES), word="forged")
    for line, old in zip(anew, LINES[since - 1 :], strict=True):
        statement, _, body = audit_chain.split(line[:-1])
        if lines:
            before, signature, _ = audit_chain.split(lines[-1][:-1])
            prev = base64url_text(audit_chain.link_hash(before, signature)).encode()
            at = statement.index(b'"prev":"') + 8
            statement = statement[:at] + prev + statement[at + 43 :]
        lines = [*lines, audit_chain.line(statement, audit_chain.split(old[:-1])[1], body) + b"\n"]
    return lines


@pytest.mark.parametrize("since", [1, 2, 7, 12])
def test_a_history_chained_anew_without_the_key_is_found_at_its_first_entry(since: int) -> None:
    assert named(b"".join(forged(since))) == ("altered", since)


def test_of_two_faults_the_earlier_one_is_named_also_where_the_later_one_shows_first() -> None:
    lines = forged(3)
    lines[5] = lines[5].replace(b"Desk 6", b"Desk 9")
    assert named(b"".join(lines)) == ("altered", 3)
    lines[5] = b"{}\n"
    assert named(b"".join(lines)) == ("altered", 3)


def test_what_nobody_has_signed_does_not_get_into_what_is_said() -> None:
    evil = LINES[3].replace(KEY.id.encode(), b"\\u001b[2JEVIL")
    fault = check(b"".join([*LINES[:3], evil])).fault
    assert fault is not None
    assert fault.text == "Entry 4 is signed with a key that was not given, which is malformed."
    fault = check(b"".join([evil])).fault
    assert fault is not None
    assert fault.text == "Entry 1 is signed with a key that was not given, which is malformed."


def test_a_history_written_anew_with_the_key_is_found_by_a_head_between_two_of_them() -> None:
    anew = [*LINES[:6], *chain(6, after=LINES[:6], word="other")]
    assert check(b"".join(anew)).fault is None  # all that is left to see it by are the heads
    fault = check(b"".join(anew), head(LINES[:5]), HEAD).fault
    assert fault is not None
    assert (fault.kind, fault.seq, fault.last) == ("rewritten", 6, 12)


def test_two_histories_spliced_are_found_where_they_meet() -> None:
    other = [*LINES[:5], *chain(7, after=LINES[:5], word="other")]
    assert named(b"".join([*LINES[:8], *other[8:]]), HEAD) == ("rewritten", 9)


def test_a_file_of_another_chain_than_the_one_expected_is_none_of_it() -> None:
    assert named(FILE, chain=id_text(ELSEWHERE)) == ("other_chain", 1)


def test_a_part_may_begin_anywhere_if_that_is_asked_for() -> None:
    later = b"".join(LINES[4:])
    assert named(later) == ("missing", 1)
    found = check(later, HEAD, head(LINES[:4]), part=True)
    assert (found.fault, found.first, found.last, found.entries) == (None, 5, 12, 8)
    assert named(b"".join(LINES[4:6] + LINES[7:]), HEAD, part=True) == ("missing", 7)
    anew = [*LINES[:3], *chain(9, after=LINES[:3], word="other")]
    assert named(b"".join(anew[4:]), head(LINES[:4]), part=True) == ("rewritten", 5)


@pytest.mark.parametrize(
    "document",
    [
        HEAD.replace(b'"seq":12', b'"seq":13'),
        head(LINES, key=OTHER),
        HEAD[:-3],
        LINES[0],
        b"",
        b'[],"signature":"' + b"A" * 86 + b'"}\n',
    ],
    ids=["edited", "another key", "cut off", "an entry", "empty", "a list"],
)
def test_a_document_of_heads_that_the_key_has_not_signed_is_refused(document: bytes) -> None:
    with pytest.raises(HeadsRefused):
        read_heads(document, public_keys([KEY.public]))


def test_a_signature_of_small_order_or_added_to_does_not_hold() -> None:
    """S + L verifies under lax rules: the same entry would have two hashes."""
    order = 2**252 + 27742317777372353535851937790883648493
    statement, signature, body = audit_chain.split(LINES[-1][:-1])
    more = int.from_bytes(signature[32:], "little") + order
    twin = signature[:32] + more.to_bytes(32, "little")
    line = audit_chain.line(statement, twin, body) + b"\n"
    assert named(b"".join([*LINES[:-1], line])) == ("altered", 12)
    small = public_keys([bytes([1]) + bytes(31)])
    assert verify(io.BytesIO(FILE), keys=small).fault is not None


LONG = chain(9)
LONG_FILE, LONG_HEAD = b"".join(LONG), head(LONG)
OTHERS = chain(9, of=ELSEWHERE)
FORGED = [chain(1, after=LONG[:n], word="forged", key=AuditKey(KEY.public, OTHER.private))[0] for n in range(1, 9)]
places = st.integers(0, len(LONG_FILE) - 1)
numbers = st.integers(0, len(LONG) - 1)


@st.composite
def changes(draw: st.DrawFn) -> bytes:
    """The file with one thing done to it."""
    data, lines = LONG_FILE, list(LONG)
    match draw(st.sampled_from(["byte", "bit", "delete", "insert", "drop", "swap", "copy", "cut", "other", "forge"])):
        case "byte":
            at = draw(places)
            return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
        case "bit":
            at = draw(places)
            return data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        case "delete":
            at = draw(places)
            return data[:at] + data[at + draw(st.integers(1, 900)) :]
        case "insert":
            at = draw(places)
            return data[:at] + draw(st.binary(min_size=1, max_size=3)) + data[at:]
        case "drop":
            del lines[draw(numbers)]
        case "swap":
            one, two = draw(numbers), draw(numbers)
            lines[one], lines[two] = lines[two], lines[one]
        case "copy":
            lines.insert(draw(numbers), lines[draw(numbers)])
        case "cut":
            return data[: draw(places)]
        case "other":
            lines[draw(numbers)] = draw(st.sampled_from(OTHERS))
        case "forge":
            lines[draw(numbers)] = draw(st.sampled_from(FORGED))
    return b"".join(lines)


def lines_of(data: bytes) -> list[bytes]:
    pieces = data.split(b"\n")
    return [piece + b"\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


@given(changed=changes())
@settings(max_examples=1500, suppress_health_check=[HealthCheck.too_slow])
def test_any_single_change_is_found_and_the_first_entry_that_is_not_as_it_was_is_named(changed: bytes) -> None:
    lines = lines_of(changed)
    differs = next((n for n, (new, old) in enumerate(zip(lines, LONG, strict=False)) if new != old), None)
    if differs is None and len(lines) != len(LONG):
        differs = min(len(lines), len(LONG))
    found = check(changed, LONG_HEAD, chain=id_text(CHAIN))
    if differs is None:
        assert found.fault is None
        return
    assert found.fault is not None
    assert found.fault.seq == differs + 1


def test_progress_is_told_until_the_end() -> None:
    told: list[int] = []
    verify(io.BytesIO(FILE), keys=public_keys([KEY.public]), progress=told.append)
    assert told[-1] == len(FILE)
