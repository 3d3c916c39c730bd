"""Dependencies of the client API."""

from __future__ import annotations

from functools import partial

from sandes.crypto.fanout_keys import FanoutKeys
from sandes.crypto.pepper import Pepper
from sandes.crypto.sender_hash import SenderHash
from sandes.edge.clients import client_of, secret_of
from sandes.edge.pusher import GatewayPusher
from sandes.edge.queue import SqsQueue
from sandes.edge.settings import ClientSettings
from sandes.edge.sms import SnsSms
from sandes.edge.wiring.sms import sms_budget
from sandes.groups.group_delivery import GroupDeliveryDependencies
from sandes.groups.group_events import devices_told
from sandes.groups.groups import GroupDependencies
from sandes.limits import PerHour
from sandes.people.codes import CodeDependencies
from sandes.people.devices import DeviceDependencies
from sandes.runtime import once
from sandes.sms import SmsRules
from sandes.store.codes import CodeStore
from sandes.store.directory import DirectoryStore
from sandes.store.enrolment import EnrolmentStore
from sandes.store.fanouts import FanoutStore
from sandes.store.group_changes import GroupChangeStore
from sandes.store.groups import GroupStore
from sandes.store.inbox import InboxStore
from sandes.store.limits import LimitStore
from sandes.store.routing import RoutingStore


@once
def wire_group_delivery() -> GroupDeliveryDependencies:
    """Build the dependencies of calls about the delivery of a group's message."""
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


@once
def wire_client() -> tuple[DeviceDependencies, str]:
    """Build the dependencies of the client API. Return them with the audience that its tokens must name."""
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
                sms_budget=sms_budget(
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


@once
def wire_groups() -> GroupDependencies:
    """Build the dependencies of calls about groups."""
    settings = ClientSettings.load()
    dynamodb = client_of("dynamodb")
    return GroupDependencies(
        groups=GroupStore(dynamodb, settings.directory_table),
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        limits=LimitStore(dynamodb, settings.limits_table),
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        work=SqsQueue(client_of("sqs"), settings.group_queue),
    )
