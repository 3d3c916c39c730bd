"""The only place where clients of AWS are made, and where secrets are read."""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore
from botocore.config import Config
from botocore.session import get_session

from sandes.edge.attribute_values import lighten

_CONFIG = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "max_attempts": 4},
    parameter_validation=False,  # requests are built by our own code; saves a tenth of a call's CPU
    tcp_keepalive=True,
    user_agent=f"sandes botocore/{botocore.__version__}",  # fixed: botocore else builds it anew, twice for each request
)

_session = cache(get_session)
"""botocore's own: boto3 adds nothing to a client but 50 ms of imports for S3 transfers at every cold start."""


@cache
def client_of(service: str) -> Any:
    client: Any = _session().create_client(service, config=_CONFIG)
    return lighten(client) if service == "dynamodb" else client


def secret_of(arn: str) -> bytes:
    return client_of("secretsmanager").get_secret_value(SecretId=arn)["SecretString"].encode()  # type: ignore[no-any-return]  # untyped client


def objects_client() -> Any:
    """Make the client whose signed forms others use: SigV4, and no checksum that they would have to know of.

    Forms name the bucket's host in this region. Otherwise they would name the global host, which a bucket in a newer
    region does not answer at, and a new bucket in an older one only after hours
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html). For an endpoint that is an IP address,
    as the local engine's, botocore puts the bucket into the path.
    """
    signing = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        read_timeout=20,
        s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
    )
    return _session().create_client("s3", config=_CONFIG.merge(signing))
