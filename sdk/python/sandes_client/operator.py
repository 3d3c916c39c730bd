"""Makes the operator's calls through Lambda's own API and IAM (docs/runbook.md): registering apps, keys,
templates.

It needs boto3: `pip install 'sandes-client[operator]'`. Later these calls go to the HTTPS admin API.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from sandes_client.endpoints import EndpointsInvalid

_HERE = ("127.0.0.1", "localhost", "::1")
TIMEOUT_SECONDS = 60


class OperatorRefused(Exception):
    """Reports a refusal. `code` is from the protocol's registry; `errors` are the fields at fault."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("code")))
        self.code = str(error.get("code"))
        self.message = str(error.get("message") or "refused")
        self.errors: list[dict[str, Any]] = error.get("errors") or []


class OperatorUnreachable(Exception):
    """Reports a call that could not be made or got no answer. It may have been carried out."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Calls a Lambda function by its name, `function`. `aws_endpoint` is set for the local engine only."""

    function: str
    aws_endpoint: str | None = None

    @classmethod
    def read(cls, path: Path, *, function: str | None = None, name: str = "operator") -> Self:
        """Read an endpoints file with the function as `name`, and optionally `aws_endpoint`. Raise EndpointsInvalid."""
        values = read_object(path)
        named = function or values.get(name)
        if not isinstance(named, str) or not named:
            raise EndpointsInvalid(f"{path} lacks {name}")
        endpoint = values.get("aws_endpoint")
        return cls(named, endpoint if isinstance(endpoint, str) else None)

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Carry an operation out once. Raise OperatorRefused or OperatorUnreachable."""
        try:
            from botocore.exceptions import BotoCoreError, ClientError
        except ModuleNotFoundError:
            raise OperatorUnreachable("boto3 is missing: pip install 'sandes-client[operator]'") from None
        payload = json.dumps({"operation": operation} | parameters)
        try:
            answer = self._lambda().invoke(FunctionName=self.function, Payload=payload)
            said = json.loads(answer["Payload"].read())
        except (BotoCoreError, ClientError) as error:
            raise OperatorUnreachable(str(error)) from error
        except ValueError as error:
            raise OperatorUnreachable("the operator's answer is not JSON") from error
        if isinstance(said, dict) and isinstance(said.get("ok"), dict):
            return dict(said["ok"])
        if isinstance(said, dict) and isinstance(said.get("error"), dict):
            raise OperatorRefused(said["error"])
        raise OperatorUnreachable("the operator's function failed; see its log")

    def _lambda(self) -> Any:
        import boto3
        from botocore.config import Config

        # A second try could register a second app.
        config = Config(read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 1})
        if self.aws_endpoint and urlsplit(self.aws_endpoint).hostname in _HERE:
            return boto3.client(  # the engine's public test key, so that real keys are never sent to it
                "lambda",
                endpoint_url=self.aws_endpoint,
                region_name=os.environ.get("AWS_REGION", "us-east-1"),
                aws_access_key_id="test",
                aws_secret_access_key="test",  # noqa: S106
                config=config,
            )
        return boto3.client("lambda", endpoint_url=self.aws_endpoint, config=config)


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file. Raise EndpointsInvalid."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EndpointsInvalid(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise EndpointsInvalid(f"{path} does not hold the expected JSON object") from error
    if not isinstance(values, dict):
        raise EndpointsInvalid(f"{path} does not hold the expected JSON object")
    return values
