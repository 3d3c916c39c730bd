"""Posts to websockets through API Gateway's management API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sandes.edge.telemetry import logger
from sandes.model.ids import ConnectionId
from sandes.ports.sockets import Posted

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient as Client
else:
    Client = Any


@dataclass(frozen=True, slots=True)
class GatewayPusher:
    client: Client

    def post(self, connection: ConnectionId, text: str) -> Posted:
        try:
            self.client.post_to_connection(ConnectionId=connection, Data=text.encode())
        except self.client.exceptions.GoneException:
            return Posted.GONE
        except (ClientError, BotoCoreError) as error:
            logger().warning("post failed", connection=connection, error=_name(error))
            return Posted.FAILED
        return Posted.YES

    def close(self, connection: ConnectionId) -> None:
        try:
            self.client.delete_connection(ConnectionId=connection)
        except self.client.exceptions.GoneException:
            return
        except (ClientError, BotoCoreError) as error:
            logger().warning("close failed", connection=connection, error=_name(error))


def _name(error: ClientError | BotoCoreError) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__
