"""Demonstrates administration: approval by two people, an import, a hidden field, and the audit chain."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from sandes_client import ApiError, DeviceClient, Store
from sandes_client.admin import AdminClient
from sandes_client.audit import public_keys, verify
from sandes_client.cli.display import person_label
from sandes_client.ids import parse_base64url
from sandes_client.operator import Operator, OperatorRefused, OperatorUnreachable
from tools.demonstration.narrator import Narrator, StepFailed, check
from tools.demonstration.offices import Offices
from tools.demonstration.people import People, Person, account_of
from tools.engine import Deployment, Engine
from tools.patience import slowness

KAVITA = Person("kavita", "+919810000006")
FARAH, GIRISH = "farah@sandes.example.gov.in", "girish@sandes.example.gov.in"
PLATFORM_UNITS = {FARAH: ("Farah Khan", "Onboarding"), GIRISH: ("Girish Nair", "Oversight")}
OFFICER, OFFICER_NAME = "latha@fisheries.example.gov.in", "Latha Menon"
ORGANISATION = "Department of Fisheries"
ROWS = 1_000
FIRST_NUMBER = 7_200_000_000
COLUMNS = ("phone", "name", "post", "unit", "email", "expires", "listed")
STATISTICS_SECONDS = 60


@dataclass(slots=True)
class Administration:
    """Plays after the groups, with Ravi's and Kavita's phones. Later runs use what it creates again."""

    engine: Engine
    deployment: Deployment
    people: People
    ravi: Store
    narrator: Narrator
    _open: ExitStack = field(default_factory=ExitStack)

    async def play(self) -> None:
        """Play all steps. Raise StepFailed with the step that failed."""
        step, say = self.narrator.step, self.narrator.say
        offices = Offices(self.engine, self.deployment, self.people.people / "administrators.json")
        with self._open:
            async with step("Operators create two platform administrators of different units, who sign in with a code"):
                farah, girish = [await asyncio.to_thread(self._platform, offices, who) for who in (FARAH, GIRISH)]
            async with step(
                "One of them requests an organisation with its nodal officer; the other one must approve it"
            ):
                organisation = await asyncio.to_thread(self._organisation, farah, girish)
            async with step(f"{OFFICER_NAME}, the nodal officer, has a file of {ROWS:,} officials checked"):
                officer = await asyncio.to_thread(self._officer, offices)
                kavita = await self.people.enrol(KAVITA)
                await asyncio.to_thread(self._no_longer_official, officer, account_of(kavita))
                checked = await asyncio.to_thread(self._checked, officer, organisation)
            async with step(
                "The officer commits the good rows; Kavita, who has the app, is an official now", seconds=180
            ):
                await asyncio.to_thread(self._committed, officer, checked["id"])
            async with (
                step("The officer hides Kavita's post; Ravi's phone asks before and after"),
                DeviceClient.open(self.ravi) as ravi,
            ):
                await self._hidden(officer, ravi, account_of(kavita))
            async with step("The audit chain has every step; the verifier accepts it, and finds an altered copy"):
                await asyncio.to_thread(self._record, officer, organisation)
            async with step("The officer reads the statistics", seconds=STATISTICS_SECONDS + 10):
                await asyncio.to_thread(self._figures, officer)
        say("to do each step by hand: sandes-admin --help")

    # Two platform administrators

    def _platform(self, offices: Offices, email: str) -> AdminClient:
        name, unit = PLATFORM_UNITS[email]
        client = offices.sign_in_again(email)
        if client is None or not _is_known(client):
            operator = Operator(self.deployment.operator, self.deployment.aws_endpoint)
            try:
                operator.call("administrator.create", email=email, name=name, unit=unit)
            except (OperatorRefused, OperatorUnreachable) as failed:
                raise StepFailed(f"administrator.create: {failed}") from None
            client = client or offices.sign_in(email)
        self._open.callback(client.close)
        roles = {one["role"] for one in client.me()["assignments"]}
        check(roles == {"platform_admin"}, f"{email} is {roles}")
        self.narrator.say(f"{name}, {unit}: password, then the authenticator's code")
        return client

    def _organisation(self, farah: AdminClient, girish: AdminClient) -> str:
        """Return the organisation's id. The first run creates it."""
        for known in _every(farah, "organisations", "organisations"):
            if known["name"] == ORGANISATION:
                self.narrator.say(f"{ORGANISATION} exists from the last run")
                return str(known["id"])
        officer = {"email": OFFICER, "name": OFFICER_NAME}
        asked = farah.post("organisations", body={"name": ORGANISATION, "kind": "department", "officer": officer})
        self.narrator.say(f"requested as {asked['id']}, {asked['state']}")
        own = _refusal(lambda: farah.post("approvals", asked["id"], "approve"))
        check(own == "own_request", f"the requester's own approval is answered with {own}")
        self.narrator.say(f"Farah approves it herself: {own}")
        done = girish.post("approvals", asked["id"], "approve")
        check(done["state"] == "executed", f"the approval is {done['state']}")
        self.narrator.say(f"Girish approves it: {done['state']}")
        again = _refusal(lambda: girish.post("approvals", asked["id"], "approve"))
        check(again == "approval_state", f"a second approval is answered with {again}")
        self.narrator.say(f"a second approval: {again}; the change is made once")
        return str(done["parameters"]["organisation"])

    def _officer(self, offices: Offices) -> AdminClient:
        client = offices.sign_in_again(OFFICER) or offices.sign_in(OFFICER)
        self._open.callback(client.close)
        return client

    def _no_longer_official(self, officer: AdminClient, account: str) -> None:
        """End a verification that the last run has left."""
        try:
            state = officer.get("people", account)["state"]
        except ApiError as refused:
            if refused.code != "not_found":
                raise
            return
        if state == "verified":
            officer.post("people", account, "revoke", body={"reason": "the demonstration starts again"})

    def _checked(self, officer: AdminClient, organisation: str) -> dict[str, Any]:
        made = officer.post("imports", body={"organisation": organisation, "format": "csv"})
        content = _file()
        answer = httpx.post(made["upload"]["url"], data=made["upload"]["fields"], files={"file": content}, timeout=60)
        check(answer.is_success, f"the upload is answered with {answer.status_code}")
        officer.post("imports", made["id"], "commit", body={"dry_run": True})
        found = self._settled(officer, made["id"])
        self.narrator.say(
            f"{found['rows']:,} rows: {found['valid']} good, {found['invalid']} bad; nothing is changed yet"
        )
        for one in found["findings"]:
            self.narrator.say(f"[dim]row {one['row']:>4}[/]  {one['field']}: {one['message']}")
        check((found["rows"], found["invalid"]) == (ROWS, 7), f"the check found {found['rows']}, {found['invalid']}")
        return found

    def _committed(self, officer: AdminClient, id: str) -> None:
        officer.post("imports", id, "commit", body={"dry_run": False})
        done = self._settled(officer, id)
        check(done["state"] == "completed", f"the import is {done['state']}")
        counts = ", ".join(f"{number} {word}" for word, number in done["counts"].items() if number)
        self.narrator.say(f"{done['done']} rows processed: {counts}")
        self.narrator.say("nominated: verified as soon as the number registers")
        check(done["counts"]["verified"] == 1, f"{done['counts']['verified']} were verified")

    def _settled(self, officer: AdminClient, id: str) -> dict[str, Any]:
        shown = 0
        while True:
            now: dict[str, Any] = officer.get("imports", id)
            if now["state"] not in ("checking", "committing"):
                return now
            if now["done"] >= shown + 250:
                shown = now["done"]
                self.narrator.say(f"{now['state']}: {now['done']} of {now['valid']}")
            time.sleep(0.3)

    async def _hidden(self, officer: AdminClient, ravi: DeviceClient, account: str) -> None:
        before = await ravi.people.profile(account, max_age_seconds=0)
        check(before.verified, "the attestation is not valid")
        check(before.post is not None, "the post is hidden already")
        self.narrator.say(f"before: {person_label(before, '?')}")
        path, hide = ("people", account, "visibility"), {"fields": {"post": "organisation"}}
        version = (await asyncio.to_thread(officer.get, "people", account))["version"]
        await asyncio.to_thread(lambda: officer.patch(*path, body=hide, if_match=f'"{version}"'))
        after = await ravi.people.profile(account, max_age_seconds=0)
        check(after.post is None, f"Ravi still sees {after.post}")
        check(after.verified, "the attestation is no longer valid")
        self.narrator.say(
            f"after: {person_label(after, '?')}, no post; the badge stays, because each field is disclosed separately"
        )
        stale = await asyncio.to_thread(
            _refusal, lambda: officer.patch(*path, body={"fields": {"post": None}}, if_match=f'"{version}"')
        )
        check(stale == "precondition_failed", f"a change of an outdated version is answered with {stale}")
        await asyncio.to_thread(lambda: officer.patch(*path, body={"fields": {"post": None}}, if_match="*"))
        self.narrator.say(f"a change of an outdated version: {stale}; then the post is shown again")

    # Audit chain and statistics

    def _record(self, officer: AdminClient, organisation: str) -> None:
        keys = public_keys([parse_base64url(officer.get("audit/key")["key"])])
        chain, after = b"", 0
        while lines := officer.call("GET", "audit/export", query={"after": after}).content:
            chain += lines
            after += lines.count(b"\n")
        whole = verify(io.BytesIO(chain), keys=keys, chain=organisation)
        check(whole.fault is None, f"the chain is not whole: {whole.fault}")
        self.narrator.say(
            f"{whole.entries} entries of the organisation's chain are whole, checked on this machine alone"
        )
        at = chain.rindex(b"import.")  # forge an entry with another action
        altered = chain[:at] + b"impost." + chain[at + 7 :]
        line = chain.count(b"\n", 0, at) + 1
        broken = verify(io.BytesIO(altered), keys=keys, chain=organisation)
        if broken.fault is None:
            raise StepFailed("an altered entry was not found")
        check(broken.fault.line == line, f"line {broken.fault.line} is named instead of {line}")
        self.narrator.say(f"with line {line} altered: line {broken.fault.line}, {broken.fault.text}")

    def _figures(self, officer: AdminClient) -> None:
        """Show the figures. They arrive by streams, within seconds."""
        deadline = time.monotonic() + STATISTICS_SECONDS * slowness()
        while True:
            found = officer.get("stats")
            figures = found["figures"]
            if figures["verified"]:
                break
            check(time.monotonic() < deadline, f"nobody is counted as verified: {figures}")
            time.sleep(0.5)
        self.narrator.say(
            f"verified {figures['verified']}, ended {figures['verification_ended']}, active {figures['active']}, "
            f"messages {figures['messages']['direct']}"
        )
        for unit in found["units"]:
            self.narrator.say(f"{unit['name']}: {unit['verified']} officials now")


