"""Tests who may open a socket, and the effects of its end."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from sandes.crypto.statements import open_socket
from sandes.edge.authorizer import AuthorizerDependencies, authorize, bearer, disconnected
from sandes.edge.settings import ClientSettings, ConnectSettings, Settings
from sandes.identity.devices import authenticate
from sandes.identity.signed_acts import ACT_HEADER
from sandes.messaging import deliver
from sandes.model.device import FORMER_DEVICE_SECONDS
from sandes.model.ids import ConnectionId, RegistrationId, account_text, base64url_text
from sandes.model.instant import Instant
from sandes.model.principal import Principal
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Hello
from sandes.store.directory import DirectoryStore, putting_former
from sandes.store.routing import RoutingStore
from sandes.store.transaction import transact
from tests.support.dynamodb import FlakyClient
from tests.support.keys import DeviceKeys
from tests.support.log import caught_log
from tests.support.service import NOW, NOW_MS, Person, Service

AUDIENCE = "sandes:test"
ARN = "arn:aws:execute-api:us-east-1:123456789012:api/v1/$connect"


def deps(service: Service, directory: Any = None) -> AuthorizerDependencies:
    return AuthorizerDependencies(directory or service.directory, service.routing, AUDIENCE)


def opened(service: Service, headers: Any, **how: Any) -> dict[str, Any]:
    return authorize({"methodArn": ARN, "headers": headers}, deps(service, **how))


def effect(policy: dict[str, Any]) -> str:
    (statement,) = policy["policyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("execute-api:Invoke", ARN)
    return str(statement["Effect"])


@pytest.fixture
def asha(service: Service) -> Person:
    return service.person()


def token_of(person: Person, *, keys: DeviceKeys | None = None, seconds: int | None = None) -> str:
    """Make a token by the real clock, which the authorizer reads."""
    return (keys or person.keys[0]).token(
        str(person.address()), now_seconds=int(time.time()) if seconds is None else seconds, audience=AUDIENCE
    )


def act_of(person: Person, token: str, *, keys: DeviceKeys | None = None, ms: int | None = None) -> str:
    """Make the value of Sandes-Act that opens a socket with this token."""
    device = person.devices[0]
    signed = (keys or person.keys[0]).act(
        open_socket(token),
        person.account,
        device=device.number,
        registration=device.registration,
        at_ms=time.time_ns() // 1_000_000 if ms is None else ms,
    )
    return f"{signed.at_ms}.{base64url_text(signed.signature)}"


def headers_of(person: Person) -> dict[str, str]:
    token = token_of(person)
    return {"Authorization": f"Bearer {token}", ACT_HEADER: act_of(person, token)}


def test_a_token_alone_opens_no_socket(service: Service, asha: Person) -> None:
    """A socket lives for up to two hours. A stolen token is valid for five minutes and opens no socket."""
    token, other = token_of(asha), token_of(asha, seconds=int(time.time()) - 1)
    now_ms = time.time_ns() // 1_000_000
    acts = {
        "none": None,
        "empty": "",
        "no signature": str(now_ms),
        "another key's": act_of(asha, token, keys=DeviceKeys()),
        "for another token": act_of(asha, other),
        "too old": act_of(asha, token, ms=now_ms - 125_000),
        "too far ahead": act_of(asha, token, ms=now_ms + 125_000),
        "not a time": "1e3." + act_of(asha, token).partition(".")[2],
        "half": act_of(asha, token)[:-4],
    }
    for name, act in acts.items():
        headers = {"Authorization": f"Bearer {token}"} | ({} if act is None else {ACT_HEADER: act})
        assert effect(opened(service, headers)) == "Deny", name
    assert effect(opened(service, {"authorization": f"Bearer {token}", "sandes-act": act_of(asha, token)})) == "Allow"


def test_the_log_tells_a_header_of_another_form_from_a_wrong_signature(service: Service, asha: Person) -> None:
    token = token_of(asha)
    for act, outcome in ((act_of(asha, token)[:-4], "invalid_request"), (act_of(asha, "another"), "bad_signature")):
        with caught_log() as log:
            opened(service, {"Authorization": f"Bearer {token}", ACT_HEADER: act})
        assert json.loads(log.getvalue())["outcome"] == outcome


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_good_token_opens_a_socket_and_fixes_its_principal(
    service: Service, asha: Person, name: str, scheme: str
) -> None:
    token = token_of(asha)
    policy = opened(service, {name: f"{scheme} {token}", ACT_HEADER: act_of(asha, token)})
    assert effect(policy) == "Allow"
    principal = Principal.from_context(policy["context"])
    assert principal == asha.principal(connected_at_ms=principal.connected_at_ms, socket=1)


def test_sockets_are_ordered_by_their_handshakes_and_not_by_the_authorizers_clocks(
    service: Service, asha: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network breaks off shortly, and the second authorizer's clock is 3 s behind the first: the client is not
    refused.
    """
    principals = []
    real_ms = time.time_ns() // 1_000_000
    for now_ms in (real_ms, real_ms - 3000):
        monkeypatch.setattr("sandes.edge.authorizer.runtime.now", partial(Instant, now_ms))
        policy = opened(service, headers_of(asha))
        principals.append(Principal.from_context(policy["context"]))
    older, newer = principals
    assert older.connected_at_ms > newer.connected_at_ms
    first, second = service.socket(), service.socket()
    for principal, socket in ((older, first), (newer, second)):
        deliver.hello(
            Hello(type="hello", protocol=1), principal, socket, now=Instant(NOW_MS), deps=service.deliver_deps()
        )
    assert service.connection(asha) == second
    with pytest.raises(ProtocolError, match="superseded"):  # a late frame of the old socket
        deliver.hello(Hello(type="hello", protocol=1), older, first, now=Instant(NOW_MS), deps=service.deliver_deps())
    assert service.connection(asha) == second


