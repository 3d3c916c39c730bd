"""Rows of the directory about groups."""

from __future__ import annotations


class GroupRow:
    """A group, in the directory: partition `G#group`.

    The group has the sort key "0", members `M#account`, invitations `I#account`, and unsent events `E#message` (see
    GroupEventRow). Copies are with the account: memberships (`A#account` · `G#group`) and invitations (`J#group`). The
    group has a copy with its unit (`O#organisation` · `G#unit#group`, with NAME and AUDIENCE) or app (`APP#app` ·
    `G#group`). Invitations, and members of a dissolved group, have DirectoryRow.VANISHES_AT in both places.
    """

    NAME = "w"  # S
    KIND = "k"  # S informal or official
    AUDIENCE = "v"  # S members, officials or citizens
    POSTING = "o"  # S all or admins
    OPEN = "e"  # BOOL
    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    APP = "a"  # B 8
    OWNER = "q"  # B 8 account
    ADMINS = "d"  # SS accounts with a role above member, including the owner; absent if there are none
    MEMBERS = "n"  # N
    LIMIT = "m"  # N
    VERSION = "t"  # N rises with every change: the ETag, and the epoch of the members' keys
    STATE = "z"  # S live or dissolved
    CREATED_AT = "c"  # N epoch seconds
    # member
    ROLE = "l"  # S owner, admin or member
    JOINED_AT_MS = "j"  # N epoch milliseconds
    JOINED_VERSION = "r"  # N a version of the group that is not above the one that the joining produced
    DEVICES_CHANGED = "b"  # B 16 message id of the last event about other devices of this account
    # invitation
    INVITED_BY = "i"  # B 8
    EXPIRES_AT = "x"  # N epoch seconds


class RosterRow:
    """The last roster of an app-managed group, in the directory: partition `G#group`, sort `R`."""

    ID = "i"  # S
    GROUP_VERSION = "t"  # N
    FINGERPRINT = "r"  # B 16
    STATE = "z"  # S applying, done or failed
    COUNTS = "n"  # L of N: added, removed, unchanged, role changed, invalid
    FAULTS = "f"  # B
    DONE = "g"  # N changes that are made and reported
    MADE = "k"  # N changes that are made, written in the transactions that make them
    STARTED_AT_MS = "j"  # N epoch milliseconds
    FINISHED_AT_MS = "y"  # N epoch milliseconds
    FAILURE = "w"  # S
    RUN = "m"  # S the run of the work that made or counted the last of them


class AppGroupRow:
    """A group that an app manages, in the directory: partition `APP#app`, sort `G#group`."""

    TEST = "e"  # BOOL made with a test key
    CLIENT_REF = "c"  # S


class GroupEventRow:
    """A change that must still be reported to members, in the directory: partition `G#group`, sort `E#message`."""

    CHANGE = "k"  # N
    AT_MS = "t"  # N epoch milliseconds
    ACTOR = "i"  # B 8; absent for the system or an app
    DEVICE = "o"  # N the actor's
    VERIFIED = "v"  # BOOL the actor's class
    APP = "a"  # B 8 of the app that made the change
    APP_NAME = "e"  # S
    SUBJECT = "j"  # B 8
    ROLE = "l"  # S
    NAME = "w"  # S
    NARROW = "r"  # BOOL for the subject and admins only
    TO = "g"  # B 8 each, the recipients; absent if they follow from the group
