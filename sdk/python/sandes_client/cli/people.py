"""Implements `sandes profile`, `lookup`, `search`, `invite` and `block`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sandes_client.api import ApiError
from sandes_client.cli.as_json import AsJson, print_json
from sandes_client.cli.commands import renamed, with_renamed
from sandes_client.cli.display import local_time, person_label, table_console, unbadged
from sandes_client.cli.learn import label, learn
from sandes_client.cli.session import (
    COMMON_EPILOG,
    CommandFailed,
    Session,
    check_pairs,
    pairs,
    recipient_text,
    resolve,
    run,
)
from sandes_client.device import DeviceClient
from sandes_client.people import Audience, OwnProfile, Profile, ProfileField

profile_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show your profile and those of other people, or change yours.",
    epilog=COMMON_EPILOG,
)

_STRICTER = get_args(Audience)
"""The audiences, from the widest to none."""

Who = Annotated[
    str,
    typer.Argument(help="Account id, or phone number in international form.", callback=recipient_text, metavar="WHO"),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(profile_app, name="profile")
    app.command("lookup", epilog=COMMON_EPILOG)(lookup)
    app.command("search", epilog=COMMON_EPILOG)(search)
    app.command("invite", epilog=COMMON_EPILOG, cls=with_renamed({"--withdraw": "--cancel"}))(invite)
    app.command("block", epilog=COMMON_EPILOG)(block)
    app.command("unblock", epilog=COMMON_EPILOG)(unblock)
    app.command("invitations", epilog=COMMON_EPILOG)(invitations)


@profile_app.command("show", epilog=COMMON_EPILOG)
def show(
    ctx: typer.Context,
    who: Annotated[
        str | None, typer.Argument(help="Account id or phone number. Default: yourself.", metavar="[WHO]")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the fields of a profile that you may see. ✔ marks what an organisation has verified."""
    if who is not None:
        recipient_text(who)
    run(_show(ctx.obj, who, as_json))


async def _show(session: Session, who: str | None, as_json: bool) -> None:
    async with session.device() as device:
        if who is None:
            own = await device.people.own()
            if as_json:
                print_json(own.profile, policy=dict(own.policy), choices=dict(own.choices))
            else:
                _print([*_lines(own.profile, "you"), *_shown_to(own)])
            return
        account = await resolve(device.api, who)
        found = await _profile(device, account)
        if as_json:
            print_json(found)
        else:
            _print(_lines(found, account))


renamed(profile_app, "set", "change")


@profile_app.command("change", epilog=COMMON_EPILOG)
def change(
    ctx: typer.Context,
    *,
    name: Annotated[str | None, typer.Option(help="Your name. An empty text removes it.")] = None,
    email: Annotated[str | None, typer.Option(help="Your e-mail address. An empty text removes it.")] = None,
    photo: Annotated[
        Path | None,
        typer.Option(help="Photo: a JPEG, PNG or WebP file of at most 16 KiB.", dir_okay=False, exists=True),
    ] = None,
    no_photo: Annotated[bool, typer.Option("--no-photo", help="Remove the photo.")] = False,
    show_to: Annotated[
        list[str] | None,
        typer.Option("--show", callback=check_pairs, metavar="FIELD=AUDIENCE", help="Audience of a field."),
    ] = None,
) -> None:
    """Change your profile. The organisation sets name, post and address of an official."""
    choices = pairs(show_to)
    for what, to_whom in choices.items():
        if what not in get_args(ProfileField) or to_whom not in get_args(Audience):
            raise typer.BadParameter(
                f"FIELD must be one of {', '.join(get_args(ProfileField))}, and AUDIENCE one of "
                f"{', '.join(get_args(Audience))}",
                param_hint="--show",
            )
    if photo and no_photo:
        raise typer.BadParameter("give either --photo or --no-photo", param_hint="--no-photo")
    data = b"" if no_photo else photo.read_bytes() if photo else None
    changes: dict[str, Any] = {"name": name, "email": email, "photo": data}
    if choices:
        changes["choices"] = cast("dict[ProfileField, Audience]", choices)
    if all(value is None for value in changes.values()):
        raise typer.BadParameter("say what to change", param_hint="--name")
    run(_change(ctx.obj, changes))


async def _change(session: Session, changes: dict[str, Any]) -> None:
    async with session.device() as device:
        own = await device.people.change(**changes)
    _print([*_lines(own.profile, "you"), *_shown_to(own)])


def lookup(
    ctx: typer.Context,
    phone: Annotated[str, typer.Argument(help="Phone number in international form.", callback=recipient_text)],
    *,
    as_json: AsJson = False,
) -> None:
    """Find the account of a phone number, and show its profile."""
    run(_lookup(ctx.obj, phone, as_json))


