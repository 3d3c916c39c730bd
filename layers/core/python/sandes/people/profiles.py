"""Profiles as others see them, and the caller's own profile (docs/protocol/README.md, "Accounts and profiles").

A caller who may not see a person gets the same answer, after the same calls, as if the person did not exist
(docs/adr/0018).
"""

from __future__ import annotations

from dataclasses import replace

from sandes.crypto.pepper import Pepper
from sandes.identity.devices import Caller
from sandes.limits import Limit, enforce
from sandes.model.ids import AccountId, account_text
from sandes.model.instant import Instant
from sandes.model.profile import (
    FIELDS,
    MAX_PHOTO_BYTES,
    OFFICIAL_POLICY,
    PUBLIC_POLICY,
    Audience,
    Field,
    PhotoType,
    photo_type,
    stricter,
)
from sandes.model.standing import class_of
from sandes.model.verification import AttestedField
from sandes.people.attestations import disclosed
from sandes.people.devices import DeviceDependencies
from sandes.policy import Person, Viewer, decide
from sandes.protocol.client_api import ChangeProfile, GroupMember, GroupMembers, OwnProfile, Profile
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.store.people import PersonFacts, ProfileChange

_BEHIND: dict[AttestedField, Field] = {"name": "name", "post": "post", "unit": "post"}
"""The profile field that governs each attested field. A viewer who may see the profile field may see the attested
field.
"""


def profile(caller: Caller, account: AccountId, *, now: Instant, deps: DeviceDependencies) -> Profile:
    """Return the profile of an account. Raises ProtocolError rate_limited, or not_found also if the caller may not see
    it.
    """
    enforce_for(Limit.PROFILES, caller, now=now, deps=deps)
    viewer, facts = look_at(caller, account, now=now, deps=deps)
    if facts is None or not decide(viewer, person_of(facts, caller.account.id), "see"):
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return shown(viewer, facts, caller.account.id, pepper=deps.pepper)


def own_profile(caller: Caller, *, now: Instant, deps: DeviceDependencies) -> OwnProfile:
    """Return all data about the caller, and the audience of each field."""
    viewer, facts = _look_at_oneself(caller, now, deps)
    return _own(viewer, facts, deps.pepper)


def change_profile(caller: Caller, change: ChangeProfile, *, now: Instant, deps: DeviceDependencies) -> OwnProfile:
    """Change the caller's profile and return it.

    Raises ProtocolError rate_limited, and invalid_request for an invalid or too large photo, or for the name or email
    of a verified official.
    """
    enforce_for(Limit.PROFILES, caller, now=now, deps=deps)
    kind = _checked_photo(change.photo)
    viewer, facts = _look_at_oneself(caller, now, deps)
    for pointer, text in (("/name", change.name), ("/email", change.email)):
        if facts.standing and text is not None:
            raise invalid(ErrorCode.INVALID_REQUEST, pointer, "set_by_the_organisation")
    wanted = ProfileChange(change.name, change.email, change.photo, kind, change.choices or {})
    if wanted.attributes():
        facts = replace(facts, said=deps.people.change(caller.account.id, wanted))
    return _own(viewer, facts, deps.pepper)


def with_names(caller: Caller, page: GroupMembers, *, now: Instant, deps: DeviceDependencies) -> GroupMembers:
    """Add class, name and post to those members whom the caller may see, if these fields are shown to the caller.

    A member who blocks the caller looks like a member who shows nothing. The class is still shown, because every
    message of the member contains it.
    """
    now_seconds = now.seconds
    viewer = Viewer(caller.account.standing_at(now_seconds))
    accounts = list(dict.fromkeys(member.account for member in page.members))
    known = deps.people.read_many(caller.account.id, accounts, now_seconds=now_seconds)

    def named(member: GroupMember) -> GroupMember:
        facts = known[member.account]
        person = person_of(facts, caller.account.id)
        if not facts.phone_sealed or not decide(viewer, replace(person, blocks=False), "see"):
            return member
        if person.blocks:
            return member.model_copy(update={"account_class": class_of(facts.standing)})
        seen = shown(viewer, facts, caller.account.id, pepper=deps.pepper)
        return member.model_copy(update={"account_class": seen.account_class, "name": seen.name, "post": seen.post})

    return page.model_copy(update={"members": [named(member) for member in page.members]})


