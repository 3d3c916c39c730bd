"""The bucket for the hourly heads of audit chains: what is put there stays, whoever asks (docs/adr/0025)."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config import Config

KEPT_YEARS = 10


class Heads(Construct):
    """Private, encrypted, versioned, under Object Lock.

    In production in compliance mode for ten years: nobody, not even the account's root user, shortens that or deletes a
    version (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html). Other stages could then not be
    taken down: there it is a day, in a mode that a right of its own overrides.
    """

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        kept = config.removal_policy is RemovalPolicy.RETAIN
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=config.local_port is None,  # the local engine is spoken to in clear, on loopback
            versioned=True,
            object_lock_enabled=True,
            object_lock_default_retention=(
                s3.ObjectLockRetention.compliance(Duration.days(KEPT_YEARS * 365))
                if kept
                else s3.ObjectLockRetention.governance(Duration.days(1))
            ),
            removal_policy=config.removal_policy,
        )
