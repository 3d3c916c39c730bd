"""Checks the templates with AWS's own linter: no error, in any region that the service supports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.conftest import Synthesised

REGIONS = ("ap-south-1", "ap-south-2")
MOST_RESOURCES = 500
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""


def errors(template: Path) -> list[str]:
    """Return the linter's errors; its warnings are the CDK's way of writing templates."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--format", "json", "--regions", *REGIONS]
    command += ["--template", str(template)]
    found = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  # our own command
    assert not found.stderr, found.stderr
    return [f"{one['Rule']['Id']} {one['Message']}" for one in json.loads(found.stdout) if one["Level"] == "Error"]


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_template_has_no_error(stage: str, request: pytest.FixtureRequest) -> None:
    synthesised: Synthesised = request.getfixturevalue(stage)
    assert errors(synthesised.folder / f"Sandes-{stage}.template.json") == []


def test_the_linter_finds_an_error_where_there_is_one(tmp_path: Path) -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": "soon"}}
    file = tmp_path / "wrong.template.json"
    file.write_text(json.dumps({"Resources": {"Queue": queue}}))
    assert errors(file)


def test_the_stack_stays_well_below_cloudformations_limit_of_resources(prod: Synthesised) -> None:
    assert len(prod.template["Resources"]) <= MOST_RESOURCES - 15
