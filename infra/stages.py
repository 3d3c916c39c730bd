"""Reads and checks the settings of each stage in infra/stages.toml, before anything is synthesised.

Nothing here imports the CDK, so that a mistake is reported within a second.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sandes.groups.fanout import CHUNK_MEMBERS
from sandes.model.device import MAX_DEVICES

STAGES = Path(__file__).with_name("stages.toml")

SETTINGS = "SandesSettings"
"""Metadata of a template: the settings of its synthesis. `make deploy` reads them from the deployed stack."""

FANOUT_WORK_SECONDS = 20
"""Longest work on a chunk of members: a hundred accounts with six devices each, at the pace of posts."""

FANOUT_CONCURRENCY = 5
"""Number of parallel chunks, each at its share of `fanout_posts_per_second`."""

FANOUT_LEAST_POSTS = FANOUT_CONCURRENCY * CHUNK_MEMBERS * MAX_DEVICES // FANOUT_WORK_SECONDS
"""Lowest rate per second. At a slower pace a chunk would not be finished in its time."""

_NAME = re.compile(r"[A-Za-z0-9]{1,16}")


class StageError(ValueError):
    """Reports that the stage file cannot be used. The text names the file, the stage, the key and the fault."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


PublicKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
SenderId = Annotated[str, Field(max_length=11, pattern=r"^[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*$")]
"""Has the form that SNS requires: https://docs.aws.amazon.com/sns/latest/dg/sms_publish-to-phone.html."""

DltId = Annotated[str, Field(pattern=r"^\d{1,50}$")]
"""Is an entity or template id of India's telecom operators, in the same form as in apps' templates."""

CallingCode = Annotated[str, Field(pattern=r"^\+[1-9]\d{0,2}$")]

Rate = Annotated[int, Field(ge=2, le=100_000)]
Https = Annotated[str, Field(pattern=r"^https://[^\s/]+(/\S*)?$")]


RESERVED_SHARES = {"authorizer": 0.12, "send": 0.23, "deliver": 0.23, "client": 0.2, "otp": 0.14, "otpsms": 0.08}
"""Shares of the concurrency that can be reserved (docs/adr/0040), by the functions' names in logs."""

UNRESERVED_SHARE = 0.3
LEAST_CONCURRENCY = 500
"""The least concurrency of an account. Less would be too little for workers and administrators. AWS keeps 100 free."""

RATE_SHARES = {
    "frames": 0.4,
    "devices": 0.15,
    "registrations": 0.03,
    "otps": 0.1,
    "apps": 0.1,
    "administrators": 0.02,
    "fanout": 0.2,
}
"""Default shares of the account's requests a second. `fanout` is for posts to sockets."""


class Rates(_Settings):
    """Holds requests a second of each family of routes. The default is the family's share of `requests_per_second`."""

    frames: Rate | None = None
    devices: Rate | None = None
    registrations: Rate | None = None
    otps: Rate | None = None
    apps: Rate | None = None
    administrators: Rate | None = None


class Federation(_Settings):
    """Holds a provider of OpenID Connect by which administrators may sign in (docs/runbook.md,
    "Administrators").

    `secret_name` names the client's secret in Secrets Manager, as plain text. `domain_prefix` names the sign-in page
    and is unique in its region. `callbacks` are further addresses to which the sign-in page sends codes, besides
    `sandes-admin`.
    """

    issuer: Https
    client_id: Annotated[str, Field(min_length=1)]
    secret_name: Annotated[str, Field(min_length=1)]
    domain_prefix: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    callbacks: list[Https] = []


