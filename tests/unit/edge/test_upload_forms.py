"""Tests forms for uploads: their host in each region, and their signed policy."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from sandes.edge.clients import _session, objects_client
from sandes.edge.objects import S3Objects


def form_in(monkeypatch: pytest.MonkeyPatch, region: str, endpoint: str | None = None) -> tuple[str, dict[str, str]]:
    """Return the address and the fields of a form that is signed in a region."""
    _session.cache_clear()
    for name, value in {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    try:
        made = S3Objects(objects_client(), "sandes-uploads").upload_form(
            "uploads/x", content_type="text/csv", most_bytes=50, seconds=900
        )
    finally:
        _session.cache_clear()
    return made.url, made.fields


@pytest.mark.parametrize("region", ["ap-south-1", "ap-south-2", "eu-central-1", "us-east-1"])
def test_a_form_goes_to_the_buckets_host_in_its_region(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    url, fields = form_in(monkeypatch, region)
    assert urlsplit(url).hostname == f"sandes-uploads.s3.{region}.amazonaws.com"
    assert f"/{region}/s3/" in fields["x-amz-credential"]


def test_a_form_of_the_local_engine_goes_to_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    url, _ = form_in(monkeypatch, "us-east-1", "http://127.0.0.1:4566")
    assert url == "http://127.0.0.1:4566/sandes-uploads"


def test_a_form_binds_name_type_length_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    _, fields = form_in(monkeypatch, "ap-south-2")
    policy = json.loads(base64.b64decode(fields["policy"]))
    assert ["content-length-range", 0, 50] in policy["conditions"]
    for condition in ({"Content-Type": "text/csv"}, {"bucket": "sandes-uploads"}, {"key": "uploads/x"}):
        assert condition in policy["conditions"]
    ends = datetime.fromisoformat(policy["expiration"].replace("Z", "+00:00"))
    assert timedelta(seconds=890) < ends - datetime.now(UTC) <= timedelta(seconds=900)
    assert fields["key"] == "uploads/x"
    assert fields["x-amz-security-token"] == "token"
