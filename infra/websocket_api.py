"""Builds the websocket API: a token at `$connect`, then one route per frame."""

from __future__ import annotations

import json

from aws_cdk import Stack, Tags
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.access_logs import AccessLogs, LogsOfApis, throttle
from infra.config import WEBSOCKET_LOCAL_ID, Config

STAGE_NAME = "v1"

_LOGGED = {
    "event": "$context.eventType",
    "connection": "$context.connectionId",
    "status": "$context.status",
    "integration": "$context.integrationStatus",
    "error": "$context.error.messageString",
}


class WebSocketApi(Construct):
    """Is built in two steps, because functions post back through its address: the API first, then a route for each
    frame.
    """

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        self._config = config
        self.api = apigateway.WebSocketApi(self, "Api", route_selection_expression="$request.body.type")
        self.stage = apigateway.WebSocketStage(
            self,
            "Stage",
            web_socket_api=self.api,
            stage_name=STAGE_NAME,
            auto_deploy=True,
            throttle=throttle(config.settings.rate("frames")),
        )
        AccessLogs(self.stage, config=config, fields=_LOGGED)
        self.stage.node.add_dependency(LogsOfApis(self, "LogsOfApis").account)
        if config.local_port:
            Tags.of(self.api).add("ms-custom-id", WEBSOCKET_LOCAL_ID)

    @property
    def url(self) -> str:
        if self._config.local_port:
            return f"ws://127.0.0.1:{self._config.local_port}/_aws/execute-api/{WEBSOCKET_LOCAL_ID}/{STAGE_NAME}"
        return self.stage.url

    @property
    def callback_url(self) -> str:
        """Return the address at which functions post to sockets."""
        if self._config.local_port:
            return f"http://127.0.0.1:{self._config.local_port}/_aws/execute-api/{WEBSOCKET_LOCAL_ID}/{STAGE_NAME}"
        return self.stage.callback_url

    def connections_arn(self, method: str) -> str:
        """Return the resource of `execute-api:ManageConnections` for POST or DELETE."""
        return Stack.of(self).format_arn(
            service="execute-api", resource=self.api.api_id, resource_name=f"{STAGE_NAME}/{method}/@connections/*"
        )  # arn_for_execute_api_v2 would put two slashes after the stage, which match nothing

    def add_connection_routes(self, *, authorizer: lambda_.IFunction, disconnect: lambda_.IFunction) -> None:
        """Add `$connect` and `$disconnect`.

        `$connect` needs only the authorizer, because `hello` writes the connection row (docs/adr/0006).
        """
        self.api.add_route(
            "$connect",
            authorizer=authorizers.WebSocketLambdaAuthorizer(
                "Authorizer", authorizer, identity_source=["route.request.header.Authorization"]
            ),
            integration=integrations.WebSocketMockIntegration(
                "Connect",
                request_templates={"$default": json.dumps({"statusCode": 200})},
                template_selection_expression="\\$default",
            ),
        )
        self.api.add_route("$disconnect", integration=integrations.WebSocketLambdaIntegration("Disconnect", disconnect))

    def add_frame_routes(self, function: lambda_.IFunction, *keys: str) -> None:
        """Add routes of frames. The function's result answers the frame."""
        for key in keys:
            self.api.add_route(
                key,
                integration=integrations.WebSocketLambdaIntegration(f"{key.strip('$')}Frame", function),
                # the local engine answers without a route response and does not support the type
                return_response=self._config.local_port is None,
            )
