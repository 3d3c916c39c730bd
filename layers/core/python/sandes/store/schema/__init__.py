"""The tables and their attribute names, readable here and short on disk. infra/ and the tests build tables from them.

Each lifecycle has a table, because time to live, backup and permissions depend on it (docs/adr/0002).
"""

from __future__ import annotations

from sandes.store.schema.audit import AUDIT, TIME, AuditRow
from sandes.store.schema.codes import CODES, CodeKind, CodeRow, OtpRow
from sandes.store.schema.deliveries import DELIVERIES, DUE, BatchRow, DeliveryRow, FanoutRow
from sandes.store.schema.directory import DIRECTORY, ENDING, DirectoryRow, EndingRow
from sandes.store.schema.directory_administration import (
    AccessResetRow,
    AdministratorRow,
    ApprovalRow,
    AssignmentRow,
    ComplaintRow,
    ImportRow,
    OrganisationRow,
    PendingRow,
    RekeyRow,
)
from sandes.store.schema.directory_apps import AppRow, ListedAppRow, TemplateRow
from sandes.store.schema.directory_groups import AppGroupRow, GroupEventRow, GroupRow, RosterRow
from sandes.store.schema.directory_people import (
    AttestationKeysRow,
    InvitationRow,
    NominationRow,
    OfficialRow,
    ProfileRow,
    SuspensionRow,
    VerificationRequestRow,
    VerificationRow,
    WordRow,
)
from sandes.store.schema.inbox import BODY_SORT, INBOX, InboxRow
from sandes.store.schema.limits import LIMITS, LimitRow
from sandes.store.schema.routing import ROUTING, RoutingRow, StandingRow
from sandes.store.schema.statistics import STATISTICS, StatisticRow
from sandes.store.schema.table import Index, Key, Table

TABLES = (INBOX, ROUTING, DIRECTORY, CODES, DELIVERIES, LIMITS, AUDIT, STATISTICS)


__all__ = [
    "AUDIT",
    "BODY_SORT",
    "CODES",
    "DELIVERIES",
    "DIRECTORY",
    "DUE",
    "ENDING",
    "INBOX",
    "LIMITS",
    "ROUTING",
    "STATISTICS",
    "TABLES",
    "TIME",
    "AccessResetRow",
    "AdministratorRow",
    "AppGroupRow",
    "AppRow",
    "ApprovalRow",
    "AssignmentRow",
    "AttestationKeysRow",
    "AuditRow",
    "BatchRow",
    "CodeKind",
    "CodeRow",
    "ComplaintRow",
    "DeliveryRow",
    "DirectoryRow",
    "EndingRow",
    "FanoutRow",
    "GroupEventRow",
    "GroupRow",
    "ImportRow",
    "InboxRow",
    "Index",
    "InvitationRow",
    "Key",
    "LimitRow",
    "ListedAppRow",
    "NominationRow",
    "OfficialRow",
    "OrganisationRow",
    "OtpRow",
    "PendingRow",
    "ProfileRow",
    "RekeyRow",
    "RosterRow",
    "RoutingRow",
    "StandingRow",
    "StatisticRow",
    "SuspensionRow",
    "Table",
    "TemplateRow",
    "VerificationRequestRow",
    "VerificationRow",
    "WordRow",
]
