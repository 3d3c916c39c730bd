"""Runs groups of an app in process: signed requests to real use cases on real stores, and the queue of group work."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandes.apps import app_groups, app_rosters, roster_work
from sandes.apps.app_groups import AppGroupDependencies
from sandes.apps.quotas import Quotas
from sandes.apps.roster_work import RosterWorkDependencies
from sandes.crypto.seal import GroupChange
from sandes.edge.objects import S3Objects
from sandes.groups.group_events import EventDependencies, send_event
from sandes.identity.apps import AppRequest
from sandes.model.ids import AccountId, GroupId, account_text, id_text
from sandes.model.instant import Instant
from sandes.protocol import app_groups_api
from sandes.store.app_groups import AppGroupStore
from sandes.store.apps import AppStore
from sandes.store.directory import DirectoryStore
from sandes.store.group_changes import GroupChangeStore
from sandes.store.groups import GroupStore
from sandes.store.rosters import RosterStore
from tests.support.app_keys import AppKeys
from tests.support.batches import BUCKET
from tests.support.groups import Groups, Told
from tests.support.service import AUDIENCE, MAX_EXPIRY_SECONDS, PEPPER, Person, Service

Json = dict[str, Any]
Through = Callable[[Any], Any]


def untouched(target: Any) -> Any:
    return target


@dataclass
class AppGroups:
    """Holds an app with its key. The work on rosters reads `clock_ms`."""

    service: Service
    s3: Any
    keys: AppKeys
    groups: Groups = field(init=False)
    clock_ms: Callable[[], int] = field(init=False)

    def __post_init__(self) -> None:
        self.groups = Groups(self.service)
        self.clock_ms = lambda: self.service.now_ms

    @property
    def now_ms(self) -> int:
        return self.service.now_ms

    def deps(self, through: Through = untouched) -> AppGroupDependencies:
        """Return the dependencies of one execution environment. Every call to the outside goes `through`."""
        client, table = through(self.service.client), self.service.tables["directory"]
        view = self.service.app_view(client)
        return AppGroupDependencies(
            view=view,
            directory=DirectoryStore(client, table),
            ties=AppGroupStore(client, table),
            groups=GroupStore(client, table),
            changes=GroupChangeStore(client, table),
            rosters=RosterStore(client, table),
            objects=S3Objects(through(self.s3), BUCKET),
            work=through(self.groups.queue),
            roster_work=through(self.service.roster_queue),
            quotas=Quotas(view.deliveries),
            pepper=PEPPER,
            audience=AUDIENCE,
        )

    def work_deps(self, through: Through = untouched) -> RosterWorkDependencies:
        client, table = through(self.service.client), self.service.tables["directory"]
        return RosterWorkDependencies(
            apps=AppStore(client, table),
            directory=DirectoryStore(client, table),
            groups=GroupStore(client, table),
            changes=GroupChangeStore(client, table),
            rosters=RosterStore(client, table),
            objects=S3Objects(through(self.s3), BUCKET),
            work=through(self.service.roster_queue),
            deliver=through(self.groups.deliver.__call__) if through is untouched else _Through(self, through),
            pepper=PEPPER,
            max_expiry_seconds=MAX_EXPIRY_SECONDS,
            clock=lambda: Instant(self.clock_ms()),
        )

    def request(self, method: str, path: str, body: bytes = b"", *, key: str | None = None) -> AppRequest:
        key = key or (secrets.token_urlsafe(9) if method == "POST" else None)
        return self.keys.request(method, f"/v1/app-groups{path}", body, key=key, now_ms=self.now_ms)

    def create(self, *, key: str | None = None, deps: Any = None, **body: Any) -> app_groups_api.AppGroup:
        given = {"name": "District officers", "audience": "officials"} | body
        text = json.dumps(given).encode()
        new = app_groups_api.NewAppGroup.model_validate_json(text)
        request = self.request("POST", "", text, key=key)
        return app_groups.create(request, new, now=Instant(self.now_ms), deps=deps or self.deps())

    def get(self, id: GroupId) -> app_groups_api.AppGroup:
        return app_groups.read(self.request("GET", f"/{id_text(id)}"), id, now=Instant(self.now_ms), deps=self.deps())

    def page(self, after: str | None = None, limit: int = 50) -> app_groups_api.AppGroupPage:
        return app_groups.all_of(
            self.request("GET", ""), after=after, limit=limit, now=Instant(self.now_ms), deps=self.deps()
        )

    def change(self, id: GroupId, version: int | None, **body: Any) -> app_groups_api.AppGroup:
        text = json.dumps(body).encode()
        wanted = app_groups_api.ChangeAppGroup.model_validate_json(text)
        request = self.request("PATCH", f"/{id_text(id)}", text)
        return app_groups.change(request, id, wanted, version, now=Instant(self.now_ms), deps=self.deps())

    def dissolve(self, id: GroupId) -> None:
        app_groups.dissolve(self.request("DELETE", f"/{id_text(id)}"), id, now=Instant(self.now_ms), deps=self.deps())

    def members(self, id: GroupId, after: str | None = None, limit: int = 50) -> app_groups_api.AppGroupMembers:
        request = self.request("GET", f"/{id_text(id)}/members")
        return app_groups.members(request, id, after=after, limit=limit, now=Instant(self.now_ms), deps=self.deps())

    def put(self, id: GroupId, who: Person | AccountId, role: str = "member") -> app_groups_api.AppGroupMember:
        account = who.account if isinstance(who, Person) else who
        text = json.dumps({"role": role}).encode()
        body = app_groups_api.PutAppMember.model_validate_json(text)
        request = self.request("PUT", f"/{id_text(id)}/members/{account_text(account)}", text)
        return app_groups.put_member(request, id, account, body, now=Instant(self.now_ms), deps=self.deps())

    def remove(self, id: GroupId, who: Person) -> None:
        request = self.request("DELETE", f"/{id_text(id)}/members/{account_text(who.account)}")
        app_groups.remove_member(request, id, who.account, now=Instant(self.now_ms), deps=self.deps())

    def roster(
        self, id: GroupId, rows: Sequence[Json], *, version: int | None = None, deps: Any = None, **body: Any
    ) -> app_groups_api.Roster:
        """Put a roster. `version` None means If-Match: *."""
        text = json.dumps({"members": list(rows)} | body).encode()
        given = app_groups_api.PutRoster.model_validate_json(text)
        request = self.request("PUT", f"/{id_text(id)}/roster", text)
        return app_rosters.put(request, id, given, version, now=Instant(self.now_ms), deps=deps or self.deps())

    def progress(self, id: GroupId) -> app_groups_api.Roster:
        request = self.request("GET", f"/{id_text(id)}/roster")
        return app_rosters.state(request, id, now=Instant(self.now_ms), deps=self.deps())

    @property
    def jobs(self) -> list[Json]:
        """Return the queue's entries about rosters."""
        return [entry for entry, _ in self.service.roster_queue.sent]

    def work_one(self, deps: RosterWorkDependencies | None = None) -> str:
        """Process the oldest entry about a roster. Put it back if the work ends with an exception."""
        sent = self.service.roster_queue.sent
        entry = sent.pop(0)
        try:
            return roster_work.work(entry[0], deps=deps or self.work_deps())
        except BaseException:
            sent.append(entry)
            raise

    def work_all(self) -> list[Told]:
        """Process all entries about rosters and events, and return the posts to members, each once. Time passes for
        work whose roster does not exist.
        """
        first = len(self.groups.deliver.told)
        while self.jobs:
            if self.work_one() == "not_yet":
                self.service.now_ms += 1_000 * (roster_work.ORPHAN_SECONDS + 1) // 4
        deps = EventDependencies(self.groups.store, self.groups.deliver, MAX_EXPIRY_SECONDS)
        entries, self.groups.queue.sent = self.groups.queue.sent, []
        for entry, _ in entries:
            if entry["job"] == "event":
                send_event(entry, now=Instant(self.now_ms), deps=deps)
        told = {(post.post.message, post.to): post for post in self.groups.deliver.told[first:]}
        return list(told.values())

    def objects(self) -> list[str]:
        return [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@dataclass
class _Through:
    """Calls the recorder of posts through something that may fail."""

    app: AppGroups
    through: Through

    def __call__(self, post: Any, **how: Any) -> int:
        return int(self.through(self.app.groups.deliver).__call__(post, **how))


def rows_of(*people: Person, role: str | None = None) -> list[Json]:
    """Return rows of a roster that name people by number."""
    return [{"phone": person.phone} | ({"role": role} if role else {}) for person in people]


def of_organisation(app: AppGroups) -> tuple[AppGroups, Any]:
    id = app.groups.organisation()
    keys = app.service.app(organisation_id=account_text(id))
    return AppGroups(app.service, app.s3, keys), id


def changes(told: Any, person: Person | None = None) -> list[GroupChange]:
    """Return the changes that one person alone was told, or everybody."""
    of = [
        post for post in told if (person is None and post.to is None) or (person and person.account in (post.to or ()))
    ]
    return [post.change for post in of]
