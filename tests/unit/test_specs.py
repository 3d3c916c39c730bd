"""Tests that the committed specifications agree with the code and are well formed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from functions.client.handler import app
from sandes.limits import Limit
from sandes.model.profile import FIELDS
from sandes.policy import GROUPS, PEOPLE
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Accepted, Error, error_frame, render
from tools import specs
from tools.specs import https, websocket
from tools.specs.errors import ADVICE
from tools.specs.limits import COUNTED
from tools.specs.policy import policy_page
from tools.specs.routes import routes_of

ROOT = Path(__file__).parents[2]
STATUS = {code.value: str(code.http_status) for code in ErrorCode}
FRAMES: tuple[type[BaseModel], ...] = (*websocket.CLIENT_FRAMES, *websocket.SERVER_FRAMES)


@pytest.fixture(scope="module", name="asyncapi")
def _asyncapi() -> dict[str, Any]:
    return json.loads((ROOT / "docs/protocol/asyncapi.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.fixture(scope="module", name="openapi")
def _openapi() -> dict[str, Any]:
    return json.loads((ROOT / "docs/protocol/client-openapi.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.fixture(scope="module", name="apps")
def _apps() -> dict[str, Any]:
    return json.loads((ROOT / "docs/protocol/app-openapi.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: dict[str, Any], reference: str) -> Any:
    """Return the target of a reference. Raises KeyError for a reference that leads nowhere."""
    assert reference.startswith("#/")
    node: Any = document
    for step in reference[2:].split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def statuses_of(app: APIGatewayHttpResolver) -> dict[tuple[str, str], int]:
    """Return the success status of each route."""
    return {
        (method, route.openapi_path): int(route.status_code)
        for route in routes_of(app)
        for method in ([route.method] if isinstance(route.method, str) else route.method)
    }


def test_committed_files_are_what_the_code_says() -> None:
    assert specs.outdated() == []


@pytest.mark.parametrize("name", specs.SPECIFICATIONS)
def test_building_twice_gives_the_same_bytes_ending_in_one_newline(name: str) -> None:
    text = specs.rendered(specs.SPECIFICATIONS[name]())
    assert text == specs.rendered(specs.SPECIFICATIONS[name]())
    assert text.endswith("}\n")


def test_check_names_the_outdated_file_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs, "FOLDER", tmp_path)
    monkeypatch.setattr(specs, "PAGES", {})
    monkeypatch.setattr(sys, "argv", ["specs"])
    specs.main()
    monkeypatch.setattr(sys, "argv", ["specs", "--check"])
    specs.main()
    (tmp_path / "asyncapi.json").write_text("{}\n")
    with pytest.raises(SystemExit) as ended:
        specs.main()
    hint = str(ended.value.code)
    assert "asyncapi.json" in hint
    assert "client-openapi.json" not in hint
    assert "make specs" in hint
    assert "\n" not in hint


def test_the_policy_page_is_checked_and_names_every_action_and_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "policy.md"
    monkeypatch.setattr(specs, "PAGES", {page: policy_page})
    monkeypatch.setattr(sys, "argv", ["specs", "--check"])
    with pytest.raises(SystemExit) as ended:
        specs.main()
    assert "policy.md" in str(ended.value.code)
    rows = [line.split("|")[1:-1] for line in policy_page().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert ["write to, send receipts to, get the keys of", "a citizen", "yes", "yes", "yes", "yes"] in cells
    assert ["find by name or post", "an official", "yes", "yes", "no", "no"] in cells
    assert ["email", "officials", "nobody"] in cells
    assert ["post", "official, for citizens", "admins", "no"] in cells
    assert len(cells) == 6 + 2 * len(PEOPLE) + len(FIELDS) + 3 * len(GROUPS)


def test_what_would_break_programs_is_not_written_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(specs, "FOLDER", tmp_path)
    monkeypatch.setattr(specs, "PAGES", {})
    file = tmp_path / "app-openapi.json"
    published = https.app_openapi()
    published["paths"]["/v1/gone"] = published["paths"]["/v1/usage"]
    file.write_text(json.dumps(published))
    monkeypatch.setattr(sys, "argv", ["specs"])
    with pytest.raises(SystemExit) as ended:
        specs.main()
    assert "app-openapi.json: GET /v1/gone is gone" in str(ended.value.code)
    assert json.loads(file.read_text()) == published
    monkeypatch.setattr(sys, "argv", ["specs", "--breaking"])
    specs.main()
    assert specs.outdated() == []


def test_importing_the_client_handler_needs_no_environment() -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'layers/core/python')!r}]; "
        "import functions.client.handler"
    )
    finished = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code], env={"PATH": os.defpath}, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


# The HTTPS client API


@pytest.mark.parametrize("name", ["openapi", "apps"])
def test_openapi_is_valid(name: str, request: pytest.FixtureRequest) -> None:
    document = request.getfixturevalue(name)
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_only_calls_that_make_a_device_go_without_a_token(openapi: dict[str, Any]) -> None:
    scheme = openapi["components"]["securitySchemes"]["device_token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert "EdDSA" in scheme["bearerFormat"]
    unsigned = {
        operation["operationId"]
        for _, _, operation in https.operations_of(openapi)
        if operation.get("security") != [{"device_token": []}]
    }
    assert unsigned == {"start_registration", "resend_code", "verify_registration", "link_device"}


# The HTTPS app API


@pytest.mark.parametrize(("name", "handlers"), [("openapi", (app,)), ("apps", https.HANDLERS_OF_APPS)])
def test_every_route_is_described_with_its_statuses_and_no_other(
    name: str, handlers: tuple[APIGatewayHttpResolver, ...], request: pytest.FixtureRequest
) -> None:
    document = request.getfixturevalue(name)
    described = {(method.upper(), path): operation for path, method, operation in https.operations_of(document)}
    routes = {key: status for handler in handlers for key, status in statuses_of(handler).items()}
    assert described.keys() == routes.keys()
    for (method, path), operation in described.items():
        statuses = set(operation["responses"])
        codes = [STATUS[code] for code in operation["x-error-codes"]]
        by_gateway = {"429", "500", "503"} | ({"413"} if "requestBody" in operation else set())
        assert statuses == {str(routes[method, path])} | set(codes) | by_gateway
        assert "404" in statuses or "{" not in path
        assert ("content" in operation["responses"][str(routes[method, path])]) == (routes[method, path] != 204)


@pytest.mark.parametrize("name", ["openapi", "apps"])
def test_each_refusal_is_problem_json_with_the_codes_of_its_status(name: str, request: pytest.FixtureRequest) -> None:
    apps = request.getfixturevalue(name)
    for _, _, operation in https.operations_of(apps):
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                continue
            refused = resolve(apps, response["$ref"]) if "$ref" in response else response
            codes = [code for code in operation["x-error-codes"] if STATUS[code] == status]
            if not codes:  # API Gateway's own
                assert set(refused["content"]) == {"application/json"}
                continue
            whole, one_of_them = refused["content"]["application/problem+json"]["schema"]["allOf"]
            assert whole["$ref"].endswith("/Problem")
            assert one_of_them["properties"]["code"]["enum"] == codes


def test_every_call_of_an_app_is_signed_and_every_post_has_an_idempotency_key(apps: dict[str, Any]) -> None:
    scheme = apps["components"]["securitySchemes"]["app_token"]
    assert all(f"{claim}" in scheme["description"] for claim in ("iss", "aud", "iat", "exp", "htm", "htu", "bh", "ik"))
    for _, method, operation in https.operations_of(apps):
        assert operation["security"] == [{"app_token": []}]
        keys = [resolve(apps, p["$ref"]) for p in operation.get("parameters", []) if "$ref" in p]
        assert [(key["name"], key["required"]) for key in keys] == [("Idempotency-Key", True)] * (method == "post")


def test_calls_that_count_say_how_the_quotas_stand_and_429_says_how_long_to_wait(apps: dict[str, Any]) -> None:
    counting = set()
    for _, _, operation in https.operations_of(apps):
        assert "Retry-After" in operation["responses"]["429"]["headers"]
        if "RateLimit" in operation["responses"].get("202", {}).get("headers", {}):
            counting.add(operation["operationId"])
    assert {"create_otp", "resend_otp", "create_message"} <= counting
    assert not counting & {"check_otp", "list_messages", "usage"}


def test_a_call_with_a_device_token_may_be_told_that_the_device_is_gone(openapi: dict[str, Any]) -> None:
    for _, _, operation in https.operations_of(openapi):
        codes = set(operation["x-error-codes"])
        wanted = {"token_invalid", "token_audience", "token_expired", "revoked", "suspended"}
        assert (wanted <= codes) == bool(operation.get("security"))


def test_operation_ids_are_unique(apps: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in https.operations_of(apps)]
    assert len(ids) == len(set(ids))


# The websocket


def test_every_frame_model_is_a_message_of_the_channel(asyncapi: dict[str, Any]) -> None:
    messages = asyncapi["components"]["messages"]
    names = [message["title"] for message in messages.values()]
    assert sorted(names) == sorted(frame.__name__ for frame in FRAMES)
    assert asyncapi["channels"]["socket"]["messages"].keys() == messages.keys()
    for name, message in messages.items():
        schema = resolve(asyncapi, message["payload"]["$ref"])
        kind = "send" if name == "groupSend" else name
        assert schema["properties"]["type"] == {"const": kind, "type": "string"}
        assert "type" in schema["required"]
        assert schema["description"]


@pytest.mark.parametrize("name", specs.SPECIFICATIONS)
def test_every_reference_leads_somewhere(name: str) -> None:
    document = json.loads((specs.FOLDER / name).read_text(encoding="utf-8"))
    for reference in set(references(document)):
        resolve(document, reference)


def test_asyncapi_has_the_parts_that_version_3_asks_for(asyncapi: dict[str, Any]) -> None:
    assert asyncapi["asyncapi"] == "3.1.0"
    assert {"title", "version"} <= asyncapi["info"].keys()
    for server in asyncapi["servers"].values():
        assert {"host", "protocol"} <= server.keys()
        for variable in server["variables"]:
            assert "{" + variable + "}" in server["host"] + server["pathname"]
    for channel in asyncapi["channels"].values():
        for message in channel["messages"].values():
            assert message["$ref"].startswith("#/components/messages/")
    for operation in asyncapi["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert resolve(asyncapi, operation["channel"]["$ref"])
        for message in operation["messages"] + operation.get("reply", {}).get("messages", []):
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")


def test_every_client_frame_is_an_operation_with_its_replies(asyncapi: dict[str, Any]) -> None:
    received = {name: entry for name, entry in asyncapi["operations"].items() if entry["action"] == "receive"}
    assert sorted(received) == ["ack", "fetch", "groupSend", "hello", "ping", "send", "sync"]
    titles = {asyncapi["components"]["messages"][name]["title"] for name in received}
    assert titles == {frame.__name__ for frame in websocket.CLIENT_FRAMES}
    for entry in received.values():
        replies = {message["$ref"].rpartition("/")[2] for message in entry["reply"]["messages"]}
        assert "error" in replies
        assert len(replies) > 1


def test_every_server_frame_is_a_reply_or_sent_unasked() -> None:
    replies = {reply for frames in websocket.REPLIES.values() for reply in frames}
    assert replies | set(websocket.UNASKED) == set(websocket.SERVER_FRAMES)


def test_every_error_code_stands_in_asyncapi_with_its_text(asyncapi: dict[str, Any]) -> None:
    codes = resolve(asyncapi, asyncapi["components"]["schemas"]["Error"]["properties"]["code"]["$ref"])
    assert codes["enum"] == [code.value for code in ErrorCode]
    assert {name: entry["text"] for name, entry in codes["x-error-codes"].items()} == {
        code.value: code.text for code in ErrorCode
    }


@pytest.mark.parametrize("name", specs.SPECIFICATIONS)
def test_schemas_are_json_schema_2020_12(name: str) -> None:
    document = json.loads((specs.FOLDER / name).read_text(encoding="utf-8"))
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_rendered_frames_fit_their_schemas_and_clients_may_meet_new_fields(asyncapi: dict[str, Any]) -> None:
    accepted = Accepted(id=bytes(6) + b"\x70\x00\x80" + bytes(7), at=1)  # type: ignore[arg-type]
    refused: Error = error_frame(ProtocolError(ErrorCode.RATE_LIMITED, retry_after_seconds=3), "a")
    for frame in (accepted, refused):
        fields = json.loads(render(frame))
        schema = {"$ref": f"#/components/schemas/{type(frame).__name__}", "components": asyncapi["components"]}
        Draft202012Validator(schema).validate(fields)
        Draft202012Validator(schema).validate(fields | {"later": True})


def test_frames_of_clients_are_closed_to_unknown_fields(asyncapi: dict[str, Any]) -> None:
    for frame in websocket.CLIENT_FRAMES:
        assert asyncapi["components"]["schemas"][frame.__name__]["additionalProperties"] is False


def test_the_handler_that_is_described_is_the_deployed_one() -> None:
    found = importlib.util.find_spec("functions.client.handler")
    assert found is not None
    assert Path(str(found.origin)) == ROOT / "functions" / "client" / "handler.py"


def test_every_rate_limit_is_described_with_its_subject() -> None:
    assert set(COUNTED) == set(Limit)


def test_every_error_code_has_a_cause_and_an_action_and_no_advice_is_left_over() -> None:
    assert set(ADVICE) == set(ErrorCode)
    for code, advice in ADVICE.items():
        assert advice.cause.endswith("."), code
        assert advice.action.endswith("."), code


def test_asyncapi_names_every_detail_that_a_refusal_of_a_frame_holds(asyncapi: dict[str, Any]) -> None:
    described = set(asyncapi["components"]["schemas"]["Error"]["properties"]["details"]["properties"])
    folders = ("messaging", "groups", "protocol", "edge")
    code = "".join(
        file.read_text(encoding="utf-8")
        for folder in folders
        for file in (ROOT / "layers/core/python/sandes" / folder).glob("*.py")
    )
    used = set(re.findall(r'details=\{"([a-z_]+)":', code)) | {"missing", "extra", "stale"}
    assert used <= described
    assert {"server_time", "max_body_bytes", "errors", "request_id"} <= used
