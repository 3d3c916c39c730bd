"""The row of a verification: key, writing and reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sandes.model.ids import AccountId, OrganisationId, UnitId, id_text, parse_account, parse_organisation
from sandes.model.imports import Origin
from sandes.model.profile import Audience, Field
from sandes.model.verification import ATTESTED, Attestation, End, Verification
from sandes.store.directory import account_key
from sandes.store.dynamo import Item
from sandes.store.schema import DirectoryRow
from sandes.store.schema import VerificationRow as Row

_SORT = "V"
_SALT_BYTES = 16


def verification_key(account: AccountId) -> dict[str, Any]:
    return {
        DirectoryRow.PARTITION: account_key(account)[DirectoryRow.PARTITION],
        DirectoryRow.SORT: {"S": _SORT},
    }


def account_of(item: Item) -> AccountId:
    return parse_account(item[DirectoryRow.PARTITION]["S"].removeprefix("A#"))


def _salts(packed: bytes) -> Sequence[bytes]:
    return [packed[start : start + _SALT_BYTES] for start in range(0, len(packed), _SALT_BYTES)]


def verification_item(verification: Verification) -> dict[str, Any]:
    """Build the whole row with its key."""
    attestation = verification.attestation
    item = verification_key(verification.account) | {
        Row.ORGANISATION: {"B": verification.organisation},
        Row.UNIT: {"B": verification.unit},
        Row.NAME: {"S": verification.name},
        Row.POST: {"S": verification.post},
        Row.LISTED: {"BOOL": verification.listed},
        Row.ISSUED_AT: {"N": str(verification.issued_at)},
        Row.EXPIRES_AT: {"N": str(verification.expires_at)},
        Row.STATEMENT: {"B": attestation.statement},
        Row.SIGNATURE: {"B": attestation.signature},
        Row.SALTS: {"B": b"".join(attestation.salts[name] for name in ATTESTED)},
        Row.UNIT_NAME: {"S": attestation.values["unit"]},
        Row.VERSION: {"N": str(verification.version)},
        Row.WORDS: {"L": [{"S": word} for word in verification.words]},
    }
    texts = {Row.EMAIL: verification.email, Row.ENDED: verification.ended, Row.REASON: verification.reason}
    item |= {name: {"S": text} for name, text in texts.items() if text is not None}
    if verification.origin:
        item[Row.ORIGIN] = {"S": str(verification.origin)}
    if verification.first_issued_at != verification.issued_at:
        item[Row.FIRST_ISSUED_AT] = {"N": str(verification.first_issued_at)}
    if verification.asked:
        item[Row.ASKED] = {"BOOL": True}
    if verification.hidden:
        item[Row.HIDDEN] = _audiences(verification.hidden)
    if verification.hidden_by_others:
        others = verification.hidden_by_others.items()
        item[Row.HIDDEN_BY_OTHERS] = {"M": {id_text(other): _audiences(hidden) for other, hidden in others}}
    return item | ({Row.ENDED_AT: {"N": str(verification.ended_at)}} if verification.ended_at is not None else {})


def read_verification(item: Item) -> Verification:
    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    name, post = item[Row.NAME]["S"], item[Row.POST]["S"]
    return Verification(
        account=account_of(item),
        organisation=OrganisationId(item[Row.ORGANISATION]["B"]),
        unit=UnitId(item[Row.UNIT]["B"]),
        name=name,
        post=post,
        email=text(Row.EMAIL),
        listed=item[Row.LISTED]["BOOL"],
        issued_at=int(item[Row.ISSUED_AT]["N"]),
        first_issued_at=int(item.get(Row.FIRST_ISSUED_AT, item[Row.ISSUED_AT])["N"]),
        expires_at=int(item[Row.EXPIRES_AT]["N"]),
        attestation=Attestation(
            statement=item[Row.STATEMENT]["B"],
            signature=item[Row.SIGNATURE]["B"],
            values={"name": name, "post": post, "unit": item[Row.UNIT_NAME]["S"]},
            salts=dict(zip(ATTESTED, _salts(item[Row.SALTS]["B"]), strict=True)),
        ),
        words=tuple(word["S"] for word in item[Row.WORDS]["L"]),
        version=int(item[Row.VERSION]["N"]),
        ended=cast("End | None", text(Row.ENDED)),
        ended_at=int(item[Row.ENDED_AT]["N"]) if Row.ENDED_AT in item else None,
        reason=text(Row.REASON),
        origin=Origin.parse(item[Row.ORIGIN]["S"]) if Row.ORIGIN in item else None,
        asked=Row.ASKED in item,
        hidden=_read_audiences(item.get(Row.HIDDEN, {"M": {}})),
        hidden_by_others={
            parse_organisation(other): _read_audiences(hidden)
            for other, hidden in item.get(Row.HIDDEN_BY_OTHERS, {"M": {}})["M"].items()
        },
    )


def _audiences(hidden: Mapping[Field, Audience]) -> dict[str, Any]:
    return {"M": {name: {"S": audience} for name, audience in hidden.items()}}


def _read_audiences(value: Any) -> dict[Field, Audience]:
    return {cast("Field", name): cast("Audience", audience["S"]) for name, audience in value["M"].items()}
