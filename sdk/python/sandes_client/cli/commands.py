"""Provides what the command lines share: options at any place, `--version`, and names that have changed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # not listed as exported
from typer.core import TyperCommand, TyperGroup

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


class CommonOptionsAnywhere(TyperGroup):
    """Accepts the options common to all commands, `common`, also after the command.

    If the command itself has an option of the same name, that option keeps its meaning.
    """

    common: ClassVar[tuple[str, ...]] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if len(args) > 1 and args[0] == "--show-completion":
            _show_completion(ctx, args[1])
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
        """Return the names of the named command's own options."""
        command: Any = self
        for word in args:
            command = getattr(command, "commands", {}).get(word, command)
        return set() if command is self else {name for option in command.params for name in option.opts}


def _show_completion(ctx: Any, shell: str) -> None:
    """Print the completion script of the named shell, or of the current shell if none is named."""
    if shell not in SHELLS:
        raise typer.BadParameter(f"must be one of {', '.join(SHELLS)}", ctx, param_hint="--show-completion")
    name = ctx.find_root().info_name
    variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
    typer.echo(get_completion_script(prog_name=name, complete_var=variable, shell=shell))
    raise typer.Exit


def show_version(wanted: bool) -> None:
    """Print the version of the package and end the program. This is a callback for `--version`."""
    if wanted:
        typer.echo(f"sandes-client {version('sandes-client')}")
        raise typer.Exit


class _Renamed(typer.BadParameter):
    """Reports wrong usage with its own sentence, without "Invalid value for"."""

    def format_message(self) -> str:
        return self.message


def renamed(group: typer.Typer, old: str, new: str) -> None:
    """Refuse the command `old` as wrong usage, and name the command that replaces it."""

    @group.command(
        old,
        hidden=True,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def refuse(ctx: typer.Context) -> None:
        group_path = ctx.parent.command_path if ctx.parent else ""
        raise _Renamed(f"`{group_path} {old}` is now `{group_path} {new}`.", ctx.parent)


def with_renamed(options: Mapping[str, str]) -> type[TyperCommand]:
    """Return a command class that refuses each option of `options` and names its replacement."""

    class Command(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            for word in args:
                if word == "--":
                    break
                old = word.partition("=")[0]
                if new := options.get(old):
                    raise _Renamed(f"The option `{old}` is now `{new}`.", ctx)
            return super().parse_args(ctx, args)

    return Command
