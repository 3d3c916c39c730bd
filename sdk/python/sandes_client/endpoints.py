"""Where a deployment is reached, and the audience its tokens are made for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class EndpointsInvalid(ValueError):
    """The addresses of the service are missing or cannot be used; the message says which."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """`http_url` is the base of the client API; `audience` is `sandes:<stage>`."""

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
        """From a JSON file with `http_url`, `websocket_url` and `audience`. Raises EndpointsInvalid."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(values["http_url"]), str(values["websocket_url"]), str(values["audience"]))
        except OSError as error:
            raise EndpointsInvalid(f"{path} cannot be read: {error.strerror}") from error
        except KeyError as error:
            raise EndpointsInvalid(f"{path} lacks {error}") from error
        except (TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise EndpointsInvalid(f"{path} is not the JSON object it should be") from error


def check_address(name: str, url: str, schemes: tuple[str, str]) -> None:
    """In clear only to this machine: the token in the request is worth five minutes of somebody's account.

    `schemes`: the secure one, then the one in clear. Raises EndpointsInvalid.
    """
    parts = urlsplit(url)
    secure, plain = schemes
    if parts.scheme not in schemes or not parts.hostname:
        raise EndpointsInvalid(f"{name} is not a {secure} address")
    if parts.scheme == plain and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise EndpointsInvalid(f"{name} must be {secure}: {plain} is for this machine only")
