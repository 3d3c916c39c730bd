"""The service, as a table of contents: functions, what each may do, APIs."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnOutput
from constructs import Construct

from infra.administration import Administration
from infra.change_streams import ChangeStreams
from infra.config import Config
from infra.foundation import GROUP_WORK_SECONDS, ROSTER_WORK_SECONDS
from infra.function import SandesFunction
from infra.http_api import HttpApi
from infra.monitoring import Monitoring
from infra.stages import FANOUT_CONCURRENCY, FANOUT_WORK_SECONDS, SETTINGS
from infra.uploads import BATCHES, ROSTERS, ROWS, UPLOADS
from infra.work_queue import WorkQueue
from sandes.store import schema
from sandes.store.changes import FILTERS

BATCH_SECONDS = 120
BATCH_WORK_SECONDS = 30
"""The longest an entry of the batches' queue may take, and how long most take: a sixth of the time after which it comes
again. As many are taken as may run, so none waits in a poller while that time runs out.
"""

SMS_WORK_SECONDS = 5
"""What a batch of SMS takes at most in general. A code lives for minutes: one that failed is tried again in 30 s."""


class ServiceStack(Administration):
    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id, config=config)
        self.template_options.metadata = {SETTINGS: config.settings.model_dump(mode="json")}
        self._frames_and_connections()
        self._client_api()
        self._group_fanout()
        self._app_api()
        self._app_groups()
        self._group_upkeep()
        self._group_rosters()
        self._webhooks()
        self._administration()
        self.http = HttpApi(
            self,
            "Http",
            config=config,
            client=self.client.function,
            otp=self.otp.function,
            apps=self.apps.function,
            app_groups=self.app_groups.function,
            admin=self.admin.function,
            admin_people=self.admin_people.function,
            admin_apps=self.admin_apps.function,
            identity=self.identity,
        )
        self._statistics()
        self._queue_depths()
        self._guard_rows()
        self._allow_recursion()
        self._monitoring()
        self._outputs()

    def _frames_and_connections(self) -> None:
        tables = (schema.INBOX, schema.ROUTING, schema.DIRECTORY, schema.LIMITS, schema.STATISTICS)
        frames = (
            self._tables(*tables)
            | self._secrets(sender=self.sender_secret, seal=self.seal_secret)
            | {
                "MAX_EXPIRY_SECONDS": str(self._config.max_expiry_seconds),
                "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self.websocket.callback_url,
            }
        )
        connections = self._tables(schema.ROUTING, schema.DIRECTORY) | {"TOKEN_AUDIENCE": self._config.token_audience}
        self.authorizer = self._function("Authorizer", "connect", connections, entry="authorizer", memory_mb=512)
        self.disconnect = self._function("Disconnect", "connect", connections, entry="disconnect", memory_mb=512)
        self.send = self._function("Send", "send", frames | self._fanout_settings())
        self.deliver = self._function(
            "Deliver",
            "deliver",
            frames | self._tables(schema.DELIVERIES) | {"WEBHOOK_QUEUE": self.webhook_queue.url},
        )
        self._grant_tables(self.authorizer, {schema.DIRECTORY: ("Query",), schema.ROUTING: ("UpdateItem",)})
        self._grant_tables(self.disconnect, {schema.ROUTING: ("UpdateItem",)})
        self._grant_tables(
            self.send,
            {
                schema.ROUTING: ("GetItem",),
                schema.DIRECTORY: ("BatchGetItem", "PutItem"),
                schema.DELIVERIES: ("BatchGetItem",),
                schema.LIMITS: ("BatchGetItem", "UpdateItem"),
                schema.STATISTICS: ("PutItem",),
            },
        )
        self._grant_fanout(self.send)
        self._grant_tables(
            self.deliver,
            {
                schema.INBOX: ("Query", "GetItem", "PutItem", "DeleteItem", "BatchWriteItem"),
                schema.ROUTING: ("BatchGetItem", "GetItem", "UpdateItem"),
                schema.DIRECTORY: ("BatchGetItem", "GetItem"),
                schema.DELIVERIES: ("BatchGetItem", "PutItem", "UpdateItem"),
                schema.LIMITS: ("BatchGetItem", "UpdateItem"),
                schema.STATISTICS: ("PutItem",),
            },
        )
        self._grant_sealing(self.deliver)
        self._grant_connections(self.deliver, "POST", "DELETE")
        self._grant_queue(self.deliver, self.webhook_queue)
        self.websocket.add_connection_routes(authorizer=self.authorizer.function, disconnect=self.disconnect.function)
        self.websocket.add_frame_routes(self.send.function, "send")
        self.websocket.add_frame_routes(self.deliver.function, "hello", "ack", "sync", "fetch", "ping", "$default")

    def _client_api(self) -> None:
        """It makes no envelopes: of inboxes and deliveries it only reads what became of the caller's own posts."""
        tables = (schema.ROUTING, schema.DIRECTORY, schema.INBOX, schema.CODES, schema.DELIVERIES, schema.LIMITS)
        self.client = self._function(
            "Client",
            "client",
            self._tables(*tables)
            | self._secrets(pepper=self.pepper, sender=self.sender_secret)
            | {
                "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self.websocket.callback_url,
                "TOKEN_AUDIENCE": self._config.token_audience,
                "REGISTRATIONS_PER_ADDRESS_HOUR": str(self._config.settings.registrations_per_address_hour),
                "SMS_SENDER_ID": self._config.settings.sms_sender_id,
                "SMS_ENTITY_ID": self._config.settings.sms_entity_id or "",
                "SMS_TEMPLATE_ID": self._config.settings.sms_template_id or "",
                "SMS_CALLING_CODES": self._config.sms_calling_codes,
                "SMS_REGISTRATIONS_HOUR": str(self._config.settings.sms_registrations_hour),
                "SMS_REGISTRATIONS_PREFIX_HOUR": str(self._config.settings.sms_registrations_prefix_hour),
                "GROUP_QUEUE": self.group_queue.url,
                "IMPORT_QUEUE": self.import_queue.url,
            },
        )
        self._grant_tables(
            self.client,
            {
                schema.DIRECTORY: (
                    *("Query", "GetItem", "BatchGetItem"),
                    *("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"),
                ),
                schema.ROUTING: ("BatchGetItem", "GetItem", "PutItem", "UpdateItem"),
                schema.INBOX: ("BatchGetItem",),
                schema.CODES: ("GetItem", "PutItem", "UpdateItem"),
                schema.DELIVERIES: ("Query",),
                schema.LIMITS: ("UpdateItem",),
            },
        )
        self._grant_connections(self.client, "POST", "DELETE")
        for secret in (self.pepper, self.sender_secret):
            self._grant_secret(self.client, secret)
        self._grant_sms(self.client)
        self._grant_queue(self.client, self.group_queue)
        self._grant_queue(self.client, self.import_queue)

    def _group_fanout(self) -> None:
        """Large posts to groups have a queue, a function and a rate of their own: no code waits for them."""
        self.group_fanout = self._function(
            "GroupFanout",
            "groups",
            self._fanout_settings()
            | {"FANOUT_POSTS_PER_SECOND": str(self._config.settings.rate("fanout") // FANOUT_CONCURRENCY)},
            entry="fanout",
            timeout_seconds=5 * FANOUT_WORK_SECONDS,
        )
        self._grant_fanout(self.group_fanout)
        self._grant_tables(self.group_fanout, {schema.DELIVERIES: ("GetItem",)})
        self._grant_work(self.group_fanout, self.fanout_queue)
        self.fanout_queue.work_off(self.group_fanout.function, batch=1, concurrency=FANOUT_CONCURRENCY)

    def _group_upkeep(self) -> None:
        """What groups make of work beside posts: telling of changes, ending memberships, dissolved groups."""
        self.group_upkeep = self._function(
            "GroupUpkeep",
            "groups",
            self._fanout_settings()
            | {
                "GROUP_QUEUE": self.group_queue.url,
                "MAX_EXPIRY_SECONDS": str(self._config.max_expiry_seconds),
            },
            entry="upkeep",
            timeout_seconds=3 * GROUP_WORK_SECONDS,
        )
        self._grant_fanout(self.group_upkeep)
        self._grant_tables(
            self.group_upkeep,
            {
                schema.DIRECTORY: (
                    *("GetItem", "BatchGetItem", "PutItem", "UpdateItem"),
                    *("DeleteItem", "ConditionCheckItem", "BatchWriteItem"),
                )
            },
        )
        self._grant_queue(self.group_upkeep, self.group_queue)
        self._grant_work(self.group_upkeep, self.group_queue)
        self.group_queue.work_off(self.group_upkeep.function, batch=10, concurrency=5)

    def _group_rosters(self) -> None:
        """Large rosters have a queue and a function of their own: neither events nor the ends of memberships wait."""
        self.group_rosters = self._function(
            "GroupRosters",
            "groups",
            self._fanout_settings()
            | self._secrets(pepper=self.pepper)
            | {
                "ROSTER_QUEUE": self.roster_queue.url,
                "MAX_EXPIRY_SECONDS": str(self._config.max_expiry_seconds),
                "UPLOADS_BUCKET": self.uploads.bucket.bucket_name,
            },
            entry="rosters",
            timeout_seconds=3 * ROSTER_WORK_SECONDS,
        )
        self._grant_fanout(self.group_rosters)
        self._grant_tables(
            self.group_rosters,
            {
                schema.DIRECTORY: (
                    *("GetItem", "BatchGetItem", "PutItem", "UpdateItem"),
                    *("DeleteItem", "ConditionCheckItem"),
                )
            },
        )
        self._grant_secret(self.group_rosters, self.pepper)
        self._grant(self.group_rosters, ("s3:GetObject", "s3:DeleteObject"), self.uploads.objects(ROWS + ROSTERS))
        self._grant(self.group_rosters, ("s3:ListBucket",), self.uploads.bucket.bucket_arn)
        self._grant_queue(self.group_rosters, self.roster_queue)
        self._grant_work(self.group_rosters, self.roster_queue)
        self.roster_queue.work_off(self.group_rosters.function, batch=1, concurrency=3)

    def _app_api(self) -> None:
        """OTPs have functions and a queue of their own: what else apps send cannot delay them."""
        tables = self._tables(schema.DIRECTORY, schema.ROUTING, schema.INBOX, schema.CODES, schema.DELIVERIES)
        calls = (
            tables
            | self._secrets(pepper=self.pepper, sender=self.sender_secret, seal=self.seal_secret)
            | {
                "TOKEN_AUDIENCE": self._config.token_audience,
                "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self.websocket.callback_url,
            }
        )
        self.sms_queue = WorkQueue(
            self, "Sms", config=self._config, tries=8, work_seconds=SMS_WORK_SECONDS, late_after_seconds=60
        )
        self.otp = self._function(
            "Otp",
            "otp",
            calls
            | {
                "SMS_QUEUE": self.sms_queue.url,
                "SMS_AFTER_SECONDS": str(self._config.settings.sms_after_seconds),
                "SMS_CALLING_CODES": self._config.sms_calling_codes,
            },
        )
        self.otp_sms = self._function(
            "OtpSms",
            "otp",
            tables
            | self._tables(schema.LIMITS)
            | self._secrets(pepper=self.pepper)
            | {
                "SMS_SENDER_ID": self._config.settings.sms_sender_id,
                "SMS_CALLING_CODES": self._config.sms_calling_codes,
                "SMS_OTPS_HOUR": str(self._config.settings.sms_otps_hour),
                "SMS_OTPS_PREFIX_HOUR": str(self._config.settings.sms_otps_prefix_hour),
            },
            entry="sms",
            timeout_seconds=3 * SMS_WORK_SECONDS,
        )
        self.batch_queue = WorkQueue(
            self, "Batches", config=self._config, tries=8, work_seconds=BATCH_WORK_SECONDS, late_after_seconds=3600
        )
        apps = calls | {
            "WEBHOOK_QUEUE": self.webhook_queue.url,
            "MAX_EXPIRY_SECONDS": str(self._config.max_expiry_seconds),
            "BATCH_QUEUE": self.batch_queue.url,
            "UPLOADS_BUCKET": self.uploads.bucket.bucket_name,
        }
        self.apps = self._function("Apps", "apps", apps | self._webhook_settings() | self._fanout_settings())
        self._batches(apps)
        self._grant_tables(
            self.apps,
            {
                schema.DIRECTORY: ("BatchGetItem", "Query"),
                schema.ROUTING: ("BatchGetItem", "GetItem", "UpdateItem"),
                schema.INBOX: ("PutItem", "DeleteItem"),
                schema.DELIVERIES: ("BatchGetItem", "GetItem", "Query", "PutItem", "UpdateItem"),
            },
        )
        self._grant_fanout(self.apps)
        self._grant_secret(self.apps, self.pepper)
        self._grant_connections(self.apps, "POST")
        self._grant_queue(self.apps, self.webhook_queue)
        self.app_expiry = self._function(
            "AppExpiry",
            "apps",
            self._tables(schema.DIRECTORY, schema.DELIVERIES) | {"WEBHOOK_QUEUE": self.webhook_queue.url},
            entry="expire",
        )
        self._grant_tables(
            self.app_expiry,
            {schema.DIRECTORY: ("GetItem",), schema.DELIVERIES: ("GetItem", "PutItem", "UpdateItem")},
        )
        self._grant(self.app_expiry, ("dynamodb:Query",), f"{self.tables[schema.DELIVERIES].table_arn}/index/*")
        self._grant_queue(self.app_expiry, self.webhook_queue)
        self.app_expiry.call_every_minute("EveryMinute")
        self._grant_tables(
            self.otp,
            {
                schema.DIRECTORY: ("BatchGetItem", "GetItem"),
                schema.ROUTING: ("BatchGetItem", "GetItem", "UpdateItem"),
                schema.INBOX: ("PutItem",),
                schema.CODES: ("BatchGetItem", "PutItem", "UpdateItem"),
                schema.DELIVERIES: ("BatchGetItem", "UpdateItem"),
            },
        )
        self._grant_tables(
            self.otp_sms,
            {
                schema.DIRECTORY: ("Query",),
                schema.INBOX: ("BatchGetItem",),
                schema.CODES: ("BatchGetItem", "UpdateItem"),
                schema.LIMITS: ("UpdateItem",),
            },
        )
        self._grant_secret(self.otp, self.pepper)
        self._grant_sealing(self.otp)
        self._grant_secret(self.otp_sms, self.pepper)
        self._grant_connections(self.otp, "POST")
        self._grant_queue(self.otp, self.sms_queue)
        self._grant_sms(self.otp_sms)
        self._grant_work(self.otp_sms, self.sms_queue)
        concurrency = min(50, self._config.settings.reserved("otpsms") or 50)
        self.sms_queue.work_off(self.otp_sms.function, batch=10, concurrency=concurrency, window_seconds=1)

    def _batches(self, apps: Mapping[str, str]) -> None:
        """Calls are answered by `Apps`; the work is done by a function of its own, a few chunks at a time."""
        self.app_batches = self._function(
            "AppBatches",
            "apps",
            apps,
            entry="batch",
            memory_mb=1769,  # one whole processor: a check of 100,000 rows is all arithmetic
            timeout_seconds=BATCH_SECONDS,
        )
        own = self.uploads.objects(UPLOADS + BATCHES)
        self._grant(self.apps, ("s3:PutObject", "s3:GetObject", "s3:DeleteObject"), own)
        self._grant(self.apps, ("s3:ListBucket",), self.uploads.bucket.bucket_arn)  # else S3 says forbidden for missing
        self._grant_queue(self.apps, self.batch_queue)
        self._grant_tables(
            self.app_batches,
            {
                schema.DIRECTORY: ("BatchGetItem", "GetItem"),
                schema.ROUTING: ("BatchGetItem", "UpdateItem"),
                schema.INBOX: ("BatchGetItem", "PutItem"),
                schema.DELIVERIES: ("BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "UpdateItem"),
            },
        )
        self._grant_secret(self.app_batches, self.pepper)
        self._grant_sealing(self.app_batches)
        self._grant_connections(self.app_batches, "POST")
        self._grant(self.app_batches, ("s3:GetObject", "s3:DeleteObject"), own)
        rows = self.uploads.objects(ROWS + BATCHES)
        self._grant(self.app_batches, ("s3:PutObject", "s3:GetObject", "s3:DeleteObject"), rows)
        self._grant(self.app_batches, ("s3:ListBucket",), self.uploads.bucket.bucket_arn)
        self._grant_queue(self.app_batches, self.batch_queue)
        self._grant_queue(self.app_batches, self.webhook_queue)
        self._grant_work(self.app_batches, self.batch_queue)
        self.batch_queue.work_off(self.app_batches.function, batch=1, concurrency=5)

    def _app_groups(self) -> None:
        """What apps say about their groups; large rosters are applied by a function of their own."""
        self.app_groups = self._function(
            "AppGroups",
            "app_groups",
            self._tables(schema.DIRECTORY, schema.ROUTING, schema.CODES, schema.DELIVERIES)
            | self._secrets(pepper=self.pepper)
            | {
                "TOKEN_AUDIENCE": self._config.token_audience,
                "GROUP_QUEUE": self.group_queue.url,
                "ROSTER_QUEUE": self.roster_queue.url,
                "UPLOADS_BUCKET": self.uploads.bucket.bucket_name,
            },
            memory_mb=1769,  # one whole processor: a roster of 100,000 rows is compared while its app waits
        )
        self._grant_tables(
            self.app_groups,
            {
                schema.DIRECTORY: (
                    *("BatchGetItem", "GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"),
                ),
                schema.DELIVERIES: ("BatchGetItem", "GetItem", "PutItem", "UpdateItem"),
            },
        )
        self._grant_secret(self.app_groups, self.pepper)
        self._grant(self.app_groups, ("s3:PutObject",), self.uploads.objects(ROWS + ROSTERS))
        self._grant_queue(self.app_groups, self.group_queue)
        self._grant_queue(self.app_groups, self.roster_queue)

    def _webhooks(self) -> None:
        """Whoever waits for an app's server has a function to wait in, which may do little else."""
        self._grant_tables(self.apps, {schema.DIRECTORY: ("UpdateItem",)})
        self._grant_secret(self.apps, self.webhook_secret)
        self.app_webhooks = self._function(
            "AppWebhooks",
            "apps",
            self._tables(schema.DIRECTORY, schema.DELIVERIES)
            | {"WEBHOOK_QUEUE": self.webhook_queue.url}
            | self._webhook_settings(),
            entry="webhook",
            memory_mb=512,
        )
        self._grant_tables(
            self.app_webhooks,
            {schema.DIRECTORY: ("BatchGetItem", "UpdateItem"), schema.DELIVERIES: ("BatchGetItem", "PutItem")},
        )
        self._grant_secret(self.app_webhooks, self.webhook_secret)
        self._grant_queue(self.app_webhooks, self.webhook_queue)
        self._grant_work(self.app_webhooks, self.webhook_queue)
        self.webhook_queue.work_off(self.app_webhooks.function, batch=10, concurrency=50)

    def _statistics(self) -> None:
        """Counts what tables' streams tell. Inboxes have none: nothing of them is kept once it is deleted."""
        self.changes = ChangeStreams(self, "Changes", config=self._config)
        tables = (schema.DIRECTORY, schema.CODES, schema.DELIVERIES, schema.STATISTICS)
        self.statistics = self._function(
            "Statistics", "statistics", self._tables(*tables), entry="changes", timeout_seconds=60
        )
        self._grant_tables(
            self.statistics, {schema.DIRECTORY: ("GetItem",), schema.STATISTICS: ("PutItem", "UpdateItem")}
        )
        self._grant(self.statistics, ("sqs:SendMessage",), self.changes.dead.queue_arn)
        for table in tables:
            self._grant_stream(self.statistics, table)
            self.changes.hand_over(
                table.name.capitalize(), self.tables[table], self.statistics.function, FILTERS[table.name]
            )

    def _queue_depths(self) -> None:
        """Of every queue there is by now, each minute, by a function that may do nothing else."""
        self.work_queues = [one for one in self.node.find_all() if isinstance(one, WorkQueue)]
        addresses = {one.node.id.lower(): [one.url, one.dead.queue_url] for one in self.work_queues}
        self.queue_depths = self._function(
            "QueueDepths",
            "statistics",
            self._tables(schema.STATISTICS) | {"QUEUES": self.to_json_string(addresses)},
            entry="queues",
            memory_mb=512,
        )
        self._grant_tables(self.queue_depths, {schema.STATISTICS: ("PutItem",)})
        for one in self.work_queues:
            for queue in (one.queue, one.dead):
                self._grant(self.queue_depths, ("sqs:GetQueueAttributes",), queue.queue_arn)
        self.queue_depths.call_every_minute("QueueDepthsEveryMinute")

    def _guard_rows(self) -> None:
        """Rows of the directory that give rights are written only by the functions that have to: all others that may
        write there are denied it by key. A fault in what devices and apps call makes nobody an administrator.
        """
        writers = [one for one in self.node.find_all() if isinstance(one, SandesFunction) and self._writes(one)]
        made = ("PutItem", "UpdateItem", "BatchWriteItem")
        serving_apps = (self.admin_apps, self.apps, self.app_webhooks, self.app_groups)
        # `admin` carries out what was approved; and a group of an app leaves its partition whoever dissolves it
        for keys, actions, may in (
            (("AD#*",), (*made, "DeleteItem"), (self.admin, self.operator, self.access_resets)),
            (("O",), (*made, "DeleteItem"), (self.admin, self.operator)),
            (("AR#*",), (*made, "DeleteItem"), (self.admin, self.access_resets)),
            (("K#*",), (*made, "DeleteItem"), (self.admin_people, self.admin_imports)),
            (("APP#*",), made, (self.admin, self.rekey, *serving_apps, self.group_upkeep, self.group_rosters)),
        ):
            for function in writers:
                if function not in may:
                    self._deny_keys(function, schema.DIRECTORY, actions, keys)
        self._guard_administrators()

    def _guard_administrators(self) -> None:
        """Of administrators, the function that resets access may only say from when their sessions count."""
        resets, table, keys, row = self.access_resets, schema.DIRECTORY, ("AD#*",), schema.DirectoryRow
        self._deny_keys(resets, table, ("PutItem", "BatchWriteItem", "DeleteItem"), keys)
        ending = (row.PARTITION, row.SORT, schema.AdministratorRow.SESSIONS_FROM)
        self._deny_keys(resets, table, ("UpdateItem",), keys, but=ending)

    def _monitoring(self) -> None:
        """Of everything there is by now."""
        self.monitoring = Monitoring(
            self,
            "Monitoring",
            config=self._config,
            functions=[one for one in self.node.find_all() if isinstance(one, SandesFunction)],
            queues=self.work_queues,
            dead={self.changes.node.id: self.changes.dead},
            tables=self.tables,
            http=self.http.api,
            websocket=self.websocket.api,
            websocket_stage=self.websocket.stage.stage_name,
            counting=self.statistics,
            frames=[self.send, self.deliver],
            workers=list(self._workers.values()),
            rare=[self.audit_heads],
            sms={
                "Registrations": (self.client, self._config.settings.sms_registrations_hour),
                "Otps": (self.otp_sms, self._config.settings.sms_otps_hour),
            },
        )

    def _outputs(self) -> None:
        CfnOutput(self, "WebSocketUrl", value=self.websocket.url)
        CfnOutput(self, "HttpUrl", value=self.http.url)
        CfnOutput(self, "OperatorFunction", value=self.operator.function.function_name)
        CfnOutput(self, "RekeyFunction", value=self.rekey.function.function_name)
        CfnOutput(self, "AlarmTopic", value=self.monitoring.topic.topic_arn)
        CfnOutput(self, "TokenAudience", value=self._config.token_audience)
        CfnOutput(self, "AdministratorPool", value=self.identity.pool.user_pool_id)
        CfnOutput(self, "AdministratorClient", value=self.identity.client.user_pool_client_id)
        CfnOutput(self, "HeadsBucket", value=self.heads.bucket.bucket_name)
        CfnOutput(self, "AuditHeadsFunction", value=self.audit_heads.function.function_name)
        CfnOutput(self, "CognitoUrl", value=self.identity.url)
        for table in schema.TABLES:
            CfnOutput(self, f"{table.name.capitalize()}Table", value=self.tables[table].table_name)
