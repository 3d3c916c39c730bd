"""Declares the functions, queues and secrets of the service, one by one. docs/permissions.md shows the
result.

The environment and most permissions of a function follow from the fields of its settings class
(infra/function_spec.py). Declare here only the others.
"""

from __future__ import annotations

from infra.function_spec import (
    ONE_PROCESSOR_MB,
    TIMEOUT_SECONDS,
    FunctionSpec,
    GuardedRows,
    QueueSpec,
    Schedule,
    SecretSpec,
    Work,
    joined,
)
from infra.prefixes import BATCHES, FINDINGS, IMPORTS, ROSTERS, ROWS, UPLOADS
from infra.stages import FANOUT_CONCURRENCY, FANOUT_WORK_SECONDS
from sandes.edge import settings
from sandes.store.schema import (
    AUDIT,
    CODES,
    DELIVERIES,
    DIRECTORY,
    INBOX,
    LIMITS,
    ROUTING,
    STATISTICS,
    AdministratorRow,
    DirectoryRow,
)

SECRETS = (
    SecretSpec("SenderSecret", "sender_secret", "Hides senders in envelope ids"),
    SecretSpec("SealSecret", "seal_secret", "The service's keys that envelopes are sealed with"),
    SecretSpec("Pepper", "pepper_secret", "Keys of phone numbers and codes"),
    SecretSpec("WebhookSecret", "webhook_secret", "Keys that webhooks are signed with"),
    SecretSpec("AttestationSecret", "attestation_secret", "The key that attestations are signed with"),
    SecretSpec("AuditSecret", "audit_secret", "The key that audit chains are signed with"),
)


WEBHOOKS = QueueSpec(name="Webhooks", field="webhook_queue", work_seconds=TIMEOUT_SECONDS, late_after_seconds=3600)
FANOUT = QueueSpec(name="Fanout", field="fanout_queue", work_seconds=FANOUT_WORK_SECONDS)

# A batch is ten events, or a part of a large group's rows.
GROUP_WORK = QueueSpec(name="GroupWork", field="group_queue", work_seconds=40)

# A run reads the changes of a roster, works for eight seconds, and then finishes its current chunk.
ROSTER_WORK = QueueSpec(name="RosterWork", field="roster_queue", work_seconds=20, late_after_seconds=3600)

# A chunk of an import takes this long at most. A check of 100,000 rows may take as long as the entry is hidden.
IMPORTS_WORK = QueueSpec(name="Imports", field="import_queue", work_seconds=30, late_after_seconds=3600)

# A code lives for minutes: an SMS that failed is tried again in 30 seconds.
SMS = QueueSpec(name="Sms", field="sms_queue", work_seconds=5, late_after_seconds=60)

# Most entries take this long. No more entries are taken than may run, so that none waits while its time runs out.
BATCHES_WORK = QueueSpec(name="Batches", field="batch_queue", work_seconds=30, late_after_seconds=3600)

QUEUES = (WEBHOOKS, FANOUT, GROUP_WORK, ROSTER_WORK, IMPORTS_WORK, SMS, BATCHES_WORK)

# Guarded rows of the directory: a bug in the calls of devices and apps cannot make anybody an administrator.

_MADE = ("PutItem", "UpdateItem", "BatchWriteItem")
ADMINISTRATOR_ROWS = GuardedRows(("AD#*",), (*_MADE, "DeleteItem"))
"""Administrators with their roles."""

ORGANISATION_LIST = GuardedRows(("O",), (*_MADE, "DeleteItem"))

ACCESS_RESET_ROWS = GuardedRows(("AR#*",), (*_MADE, "DeleteItem"))
ATTESTATION_ROWS = GuardedRows(("K#*",), (*_MADE, "DeleteItem"))
"""The keys with which attestations are verified."""

APP_ROWS = GuardedRows(("APP#*",), _MADE)
"""Apps with their keys. Deleting is not guarded, because whoever dissolves an app's group deletes a row in its
partition.
"""

