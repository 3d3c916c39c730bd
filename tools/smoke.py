"""Implements `make smoke STAGE=…`: checks a deployed stage before anybody relies on it
(docs/first-day-on-aws.md).

Each probe settles one question that AWS's documentation leaves open, or that a mistake in the account can answer
wrongly. Some probes need more than an endpoints file: a telephone that gets the code of a registration (PHONE=…), or
the session file of an administrator (SESSION=…). Without it, they are reported as skipped.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import websockets
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError

from infra.stages import StageError, load
from sandes.model.ids import parse_account
from sandes.store.schema import TABLES, DirectoryRow, RoutingRow
from sandes_client import ApiError, Store, Unreachable
from sandes_client.admin import AdminSession, Cognito, SignInRefused
from sandes_client.admin.sign_in import refreshed
from sandes_client.endpoints import Endpoints, EndpointsInvalid
from sandes_client.enrolment import Enrolment
from sandes_client.statements import ACT_HEADER, Signer, open_socket
from sandes_client.tokens import sign_token
from tools.deploy import STAGES, DeployError, check_target

ANSWER_SECONDS = 20.0
POSTED_BYTES = (1_000, 33 * 1024, 100 * 1024, 128 * 1024)
FRESH_SECONDS = 60
SLACK_SECONDS = 10
"""Tolerance for `auth_time`. A refreshed token may give the second of its refresh token, just after the sign-in."""

POLICY_SECONDS = 90.0
"""Longest wait for IAM, which needs seconds until a new role can be assumed and its policy counts everywhere."""

GUARDED_KEYS: Mapping[str, Any] = {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": ["AD#*"]}}
"""The condition of a Deny for functions that must not write rows of administrators (infra/grants.py)."""

SELF_SERVICE_SCOPE = "aws.cognito.signin.user.admin"

Clients = Callable[..., Any]


class No(Exception):
    """Reports that the stage does not behave as the service needs. The text says what it does instead."""


class Skipped(Exception):
    """Reports that the probe needs something that was not given. The text says what."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Holds a deployed stage.

    `clients` makes boto3 clients for it. `code` asks for the code of the SMS to the phone.
    """

    endpoints: Endpoints
    outputs: Mapping[str, str]
    clients: Clients
    phone: str | None = None
    code: Callable[[], Awaitable[str]] | None = None
    session: AdminSession | None = None
    now: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    outcome: str
    says: str = ""


async def http_needs_a_token(stage: Stage) -> None:
    """Call a route of devices without a token."""
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
        answer = await client.get(f"{stage.endpoints.http_url}/v1/me")
    if answer.status_code != 401 or answer.headers.get("Content-Type") != "application/problem+json":
        raise No(f"GET /v1/me without a token is answered with {answer.status_code} instead of a problem with 401")


async def socket_needs_a_token(stage: Stage) -> None:
    """Open a socket without a token, and with one that nobody signed."""
    for headers in ({}, {"Authorization": "Bearer a.b.c"}):
        try:
            async with websockets.connect(stage.endpoints.websocket_url, additional_headers=headers):
                raise No(f"a socket opens with {headers or 'no token'}")
        except websockets.InvalidStatus as refused:
            if refused.response.status_code not in {401, 403}:
                raise No(f"a handshake with {headers or 'no token'} gets {refused.response.status_code}") from None


async def data_is_kept_and_forgotten_as_promised(stage: Stage) -> None:
    """Read the expiry and recovery of the tables."""
    client = stage.clients("dynamodb")
    for table in TABLES:
        name = stage.outputs[f"{table.name.capitalize()}Table"]
        ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        expires = ttl.get("AttributeName") if ttl["TimeToLiveStatus"] in {"ENABLED", "ENABLING"} else None
        if expires != table.ttl:
            raise No(f"rows of {name} expire by {expires} instead of {table.ttl}")
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
        if recovery != table.backup:
            raise No(f"point-in-time recovery of {name} is {'on' if recovery else 'off'}")


async def connect_is_answered_and_hello_welcomed(stage: Stage) -> None:
    """Register, open a socket through the mock integration of `$connect`, and get an answer to a frame."""
    async with _online(stage):
        pass


async def large_posts_arrive_whole(stage: Stage) -> None:
    """Post frames of 1 to 128 KiB to a socket, as functions do."""
    async with _online(stage) as (socket, connection):
        gateway = stage.clients("apigatewaymanagementapi", endpoint_url=_callback(stage.endpoints.websocket_url))
        for size in POSTED_BYTES:
            frame = json.dumps({"type": "smoke", "text": ""})
            frame = json.dumps({"type": "smoke", "text": "x" * (size - len(frame))})
            try:
                gateway.post_to_connection(ConnectionId=connection, Data=frame.encode())
            except ClientError as error:
                raise No(f"a post of {size} bytes is refused: {error}") from None
            async with asyncio.timeout(ANSWER_SECONDS):
                while (arrived := str(await socket.recv())) != frame:
                    if json.loads(arrived)["type"] == "smoke":
                        raise No(f"a post of {size} bytes arrives as {len(arrived)}")


async def a_refreshed_token_keeps_the_time_of_the_sign_in(stage: Stage) -> None:
    """Refresh an administrator's token, and compare its `auth_time`."""
    if stage.session is None:
        raise Skipped("SESSION=… : the session file of `sandes-admin login`")
    before = _claims(stage.session.tokens.access)
    cognito = Cognito(stage.session.cognito_url, stage.session.admin_client)
    try:
        after = _claims(refreshed(cognito, stage.session.tokens).access)
    except SignInRefused as refused:
        raise Skipped(f"the session has ended ({refused}): sign in again") from None
    if stage.now() - before["auth_time"] < FRESH_SECONDS:
        raise Skipped(f"the sign-in is younger than {FRESH_SECONDS} s: repeat it later")
    if abs(after["auth_time"] - before["auth_time"]) > SLACK_SECONDS:
        raise No(f"auth_time was {before.get('auth_time')} and is {after.get('auth_time')} after a refresh")


