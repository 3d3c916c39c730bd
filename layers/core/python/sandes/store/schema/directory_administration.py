"""Rows of the directory about organisations and their administrators."""

from __future__ import annotations

from sandes.store.schema.directory import EndingRow


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
    SESSIONS_FROM = "e"  # N epoch seconds: sessions that began before have been ended; absent if none ever was


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
