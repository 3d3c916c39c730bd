"""Provides what every command needs: the profile, the endpoints, and one clear line for each expected error."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import typer
from platformdirs import user_data_path
from rich.console import Console

from sandes_client.admin import NotSignedIn, SessionUnusable
from sandes_client.api import ApiError, ClientApi, Unreachable
from sandes_client.cli.line import Line
from sandes_client.cli.outbox import tell, work_off
from sandes_client.cli.texts import STOPPED, UNLINKED, failure_line, refusal_line, warning_of
from sandes_client.device import DeviceClient, NotRegistered, SendFailed
from sandes_client.endpoints import Endpoints, EndpointsInvalid
from sandes_client.enrolment import AlreadyRegistered
from sandes_client.events import Event, State, Status
from sandes_client.ids import AccountId, parse_account, parse_group
from sandes_client.link import DeviceStopped
from sandes_client.linking import LinkCode
from sandes_client.phone_text import typed_number
from sandes_client.store import Outgoing, Store, StoreUnusable
from sandes_client.store.outbox import MAX_EXPIRY_SECONDS

T = TypeVar("T")

LINE_SECONDS = 5.0
"""Seconds for which a command waits for another command of the same profile to end."""

LOOK_SECONDS = 0.2
"""Seconds between two checks whether another command has sent its message, or has written one."""

COMMON_EPILOG = "Options common to all commands (--profile, --endpoints and others) are listed by `sandes --help`."

_PROFILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


class CommandFailed(Exception):
    """Ends the command with status 1 and the line `error: <code>: <text>`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")


def _profiles_folder(home: Path | None) -> Path:
    return home or user_data_path("sandes", appauthor=False)


def profile_names(beginning: str) -> list[str]:
    """Complete the value of `--profile` with the profiles of SANDES_HOME, or of the user's data folder."""
    home = os.environ.get("SANDES_HOME")
    folder = _profiles_folder(Path(home) if home else None)
    return sorted(file.stem for file in folder.glob("*.sqlite3") if file.stem.startswith(beginning))


@dataclass(frozen=True, slots=True)
class Session:
    """Holds the options common to all commands."""

    profile: str
    home: Path | None
    url: str | None
    socket: str | None
    audience: str | None
    endpoints_file: Path | None

    def open_store(self) -> Store:
        """Open the profile's file, and create it if there is none."""
        return Store.open(self._path())

    def _path(self) -> Path:
        if not _PROFILE_NAME.fullmatch(self.profile):
            raise typer.BadParameter("use letters, digits, and . _ - only", param_hint="--profile")
        return _profiles_folder(self.home) / f"{self.profile}.sqlite3"

    def settle_endpoints(self, store: Store) -> Endpoints:
        """Return the endpoints: from the options, otherwise the file, otherwise the profile."""
        given, stored = self._given(), store.profile.endpoints()
        known = given or stored
        http_url = self.url or (known.http_url if known else None)
        websocket_url = self.socket or (known.websocket_url if known else None)
        audience = self.audience or (known.audience if known else None)
        if not (http_url and websocket_url and audience):
            raise typer.BadParameter(
                "no address of the service is known; give --endpoints FILE, or --url, --socket and --audience",
                param_hint="--endpoints",
            )
        try:
            return Endpoints(http_url, websocket_url, audience)
        except EndpointsInvalid as error:
            raise typer.BadParameter(str(error)) from error

    def _given(self) -> Endpoints | None:
        if self.endpoints_file is None:
            return None
        try:
            return Endpoints.read(self.endpoints_file)
        except EndpointsInvalid as error:
            raise typer.BadParameter(str(error), param_hint="--endpoints") from error

    def registered_store(self) -> Store:
        """Open the profile of a registered device, without creating a file.

        Raise NotRegistered, or CommandFailed if the device was unlinked or replaced.
        """
        if _is_missing(self._path()):
            raise NotRegistered
        store = self.open_store()
        if store.profile.account() is None:
            was_revoked = store.profile.was_revoked()
            store.close()
            raise CommandFailed("revoked", UNLINKED) if was_revoked else NotRegistered
        return store

    @asynccontextmanager
    async def device(self, *, keep_endpoints: bool = True) -> AsyncGenerator[DeviceClient]:
        """Yield the device without a connection, for calls of the client API. Raise NotRegistered.

        The endpoints are stored once the work has succeeded, unless the service may not have answered.
        """
        store = self.registered_store()
        try:
            endpoints = self.settle_endpoints(store)
            device = DeviceClient.open(store, endpoints=endpoints)
            async with _warnings_of(device):
                yield device
            await device.api.close()
            if keep_endpoints:
                store.profile.set_endpoints(endpoints)
        finally:
            store.close()

    @asynccontextmanager
    async def connected(
        self, *, line: Line | None = None, own: int | None = None, on_screen: bool = False
    ) -> AsyncGenerator[DeviceClient]:
        """Yield the device while it connects and sends the outbox, including messages that other commands write
        meanwhile.

        Results are printed, except for `own`, the message on which the command itself reports. `line` is held already.
        The client's warnings go to standard error, unless the command shows them `on_screen`.

        Raise NotRegistered, or CommandFailed if another command of this profile stays connected.
        """
        store = self.registered_store()
        held = line or await self._free_line()
        try:
            endpoints = self.settle_endpoints(store)
            earlier = [row for row in store.outbox.waiting() if row.number != own]
            seen = store.changes_of_others()  # before the client reads the outbox, to miss no change
            async with DeviceClient.open(store, endpoints=endpoints) as device:
                watching = asyncio.create_task(_send_what_others_write(device, seen))
                try:
                    async with nullcontext() if on_screen else _warnings_of(device):
                        yield device
                        await work_off(device, earlier)
                    store.profile.set_endpoints(endpoints)
                finally:
                    watching.cancel()
                    tell(device, earlier)
        finally:
            held.leave()
            store.close()

    def line(self) -> Line:
        """Return the lock that decides which command of this profile is connected. It is not taken yet."""
        return Line(self._path())

    async def _free_line(self) -> Line:
        line = self.line()
        try:
            async with asyncio.timeout(LINE_SECONDS):
                while not line.take():
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise CommandFailed("busy", STOPPED[State.SUPERSEDED]) from None
        return line

    @asynccontextmanager
    async def api(self) -> AsyncGenerator[ClientApi]:
        """Yield the client API alone, for calls that need no websocket. Raise NotRegistered."""
        async with self.device() as device:
            yield device.api


