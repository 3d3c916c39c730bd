"""Each function's dependencies, built once per environment; those of the admin API are in edge/admin/."""

from __future__ import annotations

import time
from functools import cache, partial
from typing import TYPE_CHECKING

from sandes.counting.tally import Tally
from sandes.crypto.sender_hash import SenderHash
from sandes.crypto.service_keys import ServiceKeys
from sandes.edge.clients import client_of, objects_client, secret_of
from sandes.edge.pusher import GatewayPusher
from sandes.edge.settings import ClientSettings, ConnectSettings, FanoutSettings, FrameSettings, SendSettings
from sandes.limits import FRAMES_PER_WRITE, Limit, Meter
from sandes.messaging.push import Push
from sandes.store.directory import DirectoryStore
from sandes.store.inbox import InboxStore
from sandes.store.limits import LimitStore
from sandes.store.routing import RoutingStore
from sandes.store.send_view import SendView
from sandes.store.statistics import StatisticsStore

if TYPE_CHECKING:
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
    from sandes.counting.adding_up import AddingDependencies
    from sandes.counting.queue_depths import DepthDependencies
    from sandes.edge.authorizer import AuthorizerDependencies
    from sandes.edge.settings import AppGroupsSettings, AppSettings, OtpSmsSettings
    from sandes.groups.fanout import Fanout
    from sandes.groups.group_delivery import GroupDeliveryDependencies
    from sandes.groups.group_send import GroupSendDependencies
    from sandes.groups.groups import GroupDependencies
    from sandes.groups.groups_upkeep import UpkeepDependencies
    from sandes.messaging.deliver import DeliverDependencies
    from sandes.messaging.send import SendDependencies
    from sandes.people.devices import DeviceDependencies
    from sandes.ports.sockets import Pusher
    from sandes.sms import SmsBudget
    from sandes.store.app_view import AppView


def _view(settings: FrameSettings) -> SendView:
    dynamodb = client_of("dynamodb")
    return SendView(
        RoutingStore(dynamodb, settings.routing_table),
        DirectoryStore(dynamodb, settings.directory_table),
        LimitStore(dynamodb, settings.limits_table),
    )


@cache
def _tally(table: str) -> Tally:
    """One for the whole environment, whatever its function does."""
    return Tally(StatisticsStore(client_of("dynamodb"), table))


@cache
def _service_keys(secret: str) -> ServiceKeys:
    """Read once for the whole environment, also where two of its calls seal."""
    return ServiceKeys.of(secret_of(secret))


@cache
def wire_connect() -> AuthorizerDependencies:
    from sandes.edge.authorizer import AuthorizerDependencies

    settings = ConnectSettings.load()
    dynamodb = client_of("dynamodb")
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
        inbox=InboxStore(client_of("dynamodb"), settings.inbox_table),
        meter=Meter(Limit.SENDS, view.limits),
        push=Push(view.routing, GatewayPusher(client_of("apigatewaymanagementapi"))),
        sender_hash=SenderHash.of(secret_of(settings.sender_secret)),
        service_keys=_service_keys(settings.seal_secret),
        tally=_tally(settings.statistics_table),
        max_expiry_seconds=settings.max_expiry_seconds,
        inboxes=Meter(Limit.INBOX, view.limits, write_every=64),
    )


@cache
def wire_group_send() -> GroupSendDependencies:
    """For messages to groups, in the function of `send`."""
    from sandes.groups.group_send import GroupSendDependencies
    from sandes.store.group_send_view import GroupSendView

    settings = SendSettings.load()
    fanout = _fanout(settings)
    limits = LimitStore(client_of("dynamodb"), settings.limits_table)
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

    dynamodb, secret = client_of("dynamodb"), secret_of(settings.sender_secret)
    routing = RoutingStore(dynamodb, settings.routing_table)
    return Fanout(
        groups=GroupStore(dynamodb, settings.directory_table),
        routing=routing,
        inbox=InboxStore(dynamodb, settings.inbox_table),
        store=FanoutStore(dynamodb, settings.deliveries_table),
        push=Push(routing, pusher or GatewayPusher(client_of("apigatewaymanagementapi")), at_once=POSTS_AT_ONCE),
        queue=SqsQueue(client_of("sqs"), settings.fanout_queue),
        keys=FanoutKeys.of(secret),
        sender_hash=SenderHash.of(secret),
        service_keys=_service_keys(settings.seal_secret),
    )


@cache
def wire_group_delivery() -> GroupDeliveryDependencies:
    """For what became of a message to a group, in the function of the client API."""
    from sandes.crypto.fanout_keys import FanoutKeys
    from sandes.groups.group_delivery import GroupDeliveryDependencies
    from sandes.store.fanouts import FanoutStore

    settings, groups = ClientSettings.load(), wire_groups()
    dynamodb, secret = client_of("dynamodb"), secret_of(settings.sender_secret)
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
    gateway = GatewayPusher(client_of("apigatewaymanagementapi"))
    return _fanout(settings, PacedPusher(gateway, Pace(settings.fanout_posts_per_second)))


