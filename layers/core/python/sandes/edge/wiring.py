"""The only place where clients are made: each function's dependencies, built once per environment."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore
from botocore.config import Config
from botocore.session import get_session

from sandes.crypto.sender_hash import SenderHash
from sandes.edge.attribute_values import lighten
from sandes.edge.pusher import GatewayPusher
from sandes.edge.settings import ClientSettings, ConnectSettings, FanoutSettings, FrameSettings, SendSettings
from sandes.limits import Limit, Meter
from sandes.messaging.push import Push
from sandes.statistics.tally import Tally
from sandes.store.directory import DirectoryStore
from sandes.store.inbox import InboxStore
from sandes.store.limits import LimitStore
from sandes.store.routing import RoutingStore
from sandes.store.send_view import SendView
from sandes.store.statistics import StatisticsStore

if TYPE_CHECKING:
    from sandes.administration.audit.audit import Recorder
    from sandes.administration.audit.audit_heads import HeadsDependencies
    from sandes.administration.audit.audit_log import AuditLogDependencies
    from sandes.administration.people.verification_sweep import SweepDependencies
    from sandes.administration.roles.first_administrators import FirstAdministratorDependencies
    from sandes.apps.app_groups import AppGroupDependencies
    from sandes.apps.app_status import StatusDependencies
    from sandes.apps.batches import BatchDependencies
    from sandes.apps.group_messages import GroupMessageDependencies
    from sandes.apps.messages import AppsDependencies
    from sandes.apps.otp_sms import SmsDependencies
    from sandes.apps.otps import OtpDependencies
    from sandes.apps.roster_work import RosterWorkDependencies
    from sandes.apps.webhook_delivery import WebhookDeliveryDependencies
    from sandes.apps.webhooks import WebhookDependencies
    from sandes.edge.admin.cognito import CognitoPool
    from sandes.edge.authorizer import AuthorizerDependencies
    from sandes.edge.settings import AppGroupsSettings, AppSettings, OtpSmsSettings
    from sandes.groups.fanout import Fanout
    from sandes.groups.group_delivery import GroupDeliveryDependencies
    from sandes.groups.group_send import GroupSendDependencies
    from sandes.groups.groups import GroupDependencies
    from sandes.groups.groups_upkeep import UpkeepDependencies
    from sandes.messaging.deliver import DeliverDependencies
    from sandes.messaging.push import Pusher
    from sandes.messaging.send import SendDependencies
    from sandes.people.devices import DeviceDependencies
    from sandes.statistics.adding_up import AddingDependencies
    from sandes.statistics.queue_depths import DepthDependencies
    from sandes.statistics.reports import ReportDependencies
    from sandes.store.administrators import AdministratorStore
    from sandes.store.app_view import AppView

_CONFIG = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "max_attempts": 4},
    parameter_validation=False,  # requests are built by our own code; saves a tenth of a call's CPU
    tcp_keepalive=True,
    user_agent=f"sandes botocore/{botocore.__version__}",  # fixed: botocore else builds it anew, twice for each request
)

_session = cache(get_session)
"""botocore's own: boto3 adds nothing to a client but 50 ms of imports for S3 transfers at every cold start."""


@cache
def _client(service: str) -> Any:
    client: Any = _session().create_client(service, config=_CONFIG)
    return lighten(client) if service == "dynamodb" else client


def _secret(arn: str) -> bytes:
    return _client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"].encode()  # type: ignore[no-any-return]  # untyped client


def _view(settings: FrameSettings) -> SendView:
    dynamodb = _client("dynamodb")
    return SendView(
        RoutingStore(dynamodb, settings.routing_table),
        DirectoryStore(dynamodb, settings.directory_table),
        LimitStore(dynamodb, settings.limits_table),
    )


@cache
def _tally(table: str) -> Tally:
    """One for the whole environment, whatever its function does."""
    return Tally(StatisticsStore(_client("dynamodb"), table))


@cache
def wire_connect() -> AuthorizerDependencies:
    from sandes.edge.authorizer import AuthorizerDependencies

    settings = ConnectSettings.load()
    dynamodb = _client("dynamodb")
    return AuthorizerDependencies(
        DirectoryStore(dynamodb, settings.directory_table),
        RoutingStore(dynamodb, settings.routing_table),
        settings.token_audience,
    )


