"""The tables and their attribute names: readable here, short on disk. infra/ and the tests build tables from this.

One table per lifecycle, because time to live, backup and permissions differ by it (docs/adr/0002).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    type: Literal["B", "N", "S"]


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index: of the rows that have its partition attribute, whole."""

    name: str
    partition: Key
    sort: Key


@dataclass(frozen=True, slots=True)
class Table:
    """`ttl` names the attribute with the epoch second after which a row no longer counts.

    `backup`: point-in-time recovery and protection from deletion. `stream`: what a stream keeps of each change for 24
    hours, for statistics (docs/adr/0026): never a row as it was before, so that nothing deleted is kept.
    """

    name: str
    partition: Key
    sort: Key | None
    ttl: str | None
    backup: bool
    index: Index | None = None
    stream: Literal["KEYS_ONLY", "NEW_IMAGE"] | None = None


class InboxRow:
    """Sealed envelopes, one row each. A backup would keep them beyond the promised time: there is none."""

    INBOX = "i"  # B 16
    ENVELOPE = "m"  # B 24: message id, sender hash
    SEAL_KEY_NUMBER = "k"  # N
    SERVICE_KEY = "s"  # N number of the service's key; absent in rows of seal1
    EXPIRES_AT = "x"  # N epoch seconds
    ACCEPTED_AT_MS = "t"  # N epoch milliseconds
    SEALED = "b"  # B
    # a body that many envelopes point to: INBOX is its id, ENVELOPE is BODY_SORT
    BODY = "b"  # B encrypted under a key that only the envelopes hold


BODY_SORT = bytes(24)
"""Where an envelope id stands in other rows of the inbox table."""


class RoutingRow:
    """One item per account, a map entry per device: the whole device list in one read (docs/adr/0003)."""

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
    SOCKETS = "o"  # N: how many sockets the device has opened; each has the number that it made this
    SOCKET = "h"  # N: the number of the newest socket that has said `hello`
    DRAINING_UNTIL_MS = "v"  # N epoch milliseconds: until when nobody else sends the inbox; only during a drain
    LAST_SEEN = "n"  # N epoch seconds: when its last socket was found to be gone


class StandingRow:
    """Within the STANDING of an account or routing item."""

    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    EXPIRES_AT = "x"  # N epoch seconds
    LISTED = "y"  # BOOL


class DirectoryRow:
    """Accounts with their devices and blocks (partition `A#account`), and phone numbers (partition `P#index`).

    Everything else that is kept in the same table has a class of its own below.
    """

    PARTITION = "p"  # S
    SORT = "s"  # S
    VANISHES_AT = "tt"  # N epoch seconds: time to live; only of rows that are to vanish
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


class SuspensionRow:
    """Within the SUSPENDED of an account."""

    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    AT = "c"  # N epoch seconds
    REASON = "r"  # S


class VerificationRow:
    """In the directory, partition `A#account`, sort `V`: what an organisation attests of an official.

    What is to be done at its end stands in a row of its own (EndingRow), since another organisation may vouch for the
    account before it is done.
    """

    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    NAME = "w"  # S
    POST = "o"  # S
    EMAIL = "m"  # S
    LISTED = "y"  # BOOL
    ISSUED_AT = "c"  # N epoch seconds
    FIRST_ISSUED_AT = "i"  # N epoch seconds: since when without a gap; absent where that is ISSUED_AT
    ASKED = "q"  # BOOL the person asked for it; absent where they did not
    EXPIRES_AT = "x"  # N epoch seconds
    STATEMENT = "b"  # B
    SIGNATURE = "f"  # B 64
    SALTS = "h"  # B 48: of name, post, unit
    UNIT_NAME = "n"  # S as it was attested
    VERSION = "t"  # N rises with every change
    ENDED = "z"  # S revoked, replaced or expired
    ENDED_AT = "e"  # N epoch seconds
    REASON = "r"  # S of a revocation
    WORDS = "k"  # L of S: sort keys of its rows in the search index
    ORIGIN = "j"  # S the row of an import that made or ended it: id, row, outcome
    HIDDEN = "v"  # M of S by field: to whom the organisation shows it at most; absent where it is as for everybody
    HIDDEN_BY_OTHERS = "a"  # M by organisation: the HIDDEN of organisations that verified the account before