async def _lookup(session: Session, phone: str, as_json: bool) -> None:
    async with session.device() as device:
        account = await resolve(device.api, phone)
        if as_json:
            print_json({"account": account})
            return
        if account == device.address.account:
            typer.echo(f"{account}  you")
            return
        try:
            found = await _profile(device, account)
        except CommandFailed:
            if account == phone:
                raise
            typer.echo(f"{account}  {person_label(None, phone)}")  # everything else may be hidden
            return
        typer.echo(f"{account}  {person_label(found, phone, found.account_class)}")


async def _profile(device: DeviceClient, account: str) -> Profile:
    """Return a profile as the service has it now."""
    try:
        return await device.people.profile(account, max_age_seconds=0)
    except ApiError as error:
        if error.code != "not_found":
            raise
        raise CommandFailed("not_found", "there is no such account, or you may not see it") from None


def search(
    ctx: typer.Context,
    words: Annotated[str, typer.Argument(help="Words of a name or post, or their beginnings.")],
    *,
    limit: Annotated[int, typer.Option(min=1, max=25, help="Show at most this many people.")] = 25,
    as_json: AsJson = False,
) -> None:
    """Find officials of your own organisation."""
    run(_search(ctx.obj, words, limit, as_json))


async def _search(session: Session, words: str, limit: int, as_json: bool) -> None:
    async with session.device() as device:
        try:
            found = await device.people.search(words, limit=limit)
        except ApiError as error:
            if error.code != "not_found":
                raise
            raise CommandFailed("not_found", "only officials can search, each in their own organisation") from None
    if as_json:
        for person in found.people:
            print_json(person)
        return
    table = Table("account", "who")
    for person in found.people:
        table.add_row(person.account, Text(person_label(person, person.account, person.account_class)))
    table_console().print(table)
    if found.more:
        typer.echo("There are more people. Search with more words.")


def invite(
    ctx: typer.Context,
    who: Who,
    *,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel the invitation.")] = False,
) -> None:
    """Let a citizen find you and write to you. Only officials can do this."""
    run(_invite(ctx.obj, who, cancel))


async def _invite(session: Session, who: str, cancel: bool) -> None:
    async with session.device() as device:
        account = await resolve(device.api, who)
        if cancel:
            await device.people.withdraw(account)
        else:
            await device.people.invite(account)
    typer.echo("Cancelled." if cancel else "Invited.")


def block(ctx: typer.Context, who: Who) -> None:
    """Block a person. They can neither see you nor write to you, and are not notified."""

    async def work(session: Session) -> None:
        async with session.device() as device:
            await device.people.block(await resolve(device.api, who))
        typer.echo("Blocked.")

    run(work(ctx.obj))


def unblock(ctx: typer.Context, who: Who) -> None:
    """Unblock a person."""

    async def work(session: Session) -> None:
        async with session.device() as device:
            await device.people.unblock(await resolve(device.api, who))
        typer.echo("Unblocked.")

    run(work(ctx.obj))


def invitations(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List the citizens who may write to you. Only officials can do this."""
    run(_invitations(ctx.obj, as_json))


async def _invitations(session: Session, as_json: bool) -> None:
    async with session.device() as device:
        listed = await device.people.invitations()
        if as_json:
            for one in listed:
                print_json(one)
            return
        await learn(device, [one.account for one in listed])
        _print(f"{one.account}  {label(device, one.account)}  {local_time(one.created_at * 1000)}" for one in listed)


def _print(lines: Iterable[str]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for line in lines:
        console.print(Text(line))


def _lines(profile: Profile, otherwise: str) -> list[str]:
    attested = profile.attested
    own = [
        ("name", profile.name if not attested else None),
        ("post", profile.post if not attested else None),
        ("organisation", profile.organisation_name if not attested else None),
        ("unit", attested.unit if attested else None),
        ("number", profile.number),
        ("email", profile.email),
        ("photo", f"{profile.photo_type}, {len(profile.photo)} bytes" if profile.photo else None),
        ("last seen", local_time(profile.last_seen * 1000) if profile.last_seen is not None else None),
        ("attested until", local_time(attested.expires_at * 1000) if attested else None),
    ]
    heading = f"{profile.account}  {person_label(profile, otherwise, profile.account_class)}"
    return [heading, *(f"  {what}: {unbadged(said)}" for what, said in own if said)]


def _shown_to(own: OwnProfile) -> list[str]:
    return [f"  {field} is shown to {_audience(own, field)}" for field in sorted({*own.policy, *own.choices})]


def _audience(own: OwnProfile, field: str) -> str:
    """Return the stricter of the own choice and the limit of an official's organisation."""
    limit, choice = own.policy.get(field), own.choices.get(field)
    if limit is None or choice is None:
        return str(limit or choice)
    if _STRICTER.index(choice) > _STRICTER.index(limit):
        return f"{choice} (at most {limit})"
    return limit if choice == limit else f"{limit}, which is the limit; your choice of {choice} has no effect"
