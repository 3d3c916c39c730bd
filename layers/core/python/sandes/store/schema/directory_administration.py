"""Rows of the directory about organisations and their administrators."""

from __future__ import annotations

from sandes.store.schema.directory import EndingRow


class OrganisationRow:
    """An organisation, which is its root unit (`O#organisation`, sort "0"), and its units (`0#unit`), in the directory.

    The row `1` lists the last move of each unit that had too many units below it to rewrite their paths: ABOVE and
    ABOVE_AT, in an attribute named by the unit's id.

    The partition also has the groups of its units (GroupRow), its officials (OfficialRow), apps (ListedAppRow),
    assignments (AssignmentRow) and approvals (ApprovalRow), which are not read with them. The partition `O`, sort
    organisation id, lists all organisations.
    """

    NAME = "w"  # S
    KIND = "k"  # S ministry, department or office
    PARENT = "u"  # B 8; not of the organisation itself
    CREATED_AT = "c"  # N epoch seconds
    OFFICIALS = "n"  # N verified in the unit itself; it cannot be removed while there are any
    GROUPS = "m"  # N in the unit itself
    APPS = "a"  # N in the unit itself; absent: none
    VERSION = "e"  # N rises when people change name, place, audiences or mail domains; absent: 1
    CHILDREN = "d"  # N units directly in this one; absent: none
    # units only
    ABOVE = "b"  # B the ids of the units above it, nearest first, when the tree had the version ABOVE_AT
    ABOVE_AT = "f"  # N
    # units only, for the index `ending`
    PARENT_KEY = EndingRow.DUE  # S `U#organisation#parent`
    ORDER = EndingRow.DUE_AT  # N the unit's id, its bytes read as a number
    # organisation only
    AUDIENCES = "v"  # M of S by field: the part of its policy that it has set
    MAIL_DOMAINS = "l"  # L of S, sorted; absent: none
    TREE_VERSION = "t"  # N rises with every change of the tree, so that two concurrent moves cannot make a circle
    UNITS = "y"  # N besides itself; absent: none
    OFFICERS = "q"  # N assignments of nodal officers; the last one cannot be removed


class AdministratorRow:
    """An administrator, in the directory: partition `AD#administrator`, sort "0".

    The assignments are in the same partition (AssignmentRow), so that a call reads both with one query.
    """

    EMAIL = "m"  # S
    NAME = "w"  # S
    ORGANISATION = "g"  # B 8 of their home
    UNIT = "u"  # B 8 of their home
    CREATED_AT = "c"  # N epoch seconds
    VERSION = "v"  # N rises with each granted role, so that two that exclude each other are not granted concurrently
    SESSIONS_FROM = "e"  # N epoch seconds: sessions that began before have been ended; absent if none ever was


class AssignmentRow:
    """A role at a place, in the directory: partition `AD#administrator`, sort `R#organisation#unit#role`.

    A copy is in the organisation's partition, sort `R#unit#role#administrator`, with name and email for lists.
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
    """An approval, in the directory: partition of its organisation, sort `P#` and a UUIDv7 in hexadecimal."""

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
    SAME = "s256"  # B 32 digest of the requested change
    WAITS = EndingRow.DUE  # S "approvals", while a platform administrator may decide it
    WAITS_UNTIL = EndingRow.DUE_AT  # N epoch seconds: when it lapses


class PendingRow:
    """Pending requests for approval, in the directory. They prevent duplicates and limit the number of requests.

    Partition `O#organisation`, sort `PD#` and the digest in hexadecimal: the pending request for this change. Partition
    `PR#administrator`, sort "0": for each of the administrator's pending requests, an attribute named `p` and the
    approval's id in hexadecimal, with the second in which it lapses.
    """

    APPROVAL = "b"  # B 24
    EXPIRES_AT = "x"  # N epoch seconds
    VERSION = "e"  # N rises with each request of the administrator
    PREFIX = "p"  # N epoch seconds


class AccessResetRow:
    """The current reset of an administrator's access, in the directory: partition `AR#administrator`, sort "0".

    The minute job finds it by the index `ending`, partition "access".
    """

    ORGANISATION = "g"  # B 8 where the person works
    UNIT = "u"  # B 8
    APPROVAL = "b"  # B 24
    REQUESTED_BY = "i"  # B 16
    APPROVED_BY = "d"  # B 16
    APPROVED_AT = "c"  # N epoch seconds
    STATE = "z"  # S announcing, waiting, acting or inviting
    EFFECTIVE_AT = "e"  # N epoch seconds, after the e-mail to the person
    CONFIRMED_BY = "q"  # B 16 the third person, who ended the wait
    DUE = EndingRow.DUE  # S "access"
    DUE_AT = EndingRow.DUE_AT  # N epoch seconds of the next step


class ComplaintRow:
    """A complaint, in the directory: partition of the organisation concerned, sort `C#o#` and a UUIDv7 in hexadecimal.

    A resolved one has the sort key `C#d#…`. The reporter is encrypted, and no administrator sees it.
    """

    UNIT = "u"  # B 8
    KIND = "k"  # S account, group or app
    ABOUT = "a"  # B 8
    CATEGORY = "y"  # S
    TEXT = "b"  # B sealed
    REPORTER = "q"  # B sealed
    PSEUDONYM = "n"  # S of the reporter, for complaints about the same subject
    REPORTED_AT = "c"  # N epoch seconds
    ASSIGNED_TO = "d"  # B 16
    OUTCOME = "z"  # S
    NOTE = "m"  # B sealed
    RESOLVED_AT = "e"  # N epoch seconds
    VERSION = "t"  # N


class ImportRow:
    """An import of officials, in the directory: partition of its organisation, sort `I#` and a UUIDv7 in hexadecimal.

    Each chunk of its rows has a row in the partition `IM#import`, sort number of the chunk. It has the results of the
    finished rows, written in the transactions that execute them. COUNTED is set together with the import's counts. Each
    outcome has a count, named DONE_AS and the outcome.
    """

    UNIT = "u"  # B 8
    FORMAT = "o"  # S csv or xlsx
    STATE = "z"  # S
    CREATED_BY = "i"  # B 16
    CREATED_AT_MS = "c"  # N epoch milliseconds
    CLIENT_REF = "m"  # S
    ETAG = "e"  # S of the checked file
    CHECK = "k"  # S names the check that read the rows
    INDEX = "b"  # B position of the index in the rows' object
    ROWS = "n"  # N
    VALID = "v"  # N
    HASH = "h"  # B 32 over the valid rows
    TABLE = "j"  # B the sheet, rows of the header and the last entry, the file's names of the columns
    PLANNED = "l"  # M of N by outcome: the expectation of the check
    BY = "a"  # B 16 who committed it
    ROLE = "r"  # S of the person who committed it
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
    """Progress of the job after a change of the pepper, in the directory: partition `RK#pepper`, sort "0"."""

    STEP = "k"  # S numbers of the values, the current one first
    VERSION = "v"  # N rises with every write
    PASSES = "n"  # N begun
    ROWS = "r"  # N seen in this pass
    CHANGED = "g"  # N in this pass
    CHANGED_BEFORE = "m"  # N in the passes before
    UNREADABLE = "u"  # N in this pass
    START = "b"  # S JSON key after which the pass continues
    DONE_AT = "e"  # N epoch seconds