@cache
def wire_send() -> SendDependencies:
    from sandes.messaging.send import SendDependencies

    settings = SendSettings.load()
    view = _view(settings)
    return SendDependencies(
        view=view,
        inbox=InboxStore(_client("dynamodb"), settings.inbox_table),
        meter=Meter(Limit.SENDS, view.limits),
        push=Push(view.routing, GatewayPusher(_client("apigatewaymanagementapi"))),
        sender_hash=SenderHash.of(_secret(settings.sender_secret)),
        tally=_tally(settings.statistics_table),
        max_expiry_seconds=settings.max_expiry_seconds,
    )


@cache
def wire_group_send() -> GroupSendDependencies:
    """For messages to groups, in the function of `send`."""
    from sandes.groups.group_send import GroupSendDependencies
    from sandes.store.group_send_view import GroupSendView

    settings = SendSettings.load()
    fanout = _fanout(settings)
    limits = LimitStore(_client("dynamodb"), settings.limits_table)
    return GroupSendDependencies(
        view=GroupSendView(fanout.routing, fanout.groups, fanout.store, limits),
        meter=Meter(Limit.GROUP_POSTS, limits),
        fanout=fanout,
        tally=_tally(settings.statistics_table),
        max_expiry_seconds=settings.max_expiry_seconds,
    )


POSTS_AT_ONCE = 8
"""Of one environment: enough that the pace of a fan-out, and not the answers' delay, decides how fast it goes."""


def _fanout(settings: FanoutSettings, pusher: Pusher | None = None) -> Fanout:
    from sandes.crypto.fanout_keys import FanoutKeys
    from sandes.edge.queue import SqsQueue
    from sandes.groups.fanout import Fanout
    from sandes.store.fanouts import FanoutStore
    from sandes.store.groups import GroupStore

    dynamodb, secret = _client("dynamodb"), _secret(settings.sender_secret)
    routing = RoutingStore(dynamodb, settings.routing_table)
    return Fanout(
        groups=GroupStore(dynamodb, settings.directory_table),
        routing=routing,
        inbox=InboxStore(dynamodb, settings.inbox_table),
        store=FanoutStore(dynamodb, settings.deliveries_table),
        push=Push(routing, pusher or GatewayPusher(_client("apigatewaymanagementapi")), at_once=POSTS_AT_ONCE),
        queue=SqsQueue(_client("sqs"), settings.fanout_queue),
        keys=FanoutKeys.of(secret),
        sender_hash=SenderHash.of(secret),
    )


@cache
def wire_group_delivery() -> GroupDeliveryDependencies:
    """For what became of a message to a group, in the function of the client API."""
    from sandes.crypto.fanout_keys import FanoutKeys
    from sandes.groups.group_delivery import GroupDeliveryDependencies
    from sandes.store.fanouts import FanoutStore

    settings, groups = ClientSettings.load(), wire_groups()
    dynamodb, secret = _client("dynamodb"), _secret(settings.sender_secret)
    return GroupDeliveryDependencies(
        groups=groups.groups,
        posts=FanoutStore(dynamodb, settings.deliveries_table),
        routing=RoutingStore(dynamodb, settings.routing_table),
        inbox=InboxStore(dynamodb, settings.inbox_table),
        limits=groups.limits,
        keys=FanoutKeys.of(secret),
        sender_hash=SenderHash.of(secret),
        pepper=groups.pepper,
    )


@cache
def wire_fanout() -> Fanout:
    """For the function that works the queue of posts off: it posts at a pace."""
    from sandes.edge.settings import GroupFanoutSettings
    from sandes.groups.pace import Pace, PacedPusher

    settings = GroupFanoutSettings.load()
    gateway = GatewayPusher(_client("apigatewaymanagementapi"))
    return _fanout(settings, PacedPusher(gateway, Pace(settings.fanout_posts_per_second)))


@cache
def wire_deliver() -> DeliverDependencies:
    from sandes.apps.app_status import StatusDependencies
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import DeliverSettings
    from sandes.messaging.deliver import DeliverDependencies
    from sandes.store.apps import AppStore
    from sandes.store.deliveries import DeliveryStore

    settings = DeliverSettings.load()
    view = _view(settings)
    pusher = GatewayPusher(_client("apigatewaymanagementapi"))
    return DeliverDependencies(
        routing=view.routing,
        inbox=InboxStore(_client("dynamodb"), settings.inbox_table),
        view=view,
        frames=Meter(Limit.FRAMES, store=None),
        receipts=Meter(Limit.RECEIPTS, view.limits),
        tally=_tally(settings.statistics_table),
        push=Push(view.routing, pusher),
        pusher=pusher,
        sender_hash=SenderHash.of(_secret(settings.sender_secret)),
        max_expiry_seconds=settings.max_expiry_seconds,
        app_receipts=StatusDependencies(
            AppStore(_client("dynamodb"), settings.directory_table),
            DeliveryStore(_client("dynamodb"), settings.deliveries_table),
            SqsQueue(_client("sqs"), settings.webhook_queue),
        ),
    )


