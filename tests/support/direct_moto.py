"""Calls of DynamoDB that go to moto's handlers directly instead of through botocore and HTTP.

Serialising a request, dispatching it by its URL and parsing the answer take ten times as long as moto's own work.
Here botocore validates the arguments of a call, as always, and the handler that moto would find gets them.
A call that moto refuses is made again over HTTP, so that its exception is botocore's own. This is safe because a
refused call has changed nothing.

The contracts of the stores (tests/integration) hold for both ways; tests/unit/store/test_direct_moto.py compares their
answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from botocore import xform_name
from botocore.model import OperationModel
from botocore.validate import ParamValidator
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.models import DEFAULT_ACCOUNT_ID, botocore_stubber
from moto.dynamodb.responses import DynamoHandler

Call = Callable[[str, dict[str, Any]], Any]

STUBBER: BotocoreStubber = botocore_stubber
OPERATIONS = frozenset(
    {
        "PutItem",
        "GetItem",
        "UpdateItem",
        "DeleteItem",
        "Query",
        "Scan",
        "BatchGetItem",
        "BatchWriteItem",
        "TransactWriteItems",
        "TransactGetItems",
    }
)


class _Refused(Exception):
    pass


def directly(client: Any, call: Call) -> Call:
    """Wrap `call`, the client's own `_make_api_call`, which still makes what moto refuses and what reads no rows."""

    def make(operation: str, arguments: dict[str, Any]) -> Any:
        if operation not in OPERATIONS or not STUBBER.enabled:
            return call(operation, arguments)
        model = client.meta.service_model.operation_model(operation)
        if _VALIDATOR.validate(arguments, model.input_shape).has_errors():
            return call(operation, arguments)
        try:
            return _answer(model, client.meta.region_name, arguments)
        except _Refused:
            return call(operation, arguments)

    return make


_VALIDATOR = ParamValidator()


def _answer(model: OperationModel, region: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    handler = DynamoHandler()
    handler.region, handler.current_account = region, DEFAULT_ACCOUNT_ID
    handler.body = _copy(arguments)
    try:
        result = getattr(handler, xform_name(model.name))().result
    except Exception as refused:  # whatever it is, the call over HTTP raises botocore's exception for it
        raise _Refused from refused
    members = _members(model)
    answer = {name: _copy(value) for name, value in result.items() if name in members and value is not None}
    return answer | {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}}


@cache
def _members(model: OperationModel) -> frozenset[str]:
    return frozenset(model.output_shape.members if model.output_shape else ())


def _copy(value: Any) -> Any:
    """Copy lists and maps, so that neither the caller's arguments nor an answer share anything with a row."""
    if isinstance(value, Mapping):
        return {name: _copy(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_copy(one) for one in value]
    return bytes(value) if isinstance(value, bytearray) else value
