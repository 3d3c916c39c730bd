"""Reads everything that a message to a group needs before it is accepted, in one round trip over four tables."""

from __future__ import annotations

from dataclasses import dataclass

from sandes.model.device import Routes
from sandes.model.fanout import FanoutRecord
from sandes.model.group import Group, Member
from sandes.model.ids import DeviceAddress, GroupId
from sandes.store.dynamo import batch_get
from sandes.store.fanouts import FanoutStore, post_key, read_record
from sandes.store.groups import GroupStore, group_key, is_group, is_member, member_key, read_group, read_member
from sandes.store.limits import LimitStore, full_at_ms, limit_key
from sandes.store.routing import RoutingStore, routes
from sandes.store.schema import RoutingRow


@dataclass(frozen=True, slots=True)
class GroupSendFacts:
    """Holds the rows that were read. `sender`, `group` and `member` are None if they do not exist.

    `record` is None for a new post. `bucket_full_at_ms` is 0 for a full bucket.
    """

    sender: Routes | None
    group: Group | None
    member: Member | None
    record: FanoutRecord | None
    bucket_full_at_ms: int


@dataclass(frozen=True, slots=True)
class GroupSendView:
    routing: RoutingStore
    groups: GroupStore
    fanouts: FanoutStore
    limits: LimitStore

    def read(self, sender: DeviceAddress, group: GroupId, post: str, *, limit: str, now_seconds: int) -> GroupSendFacts:
        """Read everything but the bucket consistently, because nothing later would detect outdated rows or an ended
        verification.
        """
        found = batch_get(
            self.routing.client,
            {
                self.routing.table: {"Keys": [{RoutingRow.ACCOUNT: {"B": sender.account}}], "ConsistentRead": True},
                self.groups.table: {
                    "Keys": [group_key(group), member_key(group, sender.account)],
                    "ConsistentRead": True,
                },
                self.fanouts.table: {"Keys": [post_key(post)], "ConsistentRead": True},
                self.limits.table: {"Keys": [limit_key(str(sender), limit)]},
            },
        )
        in_directory = found[self.groups.table]
        return GroupSendFacts(
            sender=next((routes(item, now_seconds=now_seconds) for item in found[self.routing.table]), None),
            group=next((read_group(group, item) for item in in_directory if is_group(item)), None),
            member=next((read_member(item) for item in in_directory if is_member(item)), None),
            record=next((read_record(item) for item in found[self.fanouts.table]), None),
            bucket_full_at_ms=max((full_at_ms(item) for item in found[self.limits.table]), default=0),
        )
