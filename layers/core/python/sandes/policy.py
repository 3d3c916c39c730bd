"""Who may see, find, write to or join what: one pure function over a matrix that is data (docs/adr/0008).

Every use case in which one party reaches another asks `decide`; what it denies looks to the caller like something that
does not exist. `docs/policy.md` is generated from the same matrix.
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
"""`message`: receipts too. `invite`: into a group. `let_write`: permit to write although not listed."""

GroupAction = Literal["see_group", "join", "post", "receive", "see_members", "manage"]

Relation = Literal["self", "colleague", "official", "public"]
"""What a viewer is to a person: the same account, verified in the same organisation, verified, or neither."""

Rule = Literal["always", "never", "listed", "listed_or_invited"]
GroupRule = Literal["never", "invited", "in_scope", "member", "poster", "admin", "member_or_joining"]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. `standing` is one in force, or None."""

    standing: Standing | None

    @property
    def account_class(self) -> AccountClass:
        return class_of(self.standing)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is asked about. `blocks`, `invites`: what this person has done about the viewer.

    `shown_to`: for each field the stricter of what the organisation and the person have set.
    """

    standing: Standing | None
    is_viewer: bool = False
    blocks: bool = False
    invites: bool = False
    shown_to: Mapping[Field, Audience] | None = None


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group as it stands to the viewer: `role` is None for who is no member.

    `owner_organisation` is None for a group of no organisation, in whose scope is everybody of its audience.
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
        """A group as it stands to somebody with this role in it."""
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
"""By what is asked, the class of the person asked about, and what the viewer is to them."""

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
"""By what is asked, whom the group is for, and the viewer's class."""

_WIDTH: Mapping[Relation, frozenset[Audience]] = {
    "self": frozenset(get_args(Audience)),
    "colleague": frozenset(("everyone", "officials", "organisation")),
    "official": frozenset(("everyone", "officials")),
    "public": frozenset(("everyone",)),
}
"""Which audiences a viewer belongs to."""


def decide(viewer: Viewer, subject: Person | GroupView, asked: Action | GroupAction | Field) -> bool:
    """True if the viewer may do what is asked, or see the field. KeyError: nobody asks that of such."""
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