GUARDED_ROWS = (ADMINISTRATOR_ROWS, ORGANISATION_LIST, ACCESS_RESET_ROWS, ATTESTATION_ROWS, APP_ROWS)

# Permissions of several functions

_CHANGE = ("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem")
_FULL = ("BatchGetItem", "GetItem", "Query", *_CHANGE)

_POSTS_TO_GROUPS = {
    DIRECTORY: ("Query",),
    ROUTING: ("BatchGetItem", "UpdateItem"),
    INBOX: ("PutItem", "BatchWriteItem"),
    DELIVERIES: ("PutItem", "UpdateItem"),
}
"""Members, their devices, envelopes and bodies, and the record of the post."""

_AUDITS = {AUDIT: ("PutItem", "Query")}
"""Appends to audit chains, and reads their ends. Nobody may change or delete an entry."""

_INVITES = ("AdminCreateUser", "AdminGetUser", "AdminAddUserToGroup")
_INVITES_FEDERATED = ("AdminLinkProviderForUser",)
_KEEPS = ("PutObject", "GetObject", "DeleteObject")
_TAKES = ("GetObject", "DeleteObject")


FUNCTIONS = (
    FunctionSpec(
        name="Authorizer",
        folder="connect",
        entry="authorizer",
        settings=settings.ConnectSettings,
        memory_mb=512,
        tables={DIRECTORY: ("Query",), ROUTING: ("UpdateItem",)},
    ),
    FunctionSpec(
        name="Disconnect",
        folder="connect",
        entry="disconnect",
        settings=settings.ConnectSettings,
        memory_mb=512,
        tables={ROUTING: ("UpdateItem",)},
    ),
    FunctionSpec(
        name="Send",
        folder="send",
        settings=settings.SendSettings,
        tables=joined(
            _POSTS_TO_GROUPS,
            {
                ROUTING: ("GetItem",),
                DIRECTORY: ("BatchGetItem", "PutItem"),
                DELIVERIES: ("BatchGetItem",),
                LIMITS: ("BatchGetItem", "UpdateItem"),
                STATISTICS: ("PutItem",),
            },
        ),
    ),
    FunctionSpec(
        name="Deliver",
        folder="deliver",
        settings=settings.DeliverSettings,
        tables={
            INBOX: ("Query", "GetItem", "PutItem", "DeleteItem", "BatchWriteItem"),
            ROUTING: ("BatchGetItem", "GetItem", "UpdateItem"),
            DIRECTORY: ("BatchGetItem", "GetItem"),
            DELIVERIES: ("BatchGetItem", "PutItem", "UpdateItem"),
            LIMITS: ("BatchGetItem", "UpdateItem"),
            STATISTICS: ("PutItem",),
        },
        closes_sockets=True,
    ),
    # It makes no envelopes. It reads inboxes and deliveries only to report on the caller's own posts.
    FunctionSpec(
        name="Client",
        folder="client",
        settings=settings.ClientSettings,
        tables={
            DIRECTORY: _FULL,
            ROUTING: ("BatchGetItem", "GetItem", "PutItem", "UpdateItem"),
            INBOX: ("BatchGetItem",),
            CODES: ("GetItem", "PutItem", "UpdateItem"),
            DELIVERIES: ("Query",),
            LIMITS: ("UpdateItem",),
        },
        closes_sockets=True,
        sends_sms=True,
    ),
    # Large posts to groups have their own queue, function and rate, so that no code waits for them.
    FunctionSpec(
        name="GroupFanout",
        folder="groups",
        entry="fanout",
        settings=settings.GroupFanoutSettings,
        timeout_seconds=5 * FANOUT.work_seconds,
        tables=joined(_POSTS_TO_GROUPS, {DELIVERIES: ("GetItem",)}),
        works=Work(queue=FANOUT, batch=1, concurrency=FANOUT_CONCURRENCY),
    ),
    # OTPs have their own functions and queue, so that other messages of apps cannot delay them.
    FunctionSpec(
        name="Otp",
        folder="otp",
        settings=settings.OtpSettings,
        tables={
            DIRECTORY: ("BatchGetItem", "GetItem"),
            ROUTING: ("BatchGetItem", "GetItem", "UpdateItem"),
            INBOX: ("PutItem",),
            CODES: ("BatchGetItem", "PutItem", "UpdateItem"),
            DELIVERIES: ("BatchGetItem", "UpdateItem"),
        },
    ),
    FunctionSpec(
        name="OtpSms",
        folder="otp",
        entry="sms",
        settings=settings.OtpSmsSettings,
        timeout_seconds=3 * SMS.work_seconds,
        tables={
            DIRECTORY: ("Query",),
            INBOX: ("BatchGetItem",),
            CODES: ("BatchGetItem", "UpdateItem"),
            LIMITS: ("UpdateItem",),
        },
        sends_sms=True,
        works=Work(queue=SMS, batch=10, concurrency=50, window_seconds=1),
    ),
    FunctionSpec(
        name="Apps",
        folder="apps",
        settings=settings.AppsSettings,
        tables=joined(
            _POSTS_TO_GROUPS,
            {
                DIRECTORY: ("BatchGetItem", "UpdateItem"),
                ROUTING: ("GetItem",),
                INBOX: ("DeleteItem",),
                DELIVERIES: ("BatchGetItem", "GetItem", "Query"),
            },
        ),
        uploads={UPLOADS + BATCHES: _KEEPS},
        guarded=(APP_ROWS,),
    ),
    # `Apps` answers the calls about batches. This function does the work, a few chunks at a time.
    FunctionSpec(
        name="AppBatches",
        folder="apps",
        entry="batch",
        settings=settings.BatchSettings,
        memory_mb=ONE_PROCESSOR_MB,  # a check of 100,000 rows only computes
        timeout_seconds=120,
        tables={
            DIRECTORY: ("BatchGetItem", "GetItem"),
            ROUTING: ("BatchGetItem", "UpdateItem"),
            INBOX: ("BatchGetItem", "PutItem"),
            DELIVERIES: ("BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "UpdateItem"),
        },
        uploads={UPLOADS + BATCHES: _TAKES, ROWS + BATCHES: _KEEPS},
        works=Work(queue=BATCHES_WORK, batch=1, concurrency=5),
    ),
    FunctionSpec(
        name="AppExpiry",
        folder="apps",
        entry="expire",
        settings=settings.AppExpirySettings,
        tables={DIRECTORY: ("GetItem",), DELIVERIES: ("GetItem", "PutItem", "UpdateItem")},
        indexes=(DELIVERIES,),
        schedule=Schedule("EveryMinute", "minute"),
    ),
    FunctionSpec(
        name="AppGroups",
        folder="app_groups",
        settings=settings.AppGroupsSettings,
        memory_mb=ONE_PROCESSOR_MB,  # a roster of 100,000 rows is compared while its app waits
        tables={DIRECTORY: _FULL, DELIVERIES: ("BatchGetItem", "GetItem", "PutItem", "UpdateItem")},
        uploads={ROWS + ROSTERS: ("PutObject",)},
        guarded=(APP_ROWS,),
    ),
    # Besides posts, groups need this work: reporting changes, ending memberships, dissolving groups.
    FunctionSpec(
        name="GroupUpkeep",
        folder="groups",
        entry="upkeep",
        settings=settings.GroupUpkeepSettings,
        timeout_seconds=3 * GROUP_WORK.work_seconds,
        tables=joined(
            _POSTS_TO_GROUPS,
            {DIRECTORY: ("GetItem", "BatchGetItem", *_CHANGE, "BatchWriteItem")},
        ),
        guarded=(APP_ROWS,),
        works=Work(queue=GROUP_WORK, batch=10, concurrency=5),
    ),
    # Large rosters have their own queue and function, so that neither events nor ends of memberships wait.
    FunctionSpec(
        name="GroupRosters",
        folder="groups",
        entry="rosters",
        settings=settings.RosterWorkSettings,
        timeout_seconds=3 * ROSTER_WORK.work_seconds,
        tables=joined(_POSTS_TO_GROUPS, {DIRECTORY: ("GetItem", "BatchGetItem", *_CHANGE)}),
        uploads={ROWS + ROSTERS: _TAKES},
        guarded=(APP_ROWS,),
        works=Work(queue=ROSTER_WORK, batch=1, concurrency=3),
    ),
    # A function that waits for the servers of apps has few permissions.
    FunctionSpec(
        name="AppWebhooks",
        folder="apps",
        entry="webhook",
        settings=settings.WebhookSettings,
        memory_mb=512,
        tables={DIRECTORY: ("BatchGetItem", "UpdateItem"), DELIVERIES: ("BatchGetItem", "PutItem")},
        guarded=(APP_ROWS,),
        works=Work(queue=WEBHOOKS, batch=10, concurrency=50),
    ),
    # The pool of administrators calls it before it signs tokens.
    FunctionSpec(
        name="AdministratorTokens",
        folder="administrator_tokens",
        settings=settings.Settings,
        memory_mb=512,
        timeout_seconds=5,
    ),
    # Operators call it to create and remove platform administrators. It cannot bypass administrators or approvals.
    FunctionSpec(
        name="Operator",
        folder="admin",
        entry="operator",
        settings=settings.OperatorSettings,
        tables=_AUDITS | {DIRECTORY: ("GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem")},
        pool=(*_INVITES, "AdminDisableUser", "AdminUserGlobalSignOut"),
        pool_federated=_INVITES_FEDERATED,
        guarded=(ADMINISTRATOR_ROWS, ORGANISATION_LIST),
    ),
    # Operators call it to replace the pepper. It rewrites rows for another value (docs/incidents/pepper.md).
    FunctionSpec(
        name="Rekey",
        folder="admin",
        entry="rekey",
        settings=settings.AdminSettings,
        memory_mb=ONE_PROCESSOR_MB,  # each number is decrypted, and hashed twice
        timeout_seconds=55,
        tables=_AUDITS | {DIRECTORY: ("Scan", "GetItem", "BatchGetItem", *_CHANGE)},
        guarded=(APP_ROWS,),
    ),
    FunctionSpec(
        name="VerificationSweep",
        folder="admin",
        entry="ending",
        settings=settings.VerificationSweepSettings,
        tables={DIRECTORY: ("GetItem", "PutItem", "UpdateItem", "DeleteItem"), ROUTING: ("UpdateItem",)},
        indexes=(DIRECTORY,),
        schedule=Schedule("VerificationsEveryMinute", "minute"),
    ),
    # Each minute it advances access resets by one step. In an administrator's row, it may write only the time from
    # which sessions count.
    FunctionSpec(
        name="AccessResets",
        folder="admin",
        entry="access",
        settings=settings.AccessResetSettings,
        tables=_AUDITS | {DIRECTORY: ("GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem")},
        indexes=(DIRECTORY,),
        pool=(
            *("AdminUserGlobalSignOut", "AdminSetUserPassword", "AdminDeleteSoftwareToken"),
            *("AdminGetUser", "AdminCreateUser"),
        ),
        sends_mail=True,
        guarded=(ADMINISTRATOR_ROWS, ACCESS_RESET_ROWS),
        denied=(
            GuardedRows(ADMINISTRATOR_ROWS.keys, ("PutItem", "BatchWriteItem", "DeleteItem")),
            GuardedRows(
                ADMINISTRATOR_ROWS.keys,
                ("UpdateItem",),
                but=(DirectoryRow.PARTITION, DirectoryRow.SORT, AdministratorRow.SESSIONS_FROM),
            ),
        ),
        schedule=Schedule("AccessResetsEveryMinute", "minute"),
    ),
    # Once an hour it records the head of every audit chain where nobody can delete it.
    FunctionSpec(
        name="AuditHeads",
        folder="admin",
        entry="heads",
        settings=settings.AuditHeadsSettings,
        timeout_seconds=120,
        tables={AUDIT: ("Query",)},
        heads=("PutObject", "GetObject"),
        schedule=Schedule("HeadsEveryHour", "hour"),
    ),
    # The admin API has three functions, so that each has only the secrets and permissions of its own calls. This one
    # also carries out approved changes.
    FunctionSpec(
        name="Admin",
        folder="admin",
        settings=settings.AdminFunctionSettings,
        tables=_AUDITS | {DIRECTORY: _FULL, STATISTICS: ("Query", "GetItem"), LIMITS: ("UpdateItem",)},
        indexes=(AUDIT, DIRECTORY),
        heads=("GetObject",),
        pool=(*_INVITES, "AdminDeleteSoftwareToken", "AdminUserGlobalSignOut"),
        pool_federated=_INVITES_FEDERATED,
        sends_mail=True,
        guarded=(ADMINISTRATOR_ROWS, ORGANISATION_LIST, ACCESS_RESET_ROWS, APP_ROWS),
    ),
    # Only functions that verify officials have the key that signs attestations. Administrators upload files with this
    # function's permission to put them.
    FunctionSpec(
        name="AdminPeople",
        folder="admin_people",
        settings=settings.AdminPeopleSettings,
        tables=_AUDITS | {DIRECTORY: _FULL, ROUTING: ("GetItem", "UpdateItem"), LIMITS: ("UpdateItem",)},
        indexes=(DIRECTORY,),
        uploads={UPLOADS + IMPORTS: _KEEPS, FINDINGS: ("GetObject",)},
        closes_sockets=True,
        guarded=(ATTESTATION_ROWS,),
    ),
    # A webhook's secret is derived, and shown when the webhook is registered.
    FunctionSpec(
        name="AdminApps",
        folder="admin_apps",
        settings=settings.AdminAppsSettings,
        tables=_AUDITS | {DIRECTORY: _FULL},
        indexes=(DIRECTORY,),
        guarded=(APP_ROWS,),
    ),
    # Imports have their own function. Only a few chunks at a time write to one audit chain, so that they seldom wait
    # for each other (docs/adr/0029).
    FunctionSpec(
        name="AdminImports",
        folder="admin_people",
        entry="imports",
        settings=settings.ImportWorkSettings,
        memory_mb=ONE_PROCESSOR_MB,  # a check of 100,000 rows only computes
        timeout_seconds=6 * IMPORTS_WORK.work_seconds - 10,
        tables=_AUDITS | {DIRECTORY: _FULL, ROUTING: ("UpdateItem",)},
        uploads={UPLOADS + IMPORTS: _TAKES, ROWS + IMPORTS: _KEEPS, FINDINGS: _KEEPS},
        guarded=(ATTESTATION_ROWS,),
        works=Work(queue=IMPORTS_WORK, batch=1, concurrency=8),
    ),
    # Counts what the streams of tables report. Inboxes have no stream, so that no data of a deleted row is kept.
    FunctionSpec(
        name="Statistics",
        folder="statistics",
        entry="changes",
        settings=settings.AddingUpSettings,
        timeout_seconds=60,
        tables={DIRECTORY: ("GetItem",), STATISTICS: ("PutItem", "UpdateItem")},
        streams=(DIRECTORY, CODES, DELIVERIES, STATISTICS),
    ),
    # Each minute it measures every queue, and may do nothing else.
    FunctionSpec(
        name="QueueDepths",
        folder="statistics",
        entry="queues",
        settings=settings.QueueDepthSettings,
        memory_mb=512,
        tables={STATISTICS: ("PutItem",)},
        measures_queues=True,
        schedule=Schedule("QueueDepthsEveryMinute", "minute"),
    ),
)
