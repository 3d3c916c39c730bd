"""The directory table: its keys, its index, accounts with their devices, and phone numbers."""

from __future__ import annotations

from sandes.store.schema.table import Index, Key, Table


class DirectoryRow:
    """Accounts with their devices and blocks (partition `A#account`), and phone numbers (partition `P#index`).

    Every other kind of row in this table has a class of its own.
    """

    PARTITION = "p"  # S
    SORT = "s"  # S
    VANISHES_AT = "tt"  # N epoch seconds: time to live; only in rows that expire
    # account, sort "0"
    STANDING = "l"  # M, see StandingRow; only of verified officials
    SUSPENDED = "u"  # M, see SuspensionRow; only of suspended accounts
    PHONE_INDEX = "n"  # S
    PHONE_SEALED = "h"  # B
    CREATED_AT = "c"  # N epoch seconds
    LAST_DEVICE = "d"  # N
    # device, sort "0#number"
    REGISTRATION = "r"  # N
    INBOX = "q"  # B 16
    IDENTITY_KEY = "i"  # B 32
    NAME = "w"  # S
    PLATFORM = "o"  # S
    LINKED_AT = "c"  # N epoch seconds
    # phone number, sort "0"
    ACCOUNT = "a"  # B 8
    # former device, sort "X#number#registration", with IDENTITY_KEY and VANISHES_AT
    REASON = "e"  # S unlinked or replaced
    # number of blocks, sort "BN"
    BLOCKS = "k"  # N


class EndingRow:
    """The planned end of official memberships, in the directory: partition `A#account`, sort `E#organisation`.

    The row is removed after they have ended. Until then it is postponed by minutes each time the end is queued. The
    index `ending` consists of these rows, of approvals that wait for the platform, of access resets, and of units below
    their parents (docs/adr/0042). No other row has DUE.
    """

    DUE = "du"  # S shard
    DUE_AT = "de"  # N epoch seconds
    VERSION = "v"  # N of the verification, when it was made or ended


ENDING = Index("ending", Key(EndingRow.DUE, "S"), Key(EndingRow.DUE_AT, "N"))


DIRECTORY = Table(
    "directory",
    Key(DirectoryRow.PARTITION, "S"),
    Key(DirectoryRow.SORT, "S"),
    ttl=DirectoryRow.VANISHES_AT,
    backup=True,
    indexes=(ENDING,),
    stream="KEYS_ONLY",
)