class OfficialRow:
    """In the directory, partition `O#organisation`, sort `V#unit#account`: who is verified there, for lists.

    Made and ended with the verification, in the same transactions.
    """

    NAME = "w"  # S
    POST = "o"  # S
    LISTED = "y"  # BOOL
    EXPIRES_AT = "x"  # N epoch seconds


class EndingRow:
    """In the directory, partition `A#account`, sort `E#organisation`: when official memberships are to be ended.

    Gone once they have ended; till then put off by minutes whenever that is queued. The index `ending` is made of these
    rows, of approvals that wait for the platform, of access resets, and of units below their parents (docs/adr/0042):
    no other row has DUE.
    """

    DUE = "du"  # S shard
    DUE_AT = "de"  # N epoch seconds
    VERSION = "v"  # N of the verification, as it was made or ended


class AttestationKeysRow:
    """In the directory, partition `K#attestation`, sort "0". Functions that sign write it, others read it."""

    INTRODUCTIONS = "b"  # S JSON, a list as in GET /v1/attestation-key
    OLDEST = "o"  # N


class ProfileRow:
    """In the directory, partition `A#account`, sort `F`: what a person says of themselves, and to whom.

    Each choice is an attribute of its own, CHOICE and the field's name, so that one is changed without the others.
    """

    NAME = "w"  # S
    EMAIL = "m"  # S
    PHOTO = "b"  # B
    PHOTO_TYPE = "t"  # S
    CHOICE = "v-"  # S


class InvitationRow:
    """In the directory, partition `A#official`, sort `I#citizen`: who may write to an official although not listed.

    One that a message has made has DirectoryRow.VANISHES_AT; one that was made on purpose has no end.
    """

    CREATED_AT = "c"  # N epoch seconds


class OrganisationRow:
    """In the directory: an organisation (`O#organisation`, sort "0"), which is its root unit, and its units (`0#unit`).

    The row `1` lists by unit its last move, if it had so many units below it that their paths were not rewritten: ABOVE
    and ABOVE_AT in an attribute that the unit's id names.

    Groups of its units (GroupRow), its officials (OfficialRow), apps (ListedAppRow), assignments (AssignmentRow) and
    approvals (ApprovalRow) stand in the same partition, and are not read with them. All organisations are listed in the
    partition `O`, sort organisation id.
    """

    NAME = "w"  # S
    KIND = "k"  # S ministry, department or office
    PARENT = "u"  # B 8; not of the organisation itself
    CREATED_AT = "c"  # N epoch seconds
    OFFICIALS = "n"  # N verified in this very unit: it is not removed as long as there are any
    GROUPS = "m"  # N of this very unit
    APPS = "a"  # N of this very unit; absent: none
    VERSION = "e"  # N rises when people change name, place, audiences or mail domains; 1 where it is not there
    CHILDREN = "d"  # N units directly in this one; absent: none
    # units only
    ABOVE = "b"  # B the ids of what is above it, nearest first, when the tree had the version ABOVE_AT
    ABOVE_AT = "f"  # N
    # units only, for the index `ending`
    PARENT_KEY = EndingRow.DUE  # S `U#organisation#parent`
    ORDER = EndingRow.DUE_AT  # N the unit's id, as the number that its bytes are
    # organisation only
    AUDIENCES = "v"  # M of S by field: what it has set of its policy
    MAIL_DOMAINS = "l"  # L of S, sorted; absent: none
    TREE_VERSION = "t"  # N rises with every change of the tree: two moves at once cannot make a circle
    UNITS = "y"  # N besides itself; absent: none
    OFFICERS = "q"  # N assignments of nodal officers; the last one is not removed


