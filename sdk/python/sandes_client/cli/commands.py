"""What the command lines have in common: options that stand anywhere, `--version`, names that have changed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


class CommonOptionsAnywhere(TyperGroup):
    """Accepts the options common to all commands, `common`, also after the command.

    An option of the same name that the command itself has stays the command's.
    """

    common: ClassVar[tuple[str, ...]] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        names = tuple(name for name in self.common if name not in self._options_of_command(args))
        common: list[str] = []
        rest: list[str] = []
        words = iter(args)
        for word in words:
            if word == "--":
                rest += [word, *words]
            elif word in names:
                common += [word, *(value for value in [next(words, None)] if value is not None)]
            elif word.startswith(tuple(f"{name}=" for name in names)):
                common.append(word)
            else:
                rest.append(word)
        return super().parse_args(ctx, common + rest)

    def _options_of_command(self, args: list[str]) -> set[str]:
        """Return the names of the options that the named command has of its own."""
        command: Any = self
        for word in args:
            command = getattr(command, "commands", {}).get(word, command)
        return set() if command is self else {name for option in command.params for name in option.opts}


def show_version(wanted: bool) -> None:
    """A callback for `--version`: prints the version of the package and ends the program."""
    if wanted:
        typer.echo(f"sandes-client {version('sandes-client')}")
        raise typer.Exit


def renamed(group: typer.Typer, old: str, new: str) -> None:
    """Refuse the command `old` as wrong usage and name the command that has taken its place."""

    @group.command(
        old,
        hidden=True,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def refuse(ctx: typer.Context) -> None:
        raise typer.BadParameter(f"this command is now `{new}`", ctx.parent, param_hint=old)


def with_renamed(options: Mapping[str, str]) -> type[TyperCommand]:
    """Return a command class that refuses each option of `options` and names what has taken its place."""

    class Command(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            for word in args:
                if word == "--":
                    break
                old = word.partition("=")[0]
                if new := options.get(old):
                    raise typer.BadParameter(f"this option is now `{new}`", ctx, param_hint=old)
            return super().parse_args(ctx, args)

    return Command
