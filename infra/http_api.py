"""The HTTPS API: one function per group of paths."""

from __future__ import annotations

from aws_cdk import Tags
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import HTTP_LOCAL_ID, Config

OTP_PATHS = ("otps",)
APP_PATHS = ("messages", "batches", "templates", "webhooks", "events", "usage")
APP_GROUP_PATHS = ("app-groups",)


class HttpApi(Construct):
    """`/v1/{proxy+}` goes to the client API, which answers unknown paths in the same form as everything else.

    Paths of the app API are more specific, and go to functions of their own.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        client: lambda_.IFunction,
        otp: lambda_.IFunction,
        apps: lambda_.IFunction,
        app_groups: lambda_.IFunction,
    ) -> None:
        super().__init__(scope, id)
        self._config = config
        self.api = apigateway.HttpApi(self, "Api", create_default_stage=False)
        self.stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=2_000, burst_limit=1_000),
        )
        self.api.add_routes(
            path="/v1/{proxy+}",
            methods=[apigateway.HttpMethod.ANY],
            integration=integrations.HttpLambdaIntegration("Client", client),
        )
        self._add("Otp", otp, OTP_PATHS)
        self._add("Apps", apps, APP_PATHS)
        self._add("AppGroups", app_groups, APP_GROUP_PATHS)
        if config.local_port:
            Tags.of(self.api).add("ms-custom-id", HTTP_LOCAL_ID)

    def _add(self, id: str, function: lambda_.IFunction, paths: tuple[str, ...]) -> None:
        integration = integrations.HttpLambdaIntegration(id, function)
        for path in paths:
            for route in (f"/v1/{path}", f"/v1/{path}/{{proxy+}}"):
                self.api.add_routes(path=route, methods=[apigateway.HttpMethod.ANY], integration=integration)

    @property
    def url(self) -> str:
        if self._config.local_port:
            return f"http://127.0.0.1:{self._config.local_port}/_aws/execute-api/{HTTP_LOCAL_ID}/$default"
        return self.api.api_endpoint