class AdministratorRow:
    """In the directory, partition `AD#administrator`, sort "0": who administers. Their roles stand beside it
    (AssignmentRow), so that a call reads both in one query.
    """

    EMAIL = "m"  # S
    NAME = "w"  # S
    ORGANISATION = "g"  # B 8 of their home
    UNIT = "u"  # B 8 of their home
    CREATED_AT = "c"  # N epoch seconds
    VERSION = "v"  # N rises with each role granted: two that exclude each other are not granted at once


class AssignmentRow:
    """In the directory, partition `AD#administrator`, sort `R#organisation#unit#role`: a role at a place. A second time
    in the organisation's partition, sort `R#unit#role#administrator`, with name and email for lists.
    """

    ROLE = "l"  # S
    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    GRANTED_BY = "i"  # S
    GRANTED_AT = "j"  # N epoch seconds
    EXPIRES_AT = "x"  # N epoch seconds
    # in the organisation's partition
    ADMINISTRATOR = "a"  # B 16
    EMAIL = "m"  # S
    NAME = "w"  # S


class ApprovalRow:
    """In the directory, with its organisation, sort `P#` and a UUIDv7 in hexadecimal: an act that takes two people."""

    OPERATION = "o"  # S
    PARAMETERS = "b"  # S JSON
    UNIT = "u"  # B 8
    REQUESTED_BY = "i"  # B 16
    REQUESTER_NAME = "w"  # S
    HOME_ORGANISATION = "g"  # B 8
    HOME_UNIT = "h"  # B 8
    REQUESTED_AT = "c"  # N epoch seconds
    DECISION = "z"  # S pending, executed, rejected or cancelled
    DECIDED_BY = "d"  # B 16
    DECIDED_AT = "e"  # N epoch seconds
    REASON = "r"  # S
    SAME = "s256"  # B 32 digest of what is asked for
    WAITS = EndingRow.DUE  # S "approvals", while a platform administrator may decide it
    WAITS_UNTIL = EndingRow.DUE_AT  # N epoch seconds: when it lapses


class PendingRow:
    """In the directory: what keeps requests for approval apart and few.

    Partition `O#organisation`, sort `PD#` and the digest in hexadecimal: the pending request for this very thing.
    Partition `PR#administrator`, sort "0": an attribute named `p` and the approval's id in hexadecimal for each of the
    administrator's pending requests, with the second in which it lapses.
    """

    APPROVAL = "b"  # B 24
    EXPIRES_AT = "x"  # N epoch seconds
    VERSION = "e"  # N rises with each request of the administrator
    PREFIX = "p"  # N epoch seconds


class AccessResetRow:
    """In the directory, partition `AR#administrator`, sort "0": the reset of an administrator's access that is going
    on. The minute job finds it by the index `ending`, partition "access".
    """

    ORGANISATION = "g"  # B 8 where the person works
    UNIT = "u"  # B 8
    APPROVAL = "b"  # B 24
    REQUESTED_BY = "i"  # B 16
    APPROVED_BY = "d"  # B 16
    APPROVED_AT = "c"  # N epoch seconds
    STATE = "z"  # S announcing, waiting, acting or inviting
    EFFECTIVE_AT = "e"  # N epoch seconds, once the person was told
    CONFIRMED_BY = "q"  # B 16 a third person, who ended the waiting
    DUE = EndingRow.DUE  # S "access"
    DUE_AT = EndingRow.DUE_AT  # N epoch seconds: when there is something to be done


class VerificationRequestRow:
    """In the directory, partition `A#account`, sort `Q#organisation`: the last request of a person to an organisation.

    It stands a second time in the organisation's partition, for lists: sort `Q#o#unit#time#account` while it is open,
    `Q#d#…` once it is decided. Both vanish, the open one when it lapses.
    """

    ID = "i"  # B 24
    UNIT = "u"  # B 8
    NAME = "w"  # S
    POST = "o"  # S
    EMAIL = "m"  # S
    SOURCE = "j"  # S device or import
    DEVICE = "d"  # N that asked, or registered when an import had named the number
    REGISTRATION = "n"  # N of that device
    REQUESTED_AT = "c"  # N epoch seconds
    DECISION = "z"  # S open, verified or rejected
    DECIDED_AT = "e"  # N epoch seconds
    REASON = "r"  # S


