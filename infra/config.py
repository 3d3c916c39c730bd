"""What differs between deployments: everything else is the same template.

cdk deploy -c stage=prod                      AWS
cdk deploy -c local_port=4566                 the local engine on that port
"""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from aws_cdk import App, RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from sandes.groups.fanout import CHUNK_MEMBERS
from sandes.model.device import MAX_DEVICES

ROOT = Path(__file__).parent.parent

WEBSOCKET_LOCAL_ID = "aaaa0001"
HTTP_LOCAL_ID = "aaaa0002"
"""Fixed ids on the local engine, so that its addresses outlive a deployment."""


CLI_CALLBACK = "http://localhost:8912/callback"
"""Where `sandes-admin` would wait for the code of a sign-in page: on the administrator's own machine."""

FANOUT_WORK_SECONDS = 20
"""What a chunk of members takes at most: a hundred accounts with six devices each, at the pace of posts."""

FANOUT_CONCURRENCY = 5
"""How many chunks at a time, each at its share of `fanout_posts_per_second`."""

FANOUT_LEAST_POSTS = FANOUT_CONCURRENCY * CHUNK_MEMBERS * MAX_DEVICES // FANOUT_WORK_SECONDS
"""A second. At a slower pace a chunk would not be done in its time."""

_KEY = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Federation:
    """A provider of OpenID Connect by which administrators may sign in (docs/runbook.md, "Administrators").

    `secret_name`: of the client's secret in Secrets Manager, its plain text. `domain_prefix` names the sign-in page and
    is unique in its region. `callbacks`: where the sign-in page sends codes.
    """

    issuer: str
    client_id: str
    secret_name: str
    domain_prefix: str
    callbacks: tuple[str, ...]

    @classmethod
    def of(cls, app: App) -> Federation | None:
        """From CDK context; None if there is nothing of it. Raises ValueError for half of it, or an unsafe address."""
        names = ("federation_issuer", "federation_client_id", "federation_secret_name", "federation_domain_prefix")
        values = [str(app.node.try_get_context(name) or "") for name in names]
        if not any(values):
            return None
        if lacking := [name for name, value in zip(names, values, strict=True) if not value]:
            raise ValueError(f"federation also needs {', '.join(lacking)}")
        issuer, client_id, secret_name, domain_prefix = values
        portals = str(app.node.try_get_context("federation_callbacks") or "")
        callbacks = (CLI_CALLBACK, *filter(None, portals.split(",")))
        for address in (issuer, *callbacks[1:]):
            if not address.startswith("https://"):
                raise ValueError(f"federation goes over https, not {address!r}")
        return cls(
            issuer=issuer,
            client_id=client_id,
            secret_name=secret_name,
            domain_prefix=domain_prefix,
            callbacks=callbacks,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One deployment. `local_port` is None on AWS.

    `webhook_networks`: CIDR blocks, commas between them, of private networks that webhooks may go to, without TLS too.
    `audit_former_keys`: public keys that audit chains were signed with before, commas between them (docs/runbook.md).
    `alarm_email`: where alarms are sent besides the topic; empty for nowhere.
    `fanout_posts_per_second`: what large posts to groups may take of the account's budget (docs/runbook.md).
    """

    stage: str
    local_port: int | None
    max_expiry_seconds: int
    sms_sender_id: str
    sms_after_seconds: int
    webhook_networks: str
    fanout_posts_per_second: int
    alarm_email: str
    audit_former_keys: str = ""
    federation: Federation | None = None

    @classmethod
    def of(cls, app: App) -> Config:
        """From CDK context. Raises ValueError for a value that cannot be meant."""
        port = app.node.try_get_context("local_port")
        stage = str(app.node.try_get_context("stage") or ("local" if port else "dev"))
        days = float(app.node.try_get_context("max_expiry_days") or 30)
        sms_after = int(app.node.try_get_context("sms_after_seconds") or 8)
        if not stage.isalnum() or len(stage) > 16:
            raise ValueError(f"stage is 1 to 16 letters and digits, not {stage!r}")
        if not 0 < days <= 90:
            raise ValueError(f"max_expiry_days is above 0 and at most 90, not {days}")
        if not 1 <= sms_after <= 300:
            raise ValueError(f"sms_after_seconds is from 1 to 300, not {sms_after}")
        posts = int(app.node.try_get_context("fanout_posts_per_second") or 2_000)
        if not FANOUT_LEAST_POSTS <= posts <= 10_000:
            raise ValueError(f"fanout_posts_per_second is from {FANOUT_LEAST_POSTS} to 10,000, not {posts}")
        networks = str(app.node.try_get_context("webhook_networks") or ("127.0.0.0/8" if port else ""))
        for network in filter(None, networks.split(",")):
            ip_network(network)
        former = str(app.node.try_get_context("audit_former_keys") or "")
        if not all(_KEY.fullmatch(key) for key in filter(None, former.split(","))):
            raise ValueError(f"audit_former_keys are public keys of 43 characters, commas between them, not {former!r}")
        return cls(
            stage=stage,
            local_port=int(port) if port else None,
            max_expiry_seconds=int(days * 86_400),
            sms_sender_id=str(app.node.try_get_context("sms_sender_id") or "SANDES"),
            sms_after_seconds=sms_after,
            webhook_networks=networks,
            fanout_posts_per_second=posts,
            alarm_email=str(app.node.try_get_context("alarm_email") or ""),
            audit_former_keys=former,
            federation=Federation.of(app),
        )

    @property
    def token_audience(self) -> str:
        return f"sandes:{self.stage}"

    @property
    def runtime(self) -> lambda_.Runtime:
        """Python 3.13 on AWS; the interpreter of this environment on the local engine, which runs functions in it."""
        if self.local_port is None:
            return lambda_.Runtime.PYTHON_3_13
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return lambda_.Runtime(version, lambda_.RuntimeFamily.PYTHON)

    @property
    def architecture(self) -> lambda_.Architecture:
        arm = self.local_port is None or platform.machine() in {"aarch64", "arm64"}
        return lambda_.Architecture.ARM_64 if arm else lambda_.Architecture.X86_64

    @property
    def vendor_layer(self) -> Path:
        """Where `python -m tools.layers` has put the third-party packages for this target."""
        return ROOT / "build" / ("vendor-aws" if self.local_port is None else "vendor-local")

    @property
    def log_retention(self) -> logs.RetentionDays:
        return logs.RetentionDays.ONE_MONTH

    @property
    def removal_policy(self) -> RemovalPolicy:
        """Production data outlives its stack; a development or local stack takes its data with it."""
        return RemovalPolicy.RETAIN if self.stage == "prod" else RemovalPolicy.DESTROY

    @property
    def deletion_protection(self) -> bool:
        return self.stage == "prod"
