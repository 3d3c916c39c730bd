"""Provides the application's interface for people, `DeviceClient.people`, and decides who is shown as verified."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandes_client.api import ApiError, ClientApi, Unreachable, path_part, read_answer
from sandes_client.attestation import AttestationRefused, Attested, check_attestation, stated_expiry
from sandes_client.attestation_keys import AttestationKeys
from sandes_client.clock import ServerClock
from sandes_client.ids import AccountId, base64url_text, parse_account, parse_base64url
from sandes_client.paging import every, next_cursor, of_cursor
from sandes_client.seal import SenderClass
from sandes_client.store import KeptProfile, Store
from sandes_client.verification_requests import VerificationRequest, read_request

logger = logging.getLogger(__name__)

MAX_AGE_SECONDS = 3600
"""Age up to which a profile is shown without asking again."""

Audience = Literal["everyone", "officials", "organisation", "nobody"]
ReportCategory = Literal["spam", "abuse", "impersonation", "fraud", "other"]
ProfileField = Literal["name", "photo", "post", "number", "email", "last_seen"]


@dataclass(frozen=True, slots=True)
class Profile:
    """Holds the part of a person's profile that the caller may see. `last_seen` is epoch seconds.

    `attested` is the organisation's statement, checked with the pinned keys. It is None if the person is not an
    official, or if the check failed. The other fields are the service's word alone.
    """

    account: AccountId
    account_class: Literal["public", "verified"]
    name: str | None = None
    post: str | None = None
    number: str | None = None
    email: str | None = None
    photo: bytes | None = field(default=None, repr=False)
    photo_type: str | None = None
    last_seen: int | None = None
    organisation: str | None = None
    organisation_name: str | None = None
    attested: Attested | None = None

    @property
    def verified(self) -> bool:
        """Return whether the person is an official by an attestation that is valid now."""
        return self.attested is not None


@dataclass(frozen=True, slots=True)
class OwnProfile:
    """Holds the own profile.

    `policy` is the widest audience that the organisation allows; `choices` are own, stricter ones.
    """

    profile: Profile
    policy: Mapping[str, Audience]
    choices: Mapping[str, Audience]


@dataclass(frozen=True, slots=True)
class Found:
    """Holds people found. `more` means that there are further ones; search with more words."""

    people: list[Profile]
    more: bool


@dataclass(frozen=True, slots=True)
class Invitation:
    """Holds a person who may write to the caller. Times are epoch seconds; `expires_at` is None for no end."""

    account: AccountId
    created_at: int
    expires_at: int | None = None


class People:
    """Calls the service about people.

    Calls raise ApiError or Unreachable, and ValueError for a malformed account id.
    """

    def __init__(self, store: Store, *, api: ClientApi, clock: ServerClock, keys: AttestationKeys) -> None:
        self._store = store
        self._keys = keys
        self._api = api
        self._clock = clock

    async def lookup(self, phone: str) -> AccountId:
        """Return the account of a phone number in international form.

        Raise ApiError `not_found` also for people you may not find.
        """
        return await self._api.lookup(phone)

    async def search(self, query: str, *, limit: int = 25) -> Found:
        """Find officials of the caller's organisation by words of name or post, or their beginnings."""
        answer = await self._api.signed("POST", "v1/accounts/search", {"query": query, "limit": limit})
        listed, more = read_answer(lambda: (list(answer["people"]), bool(answer["more"])))
        return Found([await self._profile(one) for one in listed], more)

    async def profile(self, account: str, *, max_age_seconds: float = MAX_AGE_SECONDS) -> Profile:
        """Return a stored profile if it is younger, otherwise ask.

        Raise ApiError `not_found` for a person you may not see.

        The service is also asked if the attestation has expired since, because the official may have been verified
        again. If the service cannot be reached, the stored profile is shown as not verified.
        """
        id, now_ms = parse_account(account), self._clock.now_ms()
        kept = self._store.people.kept(id)
        is_young = kept is not None and now_ms - int(max_age_seconds * 1000) < kept.read_at_ms <= now_ms
        if kept and is_young and not _expired_since(kept, now_ms):
            return await self._profile(kept.answer)
        try:
            answer = await self._api.signed("GET", f"v1/accounts/{path_part(id)}")
        except ApiError as error:
            if error.code == "not_found":
                self._store.people.forget(id)
            raise
        except Unreachable:
            if kept and is_young:
                return await self._profile(kept.answer)
            raise
        profile = await self._profile(answer)
        if profile.account != id:
            raise Unreachable("the service answered with somebody else")
        self._store.people.save(id, answer, now_ms=now_ms)
        return profile

    def known(self, account: str) -> Profile | None:
        """Return the stored profile, however old, without asking. Its attestation is checked at the current time."""
        kept = self._store.people.kept(parse_account(account))
        return self._checked(kept.answer) if kept else None

    def heard(self, account: str, account_class: SenderClass) -> None:
        """Note the current class of `account`, as the service gave it.

        A stored profile with another class is fetched anew.
        """
        kept = self._store.people.kept(parse_account(account))
        if kept is not None and kept.answer.get("account_class") != account_class:
            self._store.people.forget(parse_account(account))

    async def own(self) -> OwnProfile:
        return await self._own(await self._api.signed("GET", "v1/me/profile"))

    async def change(
        self,
        *,
        name: str | None = None,
        email: str | None = None,
        photo: bytes | None = None,
        choices: Mapping[ProfileField, Audience] | None = None,
    ) -> OwnProfile:
        """Change the given fields. An empty text or photo removes a field. Officials cannot change their name."""
        changes: dict[str, Any] = {
            "name": name,
            "email": email,
            "photo": None if photo is None else base64url_text(photo),
            "choices": None if choices is None else dict(choices),
        }
        given = {what: value for what, value in changes.items() if value is not None}
        return await self._own(await self._api.signed("PATCH", "v1/me/profile", given))

    async def invite(self, account: str) -> None:
        """Let a citizen write to the caller, who is an official and not listed."""
        await self._api.signed("PUT", f"v1/invitations/{path_part(parse_account(account))}")

    async def withdraw(self, account: str) -> None:
        """Withdraw an invitation."""
        await self._api.signed("DELETE", f"v1/invitations/{path_part(parse_account(account))}")

    async def invitations(self) -> list[Invitation]:
        async def page(cursor: str | None) -> tuple[list[Invitation], str | None]:
            answer = await self._api.signed("GET", "v1/invitations", query=of_cursor(cursor))
            return read_answer(
                lambda: (
                    [_invitation(one) for one in answer["invitations"]],
                    next_cursor(answer),
                )
            )

        return await every(page)

    async def ask_for_verification(
        self, organisation: str, *, name: str, post: str, unit: str | None = None, email: str | None = None
    ) -> VerificationRequest:
        """Ask an organisation to verify the caller. `unit` is by default the organisation itself.

        Raise ApiError `already_requested` while another request to it is open.
        """
        said = {"organisation": organisation, "unit": unit, "name": name, "post": post, "email": email}
        given = {what: value for what, value in said.items() if value is not None}
        answer = await self._api.signed("POST", "v1/verification-requests", given)
        return read_answer(lambda: read_request(answer))

    async def verification_requests(self) -> list[VerificationRequest]:
        """List the last request to each organisation, the newest first."""
        answer = await self._api.signed("GET", "v1/verification-requests")
        return read_answer(lambda: [read_request(one) for one in answer["requests"]])

    async def withdraw_request(self, id: str) -> None:
        """Withdraw a request that is not decided. Raise ApiError `request_state` if it is."""
        await self._api.signed("DELETE", f"v1/verification-requests/{path_part(id)}")

    async def report(
        self,
        *,
        account: str | None = None,
        group: str | None = None,
        app: str | None = None,
        category: ReportCategory,
        text: str = "",
    ) -> None:
        """Complain about exactly one of the three, in up to 1,000 characters. Nobody learns who complained."""
        about = {"account": account, "group": group, "app": app}
        given = {what: id for what, id in about.items() if id is not None}
        await self._api.signed("POST", "v1/reports", {**given, "category": category, "text": text})

    async def block(self, account: str) -> None:
        await self._api.block(parse_account(account))

    async def unblock(self, account: str) -> None:
        await self._api.unblock(parse_account(account))

    async def _own(self, answer: Any) -> OwnProfile:
        profile = await self._profile(answer)
        return read_answer(lambda: OwnProfile(profile, dict(answer["policy"]), dict(answer["choices"])))

    async def _profile(self, answer: Any) -> Profile:
        if isinstance(answer, dict) and answer.get("attestation") is not None:
            await self._keys.prepare(answer["attestation"])
        return self._checked(answer)

    def _checked(self, answer: Any) -> Profile:
        account = read_answer(lambda: parse_account(answer["account"]))
        attested = None
        if answer.get("attestation") is not None:
            try:
                now_seconds = self._clock.now_ms() // 1000
                attested = check_attestation(
                    answer["attestation"], account=account, keys=self._keys.accepted(), now_seconds=now_seconds
                )
            except AttestationRefused as reason:
                logger.warning("account %s is not shown as verified: %s", account, reason)
        return read_answer(lambda: _shaped(answer, account, attested))


