"""Generates docs/policy.md, the page about who may do what, from the matrix that decides it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from sandes.model.group import Audience as GroupAudience
from sandes.model.profile import FIELDS, OFFICIAL_POLICY, PUBLIC_POLICY
from sandes.model.standing import AccountClass
from sandes.policy import GROUPS, PEOPLE, Action, GroupAction, GroupRule, Relation, Rule

_ASKED: Mapping[Action, str] = {
    "find_by_number": "find by phone number",
    "find_by_name": "find by name or post",
    "see": "see the profile, as far as its fields are shown",
    "message": "write to, send receipts to, get the keys of",
    "invite": "invite into an informal group",
    "let_write": "allow to write although not listed",
}

_ABOUT: Mapping[AccountClass, str] = {"verified": "an official", "public": "a citizen"}

_RELATIONS: Mapping[Relation, str] = {
    "self": "oneself",
    "colleague": "official, same organisation",
    "official": "official, another organisation",
    "public": "citizen",
}

_RULES: Mapping[Rule, str] = {
    "always": "yes",
    "never": "no",
    "listed": "if the post is listed",
    "listed_or_invited": "if the post is listed, or its holder has invited the citizen",
}

_ASKED_OF_GROUPS: Mapping[GroupAction, str] = {
    "see_group": "see the group",
    "join": "join",
    "post": "post",
    "receive": "receive posts",
    "see_members": "see who is in it",
    "manage": "manage it",
}

_AUDIENCES: Mapping[GroupAudience, str] = {
    "members": "informal",
    "officials": "official, for officials",
    "citizens": "official, for citizens",
}

_GROUP_RULES: Mapping[GroupRule, str] = {
    "never": "no",
    "invited": "when invited",
    "in_scope": "when invited, or if it is open and the viewer in its scope",
    "member": "members",
    "poster": "members, or admins only where the group says so",
    "admin": "admins",
    "member_or_joining": "members, and who may join",
}

_PAGE = """# Who may do what

This page lists what people may do. `make specs` generates it from `sandes.policy`. Only `decide` takes these decisions
([ADR 8](adr/0008-one-policy-function.md)). Without permission, everything looks as if it did not exist
([ADR 18](adr/0018-the-same-calls-for-every-outcome.md)).

A verification has no effect from the second in which it expires or is revoked. The official is then a citizen. A post
is *listed* if its organisation lets anybody find its holder and write to them.

## People

The columns say how the viewer is related to the person. A person who has blocked the viewer seems not to exist.

{people}

## Fields of a profile

The table shows the audience of each field if the organisation has set no other. A person may choose a stricter
audience, never a wider one. Viewers see no field of a person whom they may not see. You see all your own fields.

{fields}

*everyone* means all who may see the person, *officials* those of any organisation, and *organisation* the officials of
the same one.

## Groups

The columns show the viewer's class. A dissolved group seems not to exist. The scope of a group for officials is its
organisation, or all officials if it belongs to none. The scope of a group for citizens is everybody. Recipients of a
post see which account or app it is from, even in a group whose members are not shown.

{groups}
"""


def policy_page() -> str:
    """Return the whole of docs/policy.md."""
    people = (
        (_ASKED[asked], _ABOUT[about], *(_RULES[rules[relation]] for relation in _RELATIONS))
        for asked in get_args(Action)
        for about, rules in PEOPLE[asked].items()
    )
    groups = (
        (_ASKED_OF_GROUPS[asked], _AUDIENCES[audience], *(_GROUP_RULES[rules[name]] for name in _ABOUT))
        for asked in get_args(GroupAction)
        for audience, rules in GROUPS[asked].items()
    )
    fields = ((field.replace("_", " "), OFFICIAL_POLICY[field], PUBLIC_POLICY[field]) for field in FIELDS)
    return _PAGE.format(
        people=_table(("may", "about", *_RELATIONS.values()), people),
        fields=_table(("field", "of an official", "of a citizen"), fields),
        groups=_table(("may", "group", "official", "citizen"), groups),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join((_row(head), "|---" * len(head) + "|", *(_row(row) for row in rows)))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
