"""Implements `make deploy STAGE=…` and `make diff STAGE=…`: deploys a stage of infra/stages.toml to AWS.

It checks everything it can before the CDK synthesises the stack, which takes over a minute: the stage file, the
credentials, the account and region. Before a deployment begins, it reports what the deployment would remove: settings
that the deployed stack has and the stage file does not, and resources with data. From the stack's outputs, it writes
the endpoints file for `sandes` and `sandes-admin`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.stages import SETTINGS, StageError, StageSettings, load

ROOT = Path(__file__).parent.parent
CDK = ROOT / "node_modules" / ".bin" / "cdk"
STAGES = ROOT / ".local" / "stages"
"""Folder with the endpoints file of each stage that was deployed from this machine."""

HOLDS_DATA = {
    "AWS::DynamoDB::GlobalTable": "table",
    "AWS::S3::Bucket": "bucket",
    "AWS::SecretsManager::Secret": "secret",
    "AWS::Cognito::UserPool": "user pool",
    "AWS::SQS::Queue": "queue",
}
NO_STACK = "does not exist"


class DeployError(Exception):
    """Reports that the deployment cannot begin or has failed. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """Holds where a stage is deployed."""

    stage: str
    account: str
    region: str

    @property
    def stack(self) -> str:
        return f"Sandes-{self.stage}"


