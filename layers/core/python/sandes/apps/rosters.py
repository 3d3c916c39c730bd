"""Rosters as pure functions: reading rows, and what a roster changes in a group (docs/apps/groups.md, "Rosters").

A bad row stops no other: it is told with its number and a code, and names nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast, get_args

from sandes.apps.recipients import simulated
from sandes.crypto.pepper import Pepper
from sandes.model.group import Role
from sandes.model.ids import ACCOUNT_BYTES, AccountId, parse_account
from sandes.model.phone import parse_phone
from sandes.model.roster import Change, ChangeKind, Counts, RosterFault
from sandes.protocol.app_groups_api import AppRole, RosterRow

BOTH_OR_NONE = "recipient"
BAD_ROLE = "bad_role"
INVALID_PHONE = "invalid_phone"
BAD_ACCOUNT = "bad_account"
UNKNOWN_RECIPIENT = "unknown_recipient"
NOT_A_GUEST = "not_a_guest"
DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that can be read. Exactly one of `indexes` (pseudonyms of a number) and `account` is set."""

    row: int
    indexes: tuple[str, ...]
    account: AccountId | None
    role: Role

    @property
    def index(self) -> str:
        """The pseudonym under which the number's account is found; empty without a number."""
        return self.indexes[0] if self.indexes else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is to be in the group, by account, and what was wrong with other rows."""

    roles: Mapping[AccountId, Role]
    rows: Mapping[AccountId, int]
    faults: Sequence[RosterFault]


@dataclass(frozen=True, slots=True)
class Difference:
    """`changes` in the order in which they are to be made."""

    changes: Sequence[Change]
    unchanged: int
    faults: Sequence[RosterFault] = field(default_factory=tuple)

    @property
    def counts(self) -> Counts:
        kinds = [change.kind for change in self.changes]
        return Counts(
            added=kinds.count(ChangeKind.ADD),
            removed=kinds.count(ChangeKind.REMOVE),
            unchanged=self.unchanged,
            role_changed=kinds.count(ChangeKind.SET_ROLE),
            invalid=len(self.faults),
        )


def read_rows(rows: Iterable[RosterRow], pepper: Pepper) -> tuple[list[Entry], list[RosterFault]]:
    """Rows as entries, and the faults of those that are none. Numbers of no one country give `unknown_recipient`."""
    entries, faults = [], []
    for number, row in enumerate(rows, start=1):
        read = _read(number, row, pepper)
        if isinstance(read, Entry):
            entries.append(read)
        else:
            faults.append(RosterFault(number, read))
    return entries, faults


def _read(number: int, row: RosterRow, pepper: Pepper) -> Entry | str:
    if (row.phone is None) == (row.account is None):
        return BOTH_OR_NONE
    if row.role not in get_args(AppRole):
        return BAD_ROLE
    role = cast("Role", row.role)
    if row.account is not None:
        try:
            return Entry(number, (), parse_account(row.account), role)
        except ValueError:
            return BAD_ACCOUNT
    if simulated(row.phone or ""):
        return UNKNOWN_RECIPIENT
    try:
        return Entry(number, pepper.indexes("phone", parse_phone(row.phone or "")), None, role)
    except ValueError:
        return INVALID_PHONE


def settle(
    entries: Iterable[Entry],
    accounts: Mapping[str, AccountId],
    *,
    fault_of: Callable[[AccountId, Role], str | None],
    faults: Iterable[RosterFault] = (),
) -> Wanted:
    """Whom the entries name: `accounts` by pseudonym of their numbers. Of two rows for one person the first counts.

    `fault_of` says why somebody may not be in the group, or not in this role.
    """
    roles: dict[AccountId, Role] = {}
    rows: dict[AccountId, int] = {}
    bad = list(faults)
    for entry in entries:
        account = entry.account or accounts.get(entry.index)
        if account is None:
            code: str | None = UNKNOWN_RECIPIENT
        elif account in roles:
            code = DUPLICATE
        else:
            code = fault_of(account, entry.role)
        if code is not None:
            bad.append(RosterFault(entry.row, code))
        elif account is not None:
            roles[account], rows[account] = entry.role, entry.row
    return Wanted(roles, rows, sorted(bad, key=lambda fault: fault.row))


def difference(members: Mapping[AccountId, Role], wanted: Wanted) -> Difference:
    """What is to be done so that the members are those wanted, and nobody else. Of admins, the old ones go first."""
    removed = [Change(ChangeKind.REMOVE, account) for account in members if account not in wanted.roles]
    changed = [
        Change(ChangeKind.SET_ROLE, account, role)
        for account, role in wanted.roles.items()
        if account in members and members[account] != role
    ]
    added = [Change(ChangeKind.ADD, account, role) for account, role in wanted.roles.items() if account not in members]
    changed.sort(key=lambda change: (change.role == "admin", change.account))
    changes = [
        *sorted(removed, key=lambda change: change.account),
        *changed,
        *sorted(added, key=lambda change: change.account),
    ]
    return Difference(changes, len(wanted.roles) - len(changed) - len(added), wanted.faults)


_ROLE_NUMBERS: dict[Role, int] = {"member": 0, "admin": 1}
_ROLES = {number: role for role, number in _ROLE_NUMBERS.items()}
_CHANGE_BYTES = 2 + ACCOUNT_BYTES


def encode_changes(changes: Iterable[Change]) -> bytes:
    """10 bytes a change: what is kept, sealed, while they are being made."""
    return b"".join(bytes((change.kind, _ROLE_NUMBERS[change.role])) + change.account for change in changes)


def decode_changes(data: bytes) -> list[Change]:
    return [
        Change(ChangeKind(data[at]), AccountId(data[at + 2 : at + _CHANGE_BYTES]), _ROLES[data[at + 1]])
        for at in range(0, len(data), _CHANGE_BYTES)
    ]
