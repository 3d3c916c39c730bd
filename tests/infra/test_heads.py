"""Tests the bucket of heads: nobody can delete its objects, and only one function writes them."""

from __future__ import annotations

from typing import Any

from tests.infra.conftest import Synthesised
from tests.infra.test_permissions import granted


def bucket(stage: Synthesised) -> dict[str, Any]:
    (found,) = [one for id, one in stage.of_type("AWS::S3::Bucket").items() if id.startswith("Heads")]
    return found


def test_in_production_heads_are_locked_for_ten_years_and_outlive_the_stack(prod: Synthesised) -> None:
    properties = bucket(prod)["Properties"]
    assert properties["ObjectLockEnabled"] is True
    assert properties["ObjectLockConfiguration"] == {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Days": 3650, "Mode": "COMPLIANCE"}},
    }
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket(prod)["DeletionPolicy"] == "Retain"
    assert "LifecycleConfiguration" not in properties


def test_elsewhere_they_are_locked_for_a_day(dev: Synthesised) -> None:
    rule = bucket(dev)["Properties"]["ObjectLockConfiguration"]["Rule"]
    assert rule == {"DefaultRetention": {"Days": 1, "Mode": "GOVERNANCE"}}


def test_the_bucket_is_private_and_encrypted_and_speaks_tls_only(dev: Synthesised) -> None:
    properties = bucket(dev)["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    policies = [
        policy["Properties"]["PolicyDocument"]["Statement"]
        for policy in dev.of_type("AWS::S3::BucketPolicy").values()
        if policy["Properties"]["Bucket"]["Ref"].startswith("Heads")
    ]
    assert [(one["Effect"], one["Condition"]) for (one,) in policies] == [
        ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    ]


def test_one_function_puts_heads_and_none_may_delete_them_or_touch_their_lock(dev: Synthesised) -> None:
    about = {
        (name, action) for name in dev.functions for action in granted(dev, name) if action.endswith(" objects heads/*")
    }
    puts, reads = "s3:PutObject objects heads/*", "s3:GetObject objects heads/*"
    assert about == {("auditheads", puts), ("auditheads", reads), ("admin", reads)}


def test_heads_are_kept_every_hour(dev: Synthesised) -> None:
    (rule,) = [
        rule["Properties"] for id, rule in dev.of_type("AWS::Events::Rule").items() if id.startswith("HeadsEveryHour")
    ]
    assert rule["ScheduleExpression"] == "cron(0 * * * ? *)"
    assert "AuditHeads" in str(rule["Targets"])