def _is_missing(path: Path) -> bool:
    """Return whether a file is missing. Return False if that cannot be checked, because opening it gives the reason."""
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


async def _send_what_others_write(device: DeviceClient, seen: int) -> None:
    """Send messages that other commands have written into the outbox since `seen`."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        now = device.store.changes_of_others()
        if now != seen:
            seen = now
            device.send_waiting()


@asynccontextmanager
async def _warnings_of(device: DeviceClient) -> AsyncGenerator[None]:
    """Print each warning of the client once, while the command works with it."""
    warning = asyncio.create_task(_warn(device.events()))
    try:
        yield
        await asyncio.sleep(0)  # let the last answer's events arrive
    finally:
        warning.cancel()


async def _warn(events: AsyncIterator[Event]) -> None:
    said: set[str] = set()
    async for event in events:
        if (line := warning_of(event)) and line not in said:
            said.add(line)
            warn(line)


async def send_and_report(
    session: Session, write: Callable[[DeviceClient], Awaitable[Outgoing]], until: Status, timeout: float
) -> None:
    """Write a message into the outbox, and report how far it gets.

    This command sends it, or another one that is connected. Raise CommandFailed if the message has not reached `until`
    in time.
    """
    ends = asyncio.get_running_loop().time() + timeout
    line = session.line()
    try:
        async with session.device(keep_endpoints=False) as device:
            row = await write(device)
            while not line.take():
                now = device.store.outbox.read(row.number)
                if _has_got_to(now, until):
                    typer.echo(f"{now.status} {now.id}")
                    return
                if asyncio.get_running_loop().time() > ends:
                    raise _not_in_time(now, timeout)
                await asyncio.sleep(LOOK_SECONDS)
        async with session.connected(line=line, own=row.number) as device:
            await _sent(device, row.number, until, ends, timeout)
    finally:
        line.leave()


def _has_got_to(row: Outgoing, status: Status) -> bool:
    """Return whether a message has reached a status. Raise SendFailed for a message that the service refuses."""
    if row.status is Status.FAILED:
        raise SendFailed(row.code or "failed", undetermined=row.is_undetermined)
    return row.at_ms is not None and row.reached(status)


async def _sent(device: DeviceClient, number: int, until: Status, ends: float, timeout: float) -> None:
    """Wait until a message has reached a status, and report it. Raise CommandFailed if it has not by `ends`."""
    try:
        async with asyncio.timeout_at(ends):
            now = await device.wait_for(number, until)
    except TimeoutError:
        raise _not_in_time(device.store.outbox.read(number), timeout) from None
    except DeviceStopped as stopped:
        row = device.store.outbox.read(number)
        if not _has_got_to(row, until):
            why = f"{STOPPED.get(stopped.state, 'the client stopped')}; the message waits in the outbox: {_KEPT}"
            raise CommandFailed(str(stopped.state), why) from None
        typer.echo(f"{row.status} {row.id}")
        return
    typer.echo(f"{now.status} {now.id}")


_KEPT = "the next command that connects sends it, for example `sandes outbox`"


def _not_in_time(row: Outgoing, timeout: float) -> CommandFailed:
    if row.status is Status.QUEUED:
        return CommandFailed("timeout", f"the service has not accepted the message after {timeout:g} s; {_KEPT}")
    days = MAX_EXPIRY_SECONDS // 86_400
    waits = f"{row.expires_in} s" if row.expires_in is not None else f"{days} days"
    return CommandFailed(
        "timeout",
        f"accepted, but no device of the recipient has it after {timeout:g} s; it waits for up to {waits}",
    )


async def resolve_known(device: DeviceClient, recipient: str) -> AccountId:
    """Resolve a recipient like `resolve`. Offline, use the account that the service last gave for a phone number."""
    number = re.sub(r"[^+0-9]", "", typed_number(recipient) or "")
    try:
        account = await resolve(device.api, recipient)
    except Unreachable:
        known = device.store.people.account_of_number(number) if number else None
        if known is None:
            raise
        return known
    if number:
        device.store.people.remember_number(number, account)
    return account


async def resolve(api: ClientApi, recipient: str) -> AccountId:
    """Return the account of an id, or of a phone number, which the service looks up."""
    try:
        return parse_account(recipient)
    except ValueError:
        try:
            return await api.lookup(recipient)
        except ApiError as error:
            if error.code != "not_found":
                raise
            raise CommandFailed(
                "not_found",
                "nobody has this number, or you may not find them; `sandes inbox` shows the account ids of "
                "people who wrote to you",
            ) from None


def recipient_text(text: str) -> str:
    """Check a recipient. Refuse, as a usage error, a text that is neither an account id nor like a phone number."""
    if (number := typed_number(text)) is not None:
        return number
    try:
        return parse_account(text)
    except ValueError as error:
        raise typer.BadParameter("give an account id (13 characters) or a phone number like +919876543210") from error


def group_text(text: str) -> str:
    """Check a group id. Refuse any other text as a usage error."""
    try:
        return parse_group(text)
    except ValueError as error:
        raise typer.BadParameter("give a group id (13 characters), as `sandes group list` shows it") from error


def check_pairs(words: list[str] | None) -> list[str] | None:
    """Check the values of a repeated option.

    Refuse, as a usage error, texts that are not NAME=VALUE, or repeat a name.
    """
    names = [word.partition("=")[0] for word in words or () if "=" in word]
    if len(names) != len(words or ()) or "" in names:
        raise typer.BadParameter("write NAME=VALUE")
    if len(set(names)) != len(names):
        raise typer.BadParameter("a name is given twice")
    return words


def pairs(words: list[str] | None) -> dict[str, str]:
    """Return texts that `check_pairs` accepted as a mapping."""
    return dict(word.split("=", 1) for word in words or ())


def confirm(question: str, *, yes: bool) -> None:
    """Ask before a change that cannot be undone. Raise CommandFailed unless the answer is yes."""
    try:
        if yes or typer.confirm(question, err=True):
            return
    except typer.Abort:
        typer.echo(err=True)
    raise CommandFailed("not_confirmed", "nothing was changed; --yes skips the question")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command. See `failures_as_lines`."""
    with failures_as_lines():
        return asyncio.run(work)