def test_a_routing_table_that_cannot_be_written_opens_nothing(service: Service, asha: Person) -> None:
    flaky: Any = FlakyClient(service.client, {"update_item": 1})
    without = AuthorizerDependencies(service.directory, RoutingStore(flaky, service.tables["routing"]), AUDIENCE)
    event = {"methodArn": ARN, "headers": headers_of(asha)}
    assert effect(authorize(event, without)) == "Deny"
    assert effect(authorize(event, without)) == "Allow"


@pytest.mark.parametrize("headers", [None, {}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"x": "y"}])
def test_no_token_opens_nothing(service: Service, headers: Any) -> None:
    policy = opened(service, headers)
    assert (effect(policy), policy["context"]) == ("Deny", {})


def test_a_bad_token_an_expired_one_and_another_scheme_open_nothing(service: Service, asha: Person) -> None:
    forged = token_of(asha, keys=DeviceKeys())
    for scheme, token in (
        ("Bearer", forged),
        ("Bearer", token_of(asha, seconds=NOW - 10**8)),
        ("Basic", token_of(asha)),
    ):
        headers = {"Authorization": f"{scheme} {token}", ACT_HEADER: act_of(asha, token)}
        assert effect(opened(service, headers)) == "Deny"


def test_a_directory_that_cannot_be_read_opens_nothing(service: Service, asha: Person) -> None:
    flaky: Any = FlakyClient(service.client, {"query": 1})
    directory = DirectoryStore(flaky, service.tables["directory"])
    assert effect(opened(service, headers_of(asha), directory=directory)) == "Deny"


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "", "Token x", "x"])
def test_a_header_of_another_form_has_no_token(value: str) -> None:
    assert bearer({"Authorization": value}) == ""


# Tokens against the directory, on the test's clock


def refused(service: Service, token: str, *, now_ms: int = NOW_MS) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        authenticate(token, audience=AUDIENCE, now=Instant(now_ms), directory=service.directory)
    return caught.value


def test_a_token_speaks_for_its_device(service: Service, asha: Person) -> None:
    caller = authenticate(
        token_of(asha, seconds=NOW), audience=AUDIENCE, now=Instant(NOW_MS), directory=service.directory
    )
    assert (caller.account.id, caller.device) == (asha.account, asha.devices[0])


def test_an_expired_token_is_told_the_servers_time(service: Service, asha: Person) -> None:
    error = refused(service, token_of(asha, seconds=NOW), now_ms=NOW_MS + 300_000)
    assert (error.code, error.details) == (ErrorCode.TOKEN_EXPIRED, {"server_time": NOW_MS + 300_000})


DAY = 86_400


@pytest.mark.parametrize("days", [0, 40, 399])
def test_a_device_that_was_unlinked_or_replaced_while_it_was_off_learns_so(service: Service, days: int) -> None:
    gone, replaced = service.person(2), service.person(2)
    service.unlink(gone, gone.devices[0].number, 1)
    service.register(replaced.phone, DeviceKeys(), now_ms=NOW_MS)
    at = NOW + days * DAY
    for person, index, reason in ((gone, 0, "unlinked"), (replaced, 0, "replaced"), (replaced, 1, "replaced")):
        address = str(person.address(index))
        token = person.keys[index].token(address, now_seconds=at, audience=AUDIENCE)
        error = refused(service, token, now_ms=at * 1000)
        assert (error.code, error.details) == (ErrorCode.REVOKED, {"reason": reason})
        late = refused(service, token, now_ms=(at + 300) * 1000)  # the clock is corrected first
        assert (late.code, late.details) == (ErrorCode.TOKEN_EXPIRED, {"server_time": (at + 300) * 1000})
    still = service.account(gone.account).devices[gone.devices[1].number]
    token = gone.keys[1].token(str(gone.address(1)), now_seconds=at, audience=AUDIENCE)
    assert authenticate(token, audience=AUDIENCE, now=Instant(at * 1000), directory=service.directory).device == still


