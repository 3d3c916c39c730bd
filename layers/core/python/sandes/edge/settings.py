"""The settings of each function. infra/ sets exactly these environment variables, in upper case."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str

    @classmethod
    def variables(cls) -> list[str]:
        """Return the names of this function's environment variables."""
        return sorted(name.upper() for name in cls.model_fields)

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the environment. Raises pydantic's ValidationError, which names missing or malformed variables."""
        return cls.model_validate(
            {name: environment[name.upper()] for name in cls.model_fields if name.upper() in environment}
        )


class ConnectSettings(Settings):
    routing_table: str
    directory_table: str
    token_audience: str


class FrameSettings(Settings):
    """Holds the settings of the two functions of the websocket's frames."""

    statistics_table: str
    inbox_table: str
    routing_table: str
    directory_table: str
    limits_table: str
    sender_secret: str
    seal_secret: str
    max_expiry_seconds: int
    aws_endpoint_url_apigatewaymanagementapi: str


class FanoutSettings(Settings):
    """Holds the settings of every function that posts to groups."""

    inbox_table: str
    routing_table: str
    directory_table: str
    deliveries_table: str
    sender_secret: str
    seal_secret: str
    fanout_queue: str
    aws_endpoint_url_apigatewaymanagementapi: str


class GroupFanoutSettings(FanoutSettings):
    """Holds the settings of the fan-out. `fanout_posts_per_second` applies to one execution environment."""

    fanout_posts_per_second: int


class GroupUpkeepSettings(FanoutSettings):
    group_queue: str
    max_expiry_seconds: int


class RosterWorkSettings(FanoutSettings):
    roster_queue: str
    max_expiry_seconds: int
    pepper_secret: str
    uploads_bucket: str


class SendSettings(FanoutSettings, FrameSettings):
    pass


class DeliverSettings(FrameSettings):
    deliveries_table: str
    webhook_queue: str


class ClientSettings(Settings):
    inbox_table: str
    routing_table: str
    directory_table: str
    codes_table: str
    deliveries_table: str
    limits_table: str
    pepper_secret: str
    sender_secret: str
    token_audience: str
    registrations_per_address_hour: int
    sms_sender_id: str
    sms_entity_id: str
    sms_template_id: str
    sms_calling_codes: str
    sms_registrations_hour: int
    sms_registrations_prefix_hour: int
    group_queue: str
    import_queue: str
    aws_endpoint_url_apigatewaymanagementapi: str


class AppSettings(Settings):
    """Holds the settings of every function of the app API."""

    directory_table: str
    routing_table: str
    inbox_table: str
    codes_table: str
    deliveries_table: str
    pepper_secret: str
    sender_secret: str
    seal_secret: str
    token_audience: str
    aws_endpoint_url_apigatewaymanagementapi: str


class AppExpirySettings(Settings):
    directory_table: str
    deliveries_table: str
    webhook_queue: str


class BatchSettings(AppSettings):
    webhook_queue: str
    max_expiry_seconds: int
    batch_queue: str
    uploads_bucket: str


class AppGroupsSettings(Settings):
    """Holds the settings of calls about groups. Another function notifies the members."""

    directory_table: str
    routing_table: str
    codes_table: str
    deliveries_table: str
    pepper_secret: str
    token_audience: str
    group_queue: str
    roster_queue: str
    uploads_bucket: str


class AppsSettings(BatchSettings, FanoutSettings):
    webhook_secret: str
    webhook_networks: str


class WebhookSettings(Settings):
    """Holds the settings of webhooks. `webhook_networks` are CIDR blocks separated by commas, or empty."""

    directory_table: str
    deliveries_table: str
    webhook_queue: str
    webhook_secret: str
    webhook_networks: str


class OtpSettings(AppSettings):
    sms_queue: str
    sms_after_seconds: int
    sms_calling_codes: str


class OtpSmsSettings(Settings):
    directory_table: str
    routing_table: str
    inbox_table: str
    codes_table: str
    deliveries_table: str
    limits_table: str
    pepper_secret: str
    sms_sender_id: str
    sms_calling_codes: str
    sms_otps_hour: int
    sms_otps_prefix_hour: int


class RecorderSettings(Settings):
    """Holds the settings of every function whose acts leave entries in the audit chains.

    `audit_former_keys` are earlier public keys in base64url, separated by commas.
    """

    audit_table: str
    audit_secret: str
    audit_former_keys: str = ""


class AdministratorPoolSettings(Settings):
    """Holds the settings of the user pool. `federation_provider` is another way to sign in, or empty."""

    administrator_pool: str
    federation_provider: str


class MailSettings(Settings):
    """Holds the settings of e-mail. `mail_from` is the sender to administrators, or empty if the stage has none."""

    mail_from: str


class OperatorSettings(AdministratorPoolSettings, RecorderSettings):
    directory_table: str


class AdminSettings(RecorderSettings):
    """Holds the settings of every function of the admin API."""

    directory_table: str
    pepper_secret: str


class ReportSettings(Settings):
    """Holds the settings of statistics."""

    directory_table: str
    statistics_table: str


class AccessResetSettings(RecorderSettings, AdministratorPoolSettings, MailSettings):
    directory_table: str


class AdminFunctionSettings(AdminSettings, AdministratorPoolSettings, MailSettings, ReportSettings):
    """Holds the settings of functions/admin. `heads_bucket` stores the hourly heads of audit chains."""

    heads_bucket: str
    limits_table: str


class AuditHeadsSettings(RecorderSettings):
    heads_bucket: str


class ImportSettings(AdminSettings):
    """Holds the settings of calls about imports and of the function that processes them."""

    routing_table: str
    uploads_bucket: str
    import_queue: str


class ImportCallSettings(ImportSettings):
    limits_table: str


class AdminPeopleSettings(ImportCallSettings):
    attestation_secret: str
    group_queue: str
    aws_endpoint_url_apigatewaymanagementapi: str


class ImportWorkSettings(ImportSettings):
    attestation_secret: str


class AdminAppsSettings(AdminSettings):
    webhook_secret: str
    webhook_networks: str
    group_queue: str


class AddingUpSettings(Settings):
    """Names the tables whose streams are counted, and the table of the counts."""

    directory_table: str
    codes_table: str
    deliveries_table: str
    statistics_table: str


class QueueDepthSettings(Settings):
    """Holds the settings of the measurement. `queues` is JSON: by name, the addresses of a queue and its dead-letter
    queue.
    """

    statistics_table: str
    queues: str


class VerificationSweepSettings(Settings):
    directory_table: str
    routing_table: str
    group_queue: str
