"""The HTTPS API: one function per group of paths."""

from __future__ import annotations

from aws_cdk import Tags
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import HTTP_LOCAL_ID, Config
from infra.identity import Identity

OTP_PATHS = ("otps",)
APP_PATHS = ("messages", "batches", "templates", "webhooks", "events", "usage")
APP_GROUP_PATHS = ("app-groups",)
ADMIN_PEOPLE_PATHS = ("people", "verification-requests", "imports")
ADMIN_APP_PATHS = ("apps", "templates", "groups")


class HttpApi(Construct):
    """`/v1/{proxy+}` goes to the client API, which answers unknown paths in the same form as everything else.

    Paths of the app API are more specific, and go to functions of their own. So it is with the admin API under
    `/admin/v1`, whose calls reach a function only with a token that the pool of administrators has signed.
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
        admin: lambda_.IFunction,
        admin_people: lambda_.IFunction,
        admin_apps: lambda_.IFunction,
        identity: Identity,
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
        signed = authorizers.HttpUserPoolAuthorizer(
            "Administrators", identity.pool, user_pool_clients=[identity.client]
        )
        self.api.add_routes(
            path="/admin/v1/{proxy+}",
            methods=[apigateway.HttpMethod.ANY],
            integration=integrations.HttpLambdaIntegration("Admin", admin),
            authorizer=signed,
        )
        self._add("AdminPeople", admin_people, ADMIN_PEOPLE_PATHS, base="/admin/v1", authorizer=signed)
        self._add("AdminApps", admin_apps, ADMIN_APP_PATHS, base="/admin/v1", authorizer=signed)
        if config.local_port:
            Tags.of(self.api).add("ms-custom-id", HTTP_LOCAL_ID)

    def _add(
        self,
        id: str,
        function: lambda_.IFunction,
        paths: tuple[str, ...],
        *,
        base: str = "/v1",
        authorizer: apigateway.IHttpRouteAuthorizer | None = None,
    ) -> None:
        integration = integrations.HttpLambdaIntegration(id, function)
        for path in paths:
            for route in (f"{base}/{path}", f"{base}/{path}/{{proxy+}}"):
                self.api.add_routes(
                    path=route, methods=[apigateway.HttpMethod.ANY], integration=integration, authorizer=authorizer
                )

    @property
    def url(self) -> str:
        if self._config.local_port:
            return f"http://127.0.0.1:{self._config.local_port}/_aws/execute-api/{HTTP_LOCAL_ID}/$default"
        return self.api.api_endpoint
