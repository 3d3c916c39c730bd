"""The commands of `sandes-admin` that operators need to replace the pepper (docs/incidents/pepper.md)."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from sandes_client.cli.administration.showing import Answer, AsJson, command_group, say
from sandes_client.cli.session import failures_as_lines

pepper = command_group("Rows written anew for another value of the pepper, by operators.")


@pepper.command("rekey")
def rekey(
    ctx: typer.Context,
    *,
    calls: Annotated[int, typer.Option(min=1, help="End after this many calls, of some seconds each.")] = 1_000_000,
    as_json: AsJson = False,
) -> None:
    """Go on with the job until it is done, and print its proof. It may be stopped and run again at any time."""
    with failures_as_lines():
        told: Answer = {}
        for _ in range(calls):
            told = ctx.obj.rekey("pepper.rekey")
            if told["state"] == "settling":
                time.sleep(min(int(told["seconds"]), 60))
            elif told["state"] != "running":
                break
            if not as_json:
                typer.echo("\n".join(_lines(told)), err=True)
    say("\n".join(_lines(told)), told, as_json)


@pepper.command("status")
def status(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show how far the job is."""
    with failures_as_lines():
        told = ctx.obj.rekey("pepper.status")
    say("\n".join(_lines(told)), told, as_json)


def _lines(told: Answer) -> list[str]:
    if told["state"] == "idle":
        return [f"Value {told['in_use']} of the pepper is the only one: there is nothing to do."]
    lines = [f"Value {told['in_use']} of the pepper is used, value {told['other']} is kept beside it."]
    if told["state"] == "settling":
        lines.append(f"Functions may still work by the step before: the job begins in {told['seconds']} seconds.")
    if "pass" in told:
        lines.append(f"Pass {told['pass']}: {told['rows']} rows seen; {told['changed']} written anew in all passes.")
    if told.get("unreadable"):
        lines.append(f"{told['unreadable']} rows can be read under neither value, and are left as they are.")
    if told["state"] == "done":
        lines.append(f"Done. Proof: {told['proof']}")
    return lines
