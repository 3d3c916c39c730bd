"""What the commands of `sandes-admin` have in common: whom to call, and how an answer is said."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from platformdirs import user_data_path

from sandes_client.admin import AdminClient, AdminSession, NotSignedIn
from sandes_client.cli.session import CommandFailed
from sandes_client.endpoints import AdminEndpoints, EndpointsInvalid, check_address
from sandes_client.operator import Operator, OperatorRefused, OperatorUnreachable, read_object

EPILOG = (
    "Exit status: 0 done, 1 refused or not reached (one line `error: <code>: ...`), 2 wrong usage. "
    "Administrators sign in with `sandes-admin login`. "
    "Where the operator's function is called is told by --endpoints or --operator, given before the command, and the "
    "usual AWS variables."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def command_group(help: str) -> typer.Typer:
    return typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=help, epilog=EPILOG)


def say(line: str, answer: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else line)


@dataclass(frozen=True, slots=True)
class Place:
    """The options common to all commands."""

    endpoints: Path | None
    operator: str | None
    url: str | None
    audience: str | None
    session: Path | None = None

    def session_file(self) -> Path:
        """Where the sign-in of an administrator is kept."""
        return self.session or user_data_path("sandes", appauthor=False) / "administrator.json"

    def admin_endpoints(self) -> AdminEndpoints:
        """Where administrators sign in and call. Raises BadParameter."""
        try:
            if self.endpoints is None:
                raise EndpointsInvalid("say where administrators sign in: --endpoints FILE")
            return AdminEndpoints.read(self.endpoints)
        except EndpointsInvalid as error:
            raise typer.BadParameter(str(error), param_hint="--endpoints") from None

    @contextmanager
    def admin(self) -> Generator[AdminClient]:
        """The admin API, as who is signed in; new tokens are kept. Raises NotSignedIn or SessionUnusable."""
        file = self.session_file()
        session = AdminSession.read(file)
        if session is None:
            raise NotSignedIn
        with session.client(lambda tokens: replace(session, tokens=tokens).save(file)) as client:
            yield client

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Carry an operation out; what has no value is left out. Raises CommandFailed."""
        given = {name: value for name, value in parameters.items() if value is not None}
        try:
            return self._operator().call(operation, **given)
        except OperatorRefused as error:
            reasons = [f"{fault.get('pointer')}: {fault.get('message') or fault.get('code')}" for fault in error.errors]
            raise CommandFailed(error.code, "; ".join(reasons) or error.message) from None
        except OperatorUnreachable as error:
            raise CommandFailed("unreachable", str(error)) from None

    def _operator(self) -> Operator:
        if self.endpoints is None:
            if not self.operator:
                raise typer.BadParameter("say whom to call: --endpoints FILE or --operator", param_hint="--endpoints")
            return Operator(self.operator)
        try:
            return Operator.read(self.endpoints, function=self.operator)
        except EndpointsInvalid as error:
            raise typer.BadParameter(str(error), param_hint="--endpoints") from None

    def address(self) -> tuple[str, str]:
        """Address and audience of the app API, for credentials."""
        try:
            values = read_object(self.endpoints) if self.endpoints else {}
            url, audience = self.url or values.get("http_url"), self.audience or values.get("audience")
            if not url or not audience:
                raise EndpointsInvalid("say where apps call: --endpoints FILE, or --url and --audience")
            check_address("url", str(url), ("https", "http"))
        except EndpointsInvalid as error:
            raise typer.BadParameter(str(error), param_hint="--endpoints") from None
        return str(url), str(audience)
