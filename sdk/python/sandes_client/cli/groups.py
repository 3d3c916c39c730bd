"""Implements `sandes group`: the account's groups."""

from __future__ import annotations

from typing import Annotated, cast, get_args

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sandes_client.api import ApiError
from sandes_client.cli import id_texts
from sandes_client.cli.as_json import AsJson, print_json
from sandes_client.cli.commands import renamed, with_renamed
from sandes_client.cli.display import local_time, readable, table_console, unbadged
from sandes_client.cli.learn import label, learn
from sandes_client.cli.session import (
    COMMON_EPILOG,
    CommandFailed,
    Session,
    confirm,
    failures_as_lines,
    group_text,
    recipient_text,
    resolve,
    run,
    send_and_report,
)
from sandes_client.device import DeviceClient
from sandes_client.events import Status
from sandes_client.group_calls import Group, Member, Role
from sandes_client.group_calls import Posting as PostingBy
from sandes_client.outgoing import MIN_EXPIRY_SECONDS
from sandes_client.store import Outgoing

groups = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Create, join and manage groups, and send messages to them.",
    epilog=COMMON_EPILOG,
)

GroupId = Annotated[str, typer.Argument(help="Id of the group.", callback=group_text, metavar="GROUP")]
Who = Annotated[
    str,
    typer.Argument(help="Account id, or phone number in international form.", callback=recipient_text, metavar="WHO"),
]
Timeout = Annotated[float, typer.Option(min=0.1, help="Longest wait in seconds.")]


def _role(text: str) -> str:
    if text not in get_args(Role):
        raise typer.BadParameter(f"must be one of {', '.join(get_args(Role))}")
    return text


_POSTING = {"all": "all members post", "admins": "only admins post"}


def _posting(text: str | None) -> str | None:
    if text not in (None, *_POSTING):
        raise typer.BadParameter(f"must be one of {', '.join(_POSTING)}")
    return text


Posting = Annotated[str, typer.Option(callback=_posting, metavar="all|admins", help="Who may post to the group.")]


@groups.command("create", epilog=COMMON_EPILOG, cls=with_renamed({"--admins-only": "--posting admins"}))
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the group.")],
    *,
    posting: Posting = "all",
) -> None:
    """Create your own group."""

    async def work(session: Session) -> None:
        async with session.device() as device:
            made = await device.groups.create(name, posting=cast("PostingBy", posting))
        typer.echo(f"Created group {made.group}.")

    run(work(ctx.obj))