@cache
def wire_client() -> tuple[DeviceDependencies, str]:
    """The dependencies of the client API, and the audience its tokens must name."""
    from sandes.crypto.pepper import Pepper
    from sandes.edge.queue import SqsQueue
    from sandes.edge.sms import SnsSms
    from sandes.people.devices import DeviceDependencies
    from sandes.people.verification import CodeDependencies
    from sandes.store.codes import CodeStore
    from sandes.store.enrolment import EnrolmentStore

    settings = ClientSettings.load()
    dynamodb = _client("dynamodb")
    directory = DirectoryStore(dynamodb, settings.directory_table)
    routing = RoutingStore(dynamodb, settings.routing_table)
    codes = CodeStore(dynamodb, settings.codes_table)
    return (
        DeviceDependencies(
            directory=directory,
            routing=routing,
            enrolment=EnrolmentStore(directory, routing, codes),
            codes=CodeDependencies(
                codes=codes,
                limits=LimitStore(dynamodb, settings.limits_table),
                pepper=Pepper.of(_secret(settings.pepper_secret)),
                sms=SnsSms(_client("sns"), settings.sms_sender_id),
            ),
            pusher=GatewayPusher(_client("apigatewaymanagementapi")),
            group_work=SqsQueue(_client("sqs"), settings.group_queue),
            imports=SqsQueue(_client("sqs"), settings.import_queue),
        ),
        settings.token_audience,
    )


@cache
def wire_groups() -> GroupDependencies:
    """For groups, in the function of the client API."""
    from sandes.crypto.pepper import Pepper
    from sandes.edge.queue import SqsQueue
    from sandes.groups.groups import GroupDependencies
    from sandes.store.group_changes import GroupChangeStore
    from sandes.store.groups import GroupStore

    settings = ClientSettings.load()
    dynamodb = _client("dynamodb")
    return GroupDependencies(
        groups=GroupStore(dynamodb, settings.directory_table),
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        limits=LimitStore(dynamodb, settings.limits_table),
        pepper=Pepper.of(_secret(settings.pepper_secret)),
        work=SqsQueue(_client("sqs"), settings.group_queue),
    )


@cache
def wire_group_upkeep() -> UpkeepDependencies:
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import GroupUpkeepSettings
    from sandes.groups.group_events import EventDependencies
    from sandes.groups.groups_upkeep import UpkeepDependencies
    from sandes.store.group_changes import GroupChangeStore
    from sandes.store.verifications import VerificationStore

    settings = GroupUpkeepSettings.load()
    dynamodb, fanout = _client("dynamodb"), _fanout(settings)
    return UpkeepDependencies(
        events=EventDependencies(fanout.groups, fanout, settings.max_expiry_seconds),
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        verifications=VerificationStore(dynamodb, settings.directory_table, fanout.routing),
        work=SqsQueue(_client("sqs"), settings.group_queue),
    )


@cache
def wire_roster_work() -> RosterWorkDependencies:
    from sandes.apps.roster_work import RosterWorkDependencies
    from sandes.crypto.pepper import Pepper
    from sandes.edge.objects import S3Objects
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import RosterWorkSettings
    from sandes.store.apps import AppStore
    from sandes.store.group_changes import GroupChangeStore
    from sandes.store.rosters import RosterStore

    settings = RosterWorkSettings.load()
    dynamodb, fanout = _client("dynamodb"), _fanout(settings)
    return RosterWorkDependencies(
        apps=AppStore(dynamodb, settings.directory_table),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        groups=fanout.groups,
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        rosters=RosterStore(dynamodb, settings.directory_table),
        objects=S3Objects(_objects_client(), settings.uploads_bucket),
        work=SqsQueue(_client("sqs"), settings.roster_queue),
        deliver=fanout,
        pepper=Pepper.of(_secret(settings.pepper_secret)),
        max_expiry_seconds=settings.max_expiry_seconds,
        clock_ms=lambda: time.time_ns() // 1_000_000,
    )


