"""Holds the addresses of a deployment, and the audience of its tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class EndpointsInvalid(ValueError):
    """Reports addresses that are missing or cannot be used. The message says which."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Holds the addresses. `http_url` is the base of the client API; `audience` is `sandes:<stage>`."""

    http_url: str
    websocket_url: str
    audience: str

    def __post_init__(self) -> None:
        check_address("http_url", self.http_url, ("https", "http"))
        check_address("websocket_url", self.websocket_url, ("wss", "ws"))
        if not self.audience:
            raise EndpointsInvalid("audience is empty")

    @classmethod
    def read(cls, path: Path) -> Endpoints:
        """Read a JSON file with `http_url`, `websocket_url` and `audience`. Raise EndpointsInvalid."""
        values = _read(path)
        try:
            return cls(str(values["http_url"]), str(values["websocket_url"]), str(values["audience"]))
        except KeyError as error:
            raise EndpointsInvalid(f"{path} lacks {error}") from error


@dataclass(frozen=True, slots=True)
class AdminEndpoints:
    """Holds the addresses for administrators.

    `http_url` is the base of the admin API. They sign in at `cognito_url` as the app client `client`.
    """

    http_url: str
    cognito_url: str
    client: str

    def __post_init__(self) -> None:
        check_address("http_url", self.http_url, ("https", "http"))
        check_address("cognito_url", self.cognito_url, ("https", "http"))
        if not self.client:
            raise EndpointsInvalid("admin_client is empty")

    @classmethod
    def read(cls, path: Path) -> AdminEndpoints:
        """Read a JSON file with `http_url`, `cognito_url` and `admin_client`. Raise EndpointsInvalid."""
        values = _read(path)
        try:
            return cls(str(values["http_url"]), str(values["cognito_url"]), str(values["admin_client"]))
        except KeyError as error:
            raise EndpointsInvalid(f"{path} lacks {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EndpointsInvalid(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise EndpointsInvalid(f"{path} does not hold the expected JSON object") from error
    if not isinstance(values, dict):
        raise EndpointsInvalid(f"{path} does not hold the expected JSON object")
    return values


def check_address(name: str, url: str, schemes: tuple[str, str]) -> None:
    """Allow an unencrypted address only on this machine, because a request's token is valid for five
    minutes.

    `schemes` are the secure one, then the unencrypted one. Raise EndpointsInvalid.
    """
    parts = urlsplit(url)
    secure, plain = schemes
    if parts.scheme not in schemes or not parts.hostname:
        raise EndpointsInvalid(f"{name} is not a {secure} address")
    if parts.scheme == plain and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise EndpointsInvalid(f"{name} must be {secure}: {plain} is for this machine only")
