"""Provides the admin API to programs and `sandes-admin`: sign-in with a second factor, and a client that stays signed
in.
"""

from __future__ import annotations

from sandes_client.admin.client import AdminApiError, AdminClient, NotSignedIn
from sandes_client.admin.cognito import Cognito, SignInRefused
from sandes_client.admin.session import AdminSession, SessionUnusable
from sandes_client.admin.sign_in import (
    AskCode,
    AskNewPassword,
    SetUpAuthenticator,
    SignedIn,
    Tokens,
    begin,
)

__all__ = [
    "AdminApiError",
    "AdminClient",
    "AdminSession",
    "AskCode",
    "AskNewPassword",
    "Cognito",
    "NotSignedIn",
    "SessionUnusable",
    "SetUpAuthenticator",
    "SignInRefused",
    "SignedIn",
    "Tokens",
    "begin",
]