class ComplaintRow:
    """In the directory, with the organisation concerned, sort `C#o#` and a UUIDv7 in hexadecimal; `C#d#…` once it is
    resolved. Who complained is sealed: no administrator is shown it.
    """

    UNIT = "u"  # B 8
    KIND = "k"  # S account, group or app
    ABOUT = "a"  # B 8
    CATEGORY = "y"  # S
    TEXT = "b"  # B sealed
    REPORTER = "q"  # B sealed
    PSEUDONYM = "n"  # S of the reporter, for complaints about the same
    REPORTED_AT = "c"  # N epoch seconds
    ASSIGNED_TO = "d"  # B 16
    OUTCOME = "z"  # S
    NOTE = "m"  # B sealed
    RESOLVED_AT = "e"  # N epoch seconds
    VERSION = "t"  # N


class ImportRow:
    """In the directory, with its organisation, sort `I#` and a UUIDv7 in hexadecimal: an import of officials.

    Each chunk of its rows has a row in the partition `IM#import`, sort number of the chunk: what became of the rows
    that are done, written in the transactions that do them. COUNTED is set together with the import's counts. Each
    outcome has a count, DONE_AS and the outcome.
    """

    UNIT = "u"  # B 8
    FORMAT = "o"  # S csv or xlsx
    STATE = "z"  # S
    CREATED_BY = "i"  # B 16
    CREATED_AT_MS = "c"  # N epoch milliseconds
    CLIENT_REF = "m"  # S
    ETAG = "e"  # S of the file that is checked
    CHECK = "k"  # S names the check that found the rows
    INDEX = "b"  # B where the index of the rows' object stands
    ROWS = "n"  # N
    VALID = "v"  # N
    HASH = "h"  # B 32 over the good rows
    TABLE = "j"  # B the sheet, rows of the header and the last entry, the columns' own names
    PLANNED = "l"  # M of N by outcome: what the check foresaw
    BY = "a"  # B 16 who committed it
    ROLE = "r"  # S by which they did
    DONE = "d"  # N rows
    DONE_AS = "d-"  # N
    FAILURE = "f"  # S error code
    REASON = "w"  # B a fault of the file
    COMMITTED_AT_MS = "t"  # N epoch milliseconds
    FINISHED_AT_MS = "y"  # N epoch milliseconds
    # chunk; DONE counts its own rows
    RESULTS = "b"  # B
    COUNTED = "g"  # BOOL


class NominationRow:
    """In the directory, partition `P#index` of a number that has no account yet, sort `N`: an organisation's word for
    whoever registers it. One that was taken back stays a while without its texts.
    """

    ORGANISATION = "g"  # B 8
    UNIT = "u"  # B 8
    NAME = "w"  # S
    POST = "o"  # S
    EMAIL = "m"  # S
    LISTED = "y"  # BOOL
    EXPIRES_AT = "x"  # N epoch seconds, of the verification
    ORIGIN = "j"  # S as in VerificationRow
    BY = "i"  # B 16
    ROLE = "r"  # S
    WITHDRAWN = "z"  # BOOL
    MADE_AT = "c"  # N epoch seconds
    PHONE_SEALED = "h"  # B the number, so that its pseudonym can be made anew


class RekeyRow:
    """In the directory, partition `RK#pepper`, sort "0": how far the job is that follows a new value of the pepper."""

    STEP = "k"  # S numbers of the values, the one in use first
    VERSION = "v"  # N rises with every write
    PASSES = "n"  # N begun
    ROWS = "r"  # N seen in this pass
    CHANGED = "g"  # N in this pass
    CHANGED_BEFORE = "m"  # N in the passes before
    UNREADABLE = "u"  # N in this pass
    START = "b"  # S JSON key that the pass goes on behind
    DONE_AT = "e"  # N epoch seconds


