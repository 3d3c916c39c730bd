"""Starts the local engine with missing features of its Cognito and streams.

It runs in the engine's interpreter only.

The patches are for MiniStack 1.5.33. Each has its symptom, and a test that fails without it. Unless another one is
named, the test is in tests/e2e/test_administrators_sign_in.py:

- MiniStack gives tokens to users without a second factor where MFA is required, also after a new password. With the
  patch, they must set one up, as on AWS (`MFA_SETUP`), and a factor that was set up in a sign-in counts from then on.
- MiniStack accepts an answer to a challenge without the session of the step before it, even a new password from
  somebody who does not know the old one. With the patch, each step needs its session.
- MiniStack does not check a new password by the pool's policy, and accepts a code of an authenticator twice. The
  patch does the one and refuses the other.
- MiniStack lets users turn off an authenticator where MFA is required, and cannot delete it. With the patch, turning it
  off does nothing, and AdminDeleteSoftwareToken deletes it, as on AWS.
- MiniStack sets the time of a refreshed token's sign-in to now. With the patch, it keeps the time.
- After a restart, MiniStack skips as many records of streams as were read before, because it keeps positions but not
  records. With the patch, it skips none (test in tests/scenarios/test_statistics.py).
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

FOR_VERSION = "1.5.33"

Answer = tuple[int, Any, bytes]


@dataclass(frozen=True)
class Step:
    """Holds the state of a sign-in session. `secret` is that of an authenticator being set up."""

    client: str
    user: str
    challenge: str
    secret: str = ""
    verified: bool = False


def patch(cognito: Any) -> None:  # noqa: PLR0915  # a list of patches
    steps: dict[str, Step] = {}
    local = threading.local()
    refused: Callable[..., Answer] = cognito.error_response_json

    def body_of(answer: Answer) -> dict[str, Any]:
        return dict(json.loads(answer[2])) if answer[0] == 200 else {}

    def next_challenge(pool: dict[str, Any], user: dict[str, Any], pid: str, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = challenge_for(pool, user, pid, name)
        if found is None and pool.get("MfaConfiguration") == "ON":
            session = cognito.base64.b64encode(cognito.secrets.token_bytes(32)).decode()
            found = {
                "ChallengeName": "MFA_SETUP",
                "Session": session,
                "ChallengeParameters": {"MFAS_CAN_SETUP": '["SOFTWARE_TOKEN_MFA"]', "USER_ID_FOR_SRP": name},
            }
        return found

    def password_result(pool: Any, pid: str, cid: str, user: Any, *rest: Any, **named: Any) -> Answer:
        answer: Answer = password_auth_result(pool, pid, cid, user, *rest, **named)
        body = body_of(answer)
        if "Session" in body:
            steps[body["Session"]] = Step(cid, user["Username"], body["ChallengeName"])
        return answer

    def respond(data: dict[str, Any]) -> Answer:
        name, given = data.get("ChallengeName"), data.get("ChallengeResponses") or {}
        if name not in {"NEW_PASSWORD_REQUIRED", "SOFTWARE_TOKEN_MFA", "MFA_SETUP"}:
            return respond_to_challenge(data)  # type: ignore[no-any-return]  # the engine is untyped
        pool, pid = cognito._pool_for_client(data.get("ClientId"))
        step = steps.get(data.get("Session", ""))
        user = cognito._resolve_user(pool, given.get("USERNAME"))[0] if pool else None
        known = step and user and (step.client, step.user) == (data.get("ClientId"), user["Username"])
        if not step or not user or not known or step.challenge != name or (name == "MFA_SETUP" and not step.verified):
            return refused("NotAuthorizedException", "Invalid session for the user.", 400)
        if name == "NEW_PASSWORD_REQUIRED":
            weak: Answer | None = cognito._validate_password(pool, given.get("NEW_PASSWORD", ""))
            if weak:
                return weak
        code = given.get("SOFTWARE_TOKEN_MFA_CODE")
        if name == "SOFTWARE_TOKEN_MFA" and code == user.get("used_totp"):
            return refused("ExpiredCodeException", "Your software token has already been used once.", 400)
        answer: Answer = respond_to_challenge(data)
        if answer[0] != 200:
            return answer
        del steps[data["Session"]]
        if name == "SOFTWARE_TOKEN_MFA":
            user["used_totp"] = code
        if name == "NEW_PASSWORD_REQUIRED":
            more = next_challenge(pool, user, pid, user["Username"])
            if more:
                steps[more["Session"]] = Step(step.client, step.user, more["ChallengeName"])
                return cognito.json_response(more)  # type: ignore[no-any-return]  # as above
        return answer

    def associate(data: dict[str, Any]) -> Answer:
        step = steps.get(data.get("Session", ""))
        if not data.get("AccessToken") and (step is None or step.challenge != "MFA_SETUP"):
            return refused("NotAuthorizedException", "Invalid session for the user.", 400)
        answer: Answer = associate_software_token(data)
        body = body_of(answer)
        if step and body:
            steps[body["Session"]] = replace(steps.pop(data["Session"]), secret=body["SecretCode"])
        return answer

    def verify(data: dict[str, Any]) -> Answer:
        answer: Answer = verify_software_token(data)
        body = body_of(answer)
        step = steps.get(data.get("Session", ""))
        if step and body and not data.get("AccessToken"):
            pool, _ = cognito._pool_for_client(step.client)
            user = pool["_users"][step.user]
            user["_totp_secret"] = step.secret
            user.setdefault("_mfa_enabled", []).append("SOFTWARE_TOKEN_MFA")
            steps[body["Session"]] = replace(steps.pop(data["Session"]), verified=True)
        return answer

    def prefer(user: dict[str, Any], data: dict[str, Any]) -> None:
        """Turn nothing off if the pool requires a second factor."""
        required = any(
            pool.get("MfaConfiguration") == "ON" and any(user is one for one in pool["_users"].values())
            for _, pool in cognito._all_pools()
        )
        if required and data.get("SoftwareTokenMfaSettings", {}).get("Enabled") is False:
            data = {name: value for name, value in data.items() if name != "SoftwareTokenMfaSettings"}
        apply_mfa_preference(user, data)

    def delete_software_token(data: dict[str, Any]) -> Answer:
        pool, failed = cognito._resolve_pool(data.get("UserPoolId"))
        if failed:
            return failed  # type: ignore[no-any-return]  # the engine is untyped
        user, failed = cognito._resolve_user(pool, data.get("Username"))
        if failed:
            return failed  # type: ignore[no-any-return]  # as above
        for name in ("_totp_secret", "_totp_pending_secret", "used_totp"):
            user.pop(name, None)
        user["_mfa_enabled"] = [kind for kind in user.get("_mfa_enabled", []) if kind != "SOFTWARE_TOKEN_MFA"]
        if user.get("_preferred_mfa") == "SOFTWARE_TOKEN_MFA":
            user["_preferred_mfa"] = ""
        return cognito.json_response({})  # type: ignore[no-any-return]  # as above

    async def dispatch(action: str, data: dict[str, Any]) -> Answer:
        if action == "AdminDeleteSoftwareToken":
            return delete_software_token(data)
        return await dispatch_idp(action, data)  # type: ignore[no-any-return]  # as above

    def refresh(pool: Any, pid: str, cid: str, token: str) -> Any:
        local.signed_in_at = cognito._token_claims(token).get("iat")
        try:
            return refresh_result(pool, pid, cid, token)
        finally:
            local.signed_in_at = None

    def sign(claims: dict[str, Any], *rest: Any, **named: Any) -> Any:
        at = getattr(local, "signed_in_at", None)
        return signed_jwt(claims | ({"auth_time": at} if at and "auth_time" in claims else {}), *rest, **named)

    apply_mfa_preference, cognito._apply_mfa_preference = cognito._apply_mfa_preference, prefer
    dispatch_idp, cognito._dispatch_idp = cognito._dispatch_idp, dispatch
    challenge_for, cognito._mfa_challenge_for_user = cognito._mfa_challenge_for_user, next_challenge
    password_auth_result, cognito._password_auth_result = cognito._password_auth_result, password_result
    respond_to_challenge, cognito._respond_to_auth_challenge = cognito._respond_to_auth_challenge, respond
    associate_software_token, cognito._associate_software_token = cognito._associate_software_token, associate
    verify_software_token, cognito._verify_software_token = cognito._verify_software_token, verify
    refresh_result, cognito._refresh_auth_result = cognito._refresh_auth_result, refresh
    signed_jwt, cognito._signed_jwt = cognito._signed_jwt, sign


def patch_streams(lambdas: Any) -> None:
    def restored(store: Any, positions: Any) -> None:
        if store is not lambdas._dynamodb_stream_positions:
            restore(store, positions)

    restore, lambdas._restore_esm_positions = lambdas._restore_esm_positions, restored


def main() -> None:
    installed = version("ministack")
    if installed != FOR_VERSION:
        sys.exit(f"these patches are for MiniStack {FOR_VERSION}, not {installed}: check which ones are still needed")
    patch(importlib.import_module("ministack.services.cognito"))
    patch_streams(importlib.import_module("ministack.services.lambda_svc"))
    importlib.import_module("ministack.app").main()


if __name__ == "__main__":
    main()