def _app_view(settings: AppSettings | AppGroupsSettings | OtpSmsSettings) -> AppView:
    from sandes.store.app_view import AppView
    from sandes.store.apps import AppStore
    from sandes.store.deliveries import DeliveryStore
    from sandes.store.otps import OtpStore

    dynamodb = _client("dynamodb")
    return AppView(
        AppStore(dynamodb, settings.directory_table),
        OtpStore(dynamodb, settings.codes_table),
        DeliveryStore(dynamodb, settings.deliveries_table),
        RoutingStore(dynamodb, settings.routing_table),
    )


@cache
def wire_otp() -> OtpDependencies:
    from sandes.apps.otps import OtpDependencies
    from sandes.apps.quotas import Quotas
    from sandes.crypto.pepper import Pepper
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import OtpSettings

    settings = OtpSettings.load()
    view = _app_view(settings)
    return OtpDependencies(
        view=view,
        inbox=InboxStore(_client("dynamodb"), settings.inbox_table),
        quotas=Quotas(view.deliveries),
        push=Push(view.routing, GatewayPusher(_client("apigatewaymanagementapi"))),
        sms_queue=SqsQueue(_client("sqs"), settings.sms_queue),
        pepper=Pepper.of(_secret(settings.pepper_secret)),
        sender_hash=SenderHash.of(_secret(settings.sender_secret)),
        audience=settings.token_audience,
        sms_after_seconds=settings.sms_after_seconds,
    )


@cache
def wire_apps() -> AppsDependencies:
    """For the calls of apps, and for batches; what both functions are told suffices."""
    from sandes.apps.messages import AppsDependencies
    from sandes.apps.quotas import Quotas
    from sandes.crypto.pepper import Pepper
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import BatchSettings

    settings = BatchSettings.load()
    view = _app_view(settings)
    return AppsDependencies(
        view=view,
        inbox=InboxStore(_client("dynamodb"), settings.inbox_table),
        quotas=Quotas(view.deliveries),
        push=Push(view.routing, GatewayPusher(_client("apigatewaymanagementapi"))),
        webhook_queue=SqsQueue(_client("sqs"), settings.webhook_queue),
        pepper=Pepper.of(_secret(settings.pepper_secret)),
        sender_hash=SenderHash.of(_secret(settings.sender_secret)),
        audience=settings.token_audience,
        max_expiry_seconds=settings.max_expiry_seconds,
    )


@cache
def wire_group_messages() -> GroupMessageDependencies:
    """For messages to groups, in the function of the calls of apps."""
    from sandes.apps.group_messages import GroupMessageDependencies
    from sandes.edge.settings import AppsSettings

    settings = AppsSettings.load()
    directory = DirectoryStore(_client("dynamodb"), settings.directory_table)
    return GroupMessageDependencies(wire_apps(), directory, _fanout(settings))


@cache
def wire_batches() -> BatchDependencies:
    """For the calls about batches, and for the function that works them off."""
    from sandes.apps.batches import BatchDependencies
    from sandes.edge.objects import S3Objects
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import BatchSettings
    from sandes.store.batches import BatchStore

    settings = BatchSettings.load()
    dynamodb = _client("dynamodb")
    return BatchDependencies(
        apps=wire_apps(),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        store=BatchStore(dynamodb, settings.deliveries_table),
        objects=S3Objects(_objects_client(), settings.uploads_bucket),
        queue=SqsQueue(_client("sqs"), settings.batch_queue),
        clock_ms=lambda: time.time_ns() // 1_000_000,
    )


@cache
def wire_app_groups() -> AppGroupDependencies:
    from sandes.apps.app_groups import AppGroupDependencies
    from sandes.apps.quotas import Quotas
    from sandes.crypto.pepper import Pepper
    from sandes.edge.objects import S3Objects
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import AppGroupsSettings
    from sandes.store.app_groups import AppGroupStore
    from sandes.store.group_changes import GroupChangeStore
    from sandes.store.groups import GroupStore
    from sandes.store.rosters import RosterStore

    settings = AppGroupsSettings.load()
    dynamodb, view = _client("dynamodb"), _app_view(settings)
    return AppGroupDependencies(
        view=view,
        directory=DirectoryStore(dynamodb, settings.directory_table),
        ties=AppGroupStore(dynamodb, settings.directory_table),
        groups=GroupStore(dynamodb, settings.directory_table),
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        rosters=RosterStore(dynamodb, settings.directory_table),
        objects=S3Objects(_objects_client(), settings.uploads_bucket),
        work=SqsQueue(_client("sqs"), settings.group_queue),
        roster_work=SqsQueue(_client("sqs"), settings.roster_queue),
        quotas=Quotas(view.deliveries),
        pepper=Pepper.of(_secret(settings.pepper_secret)),
        audience=settings.token_audience,
    )


