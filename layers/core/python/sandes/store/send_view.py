"""Reads everything that a send needs, in one round trip over three tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandes.model.device import Routes
from sandes.model.ids import AccountId, DeviceAddress, account_text
from sandes.store.directory import DirectoryStore, block_key, invitation_holds, invitation_key, is_block, item_is
from sandes.store.dynamo import Item, batch_get
from sandes.store.limits import LimitStore, full_at_ms, limit_key, limit_of
from sandes.store.routing import RoutingStore, routes
from sandes.store.schema import RoutingRow


@dataclass(frozen=True, slots=True)
class SendFacts:
    """Holds the facts for a send. `sender` and `recipient` are None if the account does not exist.

    `bucket_full_at_ms` is that of the sender and `inbox_full_at_ms` that of messages to the recipient; 0 is a full
    bucket. `invited`: the recipient has invited the sender. `has_invited`: the sender has invited the recipient, and
    need not renew the invitation yet.
    """

    sender: Routes | None
    recipient: Routes | None
    blocked: bool
    invited: bool
    has_invited: bool
    bucket_full_at_ms: int
    inbox_full_at_ms: int = 0


INVITED_SECONDS = 90 * 86_400
"""How long a citizen may write to an official who has written to them."""

INVITED_AGAIN_BEFORE_SECONDS = 80 * 86_400
"""A message renews an invitation that has less time left. Two people therefore cause at most one write in ten days."""


@dataclass(frozen=True, slots=True)
class SendView:
    routing: RoutingStore
    directory: DirectoryStore
    limits: LimitStore

    def read(
        self,
        sender: DeviceAddress,
        recipient: AccountId,
        *,
        limit: str,
        now_seconds: int,
        inbox_limit: str | None = None,
    ) -> SendFacts:
        """Read the devices of sender and recipient, their blocks and invitations, and the buckets.

        Everything but the buckets is read consistently, so that an ended verification permits nothing, and the receipt
        for a first message, which comes milliseconds later, is permitted. With `inbox_limit`, the bucket of messages to
        the recipient is read too. The keys are the same for every recipient, so that the duration reveals nothing.
        """
        accounts = list(dict.fromkeys((sender.account, recipient)))
        buckets = [limit_key(str(sender), limit)]
        if inbox_limit is not None:
            buckets.append(limit_key(inbox_subject(recipient), inbox_limit))
        pairs = ((recipient, sender.account), (sender.account, recipient))
        found = batch_get(
            self.routing.client,
            {
                self.routing.table: {
                    "Keys": [{RoutingRow.ACCOUNT: {"B": account}} for account in accounts],
                    "ConsistentRead": True,
                },
                self.directory.table: {
                    "Keys": [
                        block_key(owner=recipient, blocked=sender.account),
                        *(invitation_key(owner=owner, invited=other) for owner, other in dict.fromkeys(pairs)),
                    ],
                    "ConsistentRead": True,
                },
                self.limits.table: {"Keys": buckets},
            },
        )
        known = {
            view.account: view for view in (routes(item, now_seconds=now_seconds) for item in found[self.routing.table])
        }
        ties = found[self.directory.table]
        return SendFacts(
            sender=known.get(sender.account),
            recipient=known.get(recipient),
            blocked=any(is_block(item) for item in ties),
            invited=_invites(ties, recipient, sender.account, now_seconds),
            has_invited=_invites(ties, sender.account, recipient, now_seconds + INVITED_AGAIN_BEFORE_SECONDS),
            bucket_full_at_ms=_full_at(found[self.limits.table], limit),
            inbox_full_at_ms=_full_at(found[self.limits.table], inbox_limit),
        )


def _invites(ties: Sequence[Item], owner: AccountId, invited: AccountId, at_seconds: int) -> bool:
    key = invitation_key(owner=owner, invited=invited)
    return any(item_is(item, key) and invitation_holds(item, at_seconds) for item in ties)


def inbox_subject(recipient: AccountId) -> str:
    """Return the subject of the limit on messages to an account."""
    return f"account:{account_text(recipient)}"


def _full_at(items: Sequence[Item], limit: str | None) -> int:
    return max((full_at_ms(item) for item in items if limit_of(item) == limit), default=0)
