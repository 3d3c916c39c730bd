"""Tests `make deploy` and `make diff`: checks before the CDK runs, reports of losses, the endpoints file.

moto plays AWS. The CDK command line is a script that writes the files of the real one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from infra.stages import SETTINGS, Federation, StageError, StageSettings
from sandes_client.endpoints import AdminEndpoints, Endpoints
from tools import deploy as deploying
from tools.deploy import (
    DeployError,
    Target,
    check_concurrency,
    check_target,
    deployed_template,
    lost_resources,
    lost_settings,
    run,
)

ACCOUNT, REGION = "123456789012", "ap-south-1"
BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {}}
OUTPUTS = {
    "HttpUrl": "https://a.example.org",
    "WebSocketUrl": "wss://b.example.org/v1",
    "TokenAudience": "sandes:dev",
    "OperatorFunction": "operator",
    "RekeyFunction": "rekey",
    "CognitoUrl": "https://cognito.example.org",
    "AdministratorClient": "client",
}
CDK = """#!{python}
import json, pathlib, sys
told = dict(one[2:].split("=", 1) for one in sys.argv[2:] if "=" in one)
with open({log!r}, "a") as log:
    print(sys.argv[1], file=log)
if sys.argv[1] == "synth":
    folder = pathlib.Path(told["output"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Sandes-dev.template.json").write_text({template!r})
if sys.argv[1] == "deploy":
    pathlib.Path(told["outputs-file"]).write_text({outputs!r})
"""


@pytest.fixture
def session() -> Iterator[boto3.Session]:
    with mock_aws():
        yield boto3.Session("test", "test", region_name=REGION)


def put_stack(session: boto3.Session, settings: StageSettings, **resources: dict[str, Any]) -> None:
    template = {"Metadata": {SETTINGS: settings.model_dump(mode="json")}, "Resources": resources or {"Kept": BUCKET}}
    session.client("cloudformation").create_stack(StackName="Sandes-dev", TemplateBody=json.dumps(template))


@pytest.fixture
def cdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a script in the CDK's place, and return the log of its steps."""
    import sys

    log, script = tmp_path / "steps", tmp_path / "cdk"
    log.touch()
    template = json.dumps({"Resources": {"Kept": BUCKET}})
    outputs = json.dumps({"Sandes-dev": OUTPUTS})
    script.write_text(CDK.format(python=sys.executable, log=str(log), template=template, outputs=outputs))
    script.chmod(0o755)
    monkeypatch.setattr(deploying, "CDK", script)
    monkeypatch.setattr(deploying, "STAGES", tmp_path / "stages")
    monkeypatch.setattr(deploying, "_layers", lambda: None)  # pip would fetch packages for another processor
    return log


def test_a_deployment_writes_the_endpoints_file_that_clients_and_administrators_read(
    session: boto3.Session, cdk: Path, tmp_path: Path
) -> None:
    assert run("deploy", "dev", yes=False, session=session) == 0
    assert cdk.read_text().split() == ["synth", "deploy"]
    file = tmp_path / "stages" / "dev" / "endpoints.json"
    assert Endpoints.read(file) == Endpoints("https://a.example.org", "wss://b.example.org/v1", "sandes:dev")
    assert AdminEndpoints.read(file).client == "client"


def test_settings_that_the_deployed_stack_has_and_the_file_has_not_stop_a_deployment_before_synthesis(
    session: boto3.Session, cdk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_stack(session, StageSettings(alarm_email="ops@example.org"))
    with pytest.raises(DeployError, match=r"nothing was deployed.*YES=1"):
        run("deploy", "dev", yes=False, session=session)
    assert '`alarm_email` is "ops@example.org" now, and would be null' in capsys.readouterr().out
    assert cdk.read_text() == ""
    assert run("deploy", "dev", yes=True, session=session) == 0


def test_a_difference_is_shown_and_nothing_deployed(
    session: boto3.Session, cdk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_stack(session, StageSettings(sms_sender_id="GOVIN"))
    assert run("diff", "dev", yes=False, session=session) == 0
    assert "`sms_sender_id`" in capsys.readouterr().out
    assert cdk.read_text().split() == ["synth", "diff"]


def test_a_resource_with_data_that_would_leave_the_stack_stops_a_deployment(
    session: boto3.Session, cdk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_stack(session, StageSettings(), Kept=BUCKET, Gone=BUCKET)
    with pytest.raises(DeployError, match="nothing was deployed"):
        run("deploy", "dev", yes=False, session=session)
    assert "the bucket Gone would leave the stack, and its data would be deleted" in capsys.readouterr().out
    assert cdk.read_text().split() == ["synth"]


def test_losses_are_named_one_by_one_and_changes_are_none() -> None:
    federation = Federation(
        issuer="https://a.example.org",
        client_id="a",
        secret_name="b",
        domain_prefix="c",
        callbacks=["https://d.example.org/", "https://e.example.org/"],
    )
    keys = ["a" * 43, "b" * 43]
    before = StageSettings(
        webhook_networks=["10.1.0.0/16"], audit_former_keys=keys, federation=federation, keep_data=True
    )
    deployed = {"Metadata": {SETTINGS: before.model_dump(mode="json")}}
    assert lost_settings(deployed, before) == []
    assert lost_settings(deployed, before.model_copy(update={"max_expiry_days": 7.0})) == []
    fewer = federation.model_copy(update={"callbacks": ["https://e.example.org/"], "client_id": "other"})
    named = lost_settings(deployed, StageSettings(audit_former_keys=keys[1:], federation=fewer))
    assert [one.split("`")[1] for one in named] == [
        "keep_data",
        "webhook_networks",
        "audit_former_keys",
        "federation.callbacks",
    ]
    assert [one.split("`")[1] for one in lost_settings(deployed, before.model_copy(update={"federation": None}))] == [
        "federation"
    ]
    assert lost_settings({"Resources": {}}, StageSettings()) == [], "a stack without the note of its settings"


def test_a_kept_resource_is_not_said_to_lose_its_data() -> None:
    table = {"Type": "AWS::DynamoDB::GlobalTable", "DeletionPolicy": "Retain"}
    role = {"Type": "AWS::IAM::Role"}
    assert lost_resources({"Resources": {"T": table, "R": role}}, {"Resources": {}}) == [
        "the table T would leave the stack"
    ]


def test_credentials_of_another_account_are_refused(session: boto3.Session) -> None:
    with pytest.raises(DeployError, match=rf"{ACCOUNT}.*210987654321"):
        check_target("prod", StageSettings(account="210987654321", region=REGION), session)
    assert check_target("prod", StageSettings(account=ACCOUNT, region="ap-south-2"), session) == Target(
        "prod", ACCOUNT, "ap-south-2"
    )


def test_a_stage_that_keeps_its_data_says_where_it_is(session: boto3.Session) -> None:
    for settings in (StageSettings(keep_data=True), StageSettings(keep_data=True, region=REGION)):
        with pytest.raises(DeployError, match=r"`account` and `region`"):
            check_target("prod", settings, session)


def test_more_concurrency_than_the_account_has_is_refused_before_synthesis() -> None:
    """The answer of AWS is stubbed, because moto does not know the call."""
    client = boto3.client("lambda", "ap-south-1", aws_access_key_id="test", aws_secret_access_key="test")
    session, target = Session(client), Target("prod", ACCOUNT, REGION)
    with Stubber(client) as stubber:
        for _ in range(2):
            stubber.add_response("get_account_settings", {"AccountLimit": {"ConcurrentExecutions": 1_000}})
        with pytest.raises(DeployError, match=r"1000 .*`lambda_concurrency` \(1001\)"):
            check_concurrency(target, StageSettings(lambda_concurrency=1_001), session)  # type: ignore[arg-type]  # ours
        check_concurrency(target, StageSettings(lambda_concurrency=1_000), session)  # type: ignore[arg-type]  # ours
        check_concurrency(target, StageSettings(), session)  # type: ignore[arg-type]  # ours
        stubber.assert_no_pending_responses()


class Session:
    """Holds one client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def client(self, _: str, *, region_name: str) -> Any:
        assert region_name == REGION
        return self._client


def test_without_credentials_or_region_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(DeployError, match="no region"):
        check_target("dev", StageSettings(), boto3.Session())
    with pytest.raises(DeployError, match="sign in"):
        check_target("dev", StageSettings(region=REGION), boto3.Session())


def test_no_stack_is_no_fault_and_an_unknown_or_local_stage_is(session: boto3.Session) -> None:
    assert deployed_template(Target("dev", ACCOUNT, REGION), session) is None
    with pytest.raises(StageError, match="no stage 'production'"):
        run("deploy", "production", yes=False, session=session)
    with pytest.raises(DeployError, match="make run"):
        run("deploy", "local", yes=False, session=session)