def _objects_client() -> Any:
    """Addresses that it signs are used by others: SigV4, and no checksum that they would have to know of."""
    signing = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        read_timeout=20,
    )
    return _session().create_client("s3", config=_CONFIG.merge(signing))


@cache
def wire_webhooks() -> WebhookDependencies:
    """For the endpoints, which share function and settings with the rest of the app API."""
    from sandes.apps.webhook_address import AddressRule, networks_of
    from sandes.apps.webhooks import WebhookDependencies
    from sandes.crypto.webhook_keys import WebhookKeys
    from sandes.edge.settings import AppsSettings
    from sandes.edge.webhook_http import SystemResolver
    from sandes.store.webhooks import WebhookStore

    settings, apps = AppsSettings.load(), wire_apps()
    return WebhookDependencies(
        view=apps.view,
        store=WebhookStore(apps.view.apps, apps.view.deliveries),
        queue=apps.webhook_queue,
        pepper=apps.pepper,
        keys=WebhookKeys.of(_secret(settings.webhook_secret)),
        addresses=AddressRule(SystemResolver(), networks_of(settings.webhook_networks)),
        audience=settings.token_audience,
    )


@cache
def wire_webhook_delivery() -> WebhookDeliveryDependencies:
    from sandes.apps.webhook_address import AddressRule, networks_of
    from sandes.apps.webhook_delivery import WebhookDeliveryDependencies
    from sandes.crypto.webhook_keys import WebhookKeys
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import WebhookSettings
    from sandes.edge.webhook_http import HttpPoster, SystemResolver
    from sandes.store.apps import AppStore
    from sandes.store.deliveries import DeliveryStore
    from sandes.store.webhooks import WebhookStore

    settings = WebhookSettings.load()
    dynamodb = _client("dynamodb")
    return WebhookDeliveryDependencies(
        store=WebhookStore(
            AppStore(dynamodb, settings.directory_table), DeliveryStore(dynamodb, settings.deliveries_table)
        ),
        queue=SqsQueue(_client("sqs"), settings.webhook_queue),
        keys=WebhookKeys.of(_secret(settings.webhook_secret)),
        addresses=AddressRule(SystemResolver(), networks_of(settings.webhook_networks)),
        poster=HttpPoster(),
    )


@cache
def wire_app_expiry() -> StatusDependencies:
    from sandes.apps.app_status import StatusDependencies
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import AppExpirySettings
    from sandes.store.apps import AppStore
    from sandes.store.deliveries import DeliveryStore

    settings = AppExpirySettings.load()
    dynamodb = _client("dynamodb")
    return StatusDependencies(
        AppStore(dynamodb, settings.directory_table),
        DeliveryStore(dynamodb, settings.deliveries_table),
        SqsQueue(_client("sqs"), settings.webhook_queue),
    )


@cache
def wire_otp_sms() -> SmsDependencies:
    from sandes.apps.otp_sms import SmsDependencies
    from sandes.crypto.pepper import Pepper
    from sandes.edge.settings import OtpSmsSettings
    from sandes.edge.sms import SnsSms

    settings = OtpSmsSettings.load()
    dynamodb = _client("dynamodb")
    return SmsDependencies(
        view=_app_view(settings),
        inbox=InboxStore(dynamodb, settings.inbox_table),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        pepper=Pepper.of(_secret(settings.pepper_secret)),
        sms=SnsSms(_client("sns"), settings.sms_sender_id),
    )


@cache
def _recorder() -> Recorder:
    """One for each environment: it remembers where the chains end."""
    from sandes.administration.audit.audit import Recorder
    from sandes.crypto.audit_chain import AuditKey
    from sandes.edge.settings import RecorderSettings
    from sandes.model.ids import parse_base64url
    from sandes.store.audit import AuditStore

    settings = RecorderSettings.load()
    store = AuditStore(_client("dynamodb"), settings.audit_table)
    former = tuple(parse_base64url(key) for key in settings.audit_former_keys.split(",") if key)
    return Recorder(store, AuditKey.of(_secret(settings.audit_secret)), former)