async def an_access_token_cannot_change_its_own_user(stage: Stage) -> None:
    """Look for the scope that lets a token replace its holder's authenticator."""
    if stage.session is None:
        raise Skipped("SESSION=… : the session file of `sandes-admin login`")
    if SELF_SERVICE_SCOPE in str(_claims(stage.session.tokens.access).get("scope", "")).split():
        raise No(f"the access token has the scope {SELF_SERVICE_SCOPE}: scopesToSuppress had no effect")


async def a_deny_by_key_holds_inside_transactions(stage: Stage) -> None:
    """Write as a role that may write everything except rows of administrators.

    The role is removed again, and nothing is written, because a condition of each transaction never holds.
    """
    iam, name = stage.clients("iam"), f"sandes-smoke-{secrets.token_hex(4)}"
    table = stage.clients("dynamodb").describe_table(TableName=stage.outputs["DirectoryTable"])["Table"]["TableArn"]
    account = stage.clients("sts").get_caller_identity()["Account"]
    trust = _policy(_statement("Allow", "sts:AssumeRole", Principal={"AWS": f"arn:aws:iam::{account}:root"}))
    try:
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    except ClientError as error:
        if error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}:
            raise Skipped("credentials that may create and assume a role") from None
        raise
    try:
        granted = _statement("Allow", "dynamodb:*", Resource=table)
        denied = _statement("Deny", "dynamodb:PutItem", Resource=table, Condition=GUARDED_KEYS)
        iam.put_role_policy(RoleName=name, PolicyName="probe", PolicyDocument=_policy(granted, denied))
        client = await _as_role(stage, role, table)
        if (answer := _transaction(client, table, "Put", "AD#smoke")) != "AccessDeniedException":
            raise No(f"a transaction that puts a row of administrators is not denied: {answer}")
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="probe")
        iam.delete_role(RoleName=name)


