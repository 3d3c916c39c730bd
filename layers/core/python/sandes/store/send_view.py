"""All that a send needs to know, in one round trip over three tables."""

from __future__ import annotations

from dataclasses import dataclass

from sandes.model.device import Routes
from sandes.model.ids import AccountId, DeviceAddress
from sandes.store.directory import DirectoryStore, block_key
from sandes.store.dynamo import batch_get
from sandes.store.limits import LimitStore, full_at_ms, limit_key
from sandes.store.routing import RoutingStore, routes
from sandes.store.schema import RoutingRow


@dataclass(frozen=True, slots=True)
class SendFacts:
    """`sender` and `recipient` are None for accounts that do not exist. `bucket_full_at_ms` is 0 for a full bucket."""

    sender: Routes | None
    recipient: Routes | None
    blocked: bool
    bucket_full_at_ms: int


@dataclass(frozen=True, slots=True)
class SendView:
    routing: RoutingStore
    directory: DirectoryStore
    limits: LimitStore

    def read(self, sender: DeviceAddress, recipient: AccountId, *, limit: str, now_seconds: int) -> SendFacts:
        """The sender's and the recipient's devices, whether the recipient blocks the sender, and the sender's bucket.

        Eventually consistent: what matters for delivery is read again, consistently, after the write.
        The same four keys are asked for whatever the recipient: how long it takes tells nothing about them.
        """
        accounts = list(dict.fromkeys((sender.account, recipient)))
        found = batch_get(
            self.routing.client,
            {
                self.routing.table: {"Keys": [{RoutingRow.ACCOUNT: {"B": account}} for account in accounts]},
                self.directory.table: {"Keys": [block_key(owner=recipient, blocked=sender.account)]},
                self.limits.table: {"Keys": [limit_key(str(sender), limit)]},
            },
        )
        known = {
            view.account: view for view in (routes(item, now_seconds=now_seconds) for item in found[self.routing.table])
        }
        return SendFacts(
            sender=known.get(sender.account),
            recipient=known.get(recipient),
            blocked=bool(found[self.directory.table]),
            bucket_full_at_ms=max((full_at_ms(item) for item in found[self.limits.table]), default=0),
        )
