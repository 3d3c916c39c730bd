"""Access tokens of administrators: who signed in, and when (docs/adr/0024).

Cognito has signed the token. API Gateway has checked signature, issuer, client and times before a function runs.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sandes.model.ids import AdministratorId
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError

GROUP = "administrators"
"""The pool's group whose members may call the admin API. The directory has the rights of each member."""

FRESH_SECONDS = 300
"""The largest age of a fresh sign-in."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Holds the claims. `signed_in_at` is the time of the sign-in with password and second factor in epoch seconds.

    Refreshed tokens keep this time.
    """

    administrator: AdministratorId
    signed_in_at: int


_POOL_SCOPE = "aws.cognito.signin.user.admin"
"""The scope of Cognito's own calls for a user's password, attributes and second factor."""


class SignedIn(Protocol):
    @property
    def signed_in_at(self) -> int: ...


def read_claims(claims: Mapping[str, str]) -> Claims:
    """Parse the claims in API Gateway's form: texts, with lists as `[a b]`.

    Raises ProtocolError token_invalid for another kind of token, or if the user is not an administrator.
    """
    groups = claims.get("cognito:groups", "").removeprefix("[").removesuffix("]").split()
    if claims.get("token_use") != "access" or GROUP not in groups:
        raise ProtocolError(ErrorCode.TOKEN_INVALID)
    try:
        return Claims(AdministratorId(uuid.UUID(claims["sub"]).bytes), int(claims["auth_time"]))
    except (KeyError, ValueError):
        raise ProtocolError(ErrorCode.TOKEN_INVALID) from None


def narrowed(event: Mapping[str, Any]) -> dict[str, Any]:
    """Answer Cognito's event before it signs tokens (version 2), so that access tokens are for the admin API only.

    Otherwise, anybody who gets hold of a token could replace its owner's second factor by their own.
    """
    access = {"scopesToSuppress": [_POOL_SCOPE]}
    return {**event, "response": {"claimsAndScopeOverrideDetails": {"accessTokenGeneration": access}}}


def sessions_from(now: Instant) -> int:
    """Return the epoch second from which new sessions count, if all earlier ones end now.

    It is the next second, because the time of a sign-in is known in seconds only.
    """
    return now.seconds + 1


def fresh(signed_in: SignedIn, *, now_seconds: int) -> None:
    """Check the age of the sign-in. Raises ProtocolError fresh_sign_in_required."""
    if now_seconds - signed_in.signed_in_at > FRESH_SECONDS:
        raise ProtocolError(ErrorCode.FRESH_SIGN_IN_REQUIRED)


class AdministratorPool(Protocol):
    """Stores the passwords and second factors of administrators."""

    def invite(self, email: str, name: str) -> AdministratorId:
        """Return the user with this address (in lower case). Create the user if necessary and send a temporary
        password.

        A user who has not signed in yet gets another one.
        """
        ...

    def find(self, email: str) -> AdministratorId | None:
        """Return the user with this address (in lower case), if any."""
        ...

    def disable(self, administrator: AdministratorId) -> None:
        """Sign a user out and disable the sign-in. Tokens end after a quarter of an hour at the latest.

        Do nothing if the user does not exist.
        """
        ...

    def sign_out(self, administrator: AdministratorId) -> None:
        """End all sessions of a user: they can no longer be refreshed."""
        ...

    def lock_out(self, administrator: AdministratorId) -> None:
        """End a user's sessions, replace the password by one that nobody knows, and delete the authenticator.

        It may be repeated until `invite_again` is called.
        """
        ...

    def invite_again(self, administrator: AdministratorId, email: str) -> None:
        """Send a user who is locked out a temporary password. The sign-in with it is like the first one.

        Do nothing if the user has signed in since.
        """
        ...

    def remove_authenticator(self, administrator: AdministratorId) -> None:
        """End a user's sessions and delete the authenticator. The password stays."""
        ...