def _file() -> bytes:
    """Return a file of a thousand rows, of which seven have errors."""
    expires = (datetime.now(UTC) + timedelta(days=365)).date().isoformat()

    def row(number: int, **changed: str) -> dict[str, str]:
        cells = {"phone": f"+91{FIRST_NUMBER + number}", "name": f"Officer {_letters(number)}", "post": "Inspector"}
        return cells | {"unit": "", "email": f"officer{number}@fisheries.example.gov.in", "expires": expires} | changed

    rows = [row(number) for number in range(ROWS)]
    rows[0] = row(0, phone=KAVITA.phone, name="Kavita Joshi", post="Director of Fisheries", listed="yes")
    rows[99] = row(99, phone="98123")
    rows[199] = row(199, phone=KAVITA.phone)
    rows[299] = row(299, expires="tomorrow")
    rows[399] = row(399, expires="2020-01-01")
    rows[499] = row(499, unit="Catering")
    rows[599] = row(599, name="")
    rows[699] = row(699, email="not an address")
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue().encode()


def _letters(number: int) -> str:
    return "".join(chr(ord("A") + int(digit)) for digit in str(number))


def _every(client: AdminClient, name: str, path: str) -> list[dict[str, Any]]:
    found, cursor = [], None
    while True:
        page = client.get(path, limit=250, cursor=cursor)
        found += page[name]
        cursor = page.get("cursor")
        if not cursor:
            return found


def _is_known(client: AdminClient) -> bool:
    """Return whether the service knows the administrator.

    It does not if a newer engine rebuilt its tables but kept the pool.
    """
    try:
        client.me()
    except ApiError as refused:
        if refused.code != "not_found":
            raise
        return False
    return True


def _refusal(call: Callable[[], Any]) -> str:
    try:
        call()
    except ApiError as refused:
        return refused.code
    return "nothing"