def look_at(
    caller: Caller, account: AccountId, *, now: Instant, deps: DeviceDependencies
) -> tuple[Viewer, PersonFacts | None]:
    """Return the caller as a viewer, and the facts about an account, or None for no account after the same reads."""
    now_seconds = now.seconds
    facts = deps.people.read(caller.account.id, account, now_seconds=now_seconds)
    return Viewer(caller.account.standing_at(now_seconds)), facts if facts.phone_sealed else None


def person_of(facts: PersonFacts, viewer: AccountId) -> Person:
    """Build the policy's view of a person."""
    policy, choices = _policy(facts), facts.said.choices
    return Person(
        facts.standing,
        is_viewer=facts.account == viewer,
        blocks=facts.ties.blocks,
        invites=facts.ties.invites,
        shown_to={field: stricter(policy[field], choices.get(field, policy[field])) for field in FIELDS},
    )


def shown(viewer: Viewer, facts: PersonFacts, viewer_account: AccountId, *, pepper: Pepper) -> Profile:
    """Return the parts of a person's profile that the viewer may see."""
    person = person_of(facts, viewer_account)
    visible = {field for field in FIELDS if decide(viewer, person, field)}
    number, attested = None, None
    if facts.phone_sealed and "number" in visible:
        number = pepper.open_phone(facts.phone_sealed, facts.account)
    if facts.verification:
        attested = disclosed(facts.verification, [part for part, field in _BEHIND.items() if field in visible])
    return Profile(
        account=facts.account,
        account_class=class_of(facts.standing),
        name=facts.name if "name" in visible else None,
        post=facts.post if "post" in visible else None,
        number=number,
        email=facts.email if "email" in visible else None,
        photo=facts.said.photo if "photo" in visible else None,
        photo_type=facts.said.photo_type if "photo" in visible else None,
        last_seen=facts.last_seen if "last_seen" in visible else None,
        organisation=facts.standing.organisation if facts.standing else None,
        organisation_name=facts.organisation.name if facts.organisation else None,
        attestation=attested,
    )


def enforce_for(limit: Limit, caller: Caller, *, now: Instant, deps: DeviceDependencies) -> None:
    """Take one from the bucket of the caller's account. Raises ProtocolError rate_limited or unavailable."""
    enforce(deps.limits, limit, f"account:{account_text(caller.account.id)}", now=now)


def _look_at_oneself(caller: Caller, now: Instant, deps: DeviceDependencies) -> tuple[Viewer, PersonFacts]:
    viewer, facts = look_at(caller, caller.account.id, now=now, deps=deps)
    if facts is None:
        raise ProtocolError(ErrorCode.REVOKED)
    return viewer, facts


def _own(viewer: Viewer, facts: PersonFacts, pepper: Pepper) -> OwnProfile:
    seen = shown(viewer, facts, facts.account, pepper=pepper)
    return OwnProfile(**dict(seen), policy=_policy(facts), choices=dict(facts.said.choices))


def _policy(facts: PersonFacts) -> dict[Field, Audience]:
    """Return the widest audience of each field, by the organisation's settings for all its people and for this
    person.
    """
    if facts.standing is None:
        return PUBLIC_POLICY
    policy = facts.organisation.policy if facts.organisation else OFFICIAL_POLICY
    return {field: stricter(policy[field], facts.hidden.get(field, policy[field])) for field in FIELDS}


def _checked_photo(photo: bytes | None) -> PhotoType | None:
    if not photo:
        return None
    if len(photo) > MAX_PHOTO_BYTES:
        raise invalid(ErrorCode.INVALID_REQUEST, "/photo", f"at_most_{MAX_PHOTO_BYTES}_bytes")
    kind = photo_type(photo)
    if kind is None:
        raise invalid(ErrorCode.INVALID_REQUEST, "/photo", "not_jpeg_png_or_webp")
    return kind
