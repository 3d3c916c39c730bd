"""DynamoDB's JSON, read and written without botocore's model of it: attribute values name their own types.

botocore walks its description of an operation for every value of every row, which is most of the CPU that reading or
writing many rows takes. Calls, signatures, retries and errors stay botocore's own. What comes of it is the same, which
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
"""What is answered to reads, and to batches: rows in them and nothing that botocore would convert but bytes."""


def lighten(client: Any) -> Any:
    """Have a DynamoDB client read and write attribute values by this module; the client itself, for convenience.

    Parameters have to be what DynamoDB's JSON is made of: dict, list, str, int, bool, and bytes.
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
            return super()._handle_json_body(raw_body, shape)  # type: ignore[misc]  # not in the stubs
        return json.loads(raw_body, object_hook=_with_bytes)


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """`{"B": text}` is bytes in base64; an attribute of a row that is called B is no text but an attribute value."""
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
