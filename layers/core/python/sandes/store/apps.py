"""Apps, their keys, webhooks and templates in the directory table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from botocore.exceptions import ClientError

from sandes.model.administrator import Place
from sandes.model.app import App, AppKey, Mode, Webhook
from sandes.model.ids import AppId, AppKeyId, OrganisationId, UnitId, app_text, id_text, parse_app, parse_unit
from sandes.model.template import Dlt, Template, TemplateKind
from sandes.store.dynamo import Client, ConditionFailed, Item, Writer, failed_condition, write, write_one
from sandes.store.organisations import OrganisationStore, organisation_key
from sandes.store.schema import AppRow, DirectoryRow, ListedAppRow, TemplateRow

_APP_SORT = "0"
_TEMPLATE_PREFIX = "T#"
_LISTED_PREFIX = "A#"
_THERE = f"attribute_exists({DirectoryRow.PARTITION})"
_CHANGED = f"{AppRow.VERSION} = if_not_exists({AppRow.VERSION}, :one) + :one"


def app_key(app: AppId) -> dict[str, Any]:
    return {DirectoryRow.PARTITION: {"S": f"APP#{app_text(app)}"}, DirectoryRow.SORT: {"S": _APP_SORT}}


def template_key(app: AppId, name: str, version: int | None) -> dict[str, Any]:
    """The newest version, or one by its number."""
    numbered = "" if version is None else f"#{version:05}"
    return {
        DirectoryRow.PARTITION: {"S": f"APP#{app_text(app)}"},
        DirectoryRow.SORT: {"S": f"{_TEMPLATE_PREFIX}{name}{numbered}"},
    }


def listed_app_key(organisation: OrganisationId, unit: UnitId, app: AppId) -> dict[str, Any]:
    return organisation_key(organisation) | {
        DirectoryRow.SORT: {"S": f"{_LISTED_PREFIX}{id_text(unit)}#{app_text(app)}"}
    }


def is_app(item: Item) -> bool:
    return bool(item[DirectoryRow.PARTITION]["S"].startswith("APP#") and item[DirectoryRow.SORT]["S"] == _APP_SORT)


def is_template(item: Item) -> bool:
    return bool(
        item[DirectoryRow.PARTITION]["S"].startswith("APP#")
        and item[DirectoryRow.SORT]["S"].startswith(_TEMPLATE_PREFIX)
    )


@dataclass(frozen=True, slots=True)
class ListedApp:
    """An app as lists show it."""

    app: AppId
    unit: UnitId
    name: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class AppStore:
    client: Client
    table: str
    writer: Writer | None = None
    place: Place | None = None
    """Of keys and webhooks: changed only while the app is there. All else is changed in the version that was read."""

    def create(self, app: App) -> bool:
        """False if the id is taken, or the unit is not there that it should be in."""
        absent = f"attribute_not_exists({DirectoryRow.PARTITION})"
        put = {"Put": {"TableName": self.table, "Item": _app_item(app), "ConditionExpression": absent}}
        place = app.place
        if place is None:
            return self._write(put)
        counted = self._units.counting(place.organisation, place.unit, apps=1)
        return self._write(put, {"Put": self._listed(app, place)}, counted)

    def change(self, app: App, after: App) -> bool:
        """Name, scopes, SMS and unit, from how it was read; False if it has been changed since, or the new unit is not
        there.
        """
        values: dict[str, Any] = {
            AppRow.NAME: {"S": after.name},
            AppRow.SCOPES: _strings(sorted(after.scopes)),
            AppRow.SMS: {"BOOL": after.sms},
        }
        if after.unit is not None:
            values[AppRow.UNIT] = {"B": after.unit}
        return self._write(self._changing(app, values), *self._relisting(app, after))

    def set_terms(self, app: App, *, mode: Mode, per_minute: int, per_day: int) -> bool:
        """False if it has been changed since it was read."""
        values = {
            AppRow.MODE: {"S": mode},
            AppRow.PER_MINUTE: {"N": str(per_minute)},
            AppRow.PER_DAY: {"N": str(per_day)},
        }
        return self._write(self._changing(app, values), *self._relisting(app, replace(app, mode=mode)))

    def set_guests(self, app: App, guests: frozenset[str], sealed: bytes) -> bool:
        """False if it has been changed since it was read."""
        values = {AppRow.GUESTS: _strings(sorted(guests)), AppRow.GUESTS_SEALED: {"B": sealed}}
        return self._write(self._changing(app, values))

    def _changing(self, app: App, values: dict[str, Any]) -> dict[str, Any]:
        """The next version of the app as it was read."""
        sets = [f"{name} = :v{at}" for at, name in enumerate(values)]
        unchanged = f"{AppRow.VERSION} = :version"
        if app.version == 1:
            unchanged = f"({unchanged} OR attribute_not_exists({AppRow.VERSION}))"
        return {
            "Update": {
                "TableName": self.table,
                "Key": app_key(app.id),
                "UpdateExpression": f"SET {', '.join(sets)}, {_CHANGED}",
                "ConditionExpression": f"{_THERE} AND {unchanged}",
                "ExpressionAttributeValues": {f":v{at}": value for at, value in enumerate(values.values())}
                | {":version": {"N": str(app.version)}, ":one": {"N": "1"}},
            }
        }

    def _relisting(self, app: App, after: App) -> list[dict[str, Any]]:
        """What its organisation's list needs of a change, on condition of which the app is written too."""
        was, place = app.place, after.place
        if was is None or place is None or (app.name, app.mode, was) == (after.name, after.mode, place):
            return []
        listed = [{"Put": self._listed(after, place)}]
        if was == place:
            return listed
        gone = {"TableName": self.table, "Key": listed_app_key(was.organisation, was.unit, app.id)}
        return [
            {"Delete": gone},
            *listed,
            self._units.counting(was.organisation, was.unit, apps=-1),
            self._units.counting(place.organisation, place.unit, apps=1),
        ]

    def _listed(self, app: App, place: Place) -> dict[str, Any]:
        fields = {ListedAppRow.NAME: {"S": app.name}, ListedAppRow.MODE: {"S": app.mode}}
        key = listed_app_key(place.organisation, place.unit, app.id)
        return {"TableName": self.table, "Item": key | fields}

    @property
    def _units(self) -> OrganisationStore:
        return OrganisationStore(self.client, self.table)

    def of_organisation(
        self, organisation: OrganisationId, *, unit: UnitId | None = None, after: str | None = None, limit: int
    ) -> tuple[list[ListedApp], str | None]:
        """A page of its apps, by unit, or of those of one very unit; and where the next one begins. One query."""
        prefix = _LISTED_PREFIX + (f"{id_text(unit)}#" if unit else "")
        items, last = self._page(organisation_key(organisation), prefix, after, limit)
        return [read_listed_app(item) for item in items], last

    def _page(
        self, key: dict[str, Any], prefix: str, after: str | None, limit: int, *, forward: bool = True
    ) -> tuple[list[Item], str | None]:
        partition = key[DirectoryRow.PARTITION]
        start: dict[str, Any] = {}
        if after:
            start = {"ExclusiveStartKey": {DirectoryRow.PARTITION: partition, DirectoryRow.SORT: {"S": after}}}
        answer = self.client.query(
            TableName=self.table,
            KeyConditionExpression=f"{DirectoryRow.PARTITION} = :of AND begins_with({DirectoryRow.SORT}, :prefix)",
            ExpressionAttributeValues={":of": partition, ":prefix": {"S": prefix}},
            ScanIndexForward=forward,
            Limit=limit,
            **start,
        )
        last = answer.get("LastEvaluatedKey")
        return list(answer["Items"]), last[DirectoryRow.SORT]["S"] if last else None

    def read(self, app: AppId) -> App | None:
        answer = self.client.get_item(TableName=self.table, Key=app_key(app), ConsistentRead=True)
        return read_app(answer["Item"]) if "Item" in answer else None

    def set_entry(
        self, app: AppId, entry: AppKey | Webhook, *, replaces: bool = False, beside: Sequence[str] | None = None
    ) -> bool:
        """Add a key or webhook, or put another in its place; False if the app is gone or the entry is (not) there.

        `beside`: also False unless the entries of its kind are these and no other, so that two callers who have both
        seen room for one more cannot both add it.
        """
        field, value = (
            (AppRow.KEYS, _key_entry(entry))
            if isinstance(entry, AppKey)
            else (_hooks_field(test=entry.test), _hook_entry(entry))
        )
        conditions = [
            f"attribute_exists({DirectoryRow.PARTITION})",
            f"{'attribute_exists' if replaces else 'attribute_not_exists'}({field}.#id)",
        ]
        names, values = {"#id": entry.id}, {":entry": value}
        if beside is not None:
            conditions += [f"size({field}) = :size", *(f"attribute_exists({field}.#e{n})" for n in range(len(beside)))]
            names |= {f"#e{number}": id for number, id in enumerate(beside)}
            values[":size"] = {"N": str(len(beside))}
        changed = ""
        if isinstance(entry, AppKey):
            changed, values[":one"] = f", {_CHANGED}", {"N": "1"}
        return self._change(
            app,
            UpdateExpression=f"SET {field}.#id = :entry{changed}",
            ConditionExpression=" AND ".join(conditions),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

    def adding_webhook(self, app: AppId, hook: Webhook, *, most: int) -> dict[str, Any]:
        """Part of a transaction: fails if the app is gone or has `most` webhooks of this kind."""
        field = _hooks_field(test=hook.test)
        return {
            "Update": {
                "TableName": self.table,
                "Key": app_key(app),
                "UpdateExpression": f"SET {field}.#id = :entry",
                "ConditionExpression": f"attribute_exists({field}) AND size({field}) < :most",
                "ExpressionAttributeNames": {"#id": hook.id},
                "ExpressionAttributeValues": {":entry": _hook_entry(hook), ":most": {"N": str(most)}},
            }
        }

    def change_webhook(
        self, app: AppId, id: str, *, test: bool, url: str | None, events: Sequence[str] | None, paused: bool | None
    ) -> Webhook | None:
        """Change what is given, at least one of the three, and leave the rest; the webhook then, None if there is none.

        Pausing leaves one alone that is disabled already; `paused` False enables it whatever the reason was.
        """
        entry = f"{_hooks_field(test=test)}.#id"
        sets, values = [], {}
        if url is not None:
            sets.append(f"{entry}.{AppRow.URL} = :url")
            values[":url"] = {"S": url}
        if events is not None:
            sets.append(f"{entry}.{AppRow.EVENTS} = :events")
            values[":events"] = _strings(list(events))
        if paused:
            sets.append(f"{entry}.{AppRow.DISABLED} = if_not_exists({entry}.{AppRow.DISABLED}, :paused)")
            values[":paused"] = {"S": "paused"}
        parts = [f"SET {', '.join(sets)}"] if sets else []
        if paused is False:
            parts.append(f"REMOVE {entry}.{AppRow.DISABLED}")
        update: dict[str, Any] = {
            "TableName": self.table,
            "Key": app_key(app),
            "UpdateExpression": " ".join(parts),
            "ConditionExpression": f"attribute_exists({entry})",
            "ExpressionAttributeNames": {"#id": id},
            **({"ExpressionAttributeValues": values} if values else {}),
        }
        update = self._where_it_is(update)
        if self.writer:  # a transaction does not tell what it has made
            now = self.read(app) if self._write({"Update": update}) else None
            return now.webhooks.get(id) if now else None
        try:
            answer = self.client.update_item(**update, ReturnValues="ALL_NEW")
        except ClientError as error:
            if failed_condition(error):
                return None
            raise
        return read_app(answer["Attributes"]).webhooks[id]

    def disable_webhook(self, app: AppId, hook: Webhook, reason: str) -> bool:
        """False if it was removed, disabled or given another address since it was read."""
        entry = f"{_hooks_field(test=hook.test)}.#id"
        return self._change(
            app,
            UpdateExpression=f"SET {entry}.{AppRow.DISABLED} = :reason",
            ConditionExpression=f"{entry}.{AppRow.URL} = :url AND attribute_not_exists({entry}.{AppRow.DISABLED})",
            ExpressionAttributeNames={"#id": hook.id},
            ExpressionAttributeValues={":reason": {"S": reason}, ":url": {"S": hook.url}},
        )

    def remove_entry(self, app: AppId, kind: Literal["key", "webhook", "test webhook"], id: str) -> bool:
        """False if there is none of that id."""
        field = AppRow.KEYS if kind == "key" else _hooks_field(test=kind == "test webhook")
        changed: dict[str, Any] = {"UpdateExpression": f"REMOVE {field}.#id"}
        if kind == "key":
            changed["UpdateExpression"] += f" SET {_CHANGED}"
            changed["ExpressionAttributeValues"] = {":one": {"N": "1"}}
        return self._change(
            app,
            **changed,
            ConditionExpression=f"attribute_exists({field}.#id)",
            ExpressionAttributeNames={"#id": id},
        )

    def _change(self, app: AppId, **expressions: Any) -> bool:
        return self._write({"Update": self._where_it_is({"TableName": self.table, "Key": app_key(app), **expressions})})

    def _where_it_is(self, update: dict[str, Any]) -> dict[str, Any]:
        if self.place is None:
            return update
        condition, values = _is_at(self.place)
        return update | {
            "ConditionExpression": f"{update['ConditionExpression']} AND {condition}",
            "ExpressionAttributeValues": update.get("ExpressionAttributeValues", {}) | values,
        }

    def still_at(self, app: AppId, place: Place) -> dict[str, Any]:
        """Part of a transaction: fails if the app has moved to another unit."""
        condition, values = _is_at(place)
        check = {"TableName": self.table, "Key": app_key(app), "ConditionExpression": condition}
        return {"ConditionCheck": check | {"ExpressionAttributeValues": values}}

    def _write(self, *operations: dict[str, Any]) -> bool:
        try:
            if len(operations) == 1:
                write_one(self.client, self.writer, operations[0])
            else:
                write(self.client, self.writer, operations)
        except ConditionFailed:
            return False
        return True

    def add_template(self, template: Template, *, previous: int) -> bool:
        """Make it the newest version; False if the newest one is not `previous` (0 for none) any more."""
        item = _template_item(template)
        newest = {
            "TableName": self.table,
            "Item": template_key(template.app, template.name, None) | item,
            "ConditionExpression": f"{TemplateRow.VERSION} = :previous"
            if previous
            else f"attribute_not_exists({DirectoryRow.PARTITION})",
        }
        if previous:
            newest["ExpressionAttributeValues"] = {":previous": {"N": str(previous)}}
        numbered = {
            "TableName": self.table,
            "Item": template_key(template.app, template.name, template.version) | item,
            "ConditionExpression": f"attribute_not_exists({DirectoryRow.PARTITION})",
        }
        return self._write({"Put": newest}, {"Put": numbered})

    def template(self, app: AppId, name: str, version: int | None) -> Template | None:
        key = template_key(app, name, version)
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return read_template(app, answer["Item"]) if "Item" in answer else None

    def templates(self, app: AppId) -> list[Template]:
        """The newest version of each, by name."""
        found: list[Template] = []
        start: dict[str, Any] = {}
        while True:
            answer = self.client.query(
                TableName=self.table,
                KeyConditionExpression=f"{DirectoryRow.PARTITION} = :app AND begins_with({DirectoryRow.SORT}, :prefix)",
                ExpressionAttributeValues={
                    ":app": app_key(app)[DirectoryRow.PARTITION],
                    ":prefix": {"S": _TEMPLATE_PREFIX},
                },
                **start,
            )
            found += [read_template(app, item) for item in answer["Items"] if not _is_numbered(item)]
            if "LastEvaluatedKey" not in answer:
                return found
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def templates_page(self, app: AppId, *, after: str | None = None, limit: int) -> tuple[list[Template], str | None]:
        """The newest version of each, by name; a page may hold fewer than `limit`, even none. One query."""
        items, last = self._page(app_key(app), _TEMPLATE_PREFIX, after, limit)
        return [read_template(app, item) for item in items if not _is_numbered(item)], last

    def template_versions(
        self, app: AppId, name: str, *, after: str | None = None, limit: int
    ) -> tuple[list[Template], str | None]:
        """The newest first. One query."""
        items, last = self._page(app_key(app), f"{_TEMPLATE_PREFIX}{name}#", after, limit, forward=False)
        return [read_template(app, item) for item in items], last


def _is_at(place: Place) -> tuple[str, dict[str, Any]]:
    at = f"{AppRow.UNIT} = :place"
    if place.is_root:
        at = f"({at} OR attribute_not_exists({AppRow.UNIT}))"
    return at, {":place": {"B": place.unit}}


def _is_numbered(template: Item) -> bool:
    return "#" in template[DirectoryRow.SORT]["S"].removeprefix(_TEMPLATE_PREFIX)


def _strings(values: list[str]) -> Any:
    return {"L": [{"S": value} for value in values]}


def _read_strings(attribute: Any) -> tuple[str, ...]:
    return tuple(value["S"] for value in attribute["L"])


def _app_item(app: App) -> dict[str, Any]:
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
            AppRow.SCOPES: _strings(sorted(app.scopes)),
            AppRow.SMS: {"BOOL": app.sms},
            AppRow.PER_MINUTE: {"N": str(app.per_minute)},
            AppRow.PER_DAY: {"N": str(app.per_day)},
            AppRow.GUESTS: _strings(sorted(app.guests)),
            AppRow.GUESTS_SEALED: {"B": app.guests_sealed},
            AppRow.CREATED_AT: {"N": str(app.created_at)},
            AppRow.KEYS: {"M": {id: _key_entry(key) for id, key in app.keys.items()}},
            **{
                _hooks_field(test=test): {"M": {id: _hook_entry(hook) for id, hook in app.hooks(test=test).items()}}
                for test in (False, True)
            },
        }
    )


