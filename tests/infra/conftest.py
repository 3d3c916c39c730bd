"""Synthesises the templates of all stages once for the session."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.stages import StageSettings

ROOT = Path(__file__).parent.parent.parent
JSII = {
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(ROOT / ".local" / "jsii"),  # shared with the deployments on engines
}
for name, value in JSII.items():
    os.environ.setdefault(name, value)  # read when jsii starts


@dataclass(frozen=True)
class Synthesised:
    """Holds one stage's template. `folder` also has the assets, unzipped."""

    template: dict[str, Any]
    folder: Path

    def of_type(self, type: str) -> dict[str, dict[str, Any]]:
        """Return resources by logical id."""
        return {id: resource for id, resource in self.template["Resources"].items() if resource["Type"] == type}

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        """Return properties by the name under which a function logs."""
        return {
            properties["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: properties
            for properties in (resource["Properties"] for resource in self.of_type("AWS::Lambda::Function").values())
        }

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """Return whole resources by the table's name in the schema, which is in their outputs."""
        resources = self.of_type("AWS::DynamoDB::GlobalTable")
        return {
            output.removesuffix("Table").lower(): resources[value["Value"]["Ref"]]
            for output, value in self.template["Outputs"].items()
            if output.endswith("Table")
        }

    def queue_name(self, id: str) -> str:
        """Return the name of the construct around a queue, in lower case; with `.dead` for its dead-letter queue."""
        name, kind = re.fullmatch(r"(\w+?)(Queue|Dead)[0-9A-F]{8}", id).groups()  # type: ignore[union-attr]
        return name.lower() + (".dead" if kind == "Dead" else "")

    @property
    def queues(self) -> dict[str, dict[str, Any]]:
        """Return whole resources by `queue_name`."""
        return {self.queue_name(id): resource for id, resource in self.of_type("AWS::SQS::Queue").items()}

    def named_queue(self, reference: Any) -> str:
        """Return the name of the queue with an ARN in the template."""
        return self.queue_name(reference["Fn::GetAtt"][0])

    @property
    def workers(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return the function that processes each queue, by the name under which it logs, and its event source."""
        names = {
            id: resource["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
            for id, resource in self.of_type("AWS::Lambda::Function").items()
        }
        return {
            self.named_queue(one["EventSourceArn"]): (names[one["FunctionName"]["Ref"]], one)
            for one in self._sources
            if one["EventSourceArn"]["Fn::GetAtt"][1] == "Arn"
        }

    @property
    def streams(self) -> dict[str, dict[str, Any]]:
        """Return the event source that gives each table's stream to a function, by the table's name."""
        ids = {id: name for name, table in self.tables.items() for id in self._ids(table)}
        return {
            ids[one["EventSourceArn"]["Fn::GetAtt"][0]]: one
            for one in self._sources
            if one["EventSourceArn"]["Fn::GetAtt"][1] == "StreamArn"
        }

    @property
    def _sources(self) -> list[dict[str, Any]]:
        return [resource["Properties"] for resource in self.of_type("AWS::Lambda::EventSourceMapping").values()]

    def _ids(self, resource: dict[str, Any]) -> list[str]:
        return [id for id, one in self.template["Resources"].items() if one is resource]


def synthesise(folder: Path, settings: StageSettings | None = None, **context: str) -> Synthesised:
    from aws_cdk import App, assertions

    from infra.app import build

    flags = json.loads((ROOT / "cdk.json").read_text())["context"]
    stack = build(App(outdir=str(folder), context=flags | context), settings)
    return Synthesised(dict(assertions.Template.from_stack(stack).to_json()), folder)


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise(tmp_path_factory.mktemp("dev"), stage="dev")


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise(tmp_path_factory.mktemp("prod"), stage="prod")


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise(tmp_path_factory.mktemp("local"), local_port="4566")
