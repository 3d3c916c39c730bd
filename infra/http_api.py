"""Builds the HTTPS API: one function per group of paths."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Tags
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.access_logs import AccessLogs, resource_of, throttle
from infra.config import HTTP_LOCAL_ID, Config
from infra.function import SandesFunction
from infra.identity import Identity

REGISTRATION_ROUTES = (
    ("/v1/registrations", apigateway.HttpMethod.ANY),
    ("/v1/registrations/{proxy+}", apigateway.HttpMethod.ANY),
    ("/v1/devices", apigateway.HttpMethod.POST),
)
"""Routes that anybody may call without a token: registering, and joining an account by a link."""

OTP_PATHS = ("otps",)
APP_PATHS = ("messages", "batches", "templates", "webhooks", "events", "usage")
APP_GROUP_PATHS = ("app-groups",)
ADMIN_PEOPLE_PATHS = ("people", "verification-requests", "imports")
ADMIN_APP_PATHS = ("apps", "templates", "groups")


_LOGGED = {
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "error": "$context.error.messageString",
}
"""Has no path and no query, because they name people."""


class HttpApi(Construct):
    """Routes calls to functions.

    `/v1/{proxy+}` goes to the client API, which answers unknown paths in the usual form.

    Paths of the app API are more specific, and go to their own functions. So do those of the admin API under
    `/admin/v1`, whose calls reach a function only with a token that the pool of administrators has signed.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        functions: Mapping[str, SandesFunction],
        identity: Identity,
    ) -> None:
        """Build the API. `functions` are by the names in `infra/functions.py`."""
        super().__init__(scope, id)
        self._config = config
        self.api = apigateway.HttpApi(self, "Api", create_default_stage=False)
        self.stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=throttle(config.settings.rate("devices")),
        )
        AccessLogs(self.stage, config=config, fields=_LOGGED)
        self._throttles: dict[str, dict[str, float | None]] = {}
        clients = integrations.HttpLambdaIntegration("Client", functions["Client"].function)
        self._route("/v1/{proxy+}", clients, "devices")
        for path, method in REGISTRATION_ROUTES:
            self._route(path, clients, "registrations", method=method)
        self._add("Otp", functions["Otp"].function, OTP_PATHS, "otps")
        self._add("Apps", functions["Apps"].function, APP_PATHS, "apps")
        self._add("AppGroups", functions["AppGroups"].function, APP_GROUP_PATHS, "apps")
        signed = authorizers.HttpUserPoolAuthorizer(
            "Administrators", identity.pool, user_pool_clients=[identity.client]
        )
        admins = integrations.HttpLambdaIntegration("Admin", functions["Admin"].function)
        self._route("/admin/v1/{proxy+}", admins, "administrators", authorizer=signed)
        resets = integrations.HttpLambdaIntegration("AccessReset", functions["Admin"].function)
        for rest in ("", "/{proxy+}"):
            path = f"/admin/v1/people/{{id}}/access-reset{rest}"
            self._route(path, resets, "administrators", authorizer=signed)
        for name, paths in (("AdminPeople", ADMIN_PEOPLE_PATHS), ("AdminApps", ADMIN_APP_PATHS)):
            self._add(name, functions[name].function, paths, "administrators", base="/admin/v1", authorizer=signed)
        self._throttle()
        if config.local_port:
            Tags.of(self.api).add("ms-custom-id", HTTP_LOCAL_ID)

    def _add(
        self,
        id: str,
        function: lambda_.IFunction,
        paths: tuple[str, ...],
        family: str,
        *,
        base: str = "/v1",
        authorizer: apigateway.IHttpRouteAuthorizer | None = None,
    ) -> None:
        integration = integrations.HttpLambdaIntegration(id, function)
        for path in paths:
            for route in (f"{base}/{path}", f"{base}/{path}/{{proxy+}}"):
                self._route(route, integration, family, authorizer=authorizer)

    def _route(
        self,
        path: str,
        integration: apigateway.HttpRouteIntegration,
        family: str,
        *,
        method: apigateway.HttpMethod = apigateway.HttpMethod.ANY,
        authorizer: apigateway.IHttpRouteAuthorizer | None = None,
    ) -> None:
        """Add a route with the throttle of its family, so that a flood of one family does not affect the others."""
        routes = self.api.add_routes(path=path, methods=[method], integration=integration, authorizer=authorizer)
        self.stage.node.add_dependency(*routes)  # a stage cannot throttle a route that does not exist yet
        limits = throttle(self._config.settings.rate(family))
        self._throttles[f"{method.name} {path}"] = {
            "ThrottlingRateLimit": limits.rate_limit,
            "ThrottlingBurstLimit": limits.burst_limit,
        }

    def _throttle(self) -> None:
        resource_of(self.stage).add_property_override("RouteSettings", self._throttles)

    @property
    def url(self) -> str:
        if self._config.local_port:
            return f"http://127.0.0.1:{self._config.local_port}/_aws/execute-api/{HTTP_LOCAL_ID}/$default"
        return self.api.api_endpoint
