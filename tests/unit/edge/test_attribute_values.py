"""Tests DynamoDB's JSON without botocore's model: requests and answers are the same as with it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from sandes.edge.attribute_values import lighten


class _Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.body


class Wire:
    """Holds a client with a made-up answer instead of the network. It keeps the last request."""

    def __init__(self, *, light: bool) -> None:
        session = get_session()
        session.set_credentials("test", "test")
        config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
        client: Any = session.create_client("dynamodb", region_name="us-east-1", config=config)
        self.client = lighten(client) if light else client
        self.status, self.answer, self.request = 200, b"{}", None
        client.meta.events.register("before-send", self._answer)

    def _answer(self, request: Any, **_: object) -> AWSResponse:
        self.request = request
        headers: Any = {"x-amz-crc32": str(zlib.crc32(self.answer)), "x-amzn-RequestId": "r"}
        return AWSResponse(request.url, self.status, headers, _Raw(self.answer))

    def asks(self, method: str, parameters: dict[str, Any]) -> tuple[Any, Any, Any]:
        answer = getattr(self.client, method)(**parameters)
        assert self.request is not None
        return json.loads(self.request.body), self.request.headers["X-Amz-Target"], answer

    def hears(self, answer: Any, status: int = 200) -> None:
        self.answer, self.status = json.dumps(answer).encode(), status


PLAIN, LIGHT = Wire(light=False), Wire(light=True)

names = st.sampled_from(["a", "B", "S", "M", "x#1", "ā"])
values = st.recursive(
    st.one_of(
        st.binary(max_size=40).map(lambda data: {"B": data}),
        st.text(max_size=10).map(lambda text: {"S": text}),
        st.integers().map(lambda number: {"N": str(number)}),
        st.booleans().map(lambda flag: {"BOOL": flag}),
    ),
    lambda inner: st.one_of(
        st.dictionaries(names, inner, max_size=3).map(lambda entries: {"M": entries}),
        st.lists(inner, max_size=3).map(lambda entries: {"L": entries}),
    ),
    max_leaves=6,
)
items = st.dictionaries(names, values, min_size=1, max_size=4)


def as_json(value: Any) -> Any:
    """Return the JSON form that DynamoDB uses."""
    return json.loads(json.dumps(value, default=lambda data: base64.b64encode(data).decode()))


@given(item=items, key=items)
def test_a_row_is_written_and_read_as_botocore_would(item: dict[str, Any], key: dict[str, Any]) -> None:
    calls: list[tuple[str, dict[str, Any], Any]] = [
        ("put_item", {"TableName": "t", "Item": item, "ConditionExpression": "attribute_not_exists(a)"}, {}),
        ("get_item", {"TableName": "t", "Key": key, "ConsistentRead": True}, {"Item": item}),
        ("query", {"TableName": "t", "Limit": 100}, {"Items": [item, key], "Count": 2, "LastEvaluatedKey": key}),
        (
            "batch_get_item",
            {"RequestItems": {"t": {"Keys": [key], "ConsistentRead": True}}},
            {"Responses": {"t": [item], "B": []}, "UnprocessedKeys": {"t": {"Keys": [key], "ConsistentRead": True}}},
        ),
        (
            "batch_write_item",
            {"RequestItems": {"t": [{"PutRequest": {"Item": item}}, {"DeleteRequest": {"Key": key}}]}},
            {"UnprocessedItems": {"t": [{"PutRequest": {"Item": item}}]}},
        ),
        ("update_item", {"TableName": "t", "Key": key, "UpdateExpression": "SET a = :a"}, {"Attributes": item}),
    ]
    for method, parameters, answer in calls:
        for wire in (PLAIN, LIGHT):
            wire.hears(as_json(answer))
        expected, given_ = PLAIN.asks(method, parameters), LIGHT.asks(method, parameters)
        for request, _, _ in (expected, given_):
            request.pop("ClientRequestToken", None)
        expected[2]["ResponseMetadata"].pop("HTTPHeaders")
        given_[2]["ResponseMetadata"].pop("HTTPHeaders")
        assert given_ == expected


def test_a_failed_condition_comes_with_the_row_that_stood() -> None:
    old = {"a": {"B": base64.b64encode(b"old").decode()}}
    LIGHT.hears({"__type": "x#ConditionalCheckFailedException", "message": "no", "Item": old}, status=400)
    with pytest.raises(ClientError) as caught:
        LIGHT.asks("put_item", {"TableName": "t", "Item": {"a": {"B": b"new"}}})
    assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert caught.value.response["Item"] == {"a": {"B": b"old"}}  # type: ignore[typeddict-item]
    LIGHT.hears({})


def test_a_light_client_does_go_by_this_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/unit/test_couplings.py tests each private name of botocore that this takes."""
    from sandes.edge import attribute_values

    seen: list[str] = []
    parse, write = attribute_values._with_bytes, attribute_values._base64

    def noted(name: str, done: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def call(value: Any) -> Any:
            seen.append(name)
            return done(value)

        return call

    monkeypatch.setattr(attribute_values, "_with_bytes", noted("read", parse))
    monkeypatch.setattr(attribute_values, "_base64", noted("write", write))
    LIGHT.hears({"Item": {"a": {"S": "x"}}})
    LIGHT.asks("get_item", {"TableName": "t", "Key": {"a": {"B": b"k"}}})
    assert set(seen) == {"read", "write"}
