"""Decides who may see, find, write to or join what. It is one pure function and a matrix (docs/adr/0008).

Every use case in which one party reaches another calls `decide`. Something that the caller may not see looks as if it
did not exist. `docs/policy.md` is generated from the same matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sandes.model.group import Audience as GroupAudience
from sandes.model.group import Group, Posting, Role
from sandes.model.ids import OrganisationId
from sandes.model.profile import FIELDS, Audience, Field
from sandes.model.standing import AccountClass, Standing, class_of

Action = Literal["find_by_number", "find_by_name", "see", "message", "invite", "let_write"]
"""The acts of a viewer towards a person. `message` includes receipts. `invite` is into a group. `let_write` permits a
person to write to the viewer although the viewer is not listed.
"""

GroupAction = Literal["see_group", "join", "post", "receive", "see_members", "manage"]

Relation = Literal["self", "colleague", "official", "public"]
"""The relation of a viewer to a person: the same account, verified in the same organisation, verified, or none of
these.
"""

Rule = Literal["always", "never", "listed", "listed_or_invited"]
GroupRule = Literal["never", "invited", "in_scope", "member", "poster", "admin", "member_or_joining"]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Holds the facts about the caller. `standing` is in force, or None."""

    standing: Standing | None

    @property
    def account_class(self) -> AccountClass:
        return class_of(self.standing)


@dataclass(frozen=True, slots=True)
class Person:
    """Holds the facts about a person whom a viewer wants to reach.

    `blocks` and `invites` say whether this person has blocked or invited the viewer. `shown_to` is, for each field, the
    stricter of the organisation's and the person's settings.
    """

    standing: Standing | None
    is_viewer: bool = False
    blocks: bool = False
    invites: bool = False
    shown_to: Mapping[Field, Audience] | None = None


@dataclass(frozen=True, slots=True)
class GroupView:
    """Holds the facts about a group in relation to a viewer. `role` is None if the viewer is not a member.

    `owner_organisation` is None for a group without an organisation. Everybody in its audience is in its scope.
    """

    audience: GroupAudience
    posting: Posting
    open: bool
    live: bool
    owner_organisation: OrganisationId | None
    role: Role | None
    invited: bool

    @classmethod
    def of(cls, group: Group, role: Role | None, *, invited: bool = False) -> GroupView:
        """Build the view of a group for somebody with this role in it."""
        return cls(
            audience=group.audience,
            posting=group.posting,
            open=group.open,
            live=group.live,
            owner_organisation=group.organisation,
            role=role,
            invited=invited,
        )


PEOPLE: Mapping[Action, Mapping[AccountClass, Mapping[Relation, Rule]]] = {
    "find_by_number": {
        "verified": {"self": "always", "colleague": "always", "official": "always", "public": "listed"},
        "public": {"self": "always", "colleague": "always", "official": "always", "public": "always"},
    },
    "find_by_name": {
        "verified": {"self": "always", "colleague": "always", "official": "never", "public": "never"},
        "public": {"self": "never", "colleague": "never", "official": "never", "public": "never"},
    },
    "see": {
        "verified": {"self": "always", "colleague": "always", "official": "always", "public": "listed_or_invited"},
        "public": {"self": "always", "colleague": "always", "official": "always", "public": "always"},
    },
    "message": {
        "verified": {"self": "always", "colleague": "always", "official": "always", "public": "listed_or_invited"},
        "public": {"self": "always", "colleague": "always", "official": "always", "public": "always"},
    },
    "invite": {
        "verified": {"self": "never", "colleague": "always", "official": "always", "public": "listed_or_invited"},
        "public": {"self": "never", "colleague": "always", "official": "always", "public": "always"},
    },
    "let_write": {
        "verified": {"self": "never", "colleague": "never", "official": "never", "public": "never"},
        "public": {"self": "never", "colleague": "always", "official": "always", "public": "never"},
    },
}
"""The rules about people: by action, class of the person, and relation of the viewer to the person."""

