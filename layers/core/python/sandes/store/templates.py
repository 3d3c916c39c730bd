"""Templates of apps in the directory table: every version, and a copy of the newest without its number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from sandes.model.ids import AppId, app_text
from sandes.model.template import Dlt, Template, TemplateKind
from sandes.store.app_rows import app_key, read_strings, strings
from sandes.store.dynamo import Client, Item
from sandes.store.queries import query_page
from sandes.store.schema import DirectoryRow, TemplateRow
from sandes.store.transaction import Operation, Put, Writer, write_if

_TEMPLATE_PREFIX = "T#"


def template_key(app: AppId, name: str, version: int | None) -> dict[str, Any]:
    """Build the key of the newest version, or of the one with this number."""
    numbered = "" if version is None else f"#{version:05}"
    return {
        DirectoryRow.PARTITION: {"S": f"APP#{app_text(app)}"},
        DirectoryRow.SORT: {"S": f"{_TEMPLATE_PREFIX}{name}{numbered}"},
    }


def is_template(item: Item) -> bool:
    return bool(
        item[DirectoryRow.PARTITION]["S"].startswith("APP#")
        and item[DirectoryRow.SORT]["S"].startswith(_TEMPLATE_PREFIX)
    )


@dataclass(frozen=True, slots=True)
class TemplateStore:
    """Reads templates and adds versions. AppStore inherits from it."""

    client: Client
    table: str
    writer: Writer | None = None

    def _write(self, *operations: Operation) -> bool:
        return write_if(self.client, self.writer, operations)

    def add_template(self, template: Template, *, previous: int) -> bool:
        """Store the newest version. Return False if the newest one is no longer `previous` (0 for none)."""
        item = _template_item(template)
        absent = f"attribute_not_exists({DirectoryRow.PARTITION})"
        newest = Put(self.table, template_key(template.app, template.name, None) | item, condition=absent)
        if previous:
            read = {":previous": {"N": str(previous)}}
            newest = replace(newest, condition=f"{TemplateRow.VERSION} = :previous", values=read)
        numbered = Put(self.table, template_key(template.app, template.name, template.version) | item, condition=absent)
        return self._write(newest, numbered)

    def template(self, app: AppId, name: str, version: int | None) -> Template | None:
        key = template_key(app, name, version)
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return read_template(app, answer["Item"]) if "Item" in answer else None

    def templates_page(self, app: AppId, *, after: str | None = None, limit: int) -> tuple[list[Template], str | None]:
        """Return the newest version of each template, by name. A page can have fewer than `limit`, even none. One
        query.
        """
        items, last = query_page(self.client, self.table, app_key(app), _TEMPLATE_PREFIX, after=after, limit=limit)
        return [read_template(app, item) for item in items if not _is_numbered(item)], last

    def template_versions(
        self, app: AppId, name: str, *, after: str | None = None, limit: int
    ) -> tuple[list[Template], str | None]:
        """Return the versions of a template, the newest first. One query."""
        key, prefix = app_key(app), f"{_TEMPLATE_PREFIX}{name}#"
        items, last = query_page(self.client, self.table, key, prefix, after=after, limit=limit, descending=True)
        return [read_template(app, item) for item in items], last


def _is_numbered(template: Item) -> bool:
    return "#" in template[DirectoryRow.SORT]["S"].removeprefix(_TEMPLATE_PREFIX)


def _template_item(template: Template) -> dict[str, Any]:
    item: dict[str, Any] = {
        TemplateRow.VERSION: {"N": str(template.version)},
        TemplateRow.KIND: {"S": template.kind},
        TemplateRow.TEXTS: {"M": {language: {"S": text} for language, text in template.texts.items()}},
        TemplateRow.VARIABLES: strings(sorted(template.variables)),
        TemplateRow.APPROVED_AT: {"N": str(template.approved_at)},
    }
    if template.may_be_empty:
        item[TemplateRow.MAY_BE_EMPTY] = strings(sorted(template.may_be_empty))
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
        variables=frozenset(read_strings(item[TemplateRow.VARIABLES])),
        dlt=dlt,
        approved_at=int(item[TemplateRow.APPROVED_AT]["N"]),
        may_be_empty=frozenset(read_strings(item.get(TemplateRow.MAY_BE_EMPTY, {"L": []}))),
    )
