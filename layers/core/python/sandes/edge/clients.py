"""Makes all clients of AWS services, and reads secrets. No other module does either."""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore
from botocore.config import Config
from botocore.session import get_session

from sandes.edge.attribute_values import lighten
from sandes.runtime import once

_CONFIG = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "max_attempts": 4},
    parameter_validation=False,  # our own code builds the requests; this saves a tenth of a call's CPU
    tcp_keepalive=True,
    user_agent=f"sandes botocore/{botocore.__version__}",  # botocore would build it twice for each request
)

_session = cache(get_session)
"""botocore's session. boto3 would only add 50 ms of imports for S3 transfers to every cold start."""


@once
def client_of(service: str) -> Any:
    client: Any = _session().create_client(service, config=_CONFIG)
    return lighten(client) if service == "dynamodb" else client


@once
def secret_of(arn: str) -> bytes:
    return client_of("secretsmanager").get_secret_value(SecretId=arn)["SecretString"].encode()  # type: ignore[no-any-return]  # untyped


def objects_client() -> Any:
    """Make the client that signs upload forms for others: SigV4, without a checksum that they would have to compute.

    Forms name the bucket's host in this region. The global host does not serve buckets in newer regions, and serves new
    buckets in older regions only after hours
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html). If the endpoint is an IP address, as on
    the local engine, botocore puts the bucket into the path.
    """
    signing = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        read_timeout=20,
        s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
    )
    return _session().create_client("s3", config=_CONFIG.merge(signing))
