"""Builds the bucket for the hourly heads of audit chains, from which nobody can delete an object (docs/adr/0025)."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config import Config

KEPT_YEARS = 10


class Heads(Construct):
    """Is a private, encrypted and versioned bucket under Object Lock.

    In production, compliance mode for ten years prevents everybody, even the account's root user, from shortening that
    or deleting a version (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html). Other stages could
    then not be deleted, so they have one day, in a mode that a separate permission overrides.
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
            enforce_ssl=config.local_port is None,  # the local engine has no TLS, on loopback
            versioned=True,
            object_lock_enabled=True,
            object_lock_default_retention=(
                s3.ObjectLockRetention.compliance(Duration.days(KEPT_YEARS * 365))
                if kept
                else s3.ObjectLockRetention.governance(Duration.days(1))
            ),
            removal_policy=config.removal_policy,
        )
