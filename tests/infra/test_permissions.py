"""What each function may do, as a table: anything more or less than this fails."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.conftest import Synthesised

FRAMES = {
    "dynamodb:PutItem inbox",
    "dynamodb:BatchGetItem routing",
    "dynamodb:GetItem routing",
    "dynamodb:UpdateItem routing",
    "dynamodb:BatchGetItem directory",
    "dynamodb:BatchGetItem limits",
    "dynamodb:UpdateItem limits",
    "dynamodb:PutItem statistics",
    "secretsmanager:GetSecretValue SenderSecret",
    "secretsmanager:GetSecretValue SealSecret",
    "execute-api:ManageConnections v1/POST/@connections/*",
}

SOCKETS = "execute-api:ManageConnections v1/POST/@connections/*"

FANOUT = {
    "dynamodb:Query directory",
    "dynamodb:BatchGetItem routing",
    "dynamodb:UpdateItem routing",
    "dynamodb:PutItem inbox",
    "dynamodb:BatchWriteItem inbox",
    "dynamodb:PutItem deliveries",
    "dynamodb:UpdateItem deliveries",
    "secretsmanager:GetSecretValue SenderSecret",
    "secretsmanager:GetSecretValue SealSecret",
    "sqs:SendMessage fanout",
    SOCKETS,
}
"""What every function needs that posts to groups."""

CALLS = {
    "dynamodb:BatchGetItem directory",
    "dynamodb:BatchGetItem routing",
    "dynamodb:GetItem routing",
    "dynamodb:UpdateItem routing",
    "dynamodb:PutItem inbox",
    "dynamodb:BatchGetItem deliveries",
    "dynamodb:UpdateItem deliveries",
    "secretsmanager:GetSecretValue Pepper",
    "secretsmanager:GetSecretValue SenderSecret",
    "secretsmanager:GetSecretValue SealSecret",
    SOCKETS,
}
"""What every function of the app API needs: who calls, whom it is for, storing and pushing what is sealed, quotas."""


RECORDS = {"dynamodb:PutItem audit", "dynamodb:Query audit", "secretsmanager:GetSecretValue AuditSecret"}
"""What every function needs whose acts leave entries in the audit chains."""


def works(queue: str) -> set[str]:
    """What Lambda does with a queue in the name of the function that works it off."""
    return {f"sqs:{action} {queue}" for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}


INVITES = {
    f"cognito-idp:{action} administrators" for action in ("AdminCreateUser", "AdminGetUser", "AdminAddUserToGroup")
}
"""What every function needs that invites administrators."""

ALLOWED = {
    "authorizer": {"dynamodb:Query directory", "dynamodb:UpdateItem routing"},
    "disconnect": {"dynamodb:UpdateItem routing"},
    "send": FRAMES | FANOUT | {"dynamodb:BatchGetItem deliveries", "dynamodb:PutItem directory"},
    "groupfanout": FANOUT | {"dynamodb:GetItem deliveries"} | works("fanout"),
    "groupupkeep": FANOUT
    | {
        "dynamodb:GetItem directory",
        "dynamodb:BatchGetItem directory",
        "dynamodb:PutItem directory",
        "dynamodb:UpdateItem directory",
        "dynamodb:DeleteItem directory",
        "dynamodb:ConditionCheckItem directory",
        "dynamodb:BatchWriteItem directory",
        "sqs:SendMessage groupwork",
    }
    | works("groupwork"),
    "grouprosters": FANOUT
    | {
        "dynamodb:GetItem directory",
        "dynamodb:BatchGetItem directory",
        "dynamodb:PutItem directory",
        "dynamodb:UpdateItem directory",
        "dynamodb:DeleteItem directory",
        "dynamodb:ConditionCheckItem directory",
        "secretsmanager:GetSecretValue Pepper",
        *(f"s3:{action} rows/rosters/*" for action in ("GetObject", "DeleteObject")),
        "s3:ListBucket bucket",
        "sqs:SendMessage rosterwork",
    }
    | works("rosterwork"),
    "deliver": FRAMES
    | {
        "dynamodb:Query inbox",
        "dynamodb:GetItem inbox",
        "dynamodb:DeleteItem inbox",
        "dynamodb:BatchWriteItem inbox",
        "dynamodb:GetItem directory",
        "dynamodb:BatchGetItem deliveries",
        "dynamodb:PutItem deliveries",
        "dynamodb:UpdateItem deliveries",
        "sqs:SendMessage webhooks",
        "execute-api:ManageConnections v1/DELETE/@connections/*",
    },
    "client": {
        "dynamodb:BatchGetItem inbox",
        "dynamodb:Query deliveries",
        "secretsmanager:GetSecretValue SenderSecret",
        "dynamodb:BatchGetItem directory",
        "dynamodb:BatchGetItem routing",
        "dynamodb:Query directory",
        "sqs:SendMessage groupwork",
        "sqs:SendMessage imports",
        "dynamodb:GetItem directory",
        "dynamodb:PutItem directory",
        "dynamodb:UpdateItem directory",
        "dynamodb:DeleteItem directory",
        "dynamodb:ConditionCheckItem directory",
        "dynamodb:GetItem routing",
        "dynamodb:PutItem routing",
        "dynamodb:UpdateItem routing",
        "dynamodb:GetItem codes",
        "dynamodb:PutItem codes",
        "dynamodb:UpdateItem codes",
        "dynamodb:UpdateItem limits",
        "secretsmanager:GetSecretValue Pepper",
        "sns:Publish not arn:aws:sns:*:*:*",
        "execute-api:ManageConnections v1/POST/@connections/*",
        "execute-api:ManageConnections v1/DELETE/@connections/*",
    },
    "otp": CALLS
    | {
        "dynamodb:GetItem directory",
        "dynamodb:BatchGetItem codes",
        "dynamodb:PutItem codes",
        "dynamodb:UpdateItem codes",
        "sqs:SendMessage sms",
    },
    "otpsms": {
        "dynamodb:Query directory",
        "dynamodb:BatchGetItem inbox",
        "dynamodb:BatchGetItem codes",
        "dynamodb:UpdateItem codes",
        "dynamodb:UpdateItem limits",
        "secretsmanager:GetSecretValue Pepper",
        "sns:Publish not arn:aws:sns:*:*:*",
    }
    | works("sms"),
    "appgroups": {
        *(f"dynamodb:{action} directory" for action in ("BatchGetItem", "GetItem", "Query", "PutItem")),
        *(f"dynamodb:{action} directory" for action in ("UpdateItem", "DeleteItem", "ConditionCheckItem")),
        *(f"dynamodb:{action} deliveries" for action in ("BatchGetItem", "GetItem", "PutItem", "UpdateItem")),
        "secretsmanager:GetSecretValue Pepper",
        "s3:PutObject rows/rosters/*",
        "sqs:SendMessage groupwork",
        "sqs:SendMessage rosterwork",
    },
    "apps": CALLS
    | FANOUT
    | {
        "dynamodb:DeleteItem inbox",
        "dynamodb:GetItem deliveries",
        "dynamodb:Query deliveries",
        "dynamodb:UpdateItem directory",
        "secretsmanager:GetSecretValue WebhookSecret",
        "sqs:SendMessage webhooks",
        "sqs:SendMessage batches",
        *(f"s3:{action} uploads/batches/*" for action in ("PutObject", "GetObject", "DeleteObject")),
        "s3:ListBucket bucket",
    },
    "appbatches": CALLS - {"dynamodb:GetItem routing"}
    | {
        "dynamodb:GetItem directory",
        "dynamodb:BatchGetItem inbox",
        "dynamodb:BatchWriteItem deliveries",
        "dynamodb:GetItem deliveries",
        "dynamodb:PutItem deliveries",
        *(f"s3:{action} uploads/batches/*" for action in ("GetObject", "DeleteObject")),
        *(f"s3:{action} rows/batches/*" for action in ("PutObject", "GetObject", "DeleteObject")),
        "s3:ListBucket bucket",
        "sqs:SendMessage batches",
        "sqs:SendMessage webhooks",
    }
    | works("batches"),
    "appwebhooks": {
        "dynamodb:BatchGetItem directory",
        "dynamodb:UpdateItem directory",
        "dynamodb:BatchGetItem deliveries",
        "dynamodb:PutItem deliveries",
        "secretsmanager:GetSecretValue WebhookSecret",
        "sqs:SendMessage webhooks",
    }
    | works("webhooks"),
    "appexpiry": {
        "dynamodb:GetItem directory",
        "dynamodb:GetItem deliveries",
        "dynamodb:PutItem deliveries",
        "dynamodb:UpdateItem deliveries",
        "dynamodb:Query deliveries/index/*",
        "sqs:SendMessage webhooks",
    },
    "operator": RECORDS
    | INVITES
    | {
        "dynamodb:GetItem directory",
        "dynamodb:Query directory",
        "dynamodb:PutItem directory",
        "dynamodb:UpdateItem directory",
        "dynamodb:DeleteItem directory",
        "cognito-idp:AdminDisableUser administrators",
        "cognito-idp:AdminUserGlobalSignOut administrators",
    },
    "rekey": RECORDS
    | {
        "dynamodb:Scan directory",
        "dynamodb:GetItem directory",
        "dynamodb:BatchGetItem directory",
        "dynamodb:PutItem directory",
        "dynamodb:UpdateItem directory",
        "dynamodb:DeleteItem directory",
        "dynamodb:ConditionCheckItem directory",
        "secretsmanager:GetSecretValue Pepper",
    },
    "administratortokens": set(),
    "admin": RECORDS
    | INVITES
    | {
        "cognito-idp:AdminDeleteSoftwareToken administrators",
        "cognito-idp:AdminUserGlobalSignOut administrators",
        "dynamodb:Query directory",
        "dynamodb:GetItem directory",
        "dynamodb:BatchGetItem directory",
        "dynamodb:PutItem directory",
        "dynamodb:UpdateItem directory",
        "dynamodb:UpdateItem limits",
        "dynamodb:DeleteItem directory",
        "dynamodb:ConditionCheckItem directory",
        "dynamodb:Query statistics",
        "dynamodb:GetItem statistics",
        "dynamodb:Query audit/index/*",
        "dynamodb:Query directory/index/*",
        "secretsmanager:GetSecretValue Pepper",
        "s3:GetObject heads/*",
        "s3:ListBucket bucket",
    },
    "adminpeople": RECORDS
    | {
        "dynamodb:BatchGetItem directory",
        "dynamodb:Query directory/index/*",
        "dynamodb:GetItem directory",
        "dynamodb:Query directory",
        "dynamodb:PutItem directory",
        "dynamodb:UpdateItem directory",
        "dynamodb:DeleteItem directory",
        "dynamodb:ConditionCheckItem directory",
        "dynamodb:GetItem routing",
        "dynamodb:UpdateItem routing",
        "dynamodb:UpdateItem limits",
        "sqs:SendMessage groupwork",
        "secretsmanager:GetSecretValue Pepper",
        "secretsmanager:GetSecretValue AttestationSecret",
        "execute-api:ManageConnections v1/POST/@connections/*",
        "execute-api:ManageConnections v1/DELETE/@connections/*",
        *(f"s3:{action} uploads/imports/*" for action in ("PutObject", "GetObject", "DeleteObject")),
        "s3:GetObject findings/*",
        "s3:ListBucket bucket",
        "sqs:SendMessage imports",
    },
    "adminimports": RECORDS
    | {
        *(f"dynamodb:{action} directory" for action in ("BatchGetItem", "GetItem", "Query", "PutItem")),
        *(f"dynamodb:{action} directory" for action in ("UpdateItem", "DeleteItem", "ConditionCheckItem")),
        "dynamodb:UpdateItem routing",
        *(f"s3:{action} uploads/imports/*" for action in ("GetObject", "DeleteObject")),
        *(f"s3:{action} rows/imports/*" for action in ("PutObject", "GetObject", "DeleteObject")),
        *(f"s3:{action} findings/*" for action in ("PutObject", "GetObject", "DeleteObject")),
        "s3:ListBucket bucket",
        "sqs:SendMessage imports",
        "secretsmanager:GetSecretValue Pepper",
        "secretsmanager:GetSecretValue AttestationSecret",
    }
    | works("imports"),
    "adminapps": RECORDS
    | {
        "dynamodb:BatchGetItem directory",
        "dynamodb:Query directory/index/*",
        "dynamodb:GetItem directory",
        "dynamodb:Query directory",
        "dynamodb:PutItem directory",
        "dynamodb:UpdateItem directory",
        "dynamodb:DeleteItem directory",
        "dynamodb:ConditionCheckItem directory",
        "sqs:SendMessage groupwork",
        "secretsmanager:GetSecretValue Pepper",
        "secretsmanager:GetSecretValue WebhookSecret",
    },
    "auditheads": {
        "dynamodb:Query audit",
        "secretsmanager:GetSecretValue AuditSecret",
        "s3:PutObject heads/*",
        "s3:GetObject heads/*",
        "s3:ListBucket bucket",
    },
    "statistics": {
        "dynamodb:GetItem directory",
        "dynamodb:PutItem statistics",
        "dynamodb:UpdateItem statistics",
        "sqs:SendMessage changes.dead",
        *(
            f"dynamodb:{action} {table}/stream"
            for action in ("DescribeStream", "GetRecords", "GetShardIterator")
            for table in ("directory", "codes", "deliveries", "statistics")
        ),
        *(f"dynamodb:ListStreams {table}/stream/*" for table in ("directory", "codes", "deliveries", "statistics")),
    },
    "queuedepths": {
        "dynamodb:PutItem statistics",
        *(
            f"sqs:GetQueueAttributes {queue}{kind}"
            for queue in ("webhooks", "fanout", "groupwork", "rosterwork", "sms", "batches", "imports")
            for kind in ("", ".dead")
        ),
    },
    "accessresets": RECORDS
    | {
        "dynamodb:GetItem directory",
        "dynamodb:Query directory",
        "dynamodb:PutItem directory",
        "dynamodb:UpdateItem directory",
        "dynamodb:DeleteItem directory",
        "dynamodb:Query directory/index/*",
        *(f"cognito-idp:{action} administrators" for action in ("AdminUserGlobalSignOut", "AdminSetUserPassword")),
        *(f"cognito-idp:{action} administrators" for action in ("AdminDeleteSoftwareToken", "AdminGetUser")),
        "cognito-idp:AdminCreateUser administrators",
    },
    "verificationsweep": {
        "dynamodb:GetItem directory",
        "dynamodb:PutItem directory",
        "dynamodb:UpdateItem directory",
        "dynamodb:DeleteItem directory",
        "dynamodb:Query directory/index/*",
        "dynamodb:UpdateItem routing",
        "sqs:SendMessage groupwork",
    },
}


def statements(stage: Synthesised, function: str) -> list[dict[str, Any]]:
    """Every statement of every policy of the function's role."""
    role = stage.functions[function]["Role"]["Fn::GetAtt"][0]
    return [
        statement
        for policy in stage.of_type("AWS::IAM::Policy").values()
        if {"Ref": role} in policy["Properties"]["Roles"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def readable(stage: Synthesised, resource: Any) -> str:
    """Tables as the schema names them, objects by prefix, queues and secrets by construct, sockets by path."""
    if isinstance(resource, str):
        return resource
    if "Fn::GetAtt" in resource:
        id = resource["Fn::GetAtt"][0]
        if id in stage.of_type("AWS::SQS::Queue"):
            return stage.queue_name(id)
        if id in stage.of_type("AWS::S3::Bucket"):
            return "bucket"
        if id in stage.of_type("AWS::Cognito::UserPool"):
            return "administrators"
        table = next(name for name, table in stage.tables.items() if table is stage.template["Resources"][id])
        return table + ("/stream" if resource["Fn::GetAtt"][1] == "StreamArn" else "")
    if "Ref" in resource:
        return str(resource["Ref"])[:-8]
    *_, api, path = resource["Fn::Join"][1]
    if "Fn::GetAtt" in api:  # something below a table or bucket
        whole = readable(stage, api)
        return f"{whole}{path}" if whole != "bucket" else str(path[1:])
    assert stage.template["Resources"][api["Ref"]]["Properties"]["ProtocolType"] == "WEBSOCKET"
    assert path[0] == "/"
    return str(path[1:])


def granted(stage: Synthesised, function: str) -> set[str]:
    allowed = [statement for statement in statements(stage, function) if statement["Effect"] == "Allow"]
    return {
        f"{action} {readable(stage, resource)}"
        for statement in allowed
        for action in many(statement["Action"])
        for resource in many(statement.get("Resource", []))
    } | {
        f"{action} not {resource}"
        for statement in allowed
        for action in many(statement["Action"])
        for resource in many(statement.get("NotResource", []))
    }


@pytest.mark.parametrize("function", ALLOWED)
def test_a_function_may_do_exactly_what_its_table_says(dev: Synthesised, function: str) -> None:
    assert granted(dev, function) == ALLOWED[function]


SEALS = {"send", "deliver", "otp", "apps", "appbatches", "groupfanout", "groupupkeep", "grouprosters"}
"""The functions that make envelopes, which devices accept from nobody else."""


def test_exactly_the_functions_that_make_envelopes_read_the_keys_that_devices_know_the_service_by(
    dev: Synthesised,
) -> None:
    everything = {function: granted(dev, function) for function in dev.functions}
    reads = {function for function, may in everything.items() if "secretsmanager:GetSecretValue SealSecret" in may}
    puts = {function for function, may in everything.items() if "dynamodb:PutItem inbox" in may}
    assert reads == puts == SEALS
    told = {name for name, one in dev.functions.items() if "SEAL_SECRET" in one["Environment"]["Variables"]}
    assert told == SEALS
    for function, may in everything.items():
        assert not any("SealSecret" in one and "GetSecretValue" not in one for one in may), function


WRITES = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
MANAGES = {"admin", "operator"}
ATTESTS = {"adminpeople", "adminimports"}
SERVES_APPS = {"admin", "adminapps", "apps", "appwebhooks", "appgroups", "groupupkeep", "grouprosters", "rekey"}
GUARDED = {
    **{f"dynamodb:{action} {rows}": MANAGES for action in WRITES for rows in ("AD#*", "O")},
    **{f"dynamodb:{action} AR#*": {"admin", "accessresets"} for action in WRITES},
    **{f"dynamodb:{action} K#*": ATTESTS for action in WRITES},
    **{f"dynamodb:{action} APP#*": SERVES_APPS for action in WRITES if action != "DeleteItem"},
}
"""Writes to partitions of the directory, and the only functions that are not denied them: administrators with their
roles, resets of their access, the list of organisations, the key that attestations are checked with, apps with their
keys.
"""


def denied(stage: Synthesised, function: str) -> set[str]:
    """Writes to partitions of the directory, by pattern; of those that depend on the attributes, with these."""
    found = set()
    for statement in statements(stage, function):
        if statement["Effect"] == "Deny":
            assert [readable(stage, resource) for resource in many(statement["Resource"])] == ["directory"]
            conditions = dict(statement["Condition"])
            keys = conditions.pop("ForAnyValue:StringLike")
            but = conditions.pop("ForAnyValue:StringNotEquals", {}).get("dynamodb:Attributes", [])
            assert (list(keys), conditions) == (["dynamodb:LeadingKeys"], {})
            of = f" but {'/'.join(but)}" if but else ""
            patterns = many(keys["dynamodb:LeadingKeys"])
            found |= {f"{action} {keys}{of}" for action in many(statement["Action"]) for keys in patterns}
    return found


@pytest.mark.parametrize("function", ALLOWED)
def test_rows_that_give_rights_are_written_only_by_the_functions_that_have_to(dev: Synthesised, function: str) -> None:
    writes = any(f"dynamodb:{action} directory" in ALLOWED[function] for action in WRITES)
    expected = {write for write, may in GUARDED.items() if writes and function not in may}
    if function == "accessresets":  # which says from when sessions count: schema.AdministratorRow.SESSIONS_FROM
        expected ^= {"dynamodb:UpdateItem AD#*", "dynamodb:UpdateItem AD#* but p/s/e"}
    assert denied(dev, function) == expected


AUDIT = {"dynamodb:PutItem audit", "dynamodb:Query audit", "dynamodb:Query audit/index/*"}


@pytest.mark.parametrize("function", ALLOWED)
def test_no_function_may_change_or_delete_an_entry_of_an_audit_chain(dev: Synthesised, function: str) -> None:
    """An entry is put on the condition that there is none. IAM cannot demand that, but what is put over shows."""
    assert {action for action in granted(dev, function) if " audit" in action} <= AUDIT


def test_no_function_is_left_out_of_the_table(dev: Synthesised) -> None:
    assert set(dev.functions) == set(ALLOWED)


@pytest.mark.parametrize("function", ALLOWED)
def test_nothing_is_allowed_by_wildcard_but_sms_to_numbers_and_to_no_topic(dev: Synthesised, function: str) -> None:
    for statement in statements(dev, function):
        assert "NotAction" not in statement
        assert not [action for action in many(statement["Action"]) if "*" in action]
        assert "*" not in many(statement.get("Resource", []))
        if "NotResource" in statement:
            assert many(statement["Action"]) == ["sns:Publish"]


@pytest.mark.parametrize("function", ALLOWED)
def test_the_only_managed_policy_is_for_writing_logs(dev: Synthesised, function: str) -> None:
    role = dev.template["Resources"][dev.functions[function]["Role"]["Fn::GetAtt"][0]]["Properties"]
    (managed,) = role["ManagedPolicyArns"]
    assert managed["Fn::Join"][1][-1] == ":iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    assert "Policies" not in role


def test_sockets_are_written_to_under_the_address_functions_are_given(dev: Synthesised) -> None:
    """The stage of the permission, of the API and of the callback address is the same one."""
    (stage,) = [
        resource["Properties"]["StageName"]
        for resource in dev.of_type("AWS::ApiGatewayV2::Stage").values()
        if resource["Properties"]["StageName"] != "$default"
    ]
    address = dev.functions["send"]["Environment"]["Variables"]["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"]
    assert address["Fn::Join"][1][-1].endswith(f"/{stage}")
    assert f"execute-api:ManageConnections {stage}/POST/@connections/*" in granted(dev, "send")