class WordRow:
    """In the directory, partition `S#organisation`, sort `word#field#account`: the search index of officials."""

    ACCOUNT = "a"  # B 8


class GroupRow:
    """In the directory, partition `G#group`: the group (sort "0"), members (`M#account`), invitations (`I#account`),
    events on their way (`E#message`, see GroupEventRow).

    A membership stands a second time with the account (`A#account` · `G#group`), an invitation too (`J#group`), a group
    with its unit (`O#organisation` · `G#unit#group`, with NAME and AUDIENCE) or app (`APP#app` · `G#group`).
    Invitations, and members of a dissolved group, have DirectoryRow.VANISHES_AT in both places.
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
    ADMINS = "d"  # SS accounts with a role above member, the owner among them; absent where there is none
    MEMBERS = "n"  # N
    LIMIT = "m"  # N
    VERSION = "t"  # N rises with every change: the ETag, and the epoch of the members' keys
    STATE = "z"  # S live or dissolved
    CREATED_AT = "c"  # N epoch seconds
    # member
    ROLE = "l"  # S owner, admin or member
    JOINED_AT_MS = "j"  # N epoch milliseconds
    JOINED_VERSION = "r"  # N a version of the group that is not above the one that the joining made
    DEVICES_CHANGED = "b"  # B 16 message id of the last event that told of other devices of this account
    # invitation
    INVITED_BY = "i"  # B 8
    EXPIRES_AT = "x"  # N epoch seconds


class RosterRow:
    """In the directory, partition `G#group`, sort `R`: the last roster of a group that an app manages."""

    ID = "i"  # S
    GROUP_VERSION = "t"  # N
    FINGERPRINT = "r"  # B 16
    STATE = "z"  # S applying, done or failed
    COUNTS = "n"  # L of N: added, removed, unchanged, role changed, invalid
    FAULTS = "f"  # B
    DONE = "g"  # N changes that are made and told
    MADE = "k"  # N changes that are made: written in the transactions that make them
    STARTED_AT_MS = "j"  # N epoch milliseconds
    FINISHED_AT_MS = "y"  # N epoch milliseconds
    FAILURE = "w"  # S
    RUN = "m"  # S the run of the work that made or counted the last of them


class AppGroupRow:
    """In the directory, partition `APP#app`, sort `G#group`: a group that the app manages."""

    TEST = "e"  # BOOL made with a test key
    CLIENT_REF = "c"  # S


class GroupEventRow:
    """In the directory, partition `G#group`, sort `E#message`: a change that members are still to be told of."""

    CHANGE = "k"  # N
    AT_MS = "t"  # N epoch milliseconds
    ACTOR = "i"  # B 8; not where the system or an app did it
    DEVICE = "o"  # N the actor's
    VERIFIED = "v"  # BOOL the actor's class
    APP = "a"  # B 8 of an app that did it
    APP_NAME = "e"  # S
    SUBJECT = "j"  # B 8
    ROLE = "l"  # S
    NAME = "w"  # S
    NARROW = "r"  # BOOL for the subject and admins only
    TO = "g"  # B 8 each, whom it is for; not where that follows from the group


class FanoutRow:
    """In the deliveries table, partition `F#post`, where `post` is a keyed hash (crypto/fanout_keys.py): a post to a
    group (sort "0"), and each of its chunks that is done (sort `C#chunk`).
    """

    PARTITION = "p"  # S
    SORT = "s"  # S
    EXPIRES_AT = "x"  # N epoch seconds
    DEVICES = "v"  # N stored for
    LIVE = "l"  # N taken by a live socket
    # post
    AT_MS = "t"  # N epoch milliseconds
    DEADLINE = "d"  # N epoch seconds: the envelopes' expiry
    MEMBERS = "n"  # N
    DEVICE = "g"  # N
    CHUNKS = "c"  # B 12 bytes each, once all are queued
    GROUP_VERSION = "r"  # N the group's when the post was accepted
    QUEUED = "q"  # BOOL an entry that will cut it into chunks is in the queue


class AppRow:
    """In the directory: an app with its keys and webhooks, partition `APP#app`, sort "0"."""

    NAME = "w"  # S
    ORGANISATION = "g"  # S
    ORGANISATION_ID = "j"  # B 8
    UNIT = "q"  # B 8; absent: the organisation itself
    VERSION = "a"  # N rises with every change but those of webhooks; absent: 1
    MODE = "m"  # S trial or live
    SCOPES = "o"  # L of S
    SMS = "t"  # BOOL
    PER_MINUTE = "u"  # N
    PER_DAY = "v"  # N
    GUESTS = "z"  # L of S: pseudonyms of phone numbers
    GUESTS_SEALED = "zs"  # B the numbers, so that their pseudonyms can be made anew
    CREATED_AT = "c"  # N epoch seconds
    KEYS = "k"  # M by key id
    WEBHOOKS = "h"  # M by webhook id
    TEST_WEBHOOKS = "ht"  # M by webhook id
    # within a key
    PUBLIC = "b"  # B 32
    NETWORKS = "n"  # L of S
    # within a webhook
    URL = "r"  # S
    EVENTS = "y"  # L of S
    DISABLED = "x"  # S


class ListedAppRow:
    """In the directory, with its organisation, sort `A#unit#app`: an app as lists show it. It counts in its unit."""

    NAME = "w"  # S
    MODE = "m"  # S trial or live


class TemplateRow:
    """In the directory: partition `APP#app`, sort `T#name` (the newest) and `T#name#version`."""

    VERSION = "v"  # N
    KIND = "k"  # S otp or message
    TEXTS = "b"  # M by language
    VARIABLES = "n"  # L of S
    DLT_ENTITY = "e"  # S
    DLT_TEMPLATES = "d"  # M by language
    APPROVED_AT = "c"  # N epoch seconds
    MAY_BE_EMPTY = "o"  # L of S, only if there are any


class CodeKind(StrEnum):
    """The kinds of rows in the codes table. Each key begins with its kind, so an id of one kind never finds another."""

    REGISTRATION = "R"  # codes of registrations and changes of number
    LINK = "L"
    OTP = "O"


class CodeRow:
    """Challenges: codes sent by SMS and link secrets, as keyed hashes only."""

    ID = "i"  # S kind and id, see store/codes.py
    PURPOSE = "u"  # S
    SUBJECT = "s"  # S
    PHONE_SEALED = "f"  # B
    HASH = "h"  # B 32
    ATTEMPTS_LEFT = "n"  # N
    SENDS = "g"  # N
    CODE_EXPIRES_AT = "e"  # N epoch seconds
    RESEND_AFTER = "y"  # N epoch seconds
    STATE = "z"  # S pending or used
    USED_BY = "w"  # B identity key that the code was used with
    OUTCOME = "o"  # S device address and registration id that came of it
    EXPIRES_AT = "x"  # N epoch seconds


class OtpRow:
    """In the codes table: one-time passwords of apps. No row holds a number, variable or code in clear."""

    ID = CodeRow.ID  # S kind and id
    APP = "a"  # B 8
    TEST = "q"  # BOOL
    SUBJECT = "s"  # S whom it is for: account, or pseudonym of a number
    ACCOUNT = "d"  # B 8
    PRIVATE = "f"  # B sealed by the server: number and variables
    FINGERPRINT = "r"  # B 16
    PURPOSE = "u"  # S
    TEMPLATE = "t"  # S
    TEMPLATE_VERSION = "v"  # N
    LANGUAGE = "l"  # S
    DIGITS = "j"  # N
    TTL_SECONDS = "k"  # N
    SMS = "m"  # BOOL
    CLIENT_REF = "p"  # S
    HASH = "h"  # B 32
    ATTEMPTS_LEFT = "n"  # N
    SENDS = "g"  # N
    CREATED_AT = "b"  # N epoch seconds
    CODE_EXPIRES_AT = "e"  # N epoch seconds
    RESEND_AFTER = "y"  # N epoch seconds
    STATE = "z"  # S pending, used or cancelled
    TARGETS = "o"  # B the devices that hold it
    USED_BY = "w"  # S
    SMS_SEND = "0"  # N
    CHECKS = "c"  # M: attempts left, by idempotency key, body and send
    RESENDS = "1"  # M by idempotency key
    EXPIRES_AT = "x"  # N epoch seconds


class DeliveryRow:
    """What became of what apps sent: partition and sort tell what a row is (store/deliveries.py).

    Events, deliveries to webhooks, send logs and quotas of test keys are in partitions of their own, with a T after the
    kind: `ET#app`.
    """

    PARTITION = "p"  # S
    SORT = "s"  # S
    EXPIRES_AT = "x"  # N epoch seconds: time to live, later than the message's own expiry
    # message, partition `M#app#shard`, sort message id
    STATUS = "z"  # N rank of the status
    ACCOUNT = "a"  # B 8
    TARGETS = "o"  # B the envelopes it is stored as
    DUE = "u"  # S hour of its deadline and shard, until its status is final; key of an index: no other row has it
    DEADLINE = "e"  # N epoch seconds: the envelopes' expiry
    CATEGORY = "y"  # S
    TEMPLATE = "t"  # S name@version
    LANGUAGE = "l"  # S
    CLIENT_REF = "c"  # S
    BATCH = "b"  # S
    GROUP = "g"  # B 8 instead of ACCOUNT and DUE, of a message to a group
    TO = "m"  # B 8 each, the members it is for; not where it is for all
    FAILURE = "f"  # S error code
    TEST = "q"  # BOOL
    TIMES = "h"  # M epoch milliseconds by rank
    # idempotency, partition `I#app`, sort keyed hash of path and key
    FINGERPRINT = "r"  # B 16
    ANSWER = "w"  # B the answer, as JSON
    # event, partition `E#app`, sort event id
    EVENT = "v"  # B the event, as JSON
    # delivery to a webhook, partition `W#app#webhook`, sort event id
    TYPE = "y"  # S of the event
    STATE = "z"  # S pending, delivered or failed
    RUN = "k"  # N
    ATTEMPTS = "n"  # N
    LAST_STATUS = "l"  # N
    LAST_ERROR = "f"  # S
    NEXT_ATTEMPT_AT = "d"  # N epoch seconds
    UPDATED_AT = "t"  # N epoch seconds
    # send log, partition `L#subject`, sort "0"
    SENDS = "g"  # B 12 bytes each: app, epoch seconds
    # quota, partition `Q#app`, sort `minute#n` or `day#n`
    COUNT = "n"  # N
    # how far deadlines have been swept, partition `D#swept`, sort "0"
    # COUNT: the hour before which nothing is left
    # batches: see BatchRow


class BatchRow:
    """In the deliveries table: batches (`B#app` · id), faults of their rows (`R#id#check` · row), chunks that are done
    (`K#id` · number). No attribute has the name of one that the index is made of.
    """

    PARTITION = "p"  # S
    SORT = "s"  # S
    EXPIRES_AT = "x"  # N epoch seconds
    STATE = "z"  # S
    TEST = "q"  # BOOL
    SOURCE = "o"  # S csv, ndjson or inline
    CONTENT = "b"  # B sealed by the server: template or text
    FINGERPRINT = "r"  # B 16
    CLIENT_REF = "c"  # S; of a fault: the row's
    CREATED_AT_MS = "t"  # N epoch milliseconds
    COMMITS = "m"  # M of B 16 by idempotency key
    DRY_RUN = "d"  # BOOL
    ETAG = "et"  # S of the committed file
    CHECK = "k"  # S names the check that found the rows
    INDEX = "i"  # B where the index of the rows' object stands
    ROWS = "n"  # N
    VALID = "v"  # N
    INVALID = "iv"  # N
    DONE = "g"  # N
    SENT = "h"  # N
    FAILED = "l"  # N
    FAILURE = "f"  # S error code
    REASON = "w"  # B a fault of the file
    SENDING_SINCE_MS = "j"  # N epoch milliseconds
    FINISHED_AT_MS = "y"  # N epoch milliseconds
    FAULTS = "a"  # B


class LimitRow:
    """Token buckets as one number, the time at which the bucket is full again. Counts of an hour (sort `hour#n`)."""

    SUBJECT = "j"  # S
    LIMIT = "l"  # S
    FULL_AT_MS = "v"  # N epoch milliseconds; of a bucket
    COUNT = "n"  # N; of an hour
    EXPIRES_AT = "x"  # N epoch seconds


class AuditRow:
    """An entry of an organisation's audit chain (docs/adr/0025). Put and read, never changed or deleted.

    Which chains there are stands in the partition CHAINS, by organisation as a number: written with the first entry.
    """

    CHAIN = "c"  # S
    SEQ = "n"  # N from 1 without gaps
    AT_MS = "t"  # N epoch milliseconds, rises with SEQ
    STATEMENT = "e"  # S what is signed
    SIGNATURE = "f"  # B 64
    BODY = "b"  # S

    CHAINS = "chains"


class StatisticRow:
    """Counts by scope (`platform`, `O#organisation`, `APP#app`) and hour or day of UTC (`hour#2026-11-25T23`).

    Besides: tallies of functions, which are added up from the stream (partition `T#` and a random id, sort "0"); marks
    of what has been added up (`M#table#sequence number`); and how deep the queues are (`queues`).
    """

    SCOPE = "p"  # S
    PERIOD = "s"  # S
    EXPIRES_AT = "x"  # N epoch seconds
    COUNT = "n-"  # N each, with the name of what is counted
    TALLY = "b"  # S JSON
    AT_MS = "t"  # N epoch milliseconds; of the queues


INBOX = Table("inbox", Key(InboxRow.INBOX, "B"), Key(InboxRow.ENVELOPE, "B"), ttl=InboxRow.EXPIRES_AT, backup=False)
ROUTING = Table("routing", Key(RoutingRow.ACCOUNT, "B"), None, ttl=None, backup=True)
DIRECTORY = Table(
    "directory",
    Key(DirectoryRow.PARTITION, "S"),
    Key(DirectoryRow.SORT, "S"),
    ttl=DirectoryRow.VANISHES_AT,
    backup=True,
    index=Index("ending", Key(EndingRow.DUE, "S"), Key(EndingRow.DUE_AT, "N")),
    stream="KEYS_ONLY",
)
CODES = Table("codes", Key(CodeRow.ID, "S"), None, ttl=CodeRow.EXPIRES_AT, backup=False, stream="NEW_IMAGE")
DELIVERIES = Table(
    "deliveries",
    Key(DeliveryRow.PARTITION, "S"),
    Key(DeliveryRow.SORT, "S"),
    ttl=DeliveryRow.EXPIRES_AT,
    backup=False,
    index=Index("due", Key(DeliveryRow.DUE, "S"), Key(DeliveryRow.DEADLINE, "N")),
    stream="NEW_IMAGE",
)
LIMITS = Table("limits", Key(LimitRow.SUBJECT, "S"), Key(LimitRow.LIMIT, "S"), ttl=LimitRow.EXPIRES_AT, backup=False)
AUDIT = Table(
    "audit",
    Key(AuditRow.CHAIN, "S"),
    Key(AuditRow.SEQ, "N"),
    ttl=None,
    backup=True,
    index=Index("time", Key(AuditRow.CHAIN, "S"), Key(AuditRow.AT_MS, "N")),
)

STATISTICS = Table(
    "statistics",
    Key(StatisticRow.SCOPE, "S"),
    Key(StatisticRow.PERIOD, "S"),
    ttl=StatisticRow.EXPIRES_AT,
    backup=False,
    stream="NEW_IMAGE",
)

TABLES = (INBOX, ROUTING, DIRECTORY, CODES, DELIVERIES, LIMITS, AUDIT, STATISTICS)
