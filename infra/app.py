"""Entry point of the CDK app (see cdk.json)."""

from __future__ import annotations

import sys
from pathlib import Path

from aws_cdk import App, Tags

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "layers" / "core" / "python"))  # table and attribute names come from the stores

from infra.config import Config  # noqa: E402  # needs the path above
from infra.service_stack import ServiceStack  # noqa: E402  # as above


def build(app: App) -> ServiceStack:
    config = Config.of(app)
    stack = ServiceStack(app, f"Sandes-{config.stage}", config=config)
    Tags.of(stack).add("project", "sandes")
    return stack


if __name__ == "__main__":
    app = App()
    build(app)
    app.synth()
