"""Tests the permissions of each function: the template grants exactly those in docs/permissions.md."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.functions import FUNCTIONS
from infra.permissions import permissions
from infra.stages import StageSettings
from tests.infra.conftest import Synthesised, synthesise

SPECS = {spec.logs_as: spec for spec in FUNCTIONS}


def statements(stage: Synthesised, function: str) -> list[dict[str, Any]]:
    """Return every statement of every policy of the function's role."""
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
    """Name a resource of a statement as infra/permissions.py does."""
    if isinstance(resource, str):
        return resource
    if "Fn::GetAtt" in resource:
        id, attribute = resource["Fn::GetAtt"]
        return {"StreamArn": "stream of "}.get(attribute, "") + _named(stage, id)
    if "Ref" in resource:
        return f"secret {resource['Ref'][:-8]}"
    *_, whole, path = resource["Fn::Join"][1]
    if "Fn::GetAtt" not in whole:
        if whole != {"Ref": "AWS::AccountId"}:
            assert stage.template["Resources"][whole["Ref"]]["Properties"]["ProtocolType"] == "WEBSOCKET"
            method = re.fullmatch(r"/v1/([A-Z]+)/@connections/\*", path)
            assert method, path
            return f"sockets {method[1]}"
        assert path.startswith(":identity/"), path
        return "mail domain"
    outer = _named(stage, whole["Fn::GetAtt"][0])
    if outer.startswith("bucket "):
        return f"objects {path[1:]}"
    return {"/index/*": "indexes of ", "/stream/*": "streams of "}[path] + outer


def _named(stage: Synthesised, id: str) -> str:
    """Name the table, queue, bucket or pool of a logical id."""
    match stage.template["Resources"][id]["Type"]:
        case "AWS::SQS::Queue":
            name, kind = re.fullmatch(r"(\w+?)(Queue|Dead)[0-9A-F]{8}", id).groups()  # type: ignore[union-attr]
            return ("dead-letter queue " if kind == "Dead" else "queue ") + name
        case "AWS::S3::Bucket":
            return "bucket heads" if id.startswith("Heads") else "bucket uploads"
        case "AWS::Cognito::UserPool":
            return "pool administrators"
    return "table " + next(name for name, table in stage.tables.items() if table is stage.template["Resources"][id])


def granted(stage: Synthesised, function: str) -> set[str]:
    allowed = [statement for statement in statements(stage, function) if statement["Effect"] == "Allow"]
    return {
        f"{action} {readable(stage, resource)}"
        for statement in allowed
        for action in many(statement["Action"])
        for resource in many(statement.get("Resource", []))
    } | {
        f"{action} {_not(resource)}"
        for statement in allowed
        for action in many(statement["Action"])
        for resource in many(statement.get("NotResource", []))
    }


def _not(resource: str) -> str:
    assert resource == "arn:aws:sns:*:*:*", "phone numbers are all that is no topic"
    return "phone numbers"


@pytest.mark.parametrize("function", SPECS)
def test_a_function_may_do_exactly_what_its_declaration_says(dev: Synthesised, function: str) -> None:
    allowed = {str(one) for one in permissions(SPECS[function]) if not one.only_with}
    assert granted(dev, function) == allowed


def test_a_grant_that_needs_a_setting_is_there_with_the_setting_only(
    dev: Synthesised, tmp_path_factory: pytest.TempPathFactory
) -> None:
    conditional = {
        (name, str(one), one.only_with) for name, spec in SPECS.items() for one in permissions(spec) if one.only_with
    }
    assert {setting for _, _, setting in conditional} == {"federation", "mail_from"}
    mailing = synthesise(tmp_path_factory.mktemp("mail"), StageSettings(mail_from="sandes@example.org"), stage="dev")
    for function, permission, setting in conditional:
        assert permission not in granted(dev, function)
        assert (permission in granted(mailing, function)) == (setting == "mail_from")


SEALS = {"send", "deliver", "otp", "apps", "appbatches", "groupfanout", "groupupkeep", "grouprosters"}
"""The functions that make envelopes. Devices accept envelopes from no other function."""