async def _as_role(stage: Stage, role: str, table: str) -> Any:
    """Return a client of DynamoDB for the role, once its permissions count. Raise TimeoutError."""
    async with asyncio.timeout(POLICY_SECONDS):
        while True:
            try:
                given = stage.clients("sts").assume_role(RoleArn=role, RoleSessionName="smoke")["Credentials"]
            except ClientError as error:
                if error.response["Error"]["Code"] != "AccessDenied":
                    raise
            else:
                client = stage.clients(
                    "dynamodb",
                    aws_access_key_id=given["AccessKeyId"],
                    aws_secret_access_key=given["SecretAccessKey"],
                    aws_session_token=given["SessionToken"],
                )
                if _transaction(client, table, "Delete", "smoke") == "TransactionCanceledException":
                    return client
            await asyncio.sleep(3)


def _transaction(client: Any, table: str, kind: str, key: str) -> str:
    """Return the code with which a transaction with a false condition is refused."""
    row = {DirectoryRow.PARTITION: {"S": key}, DirectoryRow.SORT: {"S": "smoke"}}
    what = {
        "Item" if kind == "Put" else "Key": row,
        "ConditionExpression": f"attribute_exists({DirectoryRow.PARTITION})",
    }
    try:
        client.transact_write_items(TransactItems=[{kind: {"TableName": table, **what}}])
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "nothing"


def _statement(effect: str, action: str, **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, **more}


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


async def a_federated_administrator_is_one_user_with_a_verified_address(stage: Stage) -> None:
    """Look up the administrator of the session, who has also signed in by the provider."""
    if stage.session is None:
        raise Skipped("SESSION=… : the session file of `sandes-admin login`")
    cognito, pool = stage.clients("cognito-idp"), stage.outputs["AdministratorPool"]
    if not cognito.list_identity_providers(UserPoolId=pool)["Providers"]:
        raise Skipped("a stage with a provider (docs/runbook.md, Federation)")
    email = stage.session.email.replace('"', "")
    users = cognito.list_users(UserPoolId=pool, Filter=f'email = "{email}"')["Users"]
    said = [{one["Name"]: one["Value"] for one in user["Attributes"]} for user in users]
    if not any(json.loads(user.get("identities", "[]")) for user in said):
        raise Skipped("an administrator who has also signed in by the provider, with the address of SESSION")
    if len(users) != 1:
        raise No(f"the address of the session has {len(users)} users: the provider's was not linked")
    if said[0].get("email_verified") != "true":
        raise No(f"email_verified is {said[0].get('email_verified')} after a sign-in by the provider")


PROBES = (
    http_needs_a_token,
    socket_needs_a_token,
    data_is_kept_and_forgotten_as_promised,
    connect_is_answered_and_hello_welcomed,
    large_posts_arrive_whole,
    a_refreshed_token_keeps_the_time_of_the_sign_in,
    an_access_token_cannot_change_its_own_user,
    a_deny_by_key_holds_inside_transactions,
    a_federated_administrator_is_one_user_with_a_verified_address,
)


async def run(stage: Stage, tell: Callable[[Result], None] = lambda _: None) -> list[Result]:
    """Run every probe, whatever the results of those before it."""
    results = []
    for probe in PROBES:
        name = probe.__name__.replace("_", " ")
        try:
            await probe(stage)
            result = Result(name, "yes")
        except Skipped as skipped:
            result = Result(name, "skipped", str(skipped))
        except TimeoutError:
            result = Result(name, "no", f"no answer after {ANSWER_SECONDS:.0f} s")
        except (No, ApiError, Unreachable, OSError, ClientError, BotoCoreError, websockets.WebSocketException) as no:
            result = Result(name, "no", f"{no}")
        except httpx.HTTPError as no:
            result = Result(name, "no", f"{type(no).__name__}: {no}")
        tell(result)
        results.append(result)
    return results


_devices: dict[str, Signer] = {}


