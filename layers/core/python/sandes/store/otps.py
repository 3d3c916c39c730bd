"""One-time passwords of apps in the codes table, which only conditional writes count and consume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sandes.model.ids import AccountId, AppId, base64url_text, parse_base64url
from sandes.model.otp import Checked, Otp, OtpState, OtpTargets, Resent
from sandes.store.codes import code_id, code_key
from sandes.store.dynamo import Client, Condition, ConditionFailed, Item
from sandes.store.schema import CodeKind
from sandes.store.schema import OtpRow as Row
from sandes.store.transaction import Operation, Put, Update, transact, write_one

OTP_STATE = Condition("the OTP is as it was read, or there is none of a new id")


class OtpChanged(Exception):
    """Reports that the condition on an OTP failed. `otp` is the current one, or None if there is none."""

    def __init__(self, otp: Otp | None) -> None:
        super().__init__("otp changed")
        self.otp = otp


def otp_key(id: str) -> dict[str, Any]:
    return code_key(CodeKind.OTP, id)


@dataclass(frozen=True, slots=True)
class OtpStore:
    client: Client
    table: str

    def read(self, id: str, *, now_seconds: int) -> Otp | None:
        answer = self.client.get_item(TableName=self.table, Key=otp_key(id), ConsistentRead=True)
        return live_otp(answer.get("Item"), now_seconds)

    def creating(self, otp: Otp, *, now_seconds: int) -> Put:
        """Build the part of a transaction that stores an OTP. The condition fails if one with this id has not
        expired.
        """
        return Put(
            self.table,
            _item(otp),
            condition=f"attribute_not_exists({Row.ID}) OR {Row.EXPIRES_AT} <= :now",
            values={":now": {"N": str(now_seconds)}},
            named=OTP_STATE,
            old=True,
        )

    def renewing(self, old: Otp, new: Otp, *, by: str) -> Update:
        """Build the part of a transaction that replaces the code by another one with new attempts."""
        sets: dict[str, Any] = {
            Row.HASH: {"B": new.hash},
            Row.ATTEMPTS_LEFT: {"N": str(new.attempts_left)},
            Row.SENDS: {"N": str(new.sends)},
            Row.CODE_EXPIRES_AT: {"N": str(new.code_expires_at)},
            Row.RESEND_AFTER: {"N": str(new.resend_after)},
            Row.EXPIRES_AT: {"N": str(new.expires_at)},
            Row.TARGETS: {"B": new.targets.encode()} if new.targets else {"NULL": True},
        }
        assignments = ", ".join(f"{name} = :{name}" for name in sets)
        resent = {"L": [{"N": str(part)} for part in (new.sends, new.code_expires_at, new.resend_after)]}
        return Update(
            self.table,
            otp_key(old.id),
            f"SET #resends.#by = :resent, {assignments}",
            condition=f"{Row.STATE} = :pending AND {Row.SENDS} = :old_sends",
            names={"#resends": Row.RESENDS, "#by": by},
            values={f":{name}": value for name, value in sets.items()}
            | {":pending": {"S": "pending"}, ":old_sends": {"N": str(old.sends)}, ":resent": resent},
            named=OTP_STATE,
            old=True,
        )

    def spend_attempt(self, id: str, *, app: AppId, by: str, fingerprint: bytes, sends: int, now_seconds: int) -> Otp:
        """Count one attempt before the code is compared, and record the request that used it.

        Concurrent guesses cannot share an attempt, and a repeated request does not use a second one. Raises OtpChanged
        if the OTP is not pending, has expired, is out of attempts, was sent again meanwhile, or this request was
        counted already.
        """
        update = Update(
            self.table,
            otp_key(id),
            f"SET {Row.ATTEMPTS_LEFT} = {Row.ATTEMPTS_LEFT} - :one, {Row.CHECKS}.#check = {Row.ATTEMPTS_LEFT} - :one",
            condition=(
                f"{Row.APP} = :app AND {Row.STATE} = :pending AND {Row.ATTEMPTS_LEFT} > :zero "
                f"AND {Row.CODE_EXPIRES_AT} > :now AND {Row.SENDS} = :sends "
                f"AND attribute_not_exists({Row.CHECKS}.#check)"
            ),
            names={"#check": f"{by} {base64url_text(fingerprint)} {sends}"},
            values={
                ":one": {"N": "1"},
                ":zero": {"N": "0"},
                ":app": {"B": app},
                ":pending": {"S": "pending"},
                ":now": {"N": str(now_seconds)},
                ":sends": {"N": str(sends)},
            },
            old=True,
        )
        return self._update(update)

    def consuming(self, otp: Otp, *, by: str) -> Update:
        """Build the part of a transaction that uses the OTP, once, and only with the code that was compared."""
        return self._ending(otp, f"SET #state = :ended, {Row.USED_BY} = :by", "used", {":by": {"S": by}})

    def cancelling(self, otp: Otp) -> Update:
        """Build the part of a transaction that cancels the OTP, so that no code of it is accepted any more."""
        return self._ending(otp, "SET #state = :ended", "cancelled", {})

    def _ending(self, otp: Otp, expression: str, state: OtpState, values: dict[str, Any]) -> Update:
        return Update(
            self.table,
            otp_key(otp.id),
            expression,
            condition=f"#state = :pending AND {Row.HASH} = :hash",
            names={"#state": Row.STATE},
            values=values | {":ended": {"S": state}, ":pending": {"S": "pending"}, ":hash": {"B": otp.hash}},
            named=OTP_STATE,
            old=True,
        )

    def write(self, operations: Sequence[Operation]) -> None:
        """Write one transaction over this and other tables. Raises ConditionFailed and StoreUnavailable."""
        transact(self.client, operations)

    def sent_by_sms(self, otp: Otp) -> None:
        """Record that this send went out by SMS. Raises OtpChanged if another send has replaced it."""
        update = Update(
            self.table,
            otp_key(otp.id),
            "SET #sms = :sends",
            condition=f"{Row.HASH} = :hash",
            names={"#sms": Row.SMS_SEND},
            values={":hash": {"B": otp.hash}, ":sends": {"N": str(otp.sends)}},
            old=True,
        )
        self._update(update)

    def _update(self, update: Update) -> Otp:
        try:
            return read_otp(write_one(self.client, update, returned="ALL_NEW"))
        except ConditionFailed as failed:
            raise OtpChanged(read_otp(row) if (row := failed.row()) else None) from None


def live_otp(item: Item | None, now_seconds: int) -> Otp | None:
    """Return the OTP in a row, or None if it has expired and TTL has not deleted it yet."""
    if item is None or int(item[Row.EXPIRES_AT]["N"]) <= now_seconds:
        return None
    return read_otp(item)


def _item(otp: Otp) -> dict[str, Any]:
    item: dict[str, Any] = {
        **otp_key(otp.id),
        Row.APP: {"B": otp.app},
        Row.TEST: {"BOOL": otp.test},
        Row.SUBJECT: {"S": otp.subject},
        Row.PRIVATE: {"B": otp.private},
        Row.FINGERPRINT: {"B": otp.fingerprint},
        Row.PURPOSE: {"S": otp.purpose},
        Row.TEMPLATE: {"S": otp.template},
        Row.TEMPLATE_VERSION: {"N": str(otp.template_version)},
        Row.LANGUAGE: {"S": otp.language},
        Row.DIGITS: {"N": str(otp.digits)},
        Row.TTL_SECONDS: {"N": str(otp.ttl_seconds)},
        Row.SMS: {"BOOL": otp.sms},
        Row.HASH: {"B": otp.hash},
        Row.ATTEMPTS_LEFT: {"N": str(otp.attempts_left)},
        Row.SENDS: {"N": str(otp.sends)},
        Row.CREATED_AT: {"N": str(otp.created_at)},
        Row.CODE_EXPIRES_AT: {"N": str(otp.code_expires_at)},
        Row.RESEND_AFTER: {"N": str(otp.resend_after)},
        Row.STATE: {"S": otp.state},
        Row.SMS_SEND: {"N": str(otp.sms_send)},
        Row.CHECKS: {"M": {}},
        Row.RESENDS: {"M": {}},
        Row.EXPIRES_AT: {"N": str(otp.expires_at)},
    }
    if otp.account:
        item[Row.ACCOUNT] = {"B": otp.account}
    if otp.client_ref is not None:
        item[Row.CLIENT_REF] = {"S": otp.client_ref}
    item[Row.TARGETS] = {"B": otp.targets.encode()} if otp.targets else {"NULL": True}
    return item


def read_otp(item: Item) -> Otp:
    checks = {}
    for name, left in item[Row.CHECKS]["M"].items():
        by, fingerprint, send = name.split(" ")
        checks[by] = Checked(parse_base64url(fingerprint), int(left["N"]), int(send))
    return Otp(
        id=code_id(item),
        app=AppId(item[Row.APP]["B"]),
        test=item[Row.TEST]["BOOL"],
        subject=item[Row.SUBJECT]["S"],
        account=AccountId(item[Row.ACCOUNT]["B"]) if Row.ACCOUNT in item else None,
        private=item[Row.PRIVATE]["B"],
        fingerprint=item[Row.FINGERPRINT]["B"],
        purpose=item[Row.PURPOSE]["S"],
        template=item[Row.TEMPLATE]["S"],
        template_version=int(item[Row.TEMPLATE_VERSION]["N"]),
        language=item[Row.LANGUAGE]["S"],
        digits=int(item[Row.DIGITS]["N"]),
        ttl_seconds=int(item[Row.TTL_SECONDS]["N"]),
        sms=item[Row.SMS]["BOOL"],
        client_ref=item[Row.CLIENT_REF]["S"] if Row.CLIENT_REF in item else None,
        hash=item[Row.HASH]["B"],
        attempts_left=int(item[Row.ATTEMPTS_LEFT]["N"]),
        sends=int(item[Row.SENDS]["N"]),
        created_at=int(item[Row.CREATED_AT]["N"]),
        code_expires_at=int(item[Row.CODE_EXPIRES_AT]["N"]),
        resend_after=int(item[Row.RESEND_AFTER]["N"]),
        expires_at=int(item[Row.EXPIRES_AT]["N"]),
        state=cast("OtpState", item[Row.STATE]["S"]),
        targets=OtpTargets.decode(item[Row.TARGETS]["B"]) if "B" in item[Row.TARGETS] else None,
        used_by=item[Row.USED_BY]["S"] if Row.USED_BY in item else None,
        sms_send=int(item[Row.SMS_SEND]["N"]),
        checks=checks,
        resends={by: Resent(*(int(part["N"]) for part in entry["L"])) for by, entry in item[Row.RESENDS]["M"].items()},
    )
