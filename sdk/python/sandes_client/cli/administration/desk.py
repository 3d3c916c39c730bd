"""Provides what every command of `sandes-admin` needs: the sign-in, calls of the API, and one line for each error."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import typer
from platformdirs import user_data_path

from sandes_client.admin import AdminApiError, AdminClient, AdminSession, Cognito, NotSignedIn
from sandes_client.cli.administration.showing import Answer, text
from sandes_client.cli.administration.sign_in import sign_in
from sandes_client.cli.session import CommandFailed, failures_as_lines
from sandes_client.endpoints import AdminEndpoints, EndpointsInvalid, check_address
from sandes_client.operator import Operator, OperatorRefused, OperatorUnreachable, read_object

T = TypeVar("T")

MAX_PAGE = 250
ANY_VERSION = "*"


@dataclass(slots=True)
class Desk:
    """Holds the options common to all commands. A refused call ends the command with one line that states the reason.

    If a call needs a fresh sign-in and there is a terminal, the desk asks for one and repeats the call.
    """

    endpoints: Path | None
    operator: str | None
    url: str | None
    audience: str | None
    session: Path | None = None
    _api: AdminClient | None = field(default=None, repr=False)

    # Calls of the admin API.

    def get(self, *path: str, **query: str | int | None) -> Answer:
        return dict(self.done(lambda api: api.get(*path, **query)))

    def post(self, *path: str, body: Any = None, not_found: str | None = None) -> Answer:
        """Call the API and return its answer. `not_found` replaces the general text of that refusal."""

        def call(api: AdminClient) -> Any:
            try:
                return api.post(*path, body=body)
            except AdminApiError as refused:
                if refused.code != "not_found" or not_found is None:
                    raise
                raise CommandFailed("not_found", f"{not_found} Request id: {refused.request_id}.") from None

        return dict(self.done(call) or {})

    def put(self, *path: str, body: Any = None, version: int | None = None) -> Answer:
        return dict(self.done(lambda api: api.put(*path, body=body, if_match=_tag(version))) or {})

    def patch(self, *path: str, body: Any, version: int | None = None, **query: str | None) -> Answer:
        return self._change("PATCH", path, query, version, body)

    def delete(self, *path: str, version: int | None = None, **query: str | None) -> Answer:
        return self._change("DELETE", path, query, version)

    def every(
        self,
        name: str,
        *path: str,
        limit: int,
        wanted: Callable[[Answer], bool] = lambda _: True,
        **query: str | int | None,
    ) -> Iterator[Answer]:
        """Yield at most `limit` entries of a list that are `wanted`, page by page.

        A note on standard error says if there are more. `name` is the field of a page that holds its entries.
        """

        def entries() -> Iterator[Answer]:
            cursor: str | None = None
            while True:
                page = self.get(*path, limit=min(limit + 1, MAX_PAGE), cursor=cursor, **query)
                yield from page[name]
                cursor = page.get("cursor")
                if not cursor:
                    return

        for count, entry in enumerate(filter(wanted, entries())):
            if count == limit:
                typer.echo(f"There are more than these {limit}. Use --limit to see them.", err=True)
                return
            yield entry

    def home(self) -> str:
        """Return the id of the organisation in which the user works."""
        return str(self.get("me")["home"]["organisation"])

    def place(self, kind: str, organisation: str | None, unit: str | None) -> dict[str, str | None]:
        """Return the place of which to read things of this `kind`. `kind` is the name in the roles' rights.

        The order is: the place that the options name; the user's organisation, if a role reaches all of it; the only
        unit at which the user has a role.
        """
        if organisation or unit:
            return {"organisation": organisation, "unit": unit}
        me = self.get("me")
        home = me["home"]["organisation"]
        reached = [one["place"] for one in me["assignments"] if kind in one["may"]]
        places = {(place["organisation"], place["unit"]): place.get("unit_name") for place in reached}
        if not places or (home, home) in places:
            return {"organisation": None, "unit": None}
        if len(places) > 1:
            with failures_as_lines():
                raise CommandFailed("unit_needed", f"{_named(places, home)}: you have roles at each of them")
        ((of, at),) = places
        return {"organisation": of, "unit": at}

    def target(self, kind: str, organisation: str | None, unit: str | None) -> dict[str, str | None]:
        """Return the place at which to create things of this `kind`: that of `place`, with the organisation named."""
        place = self.place(kind, organisation, unit)
        return {"organisation": place["organisation"] or self.home(), "unit": place["unit"]}

    @contextmanager
    def admin(self) -> Generator[AdminClient]:
        """Yield a client for several calls.

        A refused call does not end the command. Raise NotSignedIn or SessionUnusable.
        """
        try:
            yield self._client()
        except NotSignedIn:
            raise NotSignedIn(self.login_command()) from None

    def login_command(self) -> str:
        """Return the command that signs in so that the next command with the same options finds the sign-in."""
        session = f" --session {shlex.quote(str(self.session))}" if self.session else ""
        return f"sandes-admin{session} login"

    def done(self, work: Callable[[AdminClient], T]) -> T:
        with failures_as_lines(), self.admin() as api:
            try:
                return work(api)
            except AdminApiError as refused:
                if refused.code != "fresh_sign_in_required":
                    raise
                if not sys.stdin.isatty():
                    how = (
                        f"this needs a sign-in within the last five minutes: run `{self.login_command()}`, then "
                        "try again"
                    )
                    raise CommandFailed(refused.code, f"{how}. Request id: {refused.request_id}.") from None
            self._sign_in_again(api)
            return work(api)

    def _change(
        self, method: str, path: tuple[str, ...], query: dict[str, str | None], version: int | None, body: Any = None
    ) -> Answer:
        def change(api: AdminClient) -> Any:
            answer = api.call(method, *path, query=query, body=body, if_match=_tag(version))
            return answer.json() if answer.content else {}

        return dict(self.done(change))

    # Who is signed in, and where.

    def session_file(self) -> Path:
        """Return the path of the file that keeps the sign-in."""
        return self.session or user_data_path("sandes", appauthor=False) / "administrator.json"

    def admin_endpoints(self) -> AdminEndpoints:
        """Return the addresses for signing in and for calls. Raise BadParameter."""
        try:
            if self.endpoints is None:
                raise EndpointsInvalid("no sign-in address is known; give --endpoints FILE")
            return AdminEndpoints.read(self.endpoints)
        except EndpointsInvalid as error:
            raise typer.BadParameter(str(error), param_hint="--endpoints") from None

    def address(self) -> tuple[str, str]:
        """Return the address and audience of the app API, for credentials. Raise BadParameter."""
        try:
            values = read_object(self.endpoints) if self.endpoints else {}
            url, audience = self.url or values.get("http_url"), self.audience or values.get("audience")
            if not url or not audience:
                raise EndpointsInvalid(
                    "no address of the app API is known; give --endpoints FILE, or --url and --audience"
                )
            check_address("url", str(url), ("https", "http"))
        except EndpointsInvalid as error:
            raise typer.BadParameter(str(error), param_hint="--endpoints") from None
        return str(url), str(audience)

    def close(self) -> None:
        if self._api is not None:
            self._api.close()

    def _client(self) -> AdminClient:
        """Return a client that keeps new tokens for the next command. Raise NotSignedIn or SessionUnusable."""
        if self._api is None:
            session, file = self._signed_in(), self.session_file()
            self._api = session.client(lambda tokens: replace(session, tokens=tokens).save(file))
        return self._api

    def _signed_in(self) -> AdminSession:
        session = AdminSession.read(self.session_file())
        if session is None:
            raise NotSignedIn
        return session

    def _sign_in_again(self, api: AdminClient) -> None:
        session = self._signed_in()
        typer.echo(f"This needs a fresh sign-in by {session.email}.", err=True)
        api.tokens = sign_in(Cognito(session.cognito_url, session.admin_client), session.email)
        replace(session, tokens=api.tokens).save(self.session_file())

    # Operators' functions: one creates the first administrators, the other rewrites rows for another pepper.

    def operate(self, operation: str, **parameters: str) -> Answer:
        """Call the operators' function. Raise CommandFailed or BadParameter."""
        return self._operated("operator", operation, parameters)

    def rekey(self, operation: str) -> Answer:
        """Call the function that rewrites rows for another pepper. Raise CommandFailed or BadParameter."""
        return self._operated("rekey", operation, {})

    def _operated(self, name: str, operation: str, parameters: Mapping[str, str]) -> Answer:
        try:
            return self._operator(name).call(operation, **parameters)
        except OperatorRefused as error:
            reasons = [f"{fault.get('pointer')}: {fault.get('message') or fault.get('code')}" for fault in error.errors]
            raise CommandFailed(error.code, "; ".join(reasons) or error.message) from None
        except OperatorUnreachable as error:
            raise CommandFailed("unreachable", str(error)) from None

    def _operator(self, name: str) -> Operator:
        if self.endpoints is None:
            if not self.operator:
                raise typer.BadParameter(
                    "no function is known; give --endpoints FILE or --operator", param_hint="--endpoints"
                )
            return Operator(self.operator)
        try:
            return Operator.read(self.endpoints, function=self.operator, name=name)
        except EndpointsInvalid as error:
            raise typer.BadParameter(str(error), param_hint="--endpoints") from None


def _named(places: Mapping[tuple[str, str], str | None], home: str) -> str:
    """Return organisations and units as options, with the names of the units."""
    names = {place: f" ({text(name)})" if name else "" for place, name in sorted(places.items())}
    ours = [f"{unit}{name}" for (of, unit), name in names.items() if of == home]
    elsewhere = [f"--organisation {of} --unit {unit}{name}" for (of, unit), name in names.items() if of != home]
    return "; ".join([f"--unit is needed, one of {', '.join(ours)}"] * bool(ours) + elsewhere)


def _tag(version: int | None) -> str:
    """Return the ETag of a version, or `*` if no version is named."""
    return ANY_VERSION if version is None else f'"{version}"'
