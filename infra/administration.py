"""What administration is made of: who signs in, the functions of its API, imports, the record of it all."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_events as events

from infra.foundation import IMPORT_WORK_SECONDS, Foundation
from infra.function import SandesFunction
from infra.heads import Heads
from infra.identity import PROVIDER, Identity
from infra.uploads import FINDINGS, IMPORTS, ROWS, UPLOADS
from sandes.store import schema

IMPORT_CONCURRENCY = 8
"""So many write to one audit chain without waiting for each other much (docs/adr/0029)."""


class Administration(Foundation):
    """The part of the stack that administrators, and those who make the first of them, have to do with."""

    def _administration(self) -> None:
        self.administrator_tokens = self._function(
            "AdministratorTokens", "administrator_tokens", {}, memory_mb=512, timeout_seconds=5
        )
        self.identity = Identity(self, "Identity", config=self._config, tokens=self.administrator_tokens.function)
        self._operators()
        self._rekeying()
        self._verification_sweep()
        self._access_resets()
        self._audit_heads()
        self._admin_api()

    def _operators(self) -> None:
        """Makes and removes the platform's own administrators and nothing else: no way around them, nor around their
        second persons.
        """
        self.operator = self._function(
            "Operator",
            "admin",
            self._tables(schema.DIRECTORY) | self._audit_settings() | self._pool_settings(),
            entry="operator",
        )
        self._grant_tables(
            self.operator, {schema.DIRECTORY: ("GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem")}
        )
        self._grant_audit(self.operator)
        self._grant_invitations(self.operator)
        ending = ("cognito-idp:AdminDisableUser", "cognito-idp:AdminUserGlobalSignOut")
        self._grant(self.operator, ending, self.identity.pool.user_pool_arn)

    def _rekeying(self) -> None:
        """Writes rows anew for another value of the pepper, called by operators (docs/incidents/pepper.md)."""
        self.rekey = self._function(
            "Rekey",
            "admin",
            self._tables(schema.DIRECTORY) | self._secrets(pepper=self.pepper) | self._audit_settings(),
            entry="rekey",
            memory_mb=1769,  # one whole processor: each number is opened, and hashed twice
            timeout_seconds=55,
        )
        self._grant_tables(
            self.rekey,
            {
                schema.DIRECTORY: (
                    *("Scan", "GetItem", "BatchGetItem"),
                    *("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"),
                )
            },
        )
        self._grant_audit(self.rekey)
        self._grant_secret(self.rekey, self.pepper)

    def _verification_sweep(self) -> None:
        self.verification_sweep = self._function(
            "VerificationSweep",
            "admin",
            self._tables(schema.DIRECTORY, schema.ROUTING) | {"GROUP_QUEUE": self.group_queue.url},
            entry="ending",
        )
        self._grant_tables(
            self.verification_sweep,
            {
                schema.DIRECTORY: ("GetItem", "PutItem", "UpdateItem", "DeleteItem"),
                schema.ROUTING: ("UpdateItem",),
            },
        )
        self._grant(self.verification_sweep, ("dynamodb:Query",), f"{self.tables[schema.DIRECTORY].table_arn}/index/*")
        self._grant_queue(self.verification_sweep, self.group_queue)
        self.verification_sweep.call_every_minute("VerificationsEveryMinute")

    def _access_resets(self) -> None:
        """Takes resets of administrators' access further, each minute."""
        self.access_resets = self._function(
            "AccessResets",
            "admin",
            self._tables(schema.DIRECTORY) | self._audit_settings() | self._pool_settings() | self._mail_settings(),
            entry="access",
        )
        writing = ("GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem")
        self._grant_tables(self.access_resets, {schema.DIRECTORY: writing})
        self._grant(self.access_resets, ("dynamodb:Query",), f"{self.tables[schema.DIRECTORY].table_arn}/index/*")
        self._grant_audit(self.access_resets)
        self._grant_mail(self.access_resets)
        actions = (
            *("AdminUserGlobalSignOut", "AdminSetUserPassword", "AdminDeleteSoftwareToken"),
            *("AdminGetUser", "AdminCreateUser"),
        )
        pool = self.identity.pool.user_pool_arn
        self._grant(self.access_resets, tuple(f"cognito-idp:{action}" for action in actions), pool)
        self.access_resets.call_every_minute("AccessResetsEveryMinute")

    def _mail_settings(self) -> dict[str, str]:
        return {"MAIL_FROM": self._config.settings.mail_from or ""}

    def _grant_mail(self, function: SandesFunction) -> None:
        """Send e-mail as the sender's domain, which SES has verified (docs/runbook.md, "Administrators")."""
        sender = self._config.settings.mail_from
        if sender:
            domain = sender.rpartition("@")[2]
            identity = self.format_arn(service="ses", resource="identity", resource_name=domain)
            if self._config.local_port:  # the engine judges SendEmail by no identity
                identity = "*"
            self._grant(function, ("ses:SendEmail",), identity)

    def _pool_settings(self) -> dict[str, str]:
        """What a function is told that invites administrators."""
        provider = PROVIDER if self._config.settings.federation else ""
        return {"ADMINISTRATOR_POOL": self.identity.pool.user_pool_id, "FEDERATION_PROVIDER": provider}

    def _grant_invitations(self, function: SandesFunction) -> None:
        linking = ("AdminLinkProviderForUser",) if self._config.settings.federation else ()
        actions = ("AdminCreateUser", "AdminGetUser", "AdminAddUserToGroup", *linking)
        self._grant(function, tuple(f"cognito-idp:{action}" for action in actions), self.identity.pool.user_pool_arn)

    def _admin_api(self) -> None:
        """Three functions, so that each has the secrets and rights of its own calls only."""
        every = self._tables(schema.DIRECTORY) | self._secrets(pepper=self.pepper) | self._audit_settings()
        heads = {"HEADS_BUCKET": self.heads.bucket.bucket_name}
        told = every | heads | self._pool_settings() | self._mail_settings()
        told |= self._tables(schema.STATISTICS, schema.LIMITS)
        self.admin = self._function("Admin", "admin", told)
        self.admin_people = self._function("AdminPeople", "admin_people", every | self._admin_people_settings())
        self._grant_admin_people()
        self.admin_apps = self._function("AdminApps", "admin_apps", every | self._admin_apps_settings())
        self._grant_admin_apps()
        self._grant_import_calls()
        self._imports(every)
        for function in (self.admin, self.admin_people, self.admin_apps):
            self._grant_tables(function, {schema.DIRECTORY: ("Query",)})
            self._grant_audit(function)
            self._grant_secret(function, self.pepper)
        self._grant_tables(
            self.admin,
            {
                schema.DIRECTORY: (
                    *("GetItem", "BatchGetItem"),
                    *("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"),
                )
            },
        )
        self._grant_invitations(self.admin)
        self._grant_mail(self.admin)
        removing = ("cognito-idp:AdminDeleteSoftwareToken", "cognito-idp:AdminUserGlobalSignOut")
        self._grant(self.admin, removing, self.identity.pool.user_pool_arn)
        for table in (schema.AUDIT, schema.DIRECTORY):
            self._grant(self.admin, ("dynamodb:Query",), f"{self.tables[table].table_arn}/index/*")
        self._grant_tables(self.admin, {schema.STATISTICS: ("Query", "GetItem"), schema.LIMITS: ("UpdateItem",)})
        self._grant(self.admin, ("s3:GetObject",), self.heads.objects)
        self._grant(self.admin, ("s3:ListBucket",), self.heads.bucket.bucket_arn)  # else S3 says forbidden for missing

    def _import_settings(self) -> dict[str, str]:
        bucket = {"UPLOADS_BUCKET": self.uploads.bucket.bucket_name}
        return self._tables(schema.ROUTING) | bucket | {"IMPORT_QUEUE": self.import_queue.url}

    def _grant_import_calls(self) -> None:
        """Files are uploaded with the function's right to put them."""
        files = self.uploads.objects(UPLOADS + IMPORTS)
        self._grant(self.admin_people, ("s3:PutObject", "s3:GetObject", "s3:DeleteObject"), files)
        self._grant(self.admin_people, ("s3:GetObject",), self.uploads.objects(FINDINGS))
        self._grant(self.admin_people, ("s3:ListBucket",), self.uploads.bucket.bucket_arn)
        self._grant_queue(self.admin_people, self.import_queue)

    def _imports(self, every: Mapping[str, str]) -> None:
        """Imports have a function of their own; a few chunks at a time, so that their audit chain keeps up."""
        self.admin_imports = self._function(
            "AdminImports",
            "admin_people",
            {**every, **self._import_settings(), **self._secrets(attestation=self.attestation_secret)},
            entry="imports",
            memory_mb=1769,  # one whole processor: a check of 100,000 rows is all arithmetic
            timeout_seconds=6 * IMPORT_WORK_SECONDS - 10,
        )
        self._grant_tables(
            self.admin_imports,
            {
                schema.DIRECTORY: (
                    *("BatchGetItem", "GetItem", "Query"),
                    *("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"),
                ),
                schema.ROUTING: ("UpdateItem",),
            },
        )
        self._grant_audit(self.admin_imports)
        for secret in (self.pepper, self.attestation_secret):
            self._grant_secret(self.admin_imports, secret)
        self._grant(self.admin_imports, ("s3:GetObject", "s3:DeleteObject"), self.uploads.objects(UPLOADS + IMPORTS))
        kept = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject")
        self._grant(self.admin_imports, kept, self.uploads.objects(ROWS + IMPORTS))
        self._grant(self.admin_imports, kept, self.uploads.objects(FINDINGS))
        self._grant(self.admin_imports, ("s3:ListBucket",), self.uploads.bucket.bucket_arn)
        self._grant_queue(self.admin_imports, self.import_queue)
        self._grant_work(self.admin_imports, self.import_queue)
        self.import_queue.work_off(self.admin_imports.function, batch=1, concurrency=IMPORT_CONCURRENCY)

    def _audit_heads(self) -> None:
        """Once an hour it is put on record, where nobody can take it away, how far every audit chain goes."""
        self.heads = Heads(self, "Heads", config=self._config)
        self.audit_heads = self._function(
            "AuditHeads",
            "admin",
            self._audit_settings() | {"HEADS_BUCKET": self.heads.bucket.bucket_name},
            entry="heads",
            timeout_seconds=120,
        )
        self._grant_tables(self.audit_heads, {schema.AUDIT: ("Query",)})
        self._grant_secret(self.audit_heads, self.audit_secret)
        self._grant(self.audit_heads, ("s3:PutObject", "s3:GetObject"), self.heads.objects)
        self._grant(self.audit_heads, ("s3:ListBucket",), self.heads.bucket.bucket_arn)
        # repeating is harmless, and a document for the hour is worth it; a longer fault is left to the next hour's call
        self.audit_heads.call_on(
            "HeadsEveryHour", events.Schedule.cron(minute="0"), tries_again=2, within=Duration.minutes(30)
        )

    def _admin_people_settings(self) -> dict[str, str]:
        """Only what vouches for officials has the key that attestations are signed with."""
        return (
            self._tables(schema.ROUTING, schema.LIMITS)
            | self._import_settings()
            | self._secrets(attestation=self.attestation_secret)
            | {
                "GROUP_QUEUE": self.group_queue.url,
                "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self.websocket.callback_url,
            }
        )

    def _grant_admin_people(self) -> None:
        self._grant_tables(
            self.admin_people,
            {
                schema.DIRECTORY: (
                    *("BatchGetItem", "GetItem"),
                    *("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"),
                ),
                schema.ROUTING: ("GetItem", "UpdateItem"),
                schema.LIMITS: ("UpdateItem",),
            },
        )
        self._grant(self.admin_people, ("dynamodb:Query",), f"{self.tables[schema.DIRECTORY].table_arn}/index/*")
        self._grant_secret(self.admin_people, self.attestation_secret)
        self._grant_queue(self.admin_people, self.group_queue)
        self._grant_connections(self.admin_people, "POST", "DELETE")

    def _admin_apps_settings(self) -> dict[str, str]:
        """A webhook's secret is derived, and shown when it is registered."""
        return self._webhook_settings() | {"GROUP_QUEUE": self.group_queue.url}

    def _grant_admin_apps(self) -> None:
        self._grant_tables(
            self.admin_apps,
            {
                schema.DIRECTORY: (
                    *("BatchGetItem", "GetItem"),
                    *("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"),
                )
            },
        )
        self._grant(self.admin_apps, ("dynamodb:Query",), f"{self.tables[schema.DIRECTORY].table_arn}/index/*")
        self._grant_secret(self.admin_apps, self.webhook_secret)
        self._grant_queue(self.admin_apps, self.group_queue)