GROUPS: Mapping[GroupAction, Mapping[GroupAudience, Mapping[AccountClass, GroupRule]]] = {
    "see_group": {
        "members": {"verified": "member_or_joining", "public": "member_or_joining"},
        "officials": {"verified": "member_or_joining", "public": "never"},
        "citizens": {"verified": "member_or_joining", "public": "member_or_joining"},
    },
    "join": {
        "members": {"verified": "invited", "public": "invited"},
        "officials": {"verified": "in_scope", "public": "never"},
        "citizens": {"verified": "in_scope", "public": "in_scope"},
    },
    "post": {
        "members": {"verified": "poster", "public": "poster"},
        "officials": {"verified": "poster", "public": "never"},
        "citizens": {"verified": "admin", "public": "never"},
    },
    "receive": {
        "members": {"verified": "member", "public": "member"},
        "officials": {"verified": "member", "public": "never"},
        "citizens": {"verified": "member", "public": "member"},
    },
    "see_members": {
        "members": {"verified": "member", "public": "member"},
        "officials": {"verified": "member", "public": "never"},
        "citizens": {"verified": "admin", "public": "never"},
    },
    "manage": {
        "members": {"verified": "admin", "public": "admin"},
        "officials": {"verified": "admin", "public": "never"},
        "citizens": {"verified": "admin", "public": "never"},
    },
}
"""The rules about groups: by action, audience of the group, and class of the viewer."""

_WIDTH: Mapping[Relation, frozenset[Audience]] = {
    "self": frozenset(get_args(Audience)),
    "colleague": frozenset(("everyone", "officials", "organisation")),
    "official": frozenset(("everyone", "officials")),
    "public": frozenset(("everyone",)),
}
"""The audiences that a viewer belongs to."""


def decide(viewer: Viewer, subject: Person | GroupView, asked: Action | GroupAction | Field) -> bool:
    """Tell whether the viewer may act as asked, or see the field. Raises KeyError if the action is not in the
    matrix.
    """
    if isinstance(subject, GroupView):
        return _decide_group(viewer, subject, asked)  # type: ignore[arg-type]
    relation = relation_of(viewer, subject)
    if subject.blocks and relation != "self":
        return False
    if asked in FIELDS:
        shown_to = (subject.shown_to or {}).get(asked, "nobody")
        return shown_to in _WIDTH[relation] and decide(viewer, subject, "see")
    match PEOPLE[asked][class_of(subject.standing)][relation]:  # type: ignore[index]
        case "always":
            return True
        case "never":
            return False
        case "listed":
            return subject.standing is not None and subject.standing.listed
        case "listed_or_invited":
            return subject.invites or (subject.standing is not None and subject.standing.listed)


def relation_of(viewer: Viewer, subject: Person) -> Relation:
    if subject.is_viewer:
        return "self"
    if viewer.standing is None:
        return "public"
    if subject.standing and subject.standing.organisation == viewer.standing.organisation:
        return "colleague"
    return "official"


def _decide_group(viewer: Viewer, group: GroupView, asked: GroupAction) -> bool:
    if not group.live:
        return False
    is_admin = group.role in {"owner", "admin"}
    match GROUPS[asked][group.audience][viewer.account_class]:
        case "never":
            return False
        case "member_or_joining":
            return group.role is not None or decide(viewer, group, "join")
        case "member":
            return group.role is not None
        case "poster":
            return is_admin or (group.role is not None and group.posting == "all")
        case "admin":
            return is_admin
        case "invited":
            return group.invited
        case "in_scope":
            return group.invited or (group.open and _in_scope(viewer, group))


def _in_scope(viewer: Viewer, group: GroupView) -> bool:
    if group.audience == "citizens" or group.owner_organisation is None:
        return True
    return viewer.standing is not None and viewer.standing.organisation == group.owner_organisation