@cache
def wire_deliver() -> DeliverDependencies:
    from sandes.apps.app_status import StatusDependencies, take_receipt
    from sandes.edge.queue import SqsQueue
    from sandes.edge.settings import DeliverSettings
    from sandes.messaging.deliver import DeliverDependencies
    from sandes.store.apps import AppStore
    from sandes.store.deliveries import DeliveryStore

    settings = DeliverSettings.load()
    view = _view(settings)
    pusher = GatewayPusher(client_of("apigatewaymanagementapi"))
    return DeliverDependencies(
        routing=view.routing,
        inbox=InboxStore(client_of("dynamodb"), settings.inbox_table),
        view=view,
        frames=Meter(Limit.FRAMES, view.limits, write_every=FRAMES_PER_WRITE),
        receipts=Meter(Limit.RECEIPTS, view.limits),
        tally=_tally(settings.statistics_table),
        push=Push(view.routing, pusher),
        pusher=pusher,
        sender_hash=SenderHash.of(secret_of(settings.sender_secret)),
        service_keys=_service_keys(settings.seal_secret),
        max_expiry_seconds=settings.max_expiry_seconds,
        app_receipts=partial(
            take_receipt,
            deps=StatusDependencies(
                AppStore(client_of("dynamodb"), settings.directory_table),
                DeliveryStore(client_of("dynamodb"), settings.deliveries_table),
                SqsQueue(client_of("sqs"), settings.webhook_queue),
            ),
        ),
    )


def _sms_budget(purpose: str, per_hour: int, per_prefix: int, *, limits_table: str) -> SmsBudget:
    from sandes.edge.sms import sms_stopped
    from sandes.sms import SmsBudget

    return SmsBudget(purpose, per_hour, per_prefix, LimitStore(client_of("dynamodb"), limits_table), sms_stopped)


