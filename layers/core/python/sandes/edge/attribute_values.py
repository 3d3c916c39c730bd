"""Reads and writes DynamoDB's JSON without botocore's model of it, since attribute values name their own types.

botocore walks its description of an operation for every value of every row. That is most of the CPU time of reading or
writing many rows. Calls, signatures, retries and errors stay botocore's own. The result is the same, as
tests/unit/edge/test_attribute_values.py shows (docs/adr/0023).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from botocore.parsers import JSONParser
from botocore.serialize import JSONSerializer

_ROWS = {"GetItemOutput", "BatchGetItemOutput", "BatchWriteItemOutput", "QueryOutput"}
"""The answers to reads and batches. They hold rows, and nothing else that botocore would convert except bytes."""


def lighten(client: Any) -> Any:
    """Make a DynamoDB client read and write attribute values with this module, and return the client.

    Parameters must consist of the types of DynamoDB's JSON: dict, list, str, int, bool, and bytes.
    """
    client._serializer = _Serializer()
    client._endpoint._response_parser_factory = _Parsers()
    return client


class _Parsers:
    def create_parser(self, _: str) -> JSONParser:
        return _Parser()


class _Parser(JSONParser):
    def _handle_json_body(self, raw_body: bytes, shape: Any) -> Any:
        if shape is None or shape.name not in _ROWS:
            return super()._handle_json_body(raw_body, shape)  # type: ignore[misc]  # the method is not in the stubs
        return json.loads(raw_body, object_hook=_with_bytes)


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """Decode `{"B": text}`, which is bytes in base64. If a row's attribute is called B, its value is a dict and not a
    text.
    """
    if len(value) == 1:
        text = value.get("B")
        if type(text) is str:
            value["B"] = binascii.a2b_base64(text)
    return value


class _Serializer(JSONSerializer):
    def serialize_to_request(self, parameters: Any, operation_model: Any) -> Any:
        request = super().serialize_to_request({}, operation_model)
        request["body"] = json.dumps(parameters, default=_base64).encode()
        return request


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
