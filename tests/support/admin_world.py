"""Builds a world for the test of every right: two ministries, and at each of five places one of everything.

A ministry has a zone, a division in it, and another zone beside it. Two nodal officers of each ministry make everything
through the admin API, except for the parts that people and operators make.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any

from sandes.administration.audit.audit_log import heads_name
from sandes.model.administrator import PLATFORM, AssignmentKey, Caller, Place, Role
from sandes.model.device import Device
from sandes.model.ids import (
    AccountId,
    AdministratorId,
    AppId,
    ApprovalId,
    GroupId,
    OrganisationId,
    UnitId,
    account_text,
    administrator_text,
    app_text,
    base64url_text,
    id_text,
    new_request_id,
)
from sandes.model.instant import Instant
from sandes.model.verification import UNASKED_SECONDS
from sandes.model.verification_request import VerificationRequest
from sandes.people import complaining
from sandes.protocol.client_api import Report
from sandes.store.verification_requests import VerificationRequestStore
from tests.support.admin_api import AdminApi, base64_text, forget_what_was_written
from tests.support.administration import Administration
from tests.support.memory.services import s3_client
from tests.support.service import Person, Service

Rows = dict[Any, dict[str, Any]]
"""The rows of a partition by sort key."""
IN_A_YEAR = "2027-09-01T00:00:00Z"
HOOK = "http://127.0.0.1:9/hook"


@dataclass(frozen=True)
class Spot:
    """Holds a place and the ids, as texts, of one of everything there; or the ids of nothing."""

    name: str
    place: Place
    official: str
    suspended: str
    stranger: str
    phone: str
    request: str
    of_import: str
    complaint: str
    moderator: str
    app: str
    live_app: str
    key: str
    hook: str
    template: str
    group: str
    approval: str
    assignment: str
    verifier: str
    reset: str
    """An administrator whose access is being reset."""
    empty_unit: str
    """A unit directly below the place."""

    @property
    def organisation(self) -> str:
        return id_text(self.place.organisation)

    @property
    def unit(self) -> str:
        return id_text(self.place.unit)


NOBODY = AccountId(b"nobody..")
NOWHERE = Spot(
    name="nowhere",
    place=Place(OrganisationId(b"nowhere."), UnitId(b"no unit.")),
    official=account_text(NOBODY),
    suspended=account_text(NOBODY),
    stranger=account_text(NOBODY),
    phone="+919800000000",
    request=base64url_text(new_request_id(OrganisationId(b"nowhere."), NOBODY)),
    of_import=base64url_text(b"nowhere." + bytes(16)),
    complaint=base64url_text(b"nowhere." + bytes(16)),
    moderator=administrator_text(AdministratorId(bytes(16))),
    app=app_text(AppId(b"no app..")),
    live_app=app_text(AppId(b"no app..")),
    key="aaaaaaaa",
    hook="A" * 21 + "A",
    template="none",
    group=id_text(GroupId(b"no group")),
    approval=base64url_text(ApprovalId(b"nowhere." + bytes(16))),
    assignment=str(AssignmentKey(AdministratorId(bytes(16)), Role.VERIFIER, Place.root(OrganisationId(b"nowhere.")))),
    verifier=administrator_text(AdministratorId(bytes(16))),
    reset=administrator_text(AdministratorId(bytes(16))),
    empty_unit=id_text(UnitId(b"no unit.")),
)


@dataclass
class World:
    api: AdminApi
    service: Service
    staff: Administration
    zone: Place
    spots: dict[str, Spot]
    callers: list[tuple[Role, str, Caller]] = field(default_factory=list)
    """The callers, by role and by the kind of place where they hold it."""
    officers: list[Caller] = field(default_factory=list)
    """The nodal officers who have made everything."""
    _kept: dict[tuple[str, str], Rows] = field(default_factory=dict, repr=False)

    @classmethod
    def make(cls, api: AdminApi) -> World:
        service = Service(api.client, api.tables, now_ms=time.time_ns() // 1_000_000)
        staff = Administration(service)
        organisation, other = service.organisation(), service.organisation("Ministry of Health")
        zone = service.unit(organisation, "Western zone")
        division = service.unit(organisation, "Mumbai division", parent=zone)
        sibling = service.unit(organisation, "Eastern zone")
        places = {
            "own": Place(organisation, zone),
            "below": Place(organisation, division),
            "sibling": Place(organisation, sibling),
            "parent": Place.root(organisation),
            "other": Place.root(other),
        }
        officers = {of: _officers(service, staff, of) for of in (organisation, other)}
        world = cls(
            api, service, staff, places["own"], {}, officers=[one for pair in officers.values() for one in pair]
        )
        world.spots = {name: world._spot(name, place, *officers[place.organisation]) for name, place in places.items()}
        s3 = s3_client()
        s3.put_object(Bucket="uploads", Key=heads_name(3600), Body=b"{}")
        return world

    def _spot(self, name: str, place: Place, first: Caller, second: Caller) -> Spot:
        at = {"organisation": id_text(place.organisation), "unit": id_text(place.unit)}
        service, unit = self.service, place.unit
        empty = service.unit(place.organisation, f"Empty, {name}", parent=unit, kind="office")
        official, suspended, asker, stranger = (service.person() for _ in range(4))
        for person in (official, suspended):
            long_ago = service.now_ms - UNASKED_SECONDS * 1000
            service.verify(person, place.organisation, unit=unit, now_ms=long_ago)
        self._do(first, "POST", f"/people/{account_text(suspended.account)}/suspend", {"reason": "phone lost"})
        app = self._app(first, at)
        live = self._live_app(first, second, at)
        template = {"app": app, "name": "notice", "kind": "message", "texts": {"en": "Hello"}}
        self._approve(second, self._do(first, "POST", "/templates", template))
        group = self._do(first, "POST", "/groups", at | {"name": "Signals"})["group"]
        key = self._do(first, "POST", f"/apps/{app}/keys", {})["id"].rpartition(".")[2]
        events = {"url": HOOK, "events": ["message.delivered"]}
        verifier = self.staff.appoint(Role.VERIFIER, place)
        guest = {"email": f"guest-{name}@example.gov.in", "name": "Guest", "home": id_text(unit)}
        asked = self._do(first, "POST", "/assignments", at | {"role": "verifier", "person": guest})
        return Spot(
            name=name,
            place=place,
            official=account_text(official.account),
            suspended=account_text(suspended.account),
            stranger=account_text(stranger.account),
            phone=str(stranger.phone),
            request=self._request(asker, place),
            complaint=self._complaint(stranger, official, first, at),
            moderator=administrator_text(self.staff.appoint(Role.MODERATOR, place).id),
            of_import=self._do(first, "POST", "/imports", at | {"format": "csv"})["id"],
            app=app,
            live_app=live,
            key=key,
            hook=self._do(first, "POST", f"/apps/{app}/webhooks", events)["id"],
            template="notice",
            group=group,
            approval=asked["id"],
            assignment=str(verifier.assignments[0].key),
            verifier=administrator_text(verifier.id),
            reset=self._reset(first, second, place),
            empty_unit=id_text(empty),
        )

    def _app(self, by: Caller, at: dict[str, str]) -> str:
        return str(self._do(by, "POST", "/apps", at | {"name": "Passport Seva", "scopes": ["msg"]})["app"])

    def _live_app(self, first: Caller, second: Caller, at: dict[str, str]) -> str:
        app = self._app(first, at)
        self._approve(second, self._do(first, "POST", f"/apps/{app}/go-live"))
        return app

    def _reset(self, first: Caller, second: Caller, place: Place) -> str:
        """Return an administrator whose access two officers have agreed to reset."""
        lost = administrator_text(self.staff.appoint(Role.VERIFIER, place).id)
        self._approve(second, self._do(first, "POST", f"/people/{lost}/access-reset", {"reason": "phone lost"}))
        return lost

    def _request(self, person: Person, place: Place) -> str:
        device: Device = person.devices[0]
        made = VerificationRequest(
            id=new_request_id(place.organisation, person.account),
            unit=place.unit,
            name="Asha Rao",
            post="Clerk",
            email=None,
            source="device",
            device=device.number,
            registration=device.registration,
            requested_at=int(time.time()),
        )
        VerificationRequestStore(self.service.client, self.service.tables["directory"]).open(made, previous=None)
        return base64url_text(made.id)

    def _complaint(self, by: Person, about: Person, officer: Caller, at: dict[str, str]) -> str:
        body = Report(category="abuse", text="He shouts.", account=about.account)
        complaining.report(
            self.service.caller(by), body, now=Instant(self.service.now_ms), deps=self.service.device_deps
        )
        found = self.api(officer, "GET", "/complaints", query=at).body["complaints"]
        return str(next(one["id"] for one in found if one["unit"] == at["unit"]))

    def _do(self, by: Caller, method: str, path: str, body: Any = None) -> Any:
        answer = self.api(by, method, path, body)
        assert answer.status < 300, (method, path, answer)
        return answer.body

    def _approve(self, by: Caller, asked: Any) -> None:
        self._do(by, "POST", f"/approvals/{asked['id']}/approve")

    def everybody(self) -> list[tuple[Role, str, Caller]]:
        """Appoint an administrator to each role, at each kind of place where the role exists."""
        held = {"zone": self.zone, "ministry": Place.root(self.zone.organisation)}
        found = [
            (role, kind, self.staff.appoint(role, place))
            for role in Role
            for kind, place in held.items()
            if role is not Role.PLATFORM_ADMIN
        ]
        platform = self.staff.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM))
        return [*found, (Role.PLATFORM_ADMIN, "platform", platform)]

    # Store all partitions, and restore those to which functions wrote.

    def keep(self) -> None:
        for name, table in self.api.database.tables.items():
            for row in table.items():
                key = json.dumps(row[table.schema.partition.name], default=base64_text)
                self._kept[name, key] = self._rows(name, key)
        self.api.touched.clear()

    def changed(self) -> list[str]:
        """Return the tables that differ from the kept state."""
        return sorted(
            {name for name, key in self.api.touched if self._rows(name, key) != self._kept.get((name, key), {})}
        )

    def restore(self) -> None:
        for name, key in self.api.touched:
            self.api.database.put_back(name, _key(key), self._kept.get((name, key), {}))
        self.api.touched.clear()
        forget_what_was_written()

    def _rows(self, name: str, key: str) -> Rows:
        return self.api.database.partition(name, _key(key))


def _key(text: str) -> dict[str, Any]:
    """Read the value of a partition key in the form of AdminApi.touched."""
    ((kind, held),) = json.loads(text).items()
    return {kind: base64.b64decode(held) if kind == "B" else held}


def _officers(service: Service, staff: Administration, organisation: OrganisationId) -> tuple[Caller, Caller]:
    """Appoint two nodal officers who do not work in the same unit."""
    desks = [Place(organisation, service.unit(organisation, f"Desk {number}")) for number in (1, 2)]
    first, second = (staff.appoint(Role.NODAL_OFFICER, Place.root(organisation), home=desk) for desk in desks)
    return first, second
