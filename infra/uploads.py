"""Builds the bucket for the uploads of batches and imports, for their rows, and for the errors found in imports."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config import Config
from infra.prefixes import FINDINGS, ROWS, UPLOADS


class Uploads(Construct):
    """Is a private, encrypted bucket with expiry: files after two days, sealed rows after eight, when no batch is sent
    any more. Files are deleted as soon as they are checked, and rows as soon as they are sent. Findings of imports have
    nothing of the rows, and stay as long as the imports (store/imports.py).
    """

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=config.local_port is None,  # the local engine has no TLS, on loopback
            lifecycle_rules=[
                s3.LifecycleRule(id="uploads", prefix=UPLOADS, expiration=Duration.days(2)),
                s3.LifecycleRule(id="rows", prefix=ROWS, expiration=Duration.days(8)),
                s3.LifecycleRule(id="findings", prefix=FINDINGS, expiration=Duration.days(400)),
            ],
            removal_policy=config.removal_policy,
        )
