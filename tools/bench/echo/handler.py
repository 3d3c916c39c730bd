"""Makes one put and one post for each frame, and nothing else, to measure the cost of the engine itself."""

import json
import os
import time
from typing import Any

import botocore.session

_session = botocore.session.get_session()
_dynamodb: Any = _session.create_client("dynamodb")
_gateway: Any = _session.create_client("apigatewaymanagementapi", endpoint_url=os.environ["CALLBACK_URL"])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer `whoami` with the connection id. Store any other frame and post it to the connection that it names."""
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