def test_a_former_device_is_forgotten_after_its_time_though_its_row_is_still_there(service: Service) -> None:
    gone = service.person(2)
    service.unlink(gone, gone.devices[0].number, 1)
    at = NOW + FORMER_DEVICE_SECONDS
    token = gone.keys[0].token(str(gone.address()), now_seconds=at, audience=AUDIENCE)
    assert refused(service, token, now_ms=at * 1000).code is ErrorCode.TOKEN_INVALID


def test_a_device_whose_number_was_given_to_another_learns_that_it_was_replaced(service: Service, asha: Person) -> None:
    """Numbers are reused after 255."""
    former = DeviceKeys()
    before = replace(asha.devices[0], registration=RegistrationId(7), identity_key=former.identity_public)
    put = putting_former(service.tables["directory"], before, "replaced", now_seconds=NOW)
    transact(service.client, [put])
    error = refused(service, former.token(str(asha.address()), now_seconds=NOW, audience=AUDIENCE))
    assert (error.code, error.details) == (ErrorCode.REVOKED, {"reason": "replaced"})
    assert (
        authenticate(
            token_of(asha, seconds=NOW), audience=AUDIENCE, now=Instant(NOW_MS), directory=service.directory
        ).device.registration
        == asha.devices[0].registration
    )


def test_strangers_are_told_apart_by_nothing(service: Service) -> None:
    """Without a device's key, the answer and the database calls are the same whatever exists."""
    here, gone = service.person(), service.person(2)
    service.unlink(gone, gone.devices[0].number, 1)
    stranger = DeviceKeys()
    seen = set()
    for address in (str(here.address()), str(gone.address()), f"{account_text(here.account)}.9", "mfrggzdfmztwq.1"):
        for audience in (AUDIENCE, "sandes:other"):
            client: Any = FlakyClient(service.client)
            with pytest.raises(ProtocolError) as caught:
                authenticate(
                    stranger.token(address, now_seconds=NOW, audience=audience),
                    audience=AUDIENCE,
                    now=Instant(NOW_MS),
                    directory=DirectoryStore(client, service.tables["directory"]),
                )
            seen.add((caught.value.code, str(caught.value.details), tuple(client.calls)))
    assert seen == {(ErrorCode.TOKEN_INVALID, "{}", ("query", "query"))}
    for token in ("", "x"):
        assert refused(service, token).code is ErrorCode.TOKEN_INVALID


@pytest.mark.parametrize("audience", ["sandes:other", "sandes:test ", ""])
def test_a_token_for_another_service_is_told_from_one_that_is_wrong(
    service: Service, asha: Person, audience: str
) -> None:
    gone = service.person(2)
    service.unlink(gone, gone.devices[0].number, 1)
    for person in (asha, gone):
        token = person.keys[0].token(str(person.address()), now_seconds=NOW, audience=audience)
        error = refused(service, token)
        assert (error.code, error.details) == (ErrorCode.TOKEN_AUDIENCE, {"audience": AUDIENCE})


# The end of a socket


def end(service: Service, person: Person, connection: ConnectionId) -> None:
    event = {"requestContext": {"connectionId": connection, "authorizer": person.principal().to_context()}}
    assert disconnected(event, deps(service)) == {"statusCode": 200}


def test_the_end_of_a_socket_makes_its_device_offline(service: Service, asha: Person) -> None:
    end(service, asha, service.online(asha))
    assert service.connection(asha) is None


def test_a_late_end_of_an_old_socket_leaves_the_new_one(service: Service, asha: Person) -> None:
    old = service.online(asha)
    new = service.online(asha, connected_at_ms=NOW_MS + 1)
    end(service, asha, old)
    assert service.connection(asha) == new


# Settings


def test_settings_are_read_from_upper_case_names_and_nothing_else() -> None:
    environment = {"STAGE": "dev", "ROUTING_TABLE": "r", "DIRECTORY_TABLE": "d", "TOKEN_AUDIENCE": "a", "PATH": "/bin"}
    assert ConnectSettings.load(environment).routing_table == "r"
    assert ConnectSettings.variables() == ["DIRECTORY_TABLE", "ROUTING_TABLE", "STAGE", "TOKEN_AUDIENCE"]


@pytest.mark.parametrize("settings", [ConnectSettings, ClientSettings])
def test_a_missing_setting_is_named(settings: type[Settings]) -> None:
    with pytest.raises(ValueError, match="token_audience"):
        settings.load({"STAGE": "dev"})


@pytest.mark.parametrize("context", [{}, {"authorizer": None}, {"authorizer": {}}], ids=str)
def test_the_end_of_a_socket_without_what_the_authorizer_said_is_no_fault(
    service: Service, context: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """API Gateway sends `$disconnect` only as a best effort. The next `hello` shows which device it was."""
    event = {"requestContext": {"connectionId": "gone", "eventType": "DISCONNECT"} | context}
    assert disconnected(event, deps(service)) == {"statusCode": 200}
    (line,) = [vars(entry) for entry in caplog.records]
    assert (line["outcome"], line["connection"]) == ("unknown_device", "gone")