def check_target(stage: str, settings: StageSettings, session: boto3.Session) -> Target:
    """Return the account of the credentials and the region. Raise DeployError."""
    region = settings.region or session.region_name
    if not region:
        raise DeployError(
            f"no region: set `region` of [{stage}] in infra/stages.toml, or AWS_REGION, or the region of your profile"
        )
    if settings.keep_data and not (settings.account and settings.region):
        raise DeployError(
            f"[{stage}] keeps its data (keep_data), so infra/stages.toml must set its `account` and `region`"
        )
    try:
        account = str(session.client("sts", region_name=region).get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        raise DeployError(
            f"AWS refuses your credentials ({error}): sign in (`aws sso login`, `aws configure`) or set AWS_PROFILE"
        ) from error
    if settings.account and settings.account != account:
        raise DeployError(
            f"your credentials belong to account {account}, but [{stage}] in infra/stages.toml is in {settings.account}"
        )
    return Target(stage, account, region)


def check_concurrency(target: Target, settings: StageSettings, session: boto3.Session) -> None:
    """Refuse to reserve more concurrency than the account has, because CloudFormation would fail half way.

    Raise DeployError.
    """
    if settings.lambda_concurrency is None:
        return
    try:
        limits = session.client("lambda", region_name=target.region).get_account_settings()["AccountLimit"]
    except (BotoCoreError, ClientError) as error:
        raise DeployError(f"the account's concurrency cannot be read: {error}") from error
    if limits["ConcurrentExecutions"] < settings.lambda_concurrency:
        raise DeployError(
            f"the account has {limits['ConcurrentExecutions']} concurrent executions in {target.region}, less than "
            f"`lambda_concurrency` ({settings.lambda_concurrency}): ask AWS for more, or leave the setting out"
        )


def deployed_template(target: Target, session: boto3.Session) -> dict[str, Any] | None:
    """Return the template of the deployed stack, or None if there is none. Raise DeployError."""
    client = session.client("cloudformation", region_name=target.region)
    try:
        body = client.get_template(StackName=target.stack, TemplateStage="Original")["TemplateBody"]
    except ClientError as error:
        if NO_STACK in str(error):
            return None
        raise DeployError(f"the deployed stack cannot be read: {error}") from error
    except BotoCoreError as error:
        raise DeployError(f"the deployed stack cannot be read: {error}") from error
    return dict(json.loads(body) if isinstance(body, str) else body)


def lost_settings(deployed: Mapping[str, Any], settings: StageSettings) -> list[str]:
    """Return settings that the deployed stack has and the stage file does not. They would be switched off."""
    before = deployed.get("Metadata", {}).get(SETTINGS, {})
    return _lost(before, settings.model_dump(mode="json"), StageSettings().model_dump(mode="json"), "")


def _lost(before: Mapping[str, Any], now: Mapping[str, Any], default: Mapping[str, Any], path: str) -> list[str]:
    """Compare settings. One that changes to another value than the default is a change, not a loss."""
    lost = []
    for name, value in before.items():
        after = now.get(name)
        if isinstance(value, dict) and isinstance(after, dict):
            lost += _lost(value, after, {}, f"{path}{name}.")
        elif isinstance(value, list) and isinstance(after, list):
            lost += [f"`{path}{name}` has {one} now, and would lose it" for one in value if one not in after]
        elif value is not None and value != after and after == default.get(name):
            lost.append(f"`{path}{name}` is {json.dumps(value)} now, and would be {json.dumps(after)}")
    return lost


def lost_resources(deployed: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the resources with data that the deployed stack has and the new template does not."""
    return [
        f"the {HOLDS_DATA[resource['Type']]} {id} would leave the stack"
        + ("" if resource.get("DeletionPolicy") == "Retain" else ", and its data would be deleted")
        for id, resource in deployed["Resources"].items()
        if resource["Type"] in HOLDS_DATA and id not in new["Resources"]
    ]


def endpoints(outputs: Mapping[str, str]) -> dict[str, str]:
    """Return the content of the `--endpoints` file for a stack with these outputs."""
    return {
        "http_url": outputs["HttpUrl"],
        "websocket_url": outputs["WebSocketUrl"],
        "audience": outputs["TokenAudience"],
        "operator": outputs["OperatorFunction"],
        "rekey": outputs["RekeyFunction"],
        "cognito_url": outputs["CognitoUrl"],
        "admin_client": outputs["AdministratorClient"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.deploy", description=__doc__)
    parser.add_argument("step", choices=("check", "diff", "deploy"), help="check: all checks that need no CDK")
    parser.add_argument("stage", help="a stage of infra/stages.toml")
    parser.add_argument(
        "--yes", action="store_true", help="continue although something would be lost (make deploy YES=1)"
    )
    options = parser.parse_args()
    try:
        return run(options.step, options.stage, yes=options.yes)
    except (StageError, DeployError) as failed:
        print(f"{options.step} of {options.stage}: {failed}", file=sys.stderr)
        return 1


def run(step: str, stage: str, *, yes: bool, session: boto3.Session | None = None) -> int:
    """Check, then show or make the changes. Raise StageError or DeployError."""
    settings, session = load(stage), session or boto3.Session()
    if stage == "local":
        raise DeployError("the stage `local` is for the engine on this machine: `make run`")
    target = check_target(stage, settings, session)
    print(f"stage {stage}: account {target.account}, region {target.region}, stack {target.stack}")
    check_concurrency(target, settings, session)
    deployed = deployed_template(target, session)
    losses = lost_settings(deployed, settings) if deployed else []
    _report(losses)
    if step == "check":
        return 1 if losses else 0
    if step == "deploy" and losses and not yes:
        raise DeployError("nothing was deployed. Put the settings into infra/stages.toml, or repeat with YES=1")
    _layers()
    assembly = STAGES / stage / "cdk.out"
    _cdk(target, "synth", "--quiet", f"--context=stage={stage}", f"--output={assembly}")
    new = json.loads((assembly / f"{target.stack}.template.json").read_text())
    gone = lost_resources(deployed, new) if deployed else []
    _report(gone)
    if step == "diff":
        return _cdk(target, "diff", f"--app={assembly}", check=False)
    if gone and not yes:
        raise DeployError("nothing was deployed. Repeat with YES=1 if you want this")
    outputs = assembly / "outputs.json"
    _cdk(target, "deploy", "--all", f"--app={assembly}", f"--outputs-file={outputs}")
    file = STAGES / stage / "endpoints.json"
    write_endpoints(json.loads(outputs.read_text())[target.stack], file)
    print(f"deployed. The endpoints file for `sandes` and `sandes-admin` is {file}")
    return 0


def write_endpoints(outputs: Mapping[str, str], file: Path) -> None:
    """Write the endpoints file of a deployed stack."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(endpoints(outputs), indent=2) + "\n")


def _report(losses: list[str]) -> None:
    if losses:
        print("this deployment would remove what is deployed now:")
        for loss in losses:
            print(f"  - {loss}")


def _layers() -> None:
    if subprocess.run([sys.executable, "-m", "tools.layers", "aws"], check=False, cwd=ROOT).returncode:
        raise DeployError("the vendor layer could not be built: see above")


def _cdk(target: Target, step: str, *arguments: str, check: bool = True) -> int:
    """Run a step of the CDK command line with this machine's credentials, for the stage's region."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_REGION": target.region,
        "CDK_DEFAULT_ACCOUNT": target.account,
        "CDK_DEFAULT_REGION": target.region,
    }
    status = subprocess.run([str(CDK), step, *arguments], check=False, cwd=ROOT, env=environment).returncode
    if status and check:
        raise DeployError(f"cdk {step} failed: see above")
    return status


if __name__ == "__main__":
    sys.exit(main())