def _invitation(answer: dict[str, Any]) -> Invitation:
    ends = answer.get("expires_at")
    return Invitation(parse_account(answer["account"]), int(answer["created_at"]), None if ends is None else int(ends))


def _expired_since(kept: KeptProfile, now_ms: int) -> bool:
    """Return whether the attestation was valid when the service gave it, and has expired since."""
    attestation = kept.answer.get("attestation")
    expires_at = stated_expiry(attestation) if attestation is not None else None
    return expires_at is not None and kept.read_at_ms < expires_at * 1000 <= now_ms


def _shaped(answer: dict[str, Any], account: AccountId, attested: Attested | None) -> Profile:
    photo = answer.get("photo")
    return Profile(
        account=account,
        account_class="verified" if answer["account_class"] == "verified" else "public",
        name=_optional(answer, "name"),
        post=_optional(answer, "post"),
        number=_optional(answer, "number"),
        email=_optional(answer, "email"),
        photo=parse_base64url(photo) if photo is not None else None,
        photo_type=_optional(answer, "photo_type"),
        last_seen=int(answer["last_seen"]) if answer.get("last_seen") is not None else None,
        organisation=_optional(answer, "organisation"),
        organisation_name=_optional(answer, "organisation_name"),
        attested=attested,
    )


def _optional(answer: dict[str, Any], name: str) -> str | None:
    value = answer.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError("expected text")
    return value
