"""Shows that the engine enforces IAM, as all end-to-end tests assume."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.conftest import Deployed
from tools.engine import REGION


def client_with_role_of(deployed: Deployed, function: str, service: str) -> Any:
    """Return a client with the permissions of a function's role."""
    roles = deployed.engine.client("iam").list_roles()["Roles"]
    (arn,) = [role["Arn"] for role in roles if f"-{function}FunctionServiceRole" in role["Arn"]]
    credentials = deployed.engine.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return boto3.client(  # type: ignore[call-overload]  # the name is a variable here
        service,
        endpoint_url=deployed.engine.url,
        region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


OTHERS = [
    "Send",
    "Client",
    "Authorizer",
    "Disconnect",
    "Otp",
    "OtpSms",
    "Apps",
    "AppGroups",
    "GroupFanout",
    "GroupUpkeep",
    "GroupRosters",
    "Operator",
    "Admin",
    "AdminPeople",
    "AdminApps",
    "AdministratorTokens",
    "VerificationSweep",
]


@pytest.mark.parametrize("function", OTHERS)
def test_only_the_deliver_function_may_read_inboxes(deployment: Deployed, function: str) -> None:
    client = client_with_role_of(deployment, function, "dynamodb")
    key: Any = {":inbox": {"B": bytes(16)}}
    with pytest.raises(ClientError) as denied:
        client.query(
            TableName=deployment.stack.tables["inbox"],
            KeyConditionExpression="i = :inbox",
            ExpressionAttributeValues=key,
        )
    assert denied.value.response["Error"]["Code"] == "AccessDeniedException"


def test_the_deliver_function_may(deployment: Deployed) -> None:
    client = client_with_role_of(deployment, "Deliver", "dynamodb")
    answer = client.query(
        TableName=deployment.stack.tables["inbox"],
        KeyConditionExpression="i = :inbox",
        ExpressionAttributeValues={":inbox": {"B": bytes(16)}},
    )
    assert answer["Count"] == 0


@pytest.mark.parametrize("function", ["Deliver", *OTHERS])
def test_no_function_may_scan(deployment: Deployed, function: str) -> None:
    client = client_with_role_of(deployment, function, "dynamodb")
    for table in deployment.stack.tables.values():
        with pytest.raises(ClientError) as denied:
            client.scan(TableName=table)
        assert denied.value.response["Error"]["Code"] == "AccessDeniedException"


@pytest.mark.parametrize(
    "function",
    [
        *("Send", "Deliver", "Client", "Apps", "Admin", "AdminApps", "AdministratorTokens", "VerificationSweep"),
        "Operator",
    ],
)
def test_only_what_vouches_for_people_may_sign_attestations(deployment: Deployed, function: str) -> None:
    secrets = deployment.engine.client("secretsmanager").list_secrets()["SecretList"]
    (name,) = [secret["Name"] for secret in secrets if "AttestationSecret" in secret["Name"]]
    client_with_role_of(deployment, "AdminPeople", "secretsmanager").get_secret_value(SecretId=name)
    with pytest.raises(ClientError) as denied:
        client_with_role_of(deployment, function, "secretsmanager").get_secret_value(SecretId=name)
    assert denied.value.response["Error"]["Code"] == "AccessDeniedException"


@pytest.mark.parametrize("function", ["Operator", "Admin", "AdminPeople", "AdminApps", "AuditHeads"])
def test_not_even_what_appends_to_audit_chains_may_update_or_delete_entries(
    deployment: Deployed, function: str
) -> None:
    client, table = client_with_role_of(deployment, function, "dynamodb"), deployment.stack.tables["audit"]
    key: Any = {"c": {"S": "aaaaaaaaaaaaa"}, "n": {"N": "1"}}
    answer = client.query(
        TableName=table, KeyConditionExpression="c = :c", ExpressionAttributeValues={":c": key["c"]}, Limit=1
    )
    assert "Items" in answer
    for call, more in ((client.update_item, {"UpdateExpression": "REMOVE b"}), (client.delete_item, {})):
        with pytest.raises(ClientError) as denied:
            call(TableName=table, Key=key, **more)
        assert denied.value.response["Error"]["Code"] == "AccessDeniedException"


@pytest.mark.parametrize("function", ["Operator", "Admin", "AdminPeople", "AuditHeads"])
def test_no_function_may_take_heads_away_or_unlock_them(deployment: Deployed, function: str) -> None:
    (bucket,) = [
        one["Name"] for one in deployment.engine.client("s3").list_buckets()["Buckets"] if "heads" in one["Name"]
    ]
    client = client_with_role_of(deployment, function, "s3")
    governance = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime(2030, 1, 1, tzinfo=UTC)}
    calls: list[Callable[[], Any]] = [
        lambda: client.delete_object(Bucket=bucket, Key="heads/2026/01/01/00"),
        lambda: client.put_object_retention(Bucket=bucket, Key="heads/2026/01/01/00", Retention=governance),
        lambda: client.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        ),
        lambda: client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}),
    ]
    if function != "AuditHeads":
        calls.append(lambda: client.put_object(Bucket=bucket, Key="heads/2026/01/01/00", Body=b"forged"))
    for call in calls:
        with pytest.raises(ClientError) as denied:
            call()
        assert denied.value.response["Error"]["Code"] == "AccessDenied"


@pytest.mark.parametrize("function", ["Client", "Apps", "AdminPeople", "AdminApps", "AdministratorTokens"])
def test_only_what_appoints_administrators_may_invite_them(deployment: Deployed, function: str) -> None:
    pool, group = deployment.stack.admin_pool, "administrators"
    who = {"UserPoolId": pool, "Username": "nobody@example.gov.in"}
    with pytest.raises(ClientError) as missing:
        client_with_role_of(deployment, "Operator", "cognito-idp").admin_add_user_to_group(**who, GroupName=group)
    assert missing.value.response["Error"]["Code"] == "UserNotFoundException"
    client = client_with_role_of(deployment, function, "cognito-idp")
    for call in (client.admin_create_user, client.admin_get_user, client.admin_set_user_password):
        more = {"Password": "Correct-horse-7-battery"} if call == client.admin_set_user_password else {}
        with pytest.raises(ClientError) as denied:
            call(**who, **more)
        assert denied.value.response["Error"]["Code"] == "AccessDeniedException"
