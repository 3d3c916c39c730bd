"""Invitations: which citizens may write to an official whose post is not listed
(docs/protocol/README.md, "Who may write to whom").

An official's message to a citizen makes one too, which ends 90 days after the last message (messaging/send.py).
"""

from __future__ import annotations

from sandes.cursors import cursor, position
from sandes.identity.devices import Caller
from sandes.limits import Limit
from sandes.model.ids import AccountId, account_text, parse_account
from sandes.people.devices import DeviceDependencies
from sandes.people.profiles import enforce_for, look_at, person_of
from sandes.policy import decide
from sandes.protocol.client_api import InvitationEntry, InvitationList
from sandes.protocol.errors import ErrorCode, ProtocolError

PAGE = 100


def invite(caller: Caller, account: AccountId, *, now_ms: int, deps: DeviceDependencies) -> None:
    """Let a citizen write to the caller, without an end. Doing it again changes nothing.

    Raises ProtocolError rate_limited, or not_found for everybody who does not need it, blocks the caller or does not
    exist, and for callers who are no officials.
    """
    enforce_for(Limit.INVITATIONS, caller, now_ms=now_ms, deps=deps)
    viewer, facts = look_at(caller, account, now_ms=now_ms, deps=deps)
    if facts is None or not decide(viewer, person_of(facts, caller.account.id), "let_write"):
        raise ProtocolError(ErrorCode.NOT_FOUND)
    deps.directory.invite(owner=caller.account.id, invited=account, now_seconds=now_ms // 1000)


def uninvite(caller: Caller, account: AccountId, *, deps: DeviceDependencies) -> None:
    """Take an invitation back, whether or not there is one. The caller's next message to that citizen makes another."""
    deps.directory.uninvite(owner=caller.account.id, invited=account)


def invitations(caller: Caller, *, after: str | None, now_ms: int, deps: DeviceDependencies) -> InvitationList:
    """Give a page of those whom the caller has invited; it may be a short one with a cursor.

    It is empty unless the caller is an official: everybody may write to the others.

    Raises ProtocolError invalid_cursor.
    """
    own, of = caller.account.id, "invitations"
    since = parse_account(position(after, owner=own, of=of, pepper=deps.pepper)) if after is not None else None
    if caller.account.standing_at(now_ms // 1000) is None:
        return InvitationList(invitations=[])
    found, last = deps.directory.invitations(own, after=since, most=PAGE, now_seconds=now_ms // 1000)
    return InvitationList(
        invitations=[
            InvitationEntry(account=one.invited, created_at=one.created_at, expires_at=one.expires_at) for one in found
        ],
        cursor=cursor(account_text(last), owner=own, of=of, pepper=deps.pepper) if last else None,
    )
