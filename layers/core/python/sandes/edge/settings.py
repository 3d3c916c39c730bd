"""What each function is told by its environment; infra/ sets exactly these names, in upper case."""

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
        """The names of the environment variables of this function."""
        return sorted(name.upper() for name in cls.model_fields)

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises pydantic's ValidationError naming what is missing or malformed."""
        return cls.model_validate(
            {name: environment[name.upper()] for name in cls.model_fields if name.upper() in environment}
        )


class ConnectSettings(Settings):
    routing_table: str
    directory_table: str
    token_audience: str


class FrameSettings(Settings):
    """What both functions of the websocket's frames need."""

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
    """What every function needs that posts to groups."""

    inbox_table: str
    routing_table: str
    directory_table: str
    deliveries_table: str
    sender_secret: str
    seal_secret: str
    fanout_queue: str
    aws_endpoint_url_apigatewaymanagementapi: str


class GroupFanoutSettings(FanoutSettings):
    """`fanout_posts_per_second`: of one environment."""

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
    """What every function of the app API needs."""

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
    """For the calls about groups, which are not told to anybody by this function."""

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
    """`webhook_networks`: CIDR blocks with commas between them; empty for none."""

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
    """What every function needs whose acts leave entries in the audit chains.

    `audit_former_keys`: public keys of before, base64url, separated by commas.
    """

    audit_table: str
    audit_secret: str
    audit_former_keys: str = ""


class AdministratorPoolSettings(Settings):
    """`federation_provider`: by which administrators may sign in too; empty for none."""

    administrator_pool: str
    federation_provider: str


class MailSettings(Settings):
    """`mail_from`: the sender of e-mail to administrators; empty where the stage has none."""

    mail_from: str


class OperatorSettings(AdministratorPoolSettings, RecorderSettings):
    directory_table: str


class AdminSettings(RecorderSettings):
    """What every function of the admin API needs."""

    directory_table: str
    pepper_secret: str


class ReportSettings(Settings):
    """What statistics are told from."""

    directory_table: str
    statistics_table: str


class AccessResetSettings(RecorderSettings, AdministratorPoolSettings, MailSettings):
    directory_table: str


class AdminFunctionSettings(AdminSettings, AdministratorPoolSettings, MailSettings, ReportSettings):
    """`heads_bucket`: where the hourly heads of audit chains are kept."""

    heads_bucket: str
    limits_table: str


class AuditHeadsSettings(RecorderSettings):
    heads_bucket: str


class ImportSettings(AdminSettings):
    """For the calls about imports, which have a limit, and for the function that works them off."""

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
    """The tables whose streams are added up, and the one that holds the sums."""

    directory_table: str
    codes_table: str
    deliveries_table: str
    statistics_table: str


class QueueDepthSettings(Settings):
    """`queues`: JSON, by name the addresses of a queue and of the one behind it."""

    statistics_table: str
    queues: str


class VerificationSweepSettings(Settings):
    directory_table: str
    routing_table: str
    group_queue: str
