"""What an administrator's access token says: who signed in, and when (docs/adr/0024).

Cognito has signed it, and API Gateway has checked signature, issuer, client and times before a function runs.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sandes.model.ids import AdministratorId
from sandes.protocol.errors import ErrorCode, ProtocolError

GROUP = "administrators"
"""The pool's group whose members may call the admin API at all; what each may do there stands in the directory."""

FRESH_SECONDS = 300
"""How long ago the sign-in may be for what asks for a fresh one."""


@dataclass(frozen=True, slots=True)
class Claims:
    """`signed_in_at`: epoch seconds of the sign-in with password and second factor; refreshed tokens keep it."""

    administrator: AdministratorId
    signed_in_at: int


_POOL_SCOPE = "aws.cognito.signin.user.admin"
"""Of Cognito's own calls for a user's password, attributes and second factor."""


class SignedIn(Protocol):
    @property
    def signed_in_at(self) -> int: ...


def read_claims(claims: Mapping[str, str]) -> Claims:
    """Of the claims as API Gateway passes them on: all of them texts, lists as `[a b]`.

    Raises ProtocolError token_invalid for another kind of token, or of somebody who is no administrator.
    """
    groups = claims.get("cognito:groups", "").removeprefix("[").removesuffix("]").split()
    if claims.get("token_use") != "access" or GROUP not in groups:
        raise ProtocolError(ErrorCode.TOKEN_INVALID)
    try:
        return Claims(AdministratorId(uuid.UUID(claims["sub"]).bytes), int(claims["auth_time"]))
    except (KeyError, ValueError):
        raise ProtocolError(ErrorCode.TOKEN_INVALID) from None


def narrowed(event: Mapping[str, Any]) -> dict[str, Any]:
    """An answer to Cognito's event before it signs tokens (version 2): access tokens are for the admin API only.

    Without it, whoever holds one could replace its owner's second factor by their own.
    """
    access = {"scopesToSuppress": [_POOL_SCOPE]}
    return {**event, "response": {"claimsAndScopeOverrideDetails": {"accessTokenGeneration": access}}}


def sessions_from(now_ms: int) -> int:
    """The epoch second from which sessions count, if all those that began until now end: the next one, since a
    sign-in is known by its second only.
    """
    return now_ms // 1000 + 1


def fresh(signed_in: SignedIn, *, now_seconds: int) -> None:
    """Raises ProtocolError fresh_sign_in_required if it is too long since they signed in."""
    if now_seconds - signed_in.signed_in_at > FRESH_SECONDS:
        raise ProtocolError(ErrorCode.FRESH_SIGN_IN_REQUIRED)


class AdministratorPool(Protocol):
    """Where administrators' passwords and second factors are kept."""

    def invite(self, email: str, name: str) -> AdministratorId:
        """Who signs in with this address, made if there is nobody: they are sent a temporary password. Who has not
        signed in yet is sent another. `email` is in lower case.
        """
        ...

    def find(self, email: str) -> AdministratorId | None:
        """Who signs in with this address, in lower case."""
        ...

    def disable(self, administrator: AdministratorId) -> None:
        """They are signed out and cannot sign in any more; tokens end after a quarter of an hour at the latest.

        Nothing is done about who is not there.
        """
        ...

    def sign_out(self, administrator: AdministratorId) -> None:
        """No session of theirs can be refreshed any more."""
        ...

    def lock_out(self, administrator: AdministratorId) -> None:
        """End their sessions, replace their password by one that nobody knows, and delete their authenticator.

        It may be repeated until `invite_again` was called.
        """
        ...

    def invite_again(self, administrator: AdministratorId, email: str) -> None:
        """Send somebody who is locked out a temporary password; the sign-in with it is like the very first one.

        Nothing is done about somebody who has signed in since they were locked out.
        """
        ...

    def remove_authenticator(self, administrator: AdministratorId) -> None:
        """End their sessions and delete their authenticator; the password stays."""
        ...