def _hooks_field(*, test: bool) -> str:
    return AppRow.TEST_WEBHOOKS if test else AppRow.WEBHOOKS


def _key_entry(key: AppKey) -> dict[str, Any]:
    return {
        "M": {
            AppRow.PUBLIC: {"B": key.public},
            AppRow.NETWORKS: _strings(list(key.networks)),
            AppRow.CREATED_AT: {"N": str(key.created_at)},
        }
    }


def _hook_entry(hook: Webhook) -> dict[str, Any]:
    return {
        "M": {
            AppRow.URL: {"S": hook.url},
            AppRow.EVENTS: _strings(list(hook.events)),
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
        scopes=frozenset(_read_strings(item[AppRow.SCOPES])),
        sms=item[AppRow.SMS]["BOOL"],
        per_minute=int(item[AppRow.PER_MINUTE]["N"]),
        per_day=int(item[AppRow.PER_DAY]["N"]),
        guests=frozenset(_read_strings(item[AppRow.GUESTS])),
        guests_sealed=item[AppRow.GUESTS_SEALED]["B"],
        created_at=int(item[AppRow.CREATED_AT]["N"]),
        keys={
            AppKeyId(id): AppKey(
                AppKeyId(id),
                entry["M"][AppRow.PUBLIC]["B"],
                _read_strings(entry["M"][AppRow.NETWORKS]),
                int(entry["M"][AppRow.CREATED_AT]["N"]),
            )
            for id, entry in item[AppRow.KEYS]["M"].items()
        },
        webhooks={
            id: Webhook(
                id,
                entry["M"][AppRow.URL]["S"],
                _read_strings(entry["M"][AppRow.EVENTS]),
                int(entry["M"][AppRow.CREATED_AT]["N"]),
                test,
                entry["M"].get(AppRow.DISABLED, {}).get("S"),
            )
            for test in (False, True)
            for id, entry in item[_hooks_field(test=test)]["M"].items()
        },
    )


def read_listed_app(item: Item) -> ListedApp:
    unit, _, app = item[DirectoryRow.SORT]["S"].removeprefix(_LISTED_PREFIX).partition("#")
    name, mode = item[ListedAppRow.NAME]["S"], cast("Mode", item[ListedAppRow.MODE]["S"])
    return ListedApp(parse_app(app), parse_unit(unit), name, mode)


def _template_item(template: Template) -> dict[str, Any]:
    item: dict[str, Any] = {
        TemplateRow.VERSION: {"N": str(template.version)},
        TemplateRow.KIND: {"S": template.kind},
        TemplateRow.TEXTS: {"M": {language: {"S": text} for language, text in template.texts.items()}},
        TemplateRow.VARIABLES: _strings(sorted(template.variables)),
        TemplateRow.APPROVED_AT: {"N": str(template.approved_at)},
    }
    if template.may_be_empty:
        item[TemplateRow.MAY_BE_EMPTY] = _strings(sorted(template.may_be_empty))
    if template.dlt:
        item[TemplateRow.DLT_ENTITY] = {"S": template.dlt.entity_id}
        item[TemplateRow.DLT_TEMPLATES] = {
            "M": {language: {"S": id} for language, id in template.dlt.template_ids.items()}
        }
    return item


def read_template(app: AppId, item: Item) -> Template:
    dlt = None
    if TemplateRow.DLT_ENTITY in item:
        ids = {language: id["S"] for language, id in item[TemplateRow.DLT_TEMPLATES]["M"].items()}
        dlt = Dlt(item[TemplateRow.DLT_ENTITY]["S"], ids)
    return Template(
        app=app,
        name=item[DirectoryRow.SORT]["S"].removeprefix(_TEMPLATE_PREFIX).partition("#")[0],
        version=int(item[TemplateRow.VERSION]["N"]),
        kind=cast("TemplateKind", item[TemplateRow.KIND]["S"]),
        texts={language: text["S"] for language, text in item[TemplateRow.TEXTS]["M"].items()},
        variables=frozenset(_read_strings(item[TemplateRow.VARIABLES])),
        dlt=dlt,
        approved_at=int(item[TemplateRow.APPROVED_AT]["N"]),
        may_be_empty=frozenset(_read_strings(item.get(TemplateRow.MAY_BE_EMPTY, {"L": []}))),
    )
