"""Warns approvers of a role for a new person about names and addresses that look like those of other administrators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandes.model.approval import Approval
from sandes.model.ids import OrganisationId
from sandes.model.lookalikes import look_alike, skeleton
from sandes.model.mailbox import mailbox_of
from sandes.protocol.admin_roles_api import ApprovalWarning
from sandes.store.administrators import AdministratorStore

MAX_WARNINGS = 10
_PAGE = 250
_MOST_PAGES = 8


def warnings(approval: Approval, administrators: AdministratorStore) -> list[ApprovalWarning]:
    """Return the warnings about the person whom a pending approval names by address.

    This takes a query for each 250 assignments of the organisation, up to 2,000, and none for other kinds of approvals.
    """
    named = _person(approval.parameters)
    if approval.decision != "pending" or named is None:
        return []
    pointer, name, email = named
    found: dict[tuple[str, str], ApprovalWarning] = {}
    for known_name, known_email in _known(approval, administrators):
        if mailbox_of(known_email) == mailbox_of(email):
            continue  # the same person
        for field, given, known in (("email", email, known_email), ("name", name, known_name)):
            same = field == "name" and skeleton(given) == skeleton(known)
            if (same or look_alike(given, known)) and len(found) < MAX_WARNINGS:
                found[field, known_email] = ApprovalWarning(
                    pointer=f"{pointer}/{field}", code="looks_like", name=known_name, email=known_email
                )
    return list(found.values())


def _person(parameters: Any) -> tuple[str, str, str] | None:
    for field in ("person", "officer"):
        who = parameters.get(field)
        if isinstance(who, dict) and "email" in who:
            return f"/parameters/{field}", str(who.get("name", "")), str(who["email"])
    return None


def _known(approval: Approval, administrators: AdministratorStore) -> Iterator[tuple[str, str]]:
    """Yield the names and addresses of the requester and of everybody who has a role in the organisation."""
    requester = administrators.read(approval.requested_by)
    if requester is not None:
        yield requester[0].name, requester[0].email
    yield from people_of(approval.place.organisation, administrators)


def people_of(organisation: OrganisationId, administrators: AdministratorStore) -> Iterator[tuple[str, str]]:
    """Yield the names and addresses of people who have a role in the organisation, some more than once.

    It reads the first 2,000 assignments, 250 in each query.
    """
    after: str | None = None
    for _ in range(_MOST_PAGES):
        page, after = administrators.of_organisation(organisation, after=after, limit=_PAGE)
        yield from dict.fromkeys((one.name, one.email) for one in page)
        if after is None:
            return
