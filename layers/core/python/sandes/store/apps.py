"""Apps, their keys and webhooks in the directory table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sandes.model.administrator import Place
from sandes.model.app import App, AppKey, Mode, Webhook
from sandes.model.ids import AppId, OrganisationId, UnitId, id_text
from sandes.store.app_rows import (
    LISTED_PREFIX,
    ListedApp,
    app_item,
    app_key,
    hook_entry,
    hooks_field,
    key_entry,
    listed_app_key,
    read_app,
    read_listed_app,
    strings,
)
from sandes.store.dynamo import ConditionFailed
from sandes.store.organisations import OrganisationStore, organisation_key
from sandes.store.queries import query_page
from sandes.store.schema import AppRow, DirectoryRow, ListedAppRow
from sandes.store.templates import TemplateStore
from sandes.store.transaction import Check, Delete, Operation, Put, Update, write_one

_THERE = f"attribute_exists({DirectoryRow.PARTITION})"
_CHANGED = f"{AppRow.VERSION} = if_not_exists({AppRow.VERSION}, :one) + :one"


@dataclass(frozen=True, slots=True)
class AppStore(TemplateStore):
    place: Place | None = None
    """The place at which keys and webhooks may be changed. Everything else is changed at the version that was read."""

    def create(self, app: App) -> bool:
        """Store an app. Return False if the id is taken, or its unit does not exist."""
        absent = f"attribute_not_exists({DirectoryRow.PARTITION})"
        put = Put(self.table, app_item(app), condition=absent)
        place = app.place
        if place is None:
            return self._write(put)
        counted = self._units.counting(place.organisation, place.unit, apps=1)
        return self._write(put, self._listed(app, place), counted)

    def change(self, app: App, after: App) -> bool:
        """Change name, scopes, SMS and unit. Return False if the app has changed since it was read, or the unit is
        absent.
        """
        values: dict[str, Any] = {
            AppRow.NAME: {"S": after.name},
            AppRow.SCOPES: strings(sorted(after.scopes)),
            AppRow.SMS: {"BOOL": after.sms},
        }
        if after.unit is not None:
            values[AppRow.UNIT] = {"B": after.unit}
        return self._write(self._changing(app, values), *self._relisting(app, after))

    def set_terms(self, app: App, *, mode: Mode, per_minute: int, per_day: int) -> bool:
        """Set mode and quotas. Return False if the app has changed since it was read."""
        values = {
            AppRow.MODE: {"S": mode},
            AppRow.PER_MINUTE: {"N": str(per_minute)},
            AppRow.PER_DAY: {"N": str(per_day)},
        }
        return self._write(self._changing(app, values), *self._relisting(app, replace(app, mode=mode)))

    def set_guests(self, app: App, guests: frozenset[str], sealed: bytes) -> bool:
        """Replace the guests. Return False if the app has changed since it was read."""
        values = {AppRow.GUESTS: strings(sorted(guests)), AppRow.GUESTS_SEALED: {"B": sealed}}
        return self._write(self._changing(app, values))

    def _changing(self, app: App, values: dict[str, Any]) -> Update:
        """Build the update to the app's next version. The condition fails if the app has changed since it was read."""
        sets = [f"{name} = :v{at}" for at, name in enumerate(values)]
        unchanged = f"{AppRow.VERSION} = :version"
        if app.version == 1:
            unchanged = f"({unchanged} OR attribute_not_exists({AppRow.VERSION}))"
        return Update(
            self.table,
            app_key(app.id),
            f"SET {', '.join(sets)}, {_CHANGED}",
            condition=f"{_THERE} AND {unchanged}",
            values={f":v{at}": value for at, value in enumerate(values.values())}
            | {":version": {"N": str(app.version)}, ":one": {"N": "1"}},
        )

    def _relisting(self, app: App, after: App) -> list[Operation]:
        """Build the changes of the organisation's list and of the units' counts. They fail if a unit does not exist."""
        was, place = app.place, after.place
        if was is None or place is None or (app.name, app.mode, was) == (after.name, after.mode, place):
            return []
        listed: list[Operation] = [self._listed(after, place)]
        if was == place:
            return listed
        gone = Delete(self.table, listed_app_key(was.organisation, was.unit, app.id))
        return [
            gone,
            *listed,
            self._units.counting(was.organisation, was.unit, apps=-1),
            self._units.counting(place.organisation, place.unit, apps=1),
        ]

    def _listed(self, app: App, place: Place) -> Put:
        fields = {ListedAppRow.NAME: {"S": app.name}, ListedAppRow.MODE: {"S": app.mode}}
        key = listed_app_key(place.organisation, place.unit, app.id)
        return Put(self.table, key | fields)

    @property
    def _units(self) -> OrganisationStore:
        return OrganisationStore(self.client, self.table)

    def of_organisation(
        self, organisation: OrganisationId, *, unit: UnitId | None = None, after: str | None = None, limit: int
    ) -> tuple[list[ListedApp], str | None]:
        """Return a page of apps, by unit, of all units or of one, and the start of the next page. One query."""
        prefix = LISTED_PREFIX + (f"{id_text(unit)}#" if unit else "")
        key = organisation_key(organisation)
        items, last = query_page(self.client, self.table, key, prefix, after=after, limit=limit)
        return [read_listed_app(item) for item in items], last

    def read(self, app: AppId) -> App | None:
        answer = self.client.get_item(TableName=self.table, Key=app_key(app), ConsistentRead=True)
        return read_app(answer["Item"]) if "Item" in answer else None

    def set_entry(
        self, app: AppId, entry: AppKey | Webhook, *, replaces: bool = False, beside: Sequence[str] | None = None
    ) -> bool:
        """Add a key or webhook, or replace one. Return False if the app or the entry is absent (or, to add, the entry
        exists).

        If `beside` is set, the entries of its kind must be exactly these. Otherwise two callers who both see room for
        one more could both add one.
        """
        field, value = (
            (AppRow.KEYS, key_entry(entry))
            if isinstance(entry, AppKey)
            else (hooks_field(test=entry.test), hook_entry(entry))
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
        change, condition = f"SET {field}.#id = :entry{changed}", " AND ".join(conditions)
        return self._change(Update(self.table, app_key(app), change, condition=condition, names=names, values=values))

    def adding_webhook(self, app: AppId, hook: Webhook, *, most: int) -> Update:
        """Build the addition of a webhook. The condition fails if the app is absent or has `most` webhooks of this
        kind.
        """
        field = hooks_field(test=hook.test)
        return Update(
            self.table,
            app_key(app),
            f"SET {field}.#id = :entry",
            condition=f"attribute_exists({field}) AND size({field}) < :most",
            names={"#id": hook.id},
            values={":entry": hook_entry(hook), ":most": {"N": str(most)}},
        )

    def change_webhook(
        self, app: AppId, id: str, *, test: bool, url: str | None, events: Sequence[str] | None, paused: bool | None
    ) -> Webhook | None:
        """Change the given fields, at least one of the three, and return the webhook, or None if it does not exist.

        Pausing does not change a webhook that is disabled already. `paused` False enables it whatever the reason was.
        """
        entry = f"{hooks_field(test=test)}.#id"
        sets, values = [], {}
        if url is not None:
            sets.append(f"{entry}.{AppRow.URL} = :url")
            values[":url"] = {"S": url}
        if events is not None:
            sets.append(f"{entry}.{AppRow.EVENTS} = :events")
            values[":events"] = strings(list(events))
        if paused:
            sets.append(f"{entry}.{AppRow.DISABLED} = if_not_exists({entry}.{AppRow.DISABLED}, :paused)")
            values[":paused"] = {"S": "paused"}
        parts = [f"SET {', '.join(sets)}"] if sets else []
        if paused is False:
            parts.append(f"REMOVE {entry}.{AppRow.DISABLED}")
        update = self._where_it_is(
            Update(
                self.table,
                app_key(app),
                " ".join(parts),
                condition=f"attribute_exists({entry})",
                names={"#id": id},
                values=values,
            )
        )
        if self.writer:  # a transaction does not return the new row
            now = self.read(app) if self._write(update) else None
            return now.webhooks.get(id) if now else None
        try:
            return read_app(write_one(self.client, update, returned="ALL_NEW")).webhooks[id]
        except ConditionFailed:
            return None

    def disable_webhook(self, app: AppId, hook: Webhook, reason: str) -> bool:
        """Disable a webhook. Return False if it was removed, disabled or given another address since it was read."""
        entry = f"{hooks_field(test=hook.test)}.#id"
        return self._change(
            Update(
                self.table,
                app_key(app),
                f"SET {entry}.{AppRow.DISABLED} = :reason",
                condition=f"{entry}.{AppRow.URL} = :url AND attribute_not_exists({entry}.{AppRow.DISABLED})",
                names={"#id": hook.id},
                values={":reason": {"S": reason}, ":url": {"S": hook.url}},
            )
        )

    def remove_entry(self, app: AppId, kind: Literal["key", "webhook", "test webhook"], id: str) -> bool:
        """Remove an entry. Return False if there is none with this id."""
        field = AppRow.KEYS if kind == "key" else hooks_field(test=kind == "test webhook")
        change, values = f"REMOVE {field}.#id", {}
        if kind == "key":
            change, values = f"{change} SET {_CHANGED}", {":one": {"N": "1"}}
        condition, names = f"attribute_exists({field}.#id)", {"#id": id}
        return self._change(Update(self.table, app_key(app), change, condition=condition, names=names, values=values))

    def _change(self, update: Update) -> bool:
        return self._write(self._where_it_is(update))

    def _where_it_is(self, update: Update) -> Update:
        return update if self.place is None else update.also(*_is_at(self.place))

    def still_at(self, app: AppId, place: Place) -> Check:
        """Check an app's place. The condition fails if the app has moved to another unit."""
        condition, values = _is_at(place)
        return Check(self.table, app_key(app), condition=condition, values=values)


def _is_at(place: Place) -> tuple[str, dict[str, Any]]:
    at = f"{AppRow.UNIT} = :place"
    if place.is_root:
        at = f"({at} OR attribute_not_exists({AppRow.UNIT}))"
    return at, {":place": {"B": place.unit}}