@asynccontextmanager
async def _online(stage: Stage) -> AsyncIterator[tuple[websockets.ClientConnection, str]]:
    """Yield the socket of a device that has said `hello`, and the id of its connection."""
    device, now_ms = await _device(stage), time.time_ns() // 1_000_000
    token = sign_token(device.identity, device.address, audience=stage.endpoints.audience, now_seconds=now_ms // 1000)
    headers = {"Authorization": f"Bearer {token}", ACT_HEADER: device.header(open_socket(token), at_ms=now_ms)}
    try:
        opened = await websockets.connect(stage.endpoints.websocket_url, additional_headers=headers)
    except websockets.InvalidStatus as refused:
        raise No(f"the handshake with a valid token is answered with {refused.response.status_code}") from None
    async with opened as socket:
        await socket.send(json.dumps({"type": "hello", "ref": "smoke", "protocol": 1}))
        async with asyncio.timeout(ANSWER_SECONDS):
            while (said := json.loads(await socket.recv())).get("ref") != "smoke":
                pass
        if said["type"] != "welcome":
            raise No(f"`hello` is answered with {said}")
        row = stage.clients("dynamodb").get_item(
            TableName=stage.outputs["RoutingTable"],
            Key={RoutingRow.ACCOUNT: {"B": bytes(parse_account(device.address.account))}},
            ConsistentRead=True,
        )["Item"]
        devices = TypeDeserializer().deserialize(row[RoutingRow.DEVICES])
        yield socket, str(next(iter(devices.values()))[RoutingRow.CONNECTION])


async def _device(stage: Stage) -> Signer:
    """Register the phone once for all probes. Its account stays, as does that of any unused device."""
    if stage.phone is None or stage.code is None:
        raise Skipped("PHONE=+… : a telephone that gets the SMS with the code; its number is registered anew")
    if stage.phone not in _devices:
        with tempfile.TemporaryDirectory() as folder, closing(Store.open(Path(folder) / "smoke.sqlite3")) as store:
            async with Enrolment(store, stage.endpoints, name="smoke") as enrolment:
                started = await enrolment.start(stage.phone)
                await enrolment.verify(started.id, await stage.code())
            account = store.profile.account()
            if account is None:
                raise No("the registration left no account in the profile")
            _devices[stage.phone] = Signer(account.identity, account.address, account.registration_id)
    return _devices[stage.phone]


def _callback(websocket_url: str) -> str:
    return "http" + websocket_url.removeprefix("ws")


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a token without verifying it, because Cognito has just issued it."""
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make smoke", description=__doc__)
    parser.add_argument("stage", help="a stage that was deployed from here (make deploy)")
    parser.add_argument("--phone", help="register this number; you are asked for the code (make smoke PHONE=+…)")
    parser.add_argument("--session", type=Path, help="session file of an administrator (make smoke SESSION=…)")
    options = parser.parse_args()
    try:
        settings, session = load(options.stage), boto3.Session()
        target = check_target(options.stage, settings, session)
        endpoints = Endpoints.read(STAGES / options.stage / "endpoints.json")

        def clients(service: str, **named: Any) -> Any:
            return session.client(service, region_name=target.region, **named)  # type: ignore[call-overload]  # a variable

        (stack,) = clients("cloudformation").describe_stacks(StackName=target.stack)["Stacks"]
    except (StageError, DeployError, EndpointsInvalid, ClientError, BotoCoreError) as failed:
        print(f"smoke of {options.stage}: {failed}", file=sys.stderr)
        return 1
    stage = Stage(
        endpoints=endpoints,
        outputs={one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]},
        clients=clients,
        phone=options.phone,
        code=_ask,
        session=AdminSession.read(options.session) if options.session else None,
    )
    results = asyncio.run(run(stage, _print))
    return 1 if any(result.outcome == "no" for result in results) else 0


async def _ask() -> str:
    return await asyncio.to_thread(input, "code of the SMS: ")


def _print(result: Result) -> None:
    print(f"{result.outcome:>8}  {result.name}{': ' if result.says else ''}{result.says}")
    if result.outcome == "no":
        print("          what to do: docs/first-day-on-aws.md")


if __name__ == "__main__":
    sys.exit(main())
