"""The bare echo: one put and one post for each frame, and nothing else. What the engine itself costs."""

import json
import os
import time
from typing import Any

import botocore.session

_session = botocore.session.get_session()
_dynamodb: Any = _session.create_client("dynamodb")
_gateway: Any = _session.create_client("apigatewaymanagementapi", endpoint_url=os.environ["CALLBACK_URL"])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """`whoami` answers with the connection id; any other frame is stored and posted to the connection it names."""
    frame = json.loads(event["body"])
    if frame["type"] == "whoami":
        return {"statusCode": 200, "body": event["requestContext"]["connectionId"]}
    _dynamodb.put_item(
        TableName=os.environ["TABLE"],
        Item={"id": {"S": frame["id"]}, "body": {"B": frame["body"].encode()}, "at": {"N": str(time.time_ns())}},
    )
    _gateway.post_to_connection(ConnectionId=frame["to"], Data=json.dumps({"body": frame["body"]}).encode())
    print(frame["id"])  # a function without output waits 50 ms on the engine
    return {"statusCode": 200, "body": '{"type":"accepted"}'}
