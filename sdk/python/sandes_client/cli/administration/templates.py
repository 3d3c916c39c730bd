"""Implements `sandes-admin template`: texts that an app sends, each approved by a second person."""

from __future__ import annotations

from typing import Annotated

import typer

from sandes_client.cli.administration.approvals import asked
from sandes_client.cli.administration.apps import AppId, app_id
from sandes_client.cli.administration.showing import (
    Answer,
    AsJson,
    Limit,
    Shown,
    at,
    command_group,
    examples,
    field,
    one_of,
    say,
    show_list,
    text,
    time_of,
)
from sandes_client.cli.session import check_pairs, pairs

template = command_group("Manage the texts of an app. The app can send a draft once a second person has approved it.")

Name = Annotated[str, typer.Argument(help="Name of the template, as the app uses it.")]


@template.command("list")
def template_list(ctx: typer.Context, *, app: AppId = None, limit: Limit = 250, as_json: AsJson = False) -> None:
    """List the templates of an app, the newest version of each."""
    found = ctx.obj.every("templates", "templates", limit=limit, app=app_id(app))
    columns = [
        Shown("template", field("name"), whole=True),
        Shown("version", field("version"), right=True),
        Shown("kind", field("kind")),
        Shown("languages", lambda one: " ".join(one["texts"])),
        Shown("variables", lambda one: " ".join(one["variables"])),
        Shown("SMS", lambda one: bool(one.get("dlt_entity"))),
        Shown("approved", time_of("approved_at")),
    ]
    show_list(found, columns, as_json)


@template.command("show")
def template_show(
    ctx: typer.Context, name: Name, *, app: AppId = None, limit: Limit = 5, as_json: AsJson = False
) -> None:
    """Show the versions of a template, the newest first."""
    for one in ctx.obj.every("templates", "templates", app_id(app), name, limit=limit):
        say(_shown(one), one, as_json)


@template.command(
    "draft",
    epilog=examples(
        "template draft login --app ppppppppppppa --kind otp --text 'en={{ code }} is your code for {{ service }}.'"
    ),
)
def template_draft(
    ctx: typer.Context,
    name: Name,
    *,
    app: AppId = None,
    kind: Annotated[
        str,
        typer.Option(
            callback=one_of("otp", "message"), metavar="otp|message", help="Kind of message that the template is for."
        ),
    ],
    text: Annotated[
        list[str],
        typer.Option(
            "--text",
            callback=check_pairs,
            metavar="LANGUAGE=TEXT",
            help="Text in a language: en, and optionally hi or mr.",
        ),
    ],
    dlt_entity: Annotated[
        str | None, typer.Option(help="DLT id of the sender. Without it, the template is not sent by SMS.")
    ] = None,
    dlt_template: Annotated[
        list[str] | None,
        typer.Option(callback=check_pairs, metavar="LANGUAGE=ID", help="DLT id of the text in this language."),
    ] = None,
    may_be_empty: Annotated[
        list[str] | None,
        typer.Option("--may-be-empty", metavar="VARIABLE", help="Variable to which apps may give an empty value."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Request approval for texts of a template.

    They become its next version. A variable is written {{ name }}, and the code {{ code }}.
    """
    body = {"app": app_id(app), "name": name, "kind": kind, "texts": pairs(text)}
    if dlt_entity:
        body |= {"dlt_entity": dlt_entity, "dlt_templates": pairs(dlt_template)}
    if may_be_empty:
        body["may_be_empty"] = may_be_empty
    asked(ctx.obj, ctx.obj.post("templates", body=body), as_json)


def _shown(one: Answer) -> str:
    texts = [f"  {language}: {text(words)}" for language, words in one["texts"].items()]
    if one.get("may_be_empty"):
        texts.append(f"  may be empty: {', '.join(one['may_be_empty'])}")
    return "\n".join(
        [f"{one['name']} version {one['version']} ({one['kind']}), approved {at(one['approved_at'])}", *texts]
    )
