"""Configures throttles and access logs for both APIs.

An entry has the caller's address, the time, the route and the outcome, which is enough to follow an attack. It has no
path, query, header or body, so no token, phone number or id of a person (SECURITY.md, "Metadata and capacity").
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import RemovalPolicy
from aws_cdk import aws_apigateway as rest
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import Config

_EVERY = {
    "request": "$context.requestId",
    "at": "$context.requestTimeEpoch",
    "address": "$context.identity.sourceIp",
    "route": "$context.routeKey",
}


def throttle(rate: int) -> apigateway.ThrottleSettings:
    """Return a throttle whose burst is half of its rate, like the account's own quotas.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
    """
    return apigateway.ThrottleSettings(rate_limit=rate, burst_limit=rate // 2)


def resource_of(stage: apigateway.HttpStage | apigateway.WebSocketStage) -> apigateway.CfnStage:
    """Return the stage's CloudFormation resource, which has properties that the CDK's construct lacks."""
    resource = stage.node.default_child
    if not isinstance(resource, apigateway.CfnStage):
        raise TypeError(f"{stage.node.path} is not a stage of CloudFormation")
    return resource


class AccessLogs(Construct):
    """Holds the log group for the access log of one API's stage."""

    def __init__(
        self, stage: apigateway.HttpStage | apigateway.WebSocketStage, *, config: Config, fields: Mapping[str, str]
    ) -> None:
        super().__init__(stage, "AccessLogs")
        group = logs.LogGroup(
            self, "Group", retention=config.access_log_retention, removal_policy=config.removal_policy
        )
        resource_of(stage).access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=group.log_group_arn, format=_json({**_EVERY, **fields})
        )


class LogsOfApis(Construct):
    """Lets API Gateway write logs of websocket APIs: one role for the whole account and region.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-logging.html. The role stays when the
    stack is deleted, because other stages of the account need it too.
    """

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonAPIGatewayPushToCloudWatchLogs")
            ],
        )
        role.apply_removal_policy(RemovalPolicy.RETAIN)
        self.account = rest.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        self.account.apply_removal_policy(RemovalPolicy.RETAIN)


def _json(fields: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{name}":"{value}"' for name, value in fields.items()) + "}"
