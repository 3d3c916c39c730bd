"""The codes table: challenges, which only conditional writes count and consume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandes.model.challenge import Challenge, Outcome, Purpose
from sandes.store.dynamo import Client, ConditionFailed, Item
from sandes.store.schema import CodeKind
from sandes.store.schema import CodeRow as Row
from sandes.store.transaction import Put, Update, write_one

_PENDING = "pending"
_USED = "used"
_KINDS: dict[Purpose, CodeKind] = {
    "register": CodeKind.REGISTRATION,
    "change_phone": CodeKind.REGISTRATION,
    "link": CodeKind.LINK,
}


def code_key(kind: CodeKind, id: str) -> dict[str, Any]:
    """Build the key of any row in the codes table. The kind is part of it."""
    return {Row.ID: {"S": f"{kind}#{id}"}}


def code_id(item: Item) -> str:
    """Return the id in a row's key."""
    id: str = item[Row.ID]["S"].partition("#")[2]
    return id


class ChallengeChanged(Exception):
    """Reports that the condition on a challenge failed. `challenge` is the current one, or None if there is none."""

    def __init__(self, challenge: Challenge | None) -> None:
        super().__init__("challenge changed")
        self.challenge = challenge


@dataclass(frozen=True, slots=True)
class CodeStore:
    client: Client
    table: str

    def create(self, challenge: Challenge) -> None:
        """Store a challenge. Raises ChallengeChanged if there is one with this id."""
        item = code_key(_KINDS[challenge.purpose], challenge.id) | {
            Row.PURPOSE: {"S": challenge.purpose},
            Row.SUBJECT: {"S": challenge.subject},
            Row.HASH: {"B": challenge.hash},
            Row.ATTEMPTS_LEFT: {"N": str(challenge.attempts_left)},
            Row.SENDS: {"N": str(challenge.sends)},
            Row.CODE_EXPIRES_AT: {"N": str(challenge.code_expires_at)},
            Row.RESEND_AFTER: {"N": str(challenge.resend_after)},
            Row.STATE: {"S": _PENDING},
            Row.EXPIRES_AT: {"N": str(challenge.expires_at)},
        }
        if challenge.phone_sealed:
            item[Row.PHONE_SEALED] = {"B": challenge.phone_sealed}
        try:
            write_one(self.client, Put(self.table, item, condition=f"attribute_not_exists({Row.ID})", old=True))
        except ConditionFailed as failed:
            raise ChallengeChanged(_challenge(row) if (row := failed.row()) else None) from None

    def read(self, id: str, *, purpose: Purpose, now_seconds: int) -> Challenge | None:
        """Return a challenge of the same kind as `purpose`: a code sent by SMS for any purpose, or a link."""
        answer = self.client.get_item(TableName=self.table, Key=code_key(_KINDS[purpose], id), ConsistentRead=True)
        return _live(answer.get("Item"), now_seconds)

    def renew(self, old: Challenge, new: Challenge) -> None:
        """Replace the code. The previous code becomes invalid, and the attempts start again.

        Raises ChallengeChanged if somebody else has renewed or used it since it was read.
        """
        update = Update(
            self.table,
            code_key(_KINDS[old.purpose], old.id),
            f"SET {Row.HASH} = :hash, {Row.ATTEMPTS_LEFT} = :attempts, {Row.SENDS} = :sends, "
            f"{Row.CODE_EXPIRES_AT} = :expires, {Row.RESEND_AFTER} = :resend, {Row.EXPIRES_AT} = :gone",
            condition=f"{Row.STATE} = :pending AND {Row.PURPOSE} = :purpose AND {Row.SENDS} = :old_sends",
            values={
                ":hash": {"B": new.hash},
                ":attempts": {"N": str(new.attempts_left)},
                ":sends": {"N": str(new.sends)},
                ":expires": {"N": str(new.code_expires_at)},
                ":resend": {"N": str(new.resend_after)},
                ":gone": {"N": str(new.expires_at)},
                ":pending": {"S": _PENDING},
                ":purpose": {"S": old.purpose},
                ":old_sends": {"N": str(old.sends)},
            },
            old=True,
        )
        self._update(update)

    def spend_attempt(self, id: str, *, purpose: Purpose, now_seconds: int) -> Challenge:
        """Count one attempt before the code is compared, so that concurrent guesses cannot share an attempt.

        Raises ChallengeChanged if the challenge is missing, used, expired, of another purpose, or out of attempts.
        """
        update = Update(
            self.table,
            code_key(_KINDS[purpose], id),
            f"SET {Row.ATTEMPTS_LEFT} = {Row.ATTEMPTS_LEFT} - :one",
            condition=f"{Row.STATE} = :pending AND {Row.PURPOSE} = :purpose "
            f"AND {Row.ATTEMPTS_LEFT} > :zero AND {Row.CODE_EXPIRES_AT} > :now",
            values={
                ":one": {"N": "1"},
                ":zero": {"N": "0"},
                ":pending": {"S": _PENDING},
                ":purpose": {"S": purpose},
                ":now": {"N": str(now_seconds)},
            },
            old=True,
        )
        return self._update(update)

    def consuming(self, challenge: Challenge, *, used_by: bytes, outcome: Outcome) -> Update:
        """Build the part of a transaction that uses a challenge, once, and only with the code that was checked."""
        return Update(
            self.table,
            code_key(_KINDS[challenge.purpose], challenge.id),
            f"SET {Row.STATE} = :used, {Row.USED_BY} = :by, {Row.OUTCOME} = :outcome",
            condition=f"{Row.STATE} = :pending AND {Row.PURPOSE} = :purpose AND {Row.HASH} = :hash",
            values={
                ":used": {"S": _USED},
                ":purpose": {"S": challenge.purpose},
                ":pending": {"S": _PENDING},
                ":hash": {"B": challenge.hash},
                ":by": {"B": used_by},
                ":outcome": {"S": str(outcome)},
            },
        )

    def _update(self, update: Update) -> Challenge:
        try:
            return _challenge(write_one(self.client, update, returned="ALL_NEW"))
        except ConditionFailed as failed:
            raise ChallengeChanged(_challenge(row) if (row := failed.row()) else None) from None


def _live(item: Item | None, now_seconds: int) -> Challenge | None:
    if item is None or int(item[Row.EXPIRES_AT]["N"]) <= now_seconds:
        return None
    return _challenge(item)


def _challenge(item: Item) -> Challenge:
    return Challenge(
        id=code_id(item),
        purpose=item[Row.PURPOSE]["S"],
        subject=item[Row.SUBJECT]["S"],
        phone_sealed=item[Row.PHONE_SEALED]["B"] if Row.PHONE_SEALED in item else None,
        hash=item[Row.HASH]["B"],
        attempts_left=int(item[Row.ATTEMPTS_LEFT]["N"]),
        sends=int(item[Row.SENDS]["N"]),
        code_expires_at=int(item[Row.CODE_EXPIRES_AT]["N"]),
        resend_after=int(item[Row.RESEND_AFTER]["N"]),
        expires_at=int(item[Row.EXPIRES_AT]["N"]),
        used=item[Row.STATE]["S"] == _USED,
        used_by=item[Row.USED_BY]["B"] if Row.USED_BY in item else None,
        outcome=Outcome.parse(item[Row.OUTCOME]["S"]) if Row.OUTCOME in item else None,
    )
