"""Invitations: the citizens who may write to an official whose post is not listed.

This module implements docs/protocol/README.md, "Who may write to whom". An official's message to a citizen makes an
invitation too, which ends 90 days after the last message (messaging/send.py).
"""

from __future__ import annotations

from sandes.cursors import cursor, position
from sandes.identity.devices import Caller
from sandes.limits import Limit
from sandes.model.ids import AccountId, account_text, parse_account
from sandes.model.instant import Instant
from sandes.people.devices import DeviceDependencies
from sandes.people.profiles import enforce_for, look_at, person_of
from sandes.policy import decide
from sandes.protocol.client_api import InvitationEntry, InvitationList
from sandes.protocol.errors import ErrorCode, ProtocolError

PAGE = 100


def invite(caller: Caller, account: AccountId, *, now: Instant, deps: DeviceDependencies) -> None:
    """Let a citizen write to the caller, without an end. Repeating it changes nothing.

    Raises ProtocolError rate_limited, or not_found if the account needs no invitation, blocks the caller or does not
    exist, or if the caller is not an official.
    """
    enforce_for(Limit.INVITATIONS, caller, now=now, deps=deps)
    viewer, facts = look_at(caller, account, now=now, deps=deps)
    if facts is None or not decide(viewer, person_of(facts, caller.account.id), "let_write"):
        raise ProtocolError(ErrorCode.NOT_FOUND)
    deps.directory.invite(owner=caller.account.id, invited=account, now_seconds=now.seconds)


def uninvite(caller: Caller, account: AccountId, *, deps: DeviceDependencies) -> None:
    """Withdraw an invitation, whether or not it exists. The caller's next message to that citizen makes another one."""
    deps.directory.uninvite(owner=caller.account.id, invited=account)


def invitations(caller: Caller, *, after: str | None, now: Instant, deps: DeviceDependencies) -> InvitationList:
    """Return a page of the caller's invitations. It can be short and still have a cursor.

    It is empty unless the caller is an official, because everybody may write to other accounts. Raises ProtocolError
    invalid_cursor.
    """
    own, of = caller.account.id, "invitations"
    since = parse_account(position(after, owner=own, of=of, pepper=deps.pepper)) if after is not None else None
    if caller.account.standing_at(now.seconds) is None:
        return InvitationList(invitations=[])
    found, last = deps.directory.invitations(own, after=since, most=PAGE, now_seconds=now.seconds)
    return InvitationList(
        invitations=[
            InvitationEntry(account=one.invited, created_at=one.created_at, expires_at=one.expires_at) for one in found
        ],
        cursor=cursor(account_text(last), owner=own, of=of, pepper=deps.pepper) if last else None,
    )
