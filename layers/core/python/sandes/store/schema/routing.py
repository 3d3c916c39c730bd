"""The routing table."""

from __future__ import annotations

from sandes.store.schema.table import Key, Table


class RoutingRow:
    """One item for each account, with a map entry for each device: one read returns all devices (docs/adr/0003)."""

    ACCOUNT = "a"  # B 8
    STANDING = "l"  # M, see StandingRow; only of verified officials
    SUSPENDED = "z"  # BOOL; only of suspended accounts
    DEVICES = "d"  # M by device number
    # within an entry
    REGISTRATION = "r"  # N
    INBOX = "q"  # B 16
    SEAL_KEY = "s"  # B 32
    SEAL_KEY_NUMBER = "k"  # N
    EPOCH = "e"  # N
    CONNECTION = "c"  # S
    CONNECTION_EXPIRES_AT = "x"  # N epoch seconds
    CONNECTED_AT_MS = "t"  # N epoch milliseconds
    SOCKETS = "o"  # N: how many sockets the device has opened; the new count is the number of the new socket
    SOCKET = "h"  # N: the number of the newest socket that has said `hello`
    DRAINING_UNTIL_MS = "v"  # N epoch milliseconds: no other drain may send the inbox until then; only during a drain
    LAST_SEEN = "n"  # N epoch seconds: when the end of its last socket was noticed


class StandingRow:
    """A standing, in the STANDING of an account or routing item."""

    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    EXPIRES_AT = "x"  # N epoch seconds
    LISTED = "y"  # BOOL


ROUTING = Table("routing", Key(RoutingRow.ACCOUNT, "B"), None, ttl=None, backup=True)
