"""Builds the two layers of every function: third-party wheels, and the project's own code."""

from __future__ import annotations

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import ROOT, Config


class Layers(Construct):
    """Holds both layers. `python -m tools.layers` builds `vendor` beforehand, with pip and without Docker."""

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        if not (config.vendor_layer / "python").is_dir():
            raise FileNotFoundError(
                f"{config.vendor_layer.relative_to(ROOT)} is missing: run `make layers`, or `python -m tools.layers`"
            )
        self.all: list[lambda_.ILayerVersion] = [
            lambda_.LayerVersion(
                self,
                "Vendor",
                code=lambda_.Code.from_asset(str(config.vendor_layer)),
                description="Pinned third-party packages (requirements/vendor.txt)",
                compatible_runtimes=[config.runtime],
                compatible_architectures=[config.architecture],
            ),
            lambda_.LayerVersion(
                self,
                "Core",
                code=lambda_.Code.from_asset(str(ROOT / "layers" / "core"), exclude=["**/__pycache__", "**/*.pyc"]),
                description="The logic of Sandes",
                compatible_runtimes=[config.runtime],
            ),
        ]
