"""Signs administrators in, step by step: password, a new password at the first sign-in, second factor.

The answer to each step gives the next step, until there are tokens:

    step = begin(cognito, "asha@example.gov.in", password)
    while not isinstance(step, SignedIn):
        step = step.answer(...)                 # its class tells what to answer
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sandes_client.admin.cognito import Cognito, SignInRefused
from sandes_client.api import Unreachable

ISSUER = "Sandes"
_EARLY_SECONDS = 30
"""Seconds before their end at which tokens are replaced, because clocks differ and calls take time."""


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """Holds the tokens of a sign-in. `expires_at` is when `access` ends by this machine's clock, epoch seconds."""

    access: str
    refresh: str
    expires_at: int

    def ended(self, now_seconds: float) -> bool:
        return now_seconds >= self.expires_at - _EARLY_SECONDS


@dataclass(frozen=True, slots=True, repr=False)
class _Context:
    cognito: Cognito
    email: str
    session: str
    clock: Callable[[], float]

    def respond(self, challenge: str, **answers: str) -> Step:
        said = self.cognito.call(
            "RespondToAuthChallenge",
            ClientId=self.cognito.client,
            ChallengeName=challenge,
            Session=self.session,
            ChallengeResponses={"USERNAME": self.email, **answers},
        )
        return _next(self.cognito, self.email, said, self.clock)


@dataclass(frozen=True, slots=True)
class AskNewPassword:
    """Asks for a new password after a temporary one: 12 characters or more, with lower and upper case,
    digits, symbols.
    """

    _at: _Context = field(repr=False)

    def answer(self, password: str) -> Step:
        """Answer with the new password.

        Raise SignInRefused: after `InvalidPassword` you can answer with another password.
        """
        return self._at.respond("NEW_PASSWORD_REQUIRED", NEW_PASSWORD=password)


@dataclass(frozen=True, slots=True)
class SetUpAuthenticator:
    """Asks the user to set up the authenticator app with `secret`, or with `uri` as a QR code."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    _at: _Context = field(repr=False)

    def answer(self, code: str) -> Step:
        """Answer with a code that the app shows.

        Raise SignInRefused: after `EnableSoftwareTokenMFA` or `CodeMismatch` you can answer with another code.
        """
        cognito = self._at.cognito
        said = cognito.call("VerifySoftwareToken", Session=self._at.session, UserCode=code)
        if said.get("Status") != "SUCCESS":
            raise SignInRefused("CodeMismatch", "The code was not accepted.")
        after = _Context(cognito, self._at.email, _text(said, "Session"), self._at.clock)
        return after.respond("MFA_SETUP")


@dataclass(frozen=True, slots=True)
class AskCode:
    """Asks for the code that the authenticator app shows now."""

    _at: _Context = field(repr=False)

    def answer(self, code: str) -> Step:
        """Answer with the code.

        Raise SignInRefused: `CodeMismatch`, after which you can try another code, or `ExpiredCode` for a used code. In
        that case, wait for the next code.
        """
        return self._at.respond("SOFTWARE_TOKEN_MFA", SOFTWARE_TOKEN_MFA_CODE=code)


@dataclass(frozen=True, slots=True)
class SignedIn:
    tokens: Tokens


Step = AskNewPassword | SetUpAuthenticator | AskCode | SignedIn


def begin(cognito: Cognito, email: str, password: str, *, clock: Callable[[], float] = time.time) -> Step:
    """Begin to sign in.

    Raise Unreachable, or SignInRefused, with `NotAuthorized` for a wrong password and an unknown person alike.
    """
    said = cognito.call(
        "InitiateAuth",
        ClientId=cognito.client,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email, "PASSWORD": password},
    )
    return _next(cognito, email, said, clock)


def refreshed(cognito: Cognito, tokens: Tokens, *, clock: Callable[[], float] = time.time) -> Tokens:
    """Return new tokens of the same sign-in. Raise Unreachable, or SignInRefused once it has ended or was revoked."""
    said = cognito.call(
        "InitiateAuth",
        ClientId=cognito.client,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": tokens.refresh},
    )
    return _tokens(said, clock, refresh=tokens.refresh)


def revoke(cognito: Cognito, tokens: Tokens) -> None:
    """End the sign-in. Its tokens can then not be refreshed. Raise SignInRefused or Unreachable."""
    cognito.call("RevokeToken", ClientId=cognito.client, Token=tokens.refresh)


def _next(cognito: Cognito, email: str, said: dict[str, Any], clock: Callable[[], float]) -> Step:
    if "AuthenticationResult" in said:
        return SignedIn(_tokens(said, clock))
    # Later steps name the person as Cognito did in the first step.
    name = str((said.get("ChallengeParameters") or {}).get("USER_ID_FOR_SRP") or email)
    at = _Context(cognito, name, _text(said, "Session"), clock)
    match said.get("ChallengeName"):
        case "NEW_PASSWORD_REQUIRED":
            return AskNewPassword(at)
        case "SOFTWARE_TOKEN_MFA":
            return AskCode(at)
        case "MFA_SETUP":
            made = cognito.call("AssociateSoftwareToken", Session=at.session)
            secret = _text(made, "SecretCode")
            uri = f"otpauth://totp/{ISSUER}:{quote(email)}?secret={secret}&issuer={ISSUER}"
            return SetUpAuthenticator(secret, uri, _Context(cognito, name, _text(made, "Session"), clock))
    raise Unreachable(f"Cognito asks for {said.get('ChallengeName')}, which this client does not know")


def _tokens(said: dict[str, Any], clock: Callable[[], float], *, refresh: str | None = None) -> Tokens:
    result = said.get("AuthenticationResult")
    if not isinstance(result, dict) or not isinstance(result.get("ExpiresIn"), int):
        raise Unreachable("Cognito's answer holds no tokens")
    return Tokens(
        _text(result, "AccessToken"),
        refresh if refresh is not None else _text(result, "RefreshToken"),
        int(clock()) + int(result["ExpiresIn"]),
    )


def _text(said: dict[str, Any], name: str) -> str:
    if not isinstance(said.get(name), str):
        raise Unreachable(f"Cognito's answer lacks {name}")
    return str(said[name])
