"""Rows of apps in the directory table: keys, writing and reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from sandes.model.app import App, AppKey, Mode, Webhook
from sandes.model.ids import AppId, AppKeyId, OrganisationId, UnitId, app_text, id_text, parse_app, parse_unit
from sandes.store.dynamo import Item
from sandes.store.organisations import organisation_key
from sandes.store.schema import AppRow, DirectoryRow, ListedAppRow

_APP_SORT = "0"
LISTED_PREFIX = "A#"


def app_key(app: AppId) -> dict[str, Any]:
    return {DirectoryRow.PARTITION: {"S": f"APP#{app_text(app)}"}, DirectoryRow.SORT: {"S": _APP_SORT}}


def listed_app_key(organisation: OrganisationId, unit: UnitId, app: AppId) -> dict[str, Any]:
    return organisation_key(organisation) | {
        DirectoryRow.SORT: {"S": f"{LISTED_PREFIX}{id_text(unit)}#{app_text(app)}"}
    }


def is_app(item: Item) -> bool:
    return bool(item[DirectoryRow.PARTITION]["S"].startswith("APP#") and item[DirectoryRow.SORT]["S"] == _APP_SORT)


@dataclass(frozen=True, slots=True)
class ListedApp:
    """Holds an app as lists show it."""

    app: AppId
    unit: UnitId
    name: str
    mode: Mode


def strings(values: list[str]) -> Any:
    return {"L": [{"S": value} for value in values]}


def read_strings(attribute: Any) -> tuple[str, ...]:
    return tuple(value["S"] for value in attribute["L"])


def app_item(app: App) -> dict[str, Any]:
    of: dict[str, Any] = {AppRow.ORGANISATION_ID: {"B": app.organisation_id}} if app.organisation_id else {}
    of |= {AppRow.UNIT: {"B": app.unit}} if app.unit else {}
    return (
        app_key(app.id)
        | of
        | {
            AppRow.NAME: {"S": app.name},
            AppRow.ORGANISATION: {"S": app.organisation},
            AppRow.VERSION: {"N": str(app.version)},
            AppRow.MODE: {"S": app.mode},
            AppRow.SCOPES: strings(sorted(app.scopes)),
            AppRow.SMS: {"BOOL": app.sms},
            AppRow.PER_MINUTE: {"N": str(app.per_minute)},
            AppRow.PER_DAY: {"N": str(app.per_day)},
            AppRow.GUESTS: strings(sorted(app.guests)),
            AppRow.GUESTS_SEALED: {"B": app.guests_sealed},
            AppRow.CREATED_AT: {"N": str(app.created_at)},
            AppRow.KEYS: {"M": {id: key_entry(key) for id, key in app.keys.items()}},
            **{
                hooks_field(test=test): {"M": {id: hook_entry(hook) for id, hook in app.hooks(test=test).items()}}
                for test in (False, True)
            },
        }
    )


def hooks_field(*, test: bool) -> str:
    return AppRow.TEST_WEBHOOKS if test else AppRow.WEBHOOKS


def key_entry(key: AppKey) -> dict[str, Any]:
    return {
        "M": {
            AppRow.PUBLIC: {"B": key.public},
            AppRow.NETWORKS: strings(list(key.networks)),
            AppRow.CREATED_AT: {"N": str(key.created_at)},
        }
    }


def hook_entry(hook: Webhook) -> dict[str, Any]:
    return {
        "M": {
            AppRow.URL: {"S": hook.url},
            AppRow.EVENTS: strings(list(hook.events)),
            AppRow.CREATED_AT: {"N": str(hook.created_at)},
            **({AppRow.DISABLED: {"S": hook.disabled}} if hook.disabled else {}),
        }
    }


def read_app(item: Item) -> App:
    return App(
        id=parse_app(item[DirectoryRow.PARTITION]["S"].removeprefix("APP#")),
        name=item[AppRow.NAME]["S"],
        organisation=item[AppRow.ORGANISATION]["S"],
        organisation_id=OrganisationId(item[AppRow.ORGANISATION_ID]["B"]) if AppRow.ORGANISATION_ID in item else None,
        unit=UnitId(item[AppRow.UNIT]["B"]) if AppRow.UNIT in item else None,
        version=int(item[AppRow.VERSION]["N"]) if AppRow.VERSION in item else 1,
        mode=cast("Mode", item[AppRow.MODE]["S"]),
        scopes=frozenset(read_strings(item[AppRow.SCOPES])),
        sms=item[AppRow.SMS]["BOOL"],
        per_minute=int(item[AppRow.PER_MINUTE]["N"]),
        per_day=int(item[AppRow.PER_DAY]["N"]),
        guests=frozenset(read_strings(item[AppRow.GUESTS])),
        guests_sealed=item[AppRow.GUESTS_SEALED]["B"],
        created_at=int(item[AppRow.CREATED_AT]["N"]),
        keys={
            AppKeyId(id): AppKey(
                AppKeyId(id),
                entry["M"][AppRow.PUBLIC]["B"],
                read_strings(entry["M"][AppRow.NETWORKS]),
                int(entry["M"][AppRow.CREATED_AT]["N"]),
            )
            for id, entry in item[AppRow.KEYS]["M"].items()
        },
        webhooks={
            id: Webhook(
                id,
                entry["M"][AppRow.URL]["S"],
                read_strings(entry["M"][AppRow.EVENTS]),
                int(entry["M"][AppRow.CREATED_AT]["N"]),
                test,
                entry["M"].get(AppRow.DISABLED, {}).get("S"),
            )
            for test in (False, True)
            for id, entry in item[hooks_field(test=test)]["M"].items()
        },
    )


def read_listed_app(item: Item) -> ListedApp:
    unit, _, app = item[DirectoryRow.SORT]["S"].removeprefix(LISTED_PREFIX).partition("#")
    name, mode = item[ListedAppRow.NAME]["S"], cast("Mode", item[ListedAppRow.MODE]["S"])
    return ListedApp(parse_app(app), parse_unit(unit), name, mode)
