"""Tests frames: everything that is not exactly a frame is refused, with a pointer to every fault and no echo of
values.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandes.model.envelope import MAX_BODY_BYTES, Envelope
from sandes.model.ids import EnvelopeId, InboxId, base64url_text
from sandes.protocol import frames
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import MAX_BUNDLE_BYTES, MAX_FRAME_BYTES, bundle, parse_frame, ref_of

MESSAGE = "01890a5d-ac96-774b-bc1d-9f7b2a6f1c00"
ACCOUNT = "mfrggzdfmztwq"
ENVELOPE = base64url_text(bytes(24))

COPY = {"device": 1, "registration_id": 7, "body": "AAAA"}
HELLO = {"type": "hello", "protocol": 1}
SEND = {"type": "send", "ref": "r", "id": MESSAGE, "to": {"account": ACCOUNT}, "kind": "message", "copies": [COPY]}
RECEIPT = {"to": ACCOUNT, "kind": "read", "ids": [MESSAGE]}
ACK = {"type": "ack", "ids": [ENVELOPE], "receipts": [RECEIPT]}
SYNC = {"type": "sync"}
PING = {"type": "ping"}


def refusal(text: str) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        parse_frame(text)
    return caught.value


def faults(frame: Any) -> list[tuple[str, str]]:
    error = refusal(json.dumps(frame))
    assert error.code is ErrorCode.INVALID_FRAME
    return [(fault["pointer"], fault["code"]) for fault in error.details["errors"]]


@pytest.mark.parametrize("frame", [HELLO, SEND, ACK, SYNC, PING], ids=lambda frame: frame["type"])
def test_a_frame_says_what_was_written(frame: dict[str, Any]) -> None:
    parsed = parse_frame(json.dumps(frame))
    assert json.loads(parsed.model_dump_json(exclude_unset=True)) == frame


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "{", "[]", "[{}]", "null", "true", "1", '"ping"', '{"type":"ping"} x', "{'type':'ping'}"),
        *("\ufeff{}", "[" * 5000, '{"a":' * 5000, '{"type":"ping","ref":"\\ud800"}', '{"type":"ping","ref":"\\q"}'),
    ],
)
def test_what_is_no_json_object_is_malformed(text: str) -> None:
    error = refusal(text)
    assert error.code is ErrorCode.MALFORMED_JSON
    assert error.details == {}


@pytest.mark.parametrize("type", ["nope", "", "PING", "ping ", 1, None, True, ["ping"], {}, "welcome", "error"])
def test_a_type_that_clients_do_not_send_is_unknown(type: object) -> None:
    error = refusal(json.dumps({"type": type}))
    assert error.code is ErrorCode.UNKNOWN_TYPE
    assert error.details == {}


def test_a_frame_without_a_type_is_told_so() -> None:
    assert faults({}) == [("/type", "missing")]
    assert faults({"ref": "a"}) == [("/type", "missing")]


REQUIRED = [
    *((HELLO, ("protocol",)), (SEND, ("id",)), (SEND, ("to",)), (SEND, ("kind",)), (SEND, ("copies",))),
    *((SEND, ("to", "account")), (SEND, ("copies", 0, "device")), (SEND, ("copies", 0, "registration_id"))),
    *((SEND, ("copies", 0, "body")), (ACK, ("ids",))),
    *((ACK, ("receipts", 0, "kind")), (ACK, ("receipts", 0, "ids"))),
]


def changed(frame: dict[str, Any], path: tuple[Any, ...], value: Any = ...) -> dict[str, Any]:
    """Return a copy of `frame` with `value` at `path`, or without that field."""
    new: dict[str, Any] = json.loads(json.dumps(frame))
    inner: Any = new
    for step in path[:-1]:
        inner = inner[step]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return new


def pointer(path: tuple[Any, ...]) -> str:
    return "".join(f"/{step}" for step in path)


@pytest.mark.parametrize(("frame", "path"), REQUIRED)
def test_a_missing_field_is_named(frame: dict[str, Any], path: tuple[Any, ...]) -> None:
    assert faults(changed(frame, path)) == [(pointer(path), "missing")]


@pytest.mark.parametrize("named", [{}, {"to": "mfrggzdfmztwq", "app": "mfrggzdfmztwq"}])
def test_a_receipt_names_either_an_account_or_an_app(named: dict[str, Any]) -> None:
    receipt = json.loads(json.dumps(ACK))["receipts"][0] | named
    if not named:
        del receipt["to"]
    assert faults(ACK | {"receipts": [receipt]}) == [("/receipts/0", "value_error")]


@pytest.mark.parametrize(
    ("frame", "path"),
    [(frame, ("x",)) for frame in (HELLO, SEND, ACK, SYNC, PING)]
    + [(SEND, ("to", "x")), (SEND, ("copies", 0, "x")), (ACK, ("receipts", 0, "x"))],
)
def test_an_extra_field_is_refused_by_name(frame: dict[str, Any], path: tuple[Any, ...]) -> None:
    assert faults(changed(frame, path, 1)) == [(pointer(path), "extra_forbidden")]


def wrong(
    frame: dict[str, Any], path: tuple[Any, ...], *values: Any
) -> list[tuple[dict[str, Any], tuple[Any, ...], Any]]:
    return [(frame, path, value) for value in values]


WRONG: list[tuple[dict[str, Any], tuple[Any, ...], Any]] = [
    *wrong(SEND, ("id",), 1, None, "x", MESSAGE.upper(), MESSAGE.replace("-77", "-47")),
    *wrong(SEND, ("to", "account"), 1, None, "x", ACCOUNT.upper(), "mfrggzdfmztwr"),
    *wrong(SEND, ("to",), 1, None, "x", []),
    *wrong(SEND, ("kind",), 1, None, "receipt", "MESSAGE"),
    *wrong(SEND, ("copies",), 1, None, "x", {}, [COPY] * 7),
    *wrong(SEND, ("copies", 0), 1, None, "x", []),
    *wrong(SEND, ("copies", 0, "device"), 0, 256, -1, "1", 1.0, 1.5, True, None),
    *wrong(SEND, ("copies", 0, "registration_id"), 0, 2**32, "1", True, None),
    *wrong(SEND, ("copies", 0, "body"), 1, None, "A", "AA==", "AB", "A+", "A A", [0]),
    *wrong(SEND, ("expires_in",), 59, 1, 0, -1, "1", 1.0, True),
    *wrong(SEND, ("ref",), "", "x" * 65, 1, {}),
    *wrong(ACK, ("ids",), 1, None, "x", {}, [ENVELOPE] * 101),
    *wrong(ACK, ("ids", 0), 1, None, "", ENVELOPE[:-1], ENVELOPE + "AAAA", MESSAGE),
    *wrong(ACK, ("receipts",), 1, None, [RECEIPT] * 11),
    *wrong(ACK, ("receipts", 0, "ids"), [], [MESSAGE] * 101, MESSAGE),
    *wrong(ACK, ("receipts", 0, "kind"), "seen", 1, None),
    *wrong(HELLO, ("protocol",), 0, 2, "1", None),
    *wrong(HELLO, ("epoch",), -1, "1", True, None),
    *wrong(HELLO, ("app",), "x" * 65, 1, None),
    *wrong(SYNC, ("limit",), 0, 501, "1", 1.0, None),
    *wrong(PING, ("epoch",), -1, "1", 1.0, True, None),
]


@pytest.mark.parametrize(("frame", "path", "value"), WRONG)
def test_a_wrong_value_is_refused_where_it_stands(frame: dict[str, Any], path: tuple[Any, ...], value: object) -> None:
    assert [place for place, _ in faults(changed(frame, path, value))] == [pointer(path)]


SECRET = "zq7 secret qz"


@pytest.mark.parametrize("path", sorted({(json.dumps(frame), path) for frame, path, _ in WRONG}))
def test_a_refusal_never_echoes_what_was_sent(path: tuple[str, tuple[Any, ...]]) -> None:
    frame = changed(json.loads(path[0]), path[1], SECRET * 8)
    error = refusal(json.dumps(frame))
    shown = frames.render(frames.error_frame(error, None))
    assert SECRET not in shown
    assert json.loads(shown)["code"] == "invalid_frame"


@pytest.mark.parametrize("text", [SECRET, f'{{"type":"{SECRET}"}}', f'{{"{SECRET}"', f'["{SECRET}"]'])
def test_a_refusal_of_what_is_no_frame_echoes_nothing(text: str) -> None:
    assert SECRET not in frames.render(frames.error_frame(refusal(text), ref_of(text)))


def test_every_fault_is_named_but_ten_at_most() -> None:
    frame = SEND | {"id": "x", "kind": "y", "to": {"account": "z"}}
    assert faults(frame) == [
        ("/id", "value_error"),
        ("/to/account", "value_error"),
        ("/kind", "literal_error"),
    ]
    assert len(faults(PING | {f"x{number}": 1 for number in range(50)})) == 10


def test_a_frame_larger_than_a_message_can_be_is_too_large_before_it_is_parsed() -> None:
    text = json.dumps(PING)
    assert parse_frame(text + " " * (MAX_FRAME_BYTES - len(text))).type == "ping"
    error = refusal("[" * (MAX_FRAME_BYTES + 1))
    assert (error.code, error.details) == (ErrorCode.TOO_LARGE, {"max_frame_bytes": 131_072})


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ('{"ref":"a","type":"nope"}', "a"),
        ('{"ref":"' + "x" * 64 + '"}', "x" * 64),
        ('{"ref":"' + "x" * 65 + '"}', None),
        ('{"ref":""}', None),
        ('{"ref":1}', None),
        ('{"ref":"\\ud800"}', None),
        ('{"ref":"a"', None),
        ("[]", None),
        ("", None),
        ("[" * 100_000, None),
    ],
)
def test_the_ref_of_a_refused_frame_is_given_back_if_it_can_be(text: str, ref: str | None) -> None:
    assert ref_of(text) == ref
    frames.render(frames.error_frame(ProtocolError(ErrorCode.INTERNAL), ref_of(text)))


def test_what_is_absent_is_not_sent_as_null() -> None:
    assert frames.render(frames.error_frame(ProtocolError(ErrorCode.REVOKED), None)) == (
        '{"type":"error","code":"revoked","message":"This device was unlinked or replaced."}'
    )
    assert frames.render(frames.Drained(more=False)) == '{"type":"drained","more":false}'


# bundles


def envelope(size: int, number: int = 0) -> Envelope:
    return Envelope(InboxId(bytes(16)), EnvelopeId(number.to_bytes(24, "big")), 2**32 - 1, 1, 2**40, 0, bytes(size))


@given(st.lists(st.integers(48, 40_000), max_size=40))
def test_bundles_keep_order_and_stay_within_32_kib_unless_one_envelope_is_larger(sizes: list[int]) -> None:
    given_envelopes = [envelope(size, number) for number, size in enumerate(sizes)]
    texts = bundle(given_envelopes)
    shown = [[entry["id"] for entry in json.loads(text)["envelopes"]] for text in texts]
    assert [id for ids in shown for id in ids] == [base64url_text(each.id) for each in given_envelopes]
    assert all(len(ids) == 1 or len(text.encode()) <= MAX_BUNDLE_BYTES for ids, text in zip(shown, texts, strict=True))


def test_small_envelopes_share_a_frame_and_nothing_makes_no_frame() -> None:
    assert len(bundle([envelope(100, number) for number in range(50)])) == 1
    assert bundle([]) == []
    assert MAX_BUNDLE_BYTES == 32_768


def test_the_largest_envelope_fits_into_one_message() -> None:
    (text,) = bundle([envelope(MAX_BODY_BYTES + 48 + 200)])
    assert len(text) <= MAX_FRAME_BYTES
