"""Dependencies of the functions that process the queues of groups."""

from __future__ import annotations

from sandes import runtime
from sandes.apps.roster_work import RosterWorkDependencies
from sandes.crypto.pepper import Pepper
from sandes.edge.clients import client_of, objects_client, secret_of
from sandes.edge.objects import S3Objects
from sandes.edge.pusher import GatewayPusher
from sandes.edge.queue import SqsQueue
from sandes.edge.settings import GroupFanoutSettings, GroupUpkeepSettings, RosterWorkSettings
from sandes.edge.wiring.fanout import fanout
from sandes.groups.fanout import Fanout
from sandes.groups.group_events import EventDependencies
from sandes.groups.groups_upkeep import UpkeepDependencies
from sandes.groups.pace import Pace, PacedPusher
from sandes.runtime import once
from sandes.store.apps import AppStore
from sandes.store.directory import DirectoryStore
from sandes.store.group_changes import GroupChangeStore
from sandes.store.rosters import RosterStore
from sandes.store.verifications import VerificationStore


@once
def wire_fanout() -> Fanout:
    """Build the fan-out of the function that processes the queue of posts. It posts at a limited pace."""
    settings = GroupFanoutSettings.load()
    gateway = GatewayPusher(client_of("apigatewaymanagementapi"))
    return fanout(settings, PacedPusher(gateway, Pace(settings.fanout_posts_per_second)))


@once
def wire_group_upkeep() -> UpkeepDependencies:
    settings = GroupUpkeepSettings.load()
    dynamodb, posts = client_of("dynamodb"), fanout(settings)
    return UpkeepDependencies(
        events=EventDependencies(posts.groups, posts, settings.max_expiry_seconds),
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        verifications=VerificationStore(dynamodb, settings.directory_table, posts.routing),
        work=SqsQueue(client_of("sqs"), settings.group_queue),
    )


@once
def wire_roster_work() -> RosterWorkDependencies:
    settings = RosterWorkSettings.load()
    dynamodb, posts = client_of("dynamodb"), fanout(settings)
    return RosterWorkDependencies(
        apps=AppStore(dynamodb, settings.directory_table),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        groups=posts.groups,
        changes=GroupChangeStore(dynamodb, settings.directory_table),
        rosters=RosterStore(dynamodb, settings.directory_table),
        objects=S3Objects(objects_client(), settings.uploads_bucket),
        work=SqsQueue(client_of("sqs"), settings.roster_queue),
        deliver=posts,
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        max_expiry_seconds=settings.max_expiry_seconds,
        clock=runtime.now,
    )
