from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from functions.administrator_tokens.handler import handler
from sandes.administration.sign_in import FRESH_SECONDS, Claims, fresh, read_claims
from sandes.edge.admin.caller import claims
from sandes.edge.http import http_handler, resolver
from sandes.model.ids import AdministratorId, administrator_text, parse_administrator
from sandes.protocol.errors import ErrorCode, ProtocolError

ASHA = "0f3c1d6e-6f0e-4b60-9a55-3f8f5e2b8f10"
CLAIMS = {
    "sub": ASHA,
    "token_use": "access",
    "cognito:groups": "[administrators]",
    "auth_time": "1700000000",
    "client_id": "cli",
}
CONTEXT: Any = SimpleNamespace(aws_request_id="request-1")


def refused(claims: dict[str, str]) -> str:
    with pytest.raises(ProtocolError) as error:
        read_claims(claims)
    return error.value.code


def test_an_access_token_says_who_signed_in_and_when() -> None:
    assert read_claims(CLAIMS) == Claims(parse_administrator(ASHA), 1_700_000_000)


@pytest.mark.parametrize(
    "changed",
    [
        {"token_use": "id"},
        {"token_use": ""},
        {"cognito:groups": "[]"},
        {"cognito:groups": "[auditors]"},
        {"cognito:groups": "[not-administrators administratorsx]"},
        {"sub": "asha"},
        {"auth_time": "yesterday"},
    ],
    ids=str,
)
def test_other_tokens_are_refused(changed: dict[str, str]) -> None:
    assert refused(CLAIMS | changed) == "token_invalid"


@pytest.mark.parametrize("without", ["sub", "token_use", "cognito:groups", "auth_time"])
def test_a_token_that_lacks_a_claim_is_refused(without: str) -> None:
    assert refused({name: value for name, value in CLAIMS.items() if name != without}) == "token_invalid"


def test_the_group_may_stand_among_others() -> None:
    groups = "[us-east-1_pool_government administrators]"
    assert read_claims(CLAIMS | {"cognito:groups": groups}).administrator == parse_administrator(ASHA)


def test_tokens_are_narrowed_and_nothing_else_of_them_changed() -> None:
    event = {"version": "2", "triggerSource": "TokenGeneration_Authentication", "userName": "u", "request": {"a": 1}}
    answer = handler(event | {"response": {"claimsAndScopeOverrideDetails": None}}, CONTEXT)
    assert answer == event | {
        "response": {
            "claimsAndScopeOverrideDetails": {
                "accessTokenGeneration": {"scopesToSuppress": ["aws.cognito.signin.user.admin"]}
            }
        }
    }


def test_a_sign_in_is_fresh_for_five_minutes() -> None:
    claims = Claims(AdministratorId(bytes(16)), 1_700_000_000)
    fresh(claims, now_seconds=1_700_000_000 + FRESH_SECONDS)
    with pytest.raises(ProtocolError) as error:
        fresh(claims, now_seconds=1_700_000_001 + FRESH_SECONDS)
    assert (error.value.code, error.value.code.http_status, FRESH_SECONDS) == (
        ErrorCode.FRESH_SIGN_IN_REQUIRED,
        403,
        300,
    )


@pytest.mark.parametrize("text", [ASHA.upper(), ASHA.replace("-", ""), f"{{{ASHA}}}", f"urn:uuid:{ASHA}", ASHA[:-1]])
def test_an_administrators_id_has_one_text(text: str) -> None:
    assert administrator_text(parse_administrator(ASHA)) == ASHA
    with pytest.raises(ValueError, match=r"."):
        parse_administrator(text)


app = resolver()


@app.get("/admin/v1/who")
def who() -> dict[str, str]:
    return {"who": administrator_text(claims(app).administrator)}


def answered(authorizer: Any) -> int:
    event = {
        "version": "2.0",
        "rawPath": "/admin/v1/who",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "http": {"method": "GET", "path": "/admin/v1/who", "sourceIp": "192.0.2.1"},
            "stage": "$default",
        }
        | ({} if authorizer is None else {"authorizer": authorizer}),
        "isBase64Encoded": False,
    }
    return int(http_handler(app)(event, CONTEXT)["statusCode"])


@pytest.mark.parametrize("authorizer", [None, {}, {"jwt": {}}, {"jwt": {"claims": None}}, {"lambda": CLAIMS}], ids=str)
def test_without_a_token_that_the_gateway_has_checked_nothing_is_answered(authorizer: Any) -> None:
    assert answered({"jwt": {"claims": CLAIMS}}) == 200
    assert answered(authorizer) == 401
