"""Holds an app's credentials: id, key and addresses (sdk/python/README.md, "For governance apps")."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandes_client.endpoints import EndpointsInvalid, check_address
from sandes_client.ids import base64url_text, parse_account, parse_base64url
from sandes_client.keys import IdentityKey

FILE_VARIABLE = "SANDES_APP_CREDENTIALS"
_VARIABLES = {
    "app": "SANDES_APP",
    "key": "SANDES_APP_KEY",
    "private_key": "SANDES_APP_PRIVATE_KEY",
    "http_url": "SANDES_APP_URL",
    "audience": "SANDES_APP_AUDIENCE",
}
_KEY = re.compile(r"[a-z0-9]{8}")
_OTHERS = 0o007


class CredentialsInvalid(ValueError):
    """Reports missing or unusable credentials. The message gives the reason, and nothing of the private key."""


@dataclass(frozen=True, slots=True)
class AppCredentials:
    """Holds an app's credentials.

    `key` is the key id (8 characters), `private_key` its Ed25519 half, and `audience` is `sandes:<stage>`.
    """

    app: str
    key: str
    private_key: IdentityKey
    http_url: str
    audience: str

    def __post_init__(self) -> None:
        try:
            parse_account(self.app)
            check_address("http_url", self.http_url, ("https", "http"))
        except EndpointsInvalid as error:
            raise CredentialsInvalid(str(error)) from None
        except ValueError:
            raise CredentialsInvalid("app is not an app id: 13 characters of lower-case base32") from None
        if not _KEY.fullmatch(self.key):
            raise CredentialsInvalid("key is not a key id: 8 lower-case letters and digits")
        if len(self.private_key.seed) != 32:
            raise CredentialsInvalid("private_key is not 32 bytes of base64url")
        if not self.audience:
            raise CredentialsInvalid("audience is empty")

    @property
    def key_name(self) -> str:
        """Return the name of the key in tokens: app id, full stop, key id."""
        return f"{self.app}.{self.key}"

    def to_json(self) -> str:
        """Return the content of a credentials file. Write it to a file that only its owner can read (mode 0600)."""
        private_key = base64url_text(self.private_key.seed)
        values = {"app": self.app, "key": self.key, "private_key": private_key}
        return json.dumps({**values, "http_url": self.http_url, "audience": self.audience}, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> AppCredentials:
        """Read a JSON file with `app`, `key`, `private_key` (base64url), `http_url` and `audience`.

        Refuse a file that everybody on the machine may read. Raise CredentialsInvalid.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if os.name == "posix" and path.stat().st_mode & _OTHERS and isinstance(values, dict):
                raise CredentialsInvalid(
                    f"everybody on this machine may read {path}: chmod 600 it, and replace the key"
                )
        except OSError as error:
            raise CredentialsInvalid(f"{path} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise (
                error if isinstance(error, CredentialsInvalid) else CredentialsInvalid(f"{path} is not JSON")
            ) from None
        if not isinstance(values, dict):
            raise CredentialsInvalid(f"{path} is not a JSON object")
        return cls._of(values.get, str(path), {name: name for name in _VARIABLES})

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> AppCredentials:
        """Read the file that SANDES_APP_CREDENTIALS names, or the variables SANDES_APP, SANDES_APP_KEY,
        SANDES_APP_PRIVATE_KEY, SANDES_APP_URL and SANDES_APP_AUDIENCE. Raise CredentialsInvalid.
        """
        values = os.environ if environment is None else environment
        if file := values.get(FILE_VARIABLE):
            return cls.read(Path(file))
        if not any(values.get(name) for name in _VARIABLES.values()):
            raise CredentialsInvalid(f"name the app's credentials file, as an argument or by {FILE_VARIABLE}")
        return cls._of(values.get, f"without {FILE_VARIABLE}, the environment", _VARIABLES)

    @classmethod
    def _of(cls, value: Callable[[str], object], source: str, names: Mapping[str, str]) -> AppCredentials:
        given = {field: value(name) for field, name in names.items()}
        missing = [names[field] for field, found in given.items() if not isinstance(found, str) or not found]
        if missing:
            raise CredentialsInvalid(f"{source} lacks {', '.join(missing)}")
        texts = {field: str(found) for field, found in given.items()}
        try:
            seed = parse_base64url(texts.pop("private_key"))
        except ValueError:
            raise CredentialsInvalid("private_key is not 32 bytes of base64url") from None
        return cls(private_key=IdentityKey(seed), **texts)
