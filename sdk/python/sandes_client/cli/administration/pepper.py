"""Implements the commands of `sandes-admin` with which operators replace the pepper (docs/incidents/pepper.md)."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from sandes_client.cli.administration.showing import Answer, AsJson, command_group, say
from sandes_client.cli.session import failures_as_lines

pepper = command_group("Rewrite rows for another value of the pepper. Only operators can do this.")


@pepper.command("rekey")
def rekey(
    ctx: typer.Context,
    *,
    calls: Annotated[int, typer.Option(min=1, help="Stop after this many calls. Each takes some seconds.")] = 1_000_000,
    as_json: AsJson = False,
) -> None:
    """Run the job until it is done, and print its proof. You may stop it and run it again at any time."""
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
    """Show the progress of the job."""
    with failures_as_lines():
        told = ctx.obj.rekey("pepper.status")
    say("\n".join(_lines(told)), told, as_json)


def _lines(told: Answer) -> list[str]:
    if told["state"] == "idle":
        return [f"Value {told['in_use']} of the pepper is the only one, so there is nothing to do."]
    lines = [f"Value {told['in_use']} of the pepper is in use, and value {told['other']} is kept beside it."]
    if told["state"] == "settling":
        lines.append(
            f"Functions may still use the settings of the step before. The job begins in {told['seconds']} seconds."
        )
    if "pass" in told:
        lines.append(f"Pass {told['pass']}: {told['rows']} rows read; {told['changed']} rewritten in all passes.")
    if told.get("unreadable"):
        lines.append(f"{told['unreadable']} rows can be read under neither value, and stay as they are.")
    if told["state"] == "done":
        lines.append(f"Done. Proof: {told['proof']}")
    return lines