@groups.command("list", epilog=COMMON_EPILOG)
def list_groups(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List your groups, and groups to which you are invited."""

    async def work(session: Session) -> None:
        async with session.device() as device:
            entries = await device.groups.mine()
        if as_json:
            for entry in entries:
                print_json(entry)
            return
        table = Table("group", "name", "you are")
        for entry in entries:
            until = f", until {local_time(entry.expires_at * 1000)}" if entry.expires_at else ""
            table.add_row(entry.group, Text(unbadged(entry.name)), entry.role or f"invited{until}")
        table_console().print(table)

    run(work(ctx.obj))


@groups.command("show", epilog=COMMON_EPILOG)
def show(ctx: typer.Context, group: GroupId, *, as_json: AsJson = False) -> None:
    """Show a group and your role in it."""

    async def work(session: Session) -> None:
        async with session.device() as device:
            shown = await device.groups.show(group)
        if as_json:
            print_json(shown)
            return
        Console(soft_wrap=True, highlight=False).print(Text("\n".join(_lines(shown))))

    run(work(ctx.obj))


def _lines(group: Group) -> list[str]:
    who = {"members": "people who are invited", "officials": "officials", "citizens": "anybody, to receive only"}
    you = group.role or ("invited" if group.invited else "not a member")
    return [
        f"{group.group}  {unbadged(group.name)}",
        f"  {group.kind}, for {who.get(group.audience, group.audience)}{', open' if group.open else ''}",
        f"  {group.members} of at most {group.limit} members, version {group.version}",
        f"  {_POSTING[group.posting]}; you are {you}",
        *([f"  the invitation ends {local_time(group.expires_at * 1000)}"] if group.expires_at else []),
    ]


@groups.command("members", epilog=COMMON_EPILOG)
def members(ctx: typer.Context, group: GroupId, *, as_json: AsJson = False) -> None:
    """List members and invited people of a group."""

    async def work(session: Session) -> None:
        async with session.device() as device:
            listed = await device.groups.members(group)
            if as_json:
                for member in listed:
                    print_json(member)
                return
            for member in listed:
                if member.account_class:
                    device.people.heard(member.account, member.account_class)
            await learn(device, [member.account for member in listed])
            rows = [(member, _who(device, member)) for member in listed]
        table = Table("account", "who", "role")
        for member, who in rows:
            table.add_row(member.account, Text(who), member.role if member.state == "member" else "invited")
        table_console().print(table)

    run(work(ctx.obj))


def _who(device: DeviceClient, member: Member) -> str:
    """Return a member's label. The class comes from the list; a member without a class is shown as not an official."""
    otherwise = member.name or member.account
    return label(device, member.account, otherwise, account_class=member.account_class or "public")


@groups.command("invite", epilog=COMMON_EPILOG)
def invite(ctx: typer.Context, group: GroupId, who: Who) -> None:
    """Invite somebody. In an official group, an admin adds officials of its scope directly."""

    async def work(device: DeviceClient) -> str:
        now = await device.groups.invite(group, await resolve(device.api, who))
        return "Invited." if now.state == "invited" else f"In the group, as {now.role}."

    _do(ctx, work)


@groups.command("join", epilog=COMMON_EPILOG)
def join(ctx: typer.Context, group: GroupId) -> None:
    """Accept an invitation, or join an open group."""

    async def work(device: DeviceClient) -> str:
        joined = await device.groups.join(group)
        return f"You are in {unbadged(joined.name)}."

    _do(ctx, work)


@groups.command("role", epilog=COMMON_EPILOG)
def role(
    ctx: typer.Context,
    group: GroupId,
    who: Who,
    role: Annotated[str, typer.Argument(help="member, admin, or owner. `owner` hands the group over.", callback=_role)],
) -> None:
    """Give a member another role."""

    async def work(device: DeviceClient) -> str:
        account = await resolve(device.api, who)
        now = await device.groups.set_role(group, account, cast("Role", role))
        if now.state == "invited":
            return "Invited."
        if now.role != role:
            raise CommandFailed(
                "not_changed", f"still {now.role}: only another admin or the owner can change your role"
            )
        return f"Now {now.role}."

    _do(ctx, work)


@groups.command("remove", epilog=COMMON_EPILOG)
def remove(ctx: typer.Context, group: GroupId, who: Who) -> None:
    """Remove a member, or withdraw an invitation."""

    async def work(device: DeviceClient) -> str:
        await device.groups.remove(group, await resolve(device.api, who))
        return "Removed."

    _do(ctx, work)


@groups.command("leave", epilog=COMMON_EPILOG)
def leave(ctx: typer.Context, group: GroupId) -> None:
    """Leave a group, or decline its invitation."""

    async def work(device: DeviceClient) -> str:
        await device.groups.leave(group)
        return "You have left the group."

    _do(ctx, work)


renamed(groups, "rename", "change GROUP --name NAME")


@groups.command("change", epilog=COMMON_EPILOG)
def change(
    ctx: typer.Context,
    group: GroupId,
    *,
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    posting: Annotated[
        str | None, typer.Option(callback=_posting, metavar="all|admins", help="Who may post to the group.")
    ] = None,
) -> None:
    """Change the name of a group, or who may post to it."""
    if name is None and posting is None:
        raise typer.BadParameter("say what to change", param_hint="--name, --posting")

    async def work(device: DeviceClient) -> str:
        current = await device.groups.show(group)
        changed = await device.groups.change(
            group, name=name, posting=cast("PostingBy | None", posting), version=current.version
        )
        return f"{unbadged(changed.name)}: {_POSTING[changed.posting]}."

    _do(ctx, work)


@groups.command("dissolve", epilog=COMMON_EPILOG)
def dissolve(
    ctx: typer.Context,
    group: GroupId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Dissolve your own group for all members."""
    with failures_as_lines():
        confirm("Dissolve the group for all its members?", yes=yes)

    async def work(device: DeviceClient) -> str:
        await device.groups.dissolve(group)
        return "Dissolved."

    _do(ctx, work)


@groups.command("send", epilog=COMMON_EPILOG)
def send(
    ctx: typer.Context,
    group: GroupId,
    text: Annotated[str, typer.Argument(help="Text of the message.")],
    *,
    expires_in: Annotated[
        int | None, typer.Option(min=MIN_EXPIRY_SECONDS, help="Seconds for which an undelivered message is kept.")
    ] = None,
    timeout: Timeout = 30.0,
) -> None:
    """Send a message to all members. A message that the service has not accepted in time stays in `sandes outbox`."""
    if not text:
        raise typer.BadParameter("an empty message is not sent", param_hint="TEXT")

    async def write(device: DeviceClient) -> Outgoing:
        return device.groups.queue(group, text.encode(errors="replace"), expires_in=expires_in)

    run(send_and_report(ctx.obj, write, Status.ACCEPTED, timeout))


@groups.command("delivery", epilog=COMMON_EPILOG)
def delivery(
    ctx: typer.Context,
    group: GroupId,
    message: Annotated[
        str,
        typer.Argument(
            callback=id_texts.GROUP_MESSAGE,
            help="Id of the message, as `sandes group send` printed it.",
        ),
    ],
) -> None:
    """Show how many devices have received one of your messages."""

    async def work(device: DeviceClient) -> str:
        try:
            now = await device.groups.delivery(group, message)
        except ApiError as error:
            if error.code != "not_found":
                raise
            raise CommandFailed("not_found", "you have no such message in this group, or it has expired") from None
        still = "" if now.complete else "; not stored for all members yet"
        return (
            f"{now.members} members; stored for {now.devices} devices, of which {now.waiting} have not fetched "
            f"it{still}"
        )

    _do(ctx, work)


def _do(ctx: typer.Context, work: object) -> None:
    """Run `work` with the device and print its text."""

    async def whole(session: Session) -> None:
        async with session.device() as device:
            typer.echo(readable((await work(device)).encode()))  # type: ignore[operator]

    run(whole(ctx.obj))