@contextmanager
def failures_as_lines() -> Generator[None]:
    """Turn every expected error into one line on standard error, and exit with status 1."""
    try:
        yield
    except _EXPECTED as error:
        complain(_line(error))
        raise typer.Exit(1) from None
    except BrokenPipeError:
        _drop_output()
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _drop_output() -> None:
    """Drop buffered output that nobody reads, so that Python does not fail at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return


class Output(Console):
    """Writes standard output line by line. Raises BrokenPipeError once nobody reads it."""

    def __init__(self) -> None:
        super().__init__(soft_wrap=True, highlight=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


_EXPECTED = (
    AlreadyRegistered,
    ApiError,
    CommandFailed,
    DeviceStopped,
    NotRegistered,
    NotSignedIn,
    SendFailed,
    SessionUnusable,
    StoreUnusable,
    Unreachable,
    sqlite3.Error,
)


def _line(error: Exception) -> str:
    match error:
        case ApiError():
            return refusal_line(error)
        case Unreachable():
            return f"unreachable: {error}"
        case SendFailed():
            return failure_line(error)
        case NotRegistered():
            return "not_registered: this profile has no account; use `sandes register` or `sandes link join`"
        case NotSignedIn():
            return f"not_signed_in: sign in with `{str(error) or 'sandes-admin login'}`"
        case SessionUnusable():
            return f"session_unusable: {error}"
        case AlreadyRegistered():
            return "already_registered: this profile has an account; choose another profile with --profile"
        case DeviceStopped():
            return f"{error.state}: {STOPPED.get(error.state, 'the client stopped')}"
        case StoreUnusable():
            return f"profile_unusable: {error}"
        case sqlite3.Error():
            return f"profile_failed: {error}"
    return str(error)


def complain(line: str) -> None:
    print(f"error: {' '.join(line.split())}", file=sys.stderr)  # noqa: T201  the command's voice


def warn(line: str) -> None:
    print(f"warning: {' '.join(line.split())}", file=sys.stderr)  # noqa: T201  the command's voice


def link_text(text: str) -> str:
    """Check the text of a link. Raise BadParameter."""
    try:
        return LinkCode.parse(text).text
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
