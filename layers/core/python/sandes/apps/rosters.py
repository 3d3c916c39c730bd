"""Rosters as pure functions: reading rows, and computing the changes (docs/apps/groups.md, "Rosters").

An invalid row does not stop the others. Its fault has the row's number and a code, and names nobody.
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
    """Holds a readable row. Exactly one of `indexes` (pseudonyms of a number) and `account` is set."""

    row: int
    indexes: tuple[str, ...]
    account: AccountId | None
    role: Role

    @property
    def index(self) -> str:
        """Return the pseudonym under which the number's account is found, or an empty text without a number."""
        return self.indexes[0] if self.indexes else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Holds the intended members, by account, and the faults of other rows."""

    roles: Mapping[AccountId, Role]
    rows: Mapping[AccountId, int]
    faults: Sequence[RosterFault]


@dataclass(frozen=True, slots=True)
class Difference:
    """Holds the `changes` in the order in which to make them."""

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
    """Return the entries of valid rows, and the faults of the others.

    A valid number that belongs to no single country gets `unknown_recipient`.
    """
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
    """Find the intended members. `accounts` is by pseudonym of their numbers. The first of two rows about a person
    counts.

    `fault_of` returns why an account may not be in the group in this role.
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
    """Return the changes after which the group has exactly the intended members. Old admins lose their role first."""
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
    """Encode changes in 10 bytes each. They are stored encrypted while they are being made."""
    return b"".join(bytes((change.kind, _ROLE_NUMBERS[change.role])) + change.account for change in changes)


def decode_changes(data: bytes) -> list[Change]:
    return [
        Change(ChangeKind(data[at]), AccountId(data[at + 2 : at + _CHANGE_BYTES]), _ROLES[data[at + 1]])
        for at in range(0, len(data), _CHANGE_BYTES)
    ]