@cache
def wire_client() -> tuple[DeviceDependencies, str]:
    """The dependencies of the client API, and the audience its tokens must name."""
    from sandes.crypto.pepper import Pepper
    from sandes.edge.queue import SqsQueue
    from sandes.edge.sms import SnsSms
    from sandes.groups.group_events import devices_told
    from sandes.limits import PerHour
    from sandes.people.codes import CodeDependencies
    from sandes.people.devices import DeviceDependencies
    from sandes.sms import SmsRules
    from sandes.store.codes import CodeStore
    from sandes.store.enrolment import EnrolmentStore

    settings = ClientSettings.load()
    dynamodb = client_of("dynamodb")
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
                pepper=Pepper.of(secret_of(settings.pepper_secret)),
                sms=SnsSms(client_of("sns"), settings.sms_sender_id, settings.sms_entity_id, settings.sms_template_id),
                sms_rules=SmsRules.of(settings.sms_calling_codes),
                sms_budget=_sms_budget(
                    "registrations",
                    settings.sms_registrations_hour,
                    settings.sms_registrations_prefix_hour,
                    limits_table=settings.limits_table,
                ),
                addresses=PerHour("registrations", settings.registrations_per_address_hour),
            ),
            pusher=GatewayPusher(client_of("apigatewaymanagementapi")),
            device_changes=partial(devices_told, queue=SqsQueue(client_of("sqs"), settings.group_queue)),
            imports=SqsQueue(client_of("sqs"), settings.import_queue),
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
    dynamodb = client_of("dynamodb")
    return GroupDependencies(
        groups=GroupStore(dynamodb, settings.directory_table),
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        limits=LimitStore(dynamodb, settings.limits_table),
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        work=SqsQueue(client_of("sqs"), settings.group_queue),
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
    dynamodb, fanout = client_of("dynamodb"), _fanout(settings)
    return UpkeepDependencies(
        events=EventDependencies(fanout.groups, fanout, settings.max_expiry_seconds),
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        verifications=VerificationStore(dynamodb, settings.directory_table, fanout.routing),
        work=SqsQueue(client_of("sqs"), settings.group_queue),
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
    dynamodb, fanout = client_of("dynamodb"), _fanout(settings)
    return RosterWorkDependencies(
        apps=AppStore(dynamodb, settings.directory_table),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        groups=fanout.groups,
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        rosters=RosterStore(dynamodb, settings.directory_table),
        objects=S3Objects(objects_client(), settings.uploads_bucket),
        work=SqsQueue(client_of("sqs"), settings.roster_queue),
        deliver=fanout,
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        max_expiry_seconds=settings.max_expiry_seconds,
        clock_ms=lambda: time.time_ns() // 1_000_000,
    )


def _app_view(settings: AppSettings | AppGroupsSettings | OtpSmsSettings) -> AppView:
    from sandes.store.app_view import AppView
    from sandes.store.apps import AppStore
    from sandes.store.deliveries import DeliveryStore
    from sandes.store.otps import OtpStore

    dynamodb = client_of("dynamodb")
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
    from sandes.sms import SmsRules

    settings = OtpSettings.load()
    view = _app_view(settings)
    return OtpDependencies(
        view=view,
        inbox=InboxStore(client_of("dynamodb"), settings.inbox_table),
        quotas=Quotas(view.deliveries),
        push=Push(view.routing, GatewayPusher(client_of("apigatewaymanagementapi"))),
        sms_queue=SqsQueue(client_of("sqs"), settings.sms_queue),
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        sender_hash=SenderHash.of(secret_of(settings.sender_secret)),
        service_keys=_service_keys(settings.seal_secret),
        audience=settings.token_audience,
        sms_after_seconds=settings.sms_after_seconds,
        sms_rules=SmsRules.of(settings.sms_calling_codes),
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
        inbox=InboxStore(client_of("dynamodb"), settings.inbox_table),
        quotas=Quotas(view.deliveries),
        push=Push(view.routing, GatewayPusher(client_of("apigatewaymanagementapi"))),
        webhook_queue=SqsQueue(client_of("sqs"), settings.webhook_queue),
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        sender_hash=SenderHash.of(secret_of(settings.sender_secret)),
        service_keys=_service_keys(settings.seal_secret),
        audience=settings.token_audience,
        max_expiry_seconds=settings.max_expiry_seconds,
    )


@cache
def wire_group_messages() -> GroupMessageDependencies:
    """For messages to groups, in the function of the calls of apps."""
    from sandes.apps.group_messages import GroupMessageDependencies
    from sandes.edge.settings import AppsSettings

    settings = AppsSettings.load()
    directory = DirectoryStore(client_of("dynamodb"), settings.directory_table)
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
    dynamodb = client_of("dynamodb")
    return BatchDependencies(
        apps=wire_apps(),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        store=BatchStore(dynamodb, settings.deliveries_table),
        objects=S3Objects(objects_client(), settings.uploads_bucket),
        queue=SqsQueue(client_of("sqs"), settings.batch_queue),
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
    dynamodb, view = client_of("dynamodb"), _app_view(settings)
    return AppGroupDependencies(
        view=view,
        directory=DirectoryStore(dynamodb, settings.directory_table),
        ties=AppGroupStore(dynamodb, settings.directory_table),
        groups=GroupStore(dynamodb, settings.directory_table),
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        rosters=RosterStore(dynamodb, settings.directory_table),
        objects=S3Objects(objects_client(), settings.uploads_bucket),
        work=SqsQueue(client_of("sqs"), settings.group_queue),
        roster_work=SqsQueue(client_of("sqs"), settings.roster_queue),
        quotas=Quotas(view.deliveries),
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        audience=settings.token_audience,
    )


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
        keys=WebhookKeys.of(secret_of(settings.webhook_secret)),
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
    dynamodb = client_of("dynamodb")
    return WebhookDeliveryDependencies(
        store=WebhookStore(
            AppStore(dynamodb, settings.directory_table), DeliveryStore(dynamodb, settings.deliveries_table)
        ),
        queue=SqsQueue(client_of("sqs"), settings.webhook_queue),
        keys=WebhookKeys.of(secret_of(settings.webhook_secret)),
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
    dynamodb = client_of("dynamodb")
    return StatusDependencies(
        AppStore(dynamodb, settings.directory_table),
        DeliveryStore(dynamodb, settings.deliveries_table),
        SqsQueue(client_of("sqs"), settings.webhook_queue),
    )


@cache
def wire_otp_sms() -> SmsDependencies:
    from sandes.apps.otp_sms import SmsDependencies
    from sandes.crypto.pepper import Pepper
    from sandes.edge.settings import OtpSmsSettings
    from sandes.edge.sms import SnsSms
    from sandes.sms import SmsRules

    settings = OtpSmsSettings.load()
    dynamodb = client_of("dynamodb")
    return SmsDependencies(
        view=_app_view(settings),
        inbox=InboxStore(dynamodb, settings.inbox_table),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        sms=SnsSms(client_of("sns"), settings.sms_sender_id),
        sms_rules=SmsRules.of(settings.sms_calling_codes),
        sms_budget=_sms_budget(
            "otps", settings.sms_otps_hour, settings.sms_otps_prefix_hour, limits_table=settings.limits_table
        ),
    )


@cache
def wire_adding_up() -> AddingDependencies:
    from sandes.counting.adding_up import AddingDependencies, Owners
    from sandes.edge.settings import AddingUpSettings
    from sandes.store import schema
    from sandes.store.apps import AppStore

    settings = AddingUpSettings.load()
    dynamodb = client_of("dynamodb")
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

    from sandes.counting.queue_depths import DepthDependencies
    from sandes.edge.queue import SqsGauge
    from sandes.edge.settings import QueueDepthSettings

    settings = QueueDepthSettings.load()
    queues = {name: (queue, dead) for name, (queue, dead) in json.loads(settings.queues).items()}
    return DepthDependencies(
        SqsGauge(client_of("sqs")), queues, StatisticsStore(client_of("dynamodb"), settings.statistics_table)
    )
