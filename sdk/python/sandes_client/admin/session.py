"""Keeps a sign-in in a file that only its owner can read, so that commands need not ask each time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sandes_client.admin.client import AdminClient
from sandes_client.admin.cognito import Cognito
from sandes_client.admin.sign_in import Tokens
from sandes_client.endpoints import EndpointsInvalid

_OTHERS = 0o077


class SessionUnusable(Exception):
    """Reports that a session file cannot be used. The message gives the reason, and nothing of the content."""


@dataclass(frozen=True, slots=True)
class AdminSession:
    """Holds who is signed in, at which addresses, and with which tokens."""

    email: str
    http_url: str
    cognito_url: str
    admin_client: str
    tokens: Tokens

    def client(self, on_refresh: Callable[[Tokens], None]) -> AdminClient:
        """Return a client. Raise SessionUnusable for addresses that are not safe to call."""
        try:
            cognito = Cognito(self.cognito_url, self.admin_client)
            return AdminClient(self.http_url, cognito, self.tokens, on_refresh=on_refresh)
        except EndpointsInvalid as error:
            raise SessionUnusable(str(error)) from None

    def save(self, path: Path) -> None:
        """Write the file with mode 0600 in one step, so that another command reads the old or the new one.

        Raise SessionUnusable.
        """
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.unlink(missing_ok=True)
            with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                json.dump(asdict(self), file)
            scratch.replace(path)
        except OSError as error:
            raise SessionUnusable(f"{path}: {error.strerror}") from None

    @classmethod
    def read(cls, path: Path) -> AdminSession | None:
        """Read a session, or return None if there is no file. Raise SessionUnusable for a file that others may read."""
        try:
            if os.name == "posix" and path.stat().st_mode & _OTHERS:
                raise SessionUnusable(f"{path} may be read by others: remove it and sign in again")
            values = json.loads(path.read_text(encoding="utf-8"))
            tokens = values.pop("tokens")
            return cls(**values, tokens=Tokens(**tokens))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SessionUnusable(f"{path}: {error.strerror}") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise SessionUnusable(f"{path} is not a session file: remove it and sign in again") from None