class StageSettings(_Settings):
    """Holds the settings of one stage. docs/runbook.md, "Settings", explains each to operators.

    `account` and `region` are where the stage is deployed; `make deploy` refuses credentials for anywhere else.
    `requests_per_second` and `lambda_concurrency` are the account's quotas of API Gateway and Lambda in that region.
    With `keep_data`, data survives the stack, and backed-up data is protected from deletion.
    """

    account: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] | None = None
    keep_data: bool = False
    max_expiry_days: Annotated[float, Field(gt=0, le=90)] = 30
    sms_sender_id: SenderId = "SANDES"
    sms_after_seconds: Annotated[int, Field(ge=1, le=300)] = 8
    sms_entity_id: DltId | None = None
    sms_template_id: DltId | None = None
    sms_calling_codes: Annotated[list[CallingCode], Field(min_length=1)] = ["+91"]
    sms_registrations_hour: Annotated[int, Field(ge=0)] = 20_000
    sms_registrations_prefix_hour: Annotated[int, Field(ge=0)] = 500
    sms_otps_hour: Annotated[int, Field(ge=0)] = 200_000
    sms_otps_prefix_hour: Annotated[int, Field(ge=0)] = 5_000
    registrations_per_address_hour: Annotated[int, Field(ge=10, le=1_000_000)] = 1_000
    requests_per_second: Annotated[int, Field(ge=2_500, le=100_000)] = 10_000
    rates: Rates = Rates()
    fanout_posts_per_second: Annotated[int, Field(ge=FANOUT_LEAST_POSTS, le=10_000)] | None = None
    lambda_concurrency: Annotated[int, Field(ge=LEAST_CONCURRENCY, le=100_000)] | None = None
    access_log_days: Literal[7, 30, 90, 180, 365] = 180
    mail_from: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    alarm_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    webhook_networks: list[str] = []
    audit_former_keys: list[PublicKey] = []
    federation: Federation | None = None

    @model_validator(mode="after")
    def _registered_together(self) -> Self:
        if (self.sms_entity_id is None) != (self.sms_template_id is None):
            raise ValueError("set sms_entity_id and sms_template_id together, because telecom operators require both")
        return self

    @field_validator("webhook_networks")
    @classmethod
    def _networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            ip_network(network)
        return networks

    @model_validator(mode="after")
    def _within_the_quota(self) -> Self:
        asked = sum(self.rate(family) for family in RATE_SHARES)
        if asked > self.requests_per_second:
            raise ValueError(
                f"`rates` and `fanout_posts_per_second` add up to {asked} requests a second, more than "
                f"`requests_per_second` ({self.requests_per_second})"
            )
        return self

    def rate(self, family: str) -> int:
        """Return the requests a second of a family of routes."""
        given = self.fanout_posts_per_second if family == "fanout" else getattr(self.rates, family)
        return given or int(RATE_SHARES[family] * self.requests_per_second)

    def reserved(self, function: str) -> int | None:
        """Return the concurrency reserved for a function, or None if it uses the unreserved rest."""
        share = RESERVED_SHARES.get(function)
        if share is None or self.lambda_concurrency is None:
            return None
        return int(share * (1 - UNRESERVED_SHARE) * self.lambda_concurrency)


def load(stage: str, file: Path = STAGES) -> StageSettings:
    """Read and check the settings of a stage. Raise StageError."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise StageError(f"{file.name} cannot be read: {error}") from error
    for name, table in tables.items():
        if not _NAME.fullmatch(name) or not isinstance(table, dict):
            raise StageError(f"{file.name}: [{name}] is not a stage; a stage's name is 1 to 16 letters and digits")
    if stage not in tables:
        raise StageError(f"{file.name} has no stage {stage!r}: it has {', '.join(tables)}")
    return check(stage, tables[stage], file.name)


def check(stage: str, table: dict[str, Any], file: str = STAGES.name) -> StageSettings:
    """Check the table of a stage. Raise StageError with one line for each fault."""
    try:
        return StageSettings.model_validate(table)
    except ValidationError as invalid:
        faults = [_fault(error) for error in invalid.errors()]
        raise StageError("\n".join(f"{file}, [{stage}]: {fault}" for fault in faults)) from None


def _fault(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    if not where:
        return str(error["msg"]).removeprefix("Value error, ")
    *path, last = error["loc"]
    if error["type"] == "extra_forbidden":
        known: Any = StageSettings
        for name in path:
            known = {"federation": Federation, "rates": Rates}.get(name, StageSettings)
        near = difflib.get_close_matches(str(last), known.model_fields, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"the keys are {', '.join(sorted(known.model_fields))}"
        return f"`{where}` is not a setting; {hint}"
    if error["type"] == "missing":
        return f"`{where}` is missing"
    return f"`{where}`: {error['msg']}, not {error['input']!r}"