@cache
def wire_operator() -> FirstAdministratorDependencies:
    from sandes.administration.roles.first_administrators import FirstAdministratorDependencies
    from sandes.edge.settings import OperatorSettings
    from sandes.store.administrators import AdministratorStore
    from sandes.store.organisations import OrganisationStore

    dynamodb, table = _client("dynamodb"), OperatorSettings.load().directory_table
    return FirstAdministratorDependencies(
        administrators=AdministratorStore(dynamodb, table),
        organisations=OrganisationStore(dynamodb, table),
        pool=_administrator_pool(),
        recorder=_recorder(),
    )


def _administrator_pool() -> CognitoPool:
    from sandes.edge.admin.cognito import CognitoPool
    from sandes.edge.settings import AdministratorPoolSettings

    settings = AdministratorPoolSettings.load()
    return CognitoPool(_client("cognito-idp"), settings.administrator_pool, settings.federation_provider)


@cache
def wire_administrators() -> AdministratorStore:
    """In every function of the admin API: who calls."""
    from sandes.edge.settings import AdminSettings
    from sandes.store.administrators import AdministratorStore

    return AdministratorStore(_client("dynamodb"), AdminSettings.load().directory_table)


@cache
def wire_audit_log() -> AuditLogDependencies:
    from sandes.administration.audit.audit_log import AuditLogDependencies
    from sandes.crypto.pepper import Pepper
    from sandes.edge.objects import S3Objects
    from sandes.edge.settings import AdminFunctionSettings
    from sandes.store.organisations import OrganisationStore

    settings, recorder = AdminFunctionSettings.load(), _recorder()
    return AuditLogDependencies(
        store=recorder.store,
        organisations=OrganisationStore(_client("dynamodb"), settings.directory_table),
        heads=S3Objects(_objects_client(), settings.heads_bucket),
        key=recorder.key,
        pepper=Pepper.of(_secret(settings.pepper_secret)),
        former=recorder.former,
    )


@cache
def wire_audit_heads() -> HeadsDependencies:
    from sandes.administration.audit.audit_heads import HeadsDependencies
    from sandes.edge.objects import S3Objects
    from sandes.edge.settings import AuditHeadsSettings

    settings, recorder = AuditHeadsSettings.load(), _recorder()
    objects = S3Objects(_objects_client(), settings.heads_bucket)
    return HeadsDependencies(recorder.store, objects, recorder.key, recorder.former)


@cache
def wire_verification_sweep() -> SweepDependencies:
    from sandes.administration.people.verification_sweep import SweepDependencies
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import VerificationSweepSettings
    from sandes.store.verifications import VerificationStore

    settings = VerificationSweepSettings.load()
    dynamodb = _client("dynamodb")
    return SweepDependencies(
        VerificationStore(dynamodb, settings.directory_table, RoutingStore(dynamodb, settings.routing_table)),
        SqsQueue(_client("sqs"), settings.group_queue),
    )


@cache
def wire_reports() -> ReportDependencies:
    from sandes.edge.settings import ReportSettings
    from sandes.statistics.reports import ReportDependencies
    from sandes.store.apps import AppStore
    from sandes.store.organisations import OrganisationStore

    settings, dynamodb = ReportSettings.load(), _client("dynamodb")
    return ReportDependencies(
        StatisticsStore(dynamodb, settings.statistics_table),
        OrganisationStore(dynamodb, settings.directory_table),
        AppStore(dynamodb, settings.directory_table),
    )


@cache
def wire_adding_up() -> AddingDependencies:
    from sandes.edge.settings import AddingUpSettings
    from sandes.statistics.adding_up import AddingDependencies, Owners
    from sandes.store import schema
    from sandes.store.apps import AppStore

    settings = AddingUpSettings.load()
    dynamodb = _client("dynamodb")
    return AddingDependencies(
        tables={
            settings.directory_table: schema.DIRECTORY.name,
            settings.codes_table: schema.CODES.name,
            settings.deliveries_table: schema.DELIVERIES.name,
            settings.statistics_table: schema.STATISTICS.name,
        },
        store=StatisticsStore(dynamodb, settings.statistics_table),
        owners=Owners(AppStore(dynamodb, settings.directory_table)),
    )


@cache
def wire_queue_depths() -> DepthDependencies:
    import json

    from sandes.edge.queue import SqsGauge
    from sandes.edge.settings import QueueDepthSettings
    from sandes.statistics.queue_depths import DepthDependencies

    settings = QueueDepthSettings.load()
    queues = {name: (queue, dead) for name, (queue, dead) in json.loads(settings.queues).items()}
    return DepthDependencies(
        SqsGauge(_client("sqs")), queues, StatisticsStore(_client("dynamodb"), settings.statistics_table)
    )
