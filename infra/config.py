"""Holds what differs between deployments. Everything else is the same template.

cdk synth --context stage=prod                AWS, with the settings of that stage in infra/stages.toml
cdk synth --context local_port=4566           the local engine on that port
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import App, RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from infra.stages import Federation, StageError, StageSettings, load

ROOT = Path(__file__).parent.parent

WEBSOCKET_LOCAL_ID = "aaaa0001"
HTTP_LOCAL_ID = "aaaa0002"
"""Fixed ids on the local engine, so that its addresses survive a new deployment."""


CLI_CALLBACK = "http://localhost:8912/callback"
"""Address on the administrator's own machine where `sandes-admin` would wait for the code of a sign-in page."""


_RETENTIONS = {
    7: logs.RetentionDays.ONE_WEEK,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Holds one deployment: its stage, and the settings of that stage. `local_port` is None on AWS."""

    stage: str
    local_port: int | None
    settings: StageSettings

    @classmethod
    def of(cls, app: App, settings: StageSettings | None = None) -> Config:
        """Read `stage` and `local_port` from CDK context, and the stage's settings. Raise StageError.

        Former context values are settings now. The next deployment would drop a value given here, so it is refused.
        """
        for name in (*StageSettings.model_fields, *(f"federation_{one}" for one in Federation.model_fields)):
            if app.node.try_get_context(name) is not None:
                raise StageError(
                    f"`--context {name}=…` is not accepted: set `{name}` of the stage in infra/stages.toml"
                )
        port = app.node.try_get_context("local_port")
        stage = str(app.node.try_get_context("stage") or ("local" if port else "dev"))
        return cls(stage=stage, local_port=int(port) if port else None, settings=settings or load(stage))

    @property
    def max_expiry_seconds(self) -> int:
        return int(self.settings.max_expiry_days * 86_400)

    @property
    def token_audience(self) -> str:
        return f"sandes:{self.stage}"

    @property
    def runtime(self) -> lambda_.Runtime:
        """Return Python 3.13 on AWS, or the interpreter of this environment on the local engine, which runs functions
        in it.
        """
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
        """Return the path where `python -m tools.layers` has put the third-party packages for this target."""
        return ROOT / "build" / ("vendor-aws" if self.local_port is None else "vendor-local")

    @property
    def log_retention(self) -> logs.RetentionDays:
        return logs.RetentionDays.ONE_MONTH

    @property
    def access_log_retention(self) -> logs.RetentionDays:
        return _RETENTIONS[self.settings.access_log_days]

    @property
    def removal_policy(self) -> RemovalPolicy:
        """Keep data when the stack is deleted, or delete it together with the stack."""
        return RemovalPolicy.RETAIN if self.settings.keep_data else RemovalPolicy.DESTROY

    @property
    def deletion_protection(self) -> bool:
        return self.settings.keep_data
