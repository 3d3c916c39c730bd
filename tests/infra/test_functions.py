"""Tests the declarations of functions without a synthesis, so that a newcomer's mistakes are found within a second."""

from __future__ import annotations

import importlib
import inspect

import pytest

from infra.environment import environment
from infra.function_spec import FunctionSpec, SpecError
from infra.functions import FUNCTIONS, GUARDED_ROWS, QUEUES, SECRETS
from infra.permissions import permissions
from infra.stages import RESERVED_SHARES
from sandes.edge.settings import SendSettings, Settings
from tests.infra.conftest import ROOT

BY_SPEC = pytest.mark.parametrize("spec", FUNCTIONS, ids=lambda spec: spec.name)


class NewSettings(Settings):
    directory_table: str
    colour_of_the_sky: str


@BY_SPEC
def test_the_entry_is_a_function_of_an_event_and_a_context(spec: FunctionSpec) -> None:
    entry = getattr(importlib.import_module(f"functions.{spec.folder}.handler"), spec.entry)
    inspect.signature(entry).bind({}, object())


def test_every_handler_is_declared() -> None:
    assert {spec.folder for spec in FUNCTIONS} == {file.parent.name for file in ROOT.glob("functions/*/handler.py")}


@BY_SPEC
def test_a_table_that_a_function_may_use_is_a_table_that_it_knows_by_name(spec: FunctionSpec) -> None:
    used = {f"{table.name}_table" for table in (*spec.tables, *spec.indexes, *spec.streams)}
    assert used <= spec.fields
    assert ("uploads_bucket" in spec.fields) == bool(spec.uploads)
    assert ("heads_bucket" in spec.fields) == bool(spec.heads)


def test_every_queue_has_senders_and_one_worker_and_every_secret_a_reader() -> None:
    for queue in QUEUES:
        assert any(queue.field in spec.fields for spec in FUNCTIONS), queue.name
        assert len([spec for spec in FUNCTIONS if spec.works and spec.works.queue == queue]) == 1, queue.name
    for secret in SECRETS:
        assert any(secret.field in spec.fields for spec in FUNCTIONS), secret.name


def test_names_and_variables_mean_one_thing() -> None:
    names = [one.name.lower() for one in (*FUNCTIONS, *QUEUES, *SECRETS)]
    assert len(names) == len(set(names))
    fields = [one.field for one in (*QUEUES, *SECRETS)]
    assert len(fields) == len(set(fields))
    assert RESERVED_SHARES.keys() <= {spec.logs_as for spec in FUNCTIONS}


def test_every_kind_of_guarded_rows_has_a_function_that_writes_them() -> None:
    for rows in GUARDED_ROWS:
        assert any(rows in spec.guarded for spec in FUNCTIONS), rows.keys


def test_the_environment_is_the_fields_of_the_settings_and_nothing_else() -> None:
    spec = FunctionSpec(name="New", folder="new", settings=NewSettings)
    provided = {"stage": "dev", "directory_table": "D", "colour_of_the_sky": "blue", "routing_table": "R"}
    assert environment(spec, provided) == {"STAGE": "dev", "DIRECTORY_TABLE": "D", "COLOUR_OF_THE_SKY": "blue"}


def test_a_field_that_nothing_provides_stops_the_synthesis_and_says_what_to_do() -> None:
    spec = FunctionSpec(name="New", folder="new", settings=NewSettings)
    with pytest.raises(SpecError) as refused:
        environment(spec, {"stage": "dev", "directory_table": "D"})
    text = str(refused.value)
    assert "`colour_of_the_sky` of NewSettings" in text
    assert "function New" in text
    assert "infra/functions.py" in text
    assert "infra/stages.toml" not in text


def test_a_secret_and_a_queue_of_the_settings_are_granted_without_a_further_word() -> None:
    spec = FunctionSpec(name="New", folder="new", settings=SendSettings)
    assert {str(one) for one in permissions(spec)} == {
        "secretsmanager:GetSecretValue secret SenderSecret",
        "secretsmanager:GetSecretValue secret SealSecret",
        "sqs:SendMessage queue Fanout",
        "execute-api:ManageConnections sockets POST",
    }