def test_exactly_the_functions_that_make_envelopes_read_the_keys_that_devices_know_the_service_by(
    dev: Synthesised,
) -> None:
    everything = {function: granted(dev, function) for function in dev.functions}
    reads = {
        function for function, may in everything.items() if "secretsmanager:GetSecretValue secret SealSecret" in may
    }
    puts = {function for function, may in everything.items() if "dynamodb:PutItem table inbox" in may}
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
"""The writes to partitions of the directory that are denied, each with the only functions that may make them:
administrators with their roles, resets of their access, the list of organisations, the key for checking attestations,
apps with their keys.
"""


def denied(stage: Synthesised, function: str) -> set[str]:
    """Return the denied writes to partitions of the directory, by pattern; with the attributes, if the denial depends
    on them.
    """
    found = set()
    for statement in statements(stage, function):
        if statement["Effect"] == "Deny":
            assert [readable(stage, resource) for resource in many(statement["Resource"])] == ["table directory"]
            conditions = dict(statement["Condition"])
            keys = conditions.pop("ForAnyValue:StringLike")
            but = conditions.pop("ForAnyValue:StringNotEquals", {}).get("dynamodb:Attributes", [])
            assert (list(keys), conditions) == (["dynamodb:LeadingKeys"], {})
            of = f" but {'/'.join(but)}" if but else ""
            patterns = many(keys["dynamodb:LeadingKeys"])
            found |= {f"{action} {keys}{of}" for action in many(statement["Action"]) for keys in patterns}
    return found


@pytest.mark.parametrize("function", SPECS)
def test_rows_that_give_rights_are_written_only_by_the_functions_that_have_to(dev: Synthesised, function: str) -> None:
    writes = any(f"dynamodb:{action} table directory" in granted(dev, function) for action in WRITES)
    expected = {write for write, may in GUARDED.items() if writes and function not in may}
    if function == "accessresets":  # which says from when sessions count: schema.AdministratorRow.SESSIONS_FROM
        expected ^= {"dynamodb:UpdateItem AD#*", "dynamodb:UpdateItem AD#* but p/s/e"}
    assert denied(dev, function) == expected


AUDIT = {"dynamodb:PutItem table audit", "dynamodb:Query table audit", "dynamodb:Query indexes of table audit"}


@pytest.mark.parametrize("function", SPECS)
def test_no_function_may_change_or_delete_an_entry_of_an_audit_chain(dev: Synthesised, function: str) -> None:
    """An entry is put on condition that it does not exist. IAM cannot require that, but an overwritten entry is
    detected.
    """
    assert {action for action in granted(dev, function) if "table audit" in action} <= AUDIT


READERS = {
    "Pepper": {"client", "otp", "otpsms", "apps", "appbatches", "appgroups", "grouprosters", "rekey"}
    | {"admin", "adminpeople", "adminapps", "adminimports"},
    "WebhookSecret": {"apps", "appwebhooks", "adminapps"},
    "AttestationSecret": ATTESTS,
    "AuditSecret": {"operator", "rekey", "accessresets", "auditheads", "admin", "adminpeople", "adminapps"}
    | {"adminimports"},
}
"""The only functions that may read a secret."""


@pytest.mark.parametrize("secret", READERS)
def test_a_secret_is_read_only_by_the_functions_that_need_it(dev: Synthesised, secret: str) -> None:
    reads = {name for name in SPECS if f"secretsmanager:GetSecretValue secret {secret}" in granted(dev, name)}
    assert reads == READERS[secret]


def test_only_two_functions_send_sms_and_neither_to_a_topic(dev: Synthesised) -> None:
    assert {name for name in SPECS if "sns:Publish phone numbers" in granted(dev, name)} == {"client", "otpsms"}


def test_every_function_of_the_template_is_declared(dev: Synthesised) -> None:
    assert set(dev.functions) == set(SPECS)


@pytest.mark.parametrize("function", SPECS)
def test_nothing_is_allowed_by_wildcard_but_sms_to_numbers_and_to_no_topic(dev: Synthesised, function: str) -> None:
    for statement in statements(dev, function):
        assert "NotAction" not in statement
        assert not [action for action in many(statement["Action"]) if "*" in action]
        assert "*" not in many(statement.get("Resource", []))
        if "NotResource" in statement:
            assert many(statement["Action"]) == ["sns:Publish"]


@pytest.mark.parametrize("function", SPECS)
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
    assert stage == "v1"
    assert "execute-api:ManageConnections sockets POST" in granted(dev, "send")
