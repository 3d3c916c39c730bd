"""Tests the bucket of uploads: it is private and encrypted, and its objects expire."""

from __future__ import annotations

from typing import Any

from tests.infra.conftest import Synthesised


def uploads(stage: Synthesised) -> tuple[str, dict[str, Any]]:
    """Return logical id and properties of the bucket."""
    ((id, bucket),) = [one for one in stage.of_type("AWS::S3::Bucket").items() if one[0].startswith("Uploads")]
    return id, bucket["Properties"]


def test_the_bucket_is_private_and_encrypted_and_speaks_tls_only(dev: Synthesised) -> None:
    id, properties = uploads(dev)
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (policy,) = [
        policy["Properties"]["PolicyDocument"]["Statement"]
        for policy in dev.of_type("AWS::S3::BucketPolicy").values()
        if policy["Properties"]["Bucket"] == {"Ref": id}
    ]
    assert [(one["Effect"], one["Condition"]) for one in policy] == [
        ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    ]


def test_what_lies_in_the_bucket_expires(dev: Synthesised) -> None:
    rules = uploads(dev)[1]["LifecycleConfiguration"]["Rules"]
    assert {rule["Prefix"]: (rule["ExpirationInDays"], rule["Status"]) for rule in rules} == {
        "uploads/": (2, "Enabled"),
        "rows/": (8, "Enabled"),
        "findings/": (400, "Enabled"),
    }


def test_batches_have_a_function_and_a_small_number_of_environments_of_their_own(dev: Synthesised) -> None:
    mappings = {
        str(source["Properties"]["EventSourceArn"]): source["Properties"]
        for source in dev.of_type("AWS::Lambda::EventSourceMapping").values()
    }
    (batches,) = [properties for arn, properties in mappings.items() if "Batches" in arn]
    assert "AppBatches" in str(batches["FunctionName"])
    assert batches["ScalingConfig"]["MaximumConcurrency"] == 5
    assert batches["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert dev.functions["appbatches"]["Timeout"] == 120
