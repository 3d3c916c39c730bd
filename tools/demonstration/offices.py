"""Signs the demonstration's administrators in, with an authenticator in this process."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from sandes_client.admin import (
    AdminClient,
    AskCode,
    AskNewPassword,
    Cognito,
    SetUpAuthenticator,
    SignedIn,
    SignInRefused,
    begin,
)
from tools import totp
from tools.demonstration.narrator import StepFailed, check
from tools.engine import Deployment, Engine


@dataclass(frozen=True, slots=True)
class Credentials:
    """Holds a person's password, and the secret of their authenticator."""

    password: str
    secret: str


@dataclass(frozen=True, slots=True)
class Offices:
    """Signs administrators in. `file` keeps their credentials for the next run, with mode 0600."""

    engine: Engine
    deployment: Deployment
    file: Path

    def sign_in_again(self, email: str) -> AdminClient | None:
        """Sign in with the credentials of the last run.

        Return None if there are none, or if the engine's state is new.

        Raise StepFailed.
        """
        kept = self._kept().get(email)
        if kept is None:
            return None
        try:
            return self._client(self._again(email, kept))
        except SignInRefused:
            return None

    def sign_in(self, email: str) -> AdminClient:
        """Sign in for the first time, with the temporary password of the invitation. Raise StepFailed."""
        try:
            return self._client(self._first(email))
        except SignInRefused as refused:
            raise StepFailed(f"{email} cannot sign in: {refused.code}, {refused.message}") from None

    def _client(self, signed_in: SignedIn) -> AdminClient:
        return AdminClient(self.deployment.http_url, self._cognito, signed_in.tokens)

    def _first(self, email: str) -> SignedIn:
        letters = self.engine.emails_to(email)
        check(bool(letters), f"no invitation for {email}")
        step = begin(self._cognito, email, letters[-1].rpartition(" ")[2])
        password = f"Aa1!{secrets.token_urlsafe(12)}"
        if not isinstance(step, AskNewPassword):
            raise StepFailed(f"{email} is not asked for a new password")
        step = step.answer(password)
        if not isinstance(step, SetUpAuthenticator):
            raise StepFailed(f"{email} is not asked to set up an authenticator")
        secret = step.secret
        done = step.answer(totp.code(secret))
        if not isinstance(done, SignedIn):
            raise StepFailed(f"{email} is not signed in at the end")
        self._keep(email, Credentials(password, secret))
        return done

    def _again(self, email: str, kept: Credentials) -> SignedIn:
        step = begin(self._cognito, email, kept.password)
        if not isinstance(step, AskCode):
            raise StepFailed(f"{email} is not asked for a code")
        done = step.answer(totp.code(kept.secret))
        if not isinstance(done, SignedIn):
            raise StepFailed(f"{email} is not signed in after the code")
        return done

    @property
    def _cognito(self) -> Cognito:
        return Cognito(self.deployment.cognito_url, self.deployment.admin_client)

    def _kept(self) -> dict[str, Credentials]:
        if not self.file.exists():
            return {}
        return {email: Credentials(**values) for email, values in json.loads(self.file.read_text()).items()}

    def _keep(self, email: str, credentials: Credentials) -> None:
        everyone = self._kept() | {email: credentials}
        with os.fdopen(os.open(self.file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            json.dump({name: asdict(one) for name, one in everyone.items()}, file)
