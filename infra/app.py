"""Is the entry point of the CDK app (see cdk.json)."""

from __future__ import annotations

import sys
from pathlib import Path

from aws_cdk import App, Tags

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "layers" / "core" / "python"))  # stores define table and attribute names

from infra.config import Config  # noqa: E402  # needs the path above
from infra.function_spec import SpecError  # noqa: E402  # as above
from infra.service_stack import ServiceStack  # noqa: E402  # as above
from infra.stages import StageError, StageSettings  # noqa: E402  # as above


def build(app: App, settings: StageSettings | None = None) -> ServiceStack:
    """Build the stack of the stage that the context names; `settings` replace those of infra/stages.toml."""
    config = Config.of(app, settings)
    stack = ServiceStack(app, f"Sandes-{config.stage}", config=config)
    Tags.of(stack).add("project", "sandes")
    return stack


if __name__ == "__main__":
    app = App()
    try:
        build(app)
    except (SpecError, StageError) as error:
        sys.exit(str(error))
    app.synth()
