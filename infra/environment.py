"""Computes the environment of a function: a value for each field of its settings class."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from infra.config import Config
from infra.function_spec import FunctionSpec, SpecError
from infra.stages import FANOUT_CONCURRENCY


def environment(spec: FunctionSpec, provided: Mapping[str, str]) -> dict[str, str]:
    """Return the function's variables. Raise SpecError for a field that has no value in `provided`."""
    for name in sorted(spec.fields - provided.keys()):
        raise SpecError(
            f"nothing provides `{name}` of {spec.settings.__name__} to the function {spec.name}: name the field after "
            "a table (`…_table`), a queue or a secret of infra/functions.py, or a setting of the stage "
            "(infra/stages.py), or add its value to infra/environment.py"
        )
    return {name.upper(): provided[name] for name in spec.fields}


def of_the_stage(config: Config) -> dict[str, str]:
    """Return the values that follow from the stage: its settings by their names, and those computed from them.

    A list is joined with commas; a setting that the stage leaves open is the empty string.
    """
    return {
        name: ",".join(value) if isinstance(value, list) else str("" if value is None else value)
        for name, value in config.settings
        if not isinstance(value, BaseModel)
    } | {
        "stage": config.stage,
        "token_audience": config.token_audience,
        "max_expiry_seconds": str(config.max_expiry_seconds),
        "fanout_posts_per_second": str(config.settings.rate("fanout") // FANOUT_CONCURRENCY),
    }
