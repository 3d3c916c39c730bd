"""Tests the stage file: every stage of it is usable, and a mistake is reported with its stage, key and remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from infra.stages import FANOUT_LEAST_POSTS, STAGES, Federation, StageError, StageSettings, check, load
from tests.infra.conftest import ROOT, Synthesised, synthesise

FEDERATION = {
    "issuer": "https://login.example.gov.in",
    "client_id": "sandes",
    "secret_name": "sandes/oidc",
    "domain_prefix": "sandes-admin",
}


def test_every_stage_of_the_file_can_be_used_and_production_keeps_its_data() -> None:
    stages = tomllib.loads(STAGES.read_text())
    assert {"local", "dev", "prod"} <= set(stages)
    assert {stage for stage in stages if load(stage).keep_data} == {"prod"}
    assert load("local").webhook_networks == ["127.0.0.0/8"]
    assert load("prod").webhook_networks == []


def test_what_a_stage_says_is_read(tmp_path: Path) -> None:
    file = tmp_path / "stages.toml"
    file.write_text(
        '[prod]\naccount = "123456789012"\nregion = "ap-south-2"\nalarm_email = "ops@example.gov.in"\n'
        '[prod.federation]\nissuer = "https://login.example.gov.in"\nclient_id = "a"\nsecret_name = "b"\n'
        'domain_prefix = "c"\n'
    )
    settings = load("prod", file)
    assert (settings.account, settings.region) == ("123456789012", "ap-south-2")
    assert settings.alarm_email == "ops@example.gov.in"
    assert settings.federation == Federation(
        issuer="https://login.example.gov.in", client_id="a", secret_name="b", domain_prefix="c"
    )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"max_expiry_days": 91}, "`max_expiry_days`"),
        ({"max_expiry_days": 0}, "`max_expiry_days`"),
        ({"max_expiry_days": -1}, "`max_expiry_days`"),
        ({"max_expiry_days": "30"}, "`max_expiry_days`"),
        ({"max_expiry_days": float("nan")}, "`max_expiry_days`"),
        ({"sms_after_seconds": 0}, "`sms_after_seconds`"),
        ({"sms_after_seconds": 301}, "`sms_after_seconds`"),
        ({"sms_after_seconds": True}, "`sms_after_seconds`"),
        ({"sms_sender_id": "TWELVELETTERS"}, "`sms_sender_id`"),
        ({"sms_sender_id": "123456"}, "`sms_sender_id`"),
        ({"sms_entity_id": "1101"}, "sms_template_id together"),
        ({"sms_entity_id": "1101", "sms_template_id": "11 07"}, "`sms_template_id`"),
        ({"sms_calling_codes": []}, "`sms_calling_codes`"),
        ({"sms_calling_codes": ["91"]}, "`sms_calling_codes.0`"),
        ({"registrations_per_address_hour": 9}, "`registrations_per_address_hour`"),
        ({"sms_otps_hour": -1}, "`sms_otps_hour`"),
        ({"fanout_posts_per_second": FANOUT_LEAST_POSTS - 1}, "`fanout_posts_per_second`"),
        ({"fanout_posts_per_second": 10_001}, "`fanout_posts_per_second`"),
        ({"alarm_email": ""}, "`alarm_email`"),
        ({"alarm_email": "ops"}, "`alarm_email`"),
        ({"webhook_networks": "10.0.0.0/8"}, "`webhook_networks`"),
        ({"webhook_networks": ["10.20.0.0/16", "10.0.0.1/8"]}, r"10\.0\.0\.1/8"),
        ({"audit_former_keys": ["a" * 43, "a" * 42]}, r"`audit_former_keys\.1`"),
        ({"account": "12345678901"}, "`account`"),
        ({"account": 123456789012}, "`account`"),
        ({"region": "Mumbai"}, "`region`"),
        ({"keep_data": "yes"}, "`keep_data`"),
        ({"alarm_mail": "ops@example.org"}, "did you mean `alarm_email`"),
        ({"colour": "red"}, "the keys are access_log_days, account"),
        ({"federation": FEDERATION | {"clientid": "a"}}, "did you mean `client_id`"),
        ({"federation": FEDERATION | {"issuer": "http://login.example.gov.in"}}, r"`federation\.issuer`.*https"),
        ({"federation": FEDERATION | {"callbacks": ["http://portal.example.gov.in/"]}}, r"callbacks\.0.*https"),
        *(
            ({"federation": {one: text for one, text in FEDERATION.items() if one != name}}, f"`federation.{name}`")
            for name in FEDERATION
        ),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_meant_is_refused_by_its_name(table: dict[str, Any], says: str) -> None:
    with pytest.raises(StageError, match=says) as error:
        check("prod", table)
    assert str(error.value).startswith("stages.toml, [prod]: ")


def test_every_fault_of_a_stage_is_reported_at_once() -> None:
    with pytest.raises(StageError) as error:
        check("dev", {"max_expiry_days": 91, "colour": "red"})
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("stage", ["staging", "a-b", "", "x" * 17])
def test_a_stage_that_is_not_in_the_file_is_refused_and_those_that_are_in_it_named(stage: str) -> None:
    with pytest.raises(StageError, match="it has local, dev, prod"):
        load(stage)


@pytest.mark.parametrize("text", ["[a-b]\n", f"[{'x' * 17}]\n", "region = 'ap-south-1'\n", "[dev\n"])
def test_a_file_that_holds_anything_but_stages_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "stages.toml"
    file.write_text(text)
    with pytest.raises(StageError, match=r"stages\.toml"):
        load("dev", file)


@pytest.mark.parametrize("name", ["alarm_email", "webhook_networks", "federation_issuer", "max_expiry_days"])
def test_a_setting_given_as_context_is_refused_since_the_next_deployment_would_drop_it(name: str) -> None:
    from aws_cdk import App

    from infra.config import Config

    with pytest.raises(StageError, match=rf"--context {name}=.*infra/stages\.toml"):
        Config.of(App(context={name: "x"}))


def test_a_stage_that_is_asked_for_by_context_must_be_in_the_file() -> None:
    from aws_cdk import App

    from infra.config import Config

    with pytest.raises(StageError, match="no stage 'production'"):
        Config.of(App(context={"stage": "production"}))


def test_the_settings_of_a_stage_come_into_its_template(tmp_path: Path) -> None:
    keys = ["a" * 43, "B" * 43]
    settings = StageSettings(
        webhook_networks=["10.20.0.0/16", "10.30.0.0/16"],
        audit_former_keys=keys,
        max_expiry_days=7,
        sms_sender_id="GOVIN",
        sms_after_seconds=20,
        sms_entity_id="1101000000000000001",
        sms_template_id="1107000000000000001",
        sms_calling_codes=["+91", "+977"],
        sms_registrations_hour=70,
        sms_registrations_prefix_hour=7,
        sms_otps_hour=90,
        sms_otps_prefix_hour=9,
        registrations_per_address_hour=20,
        fanout_posts_per_second=500,
    )
    stage = synthesise(tmp_path, settings, stage="dev")
    assert variable(stage, "appwebhooks", "WEBHOOK_NETWORKS") == "10.20.0.0/16,10.30.0.0/16"
    assert variable(stage, "admin", "AUDIT_FORMER_KEYS") == ",".join(keys)
    assert variable(stage, "send", "MAX_EXPIRY_SECONDS") == str(7 * 86_400)
    assert variable(stage, "otpsms", "SMS_SENDER_ID") == "GOVIN"
    assert variable(stage, "otp", "SMS_AFTER_SECONDS") == "20"
    assert variable(stage, "client", "SMS_ENTITY_ID") == "1101000000000000001"
    assert variable(stage, "client", "SMS_TEMPLATE_ID") == "1107000000000000001"
    assert {variable(stage, name, "SMS_CALLING_CODES") for name in ("client", "otp", "otpsms")} == {"+91,+977"}
    assert variable(stage, "client", "SMS_REGISTRATIONS_HOUR") == "70"
    assert variable(stage, "client", "SMS_REGISTRATIONS_PREFIX_HOUR") == "7"
    assert variable(stage, "otpsms", "SMS_OTPS_HOUR") == "90"
    assert variable(stage, "otpsms", "SMS_OTPS_PREFIX_HOUR") == "9"
    assert variable(stage, "client", "REGISTRATIONS_PER_ADDRESS_HOUR") == "20"
    assert variable(stage, "groupfanout", "FANOUT_POSTS_PER_SECOND") == "100"


def variable(stage: Synthesised, function: str, name: str) -> str:
    return str(stage.functions[function]["Environment"]["Variables"][name])


def test_every_setting_is_explained_to_operators() -> None:
    page = (ROOT / "docs" / "operations" / "settings.md").read_text()
    plain = StageSettings.model_fields.keys() - {"federation"}
    missing = [name for name in sorted(plain) if f"`{name}`" not in page]
    missing += [name for name in Federation.model_fields if f"`federation.{name}`" not in page]
    assert missing == []
