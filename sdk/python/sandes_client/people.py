"""People, as an application uses them: `DeviceClient.people`. Who is shown as verified is checked here."""

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
"""So old a profile is shown without asking again."""

Audience = Literal["everyone", "officials", "organisation", "nobody"]
ReportCategory = Literal["spam", "abuse", "impersonation", "fraud", "other"]
ProfileField = Literal["name", "photo", "post", "number", "email", "last_seen"]


@dataclass(frozen=True, slots=True)
class Profile:
    """A person as the caller may see them. `last_seen` is epoch seconds.

    `attested` is what their organisation vouches for, checked with the pinned keys; None if they are no official, or if
    the check failed. The other fields are the service's word alone.
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
        """An official, by an attestation that holds now."""
        return self.attested is not None


@dataclass(frozen=True, slots=True)
class OwnProfile:
    """`policy`: to whom at most the organisation has each field shown; `choices`: one's own, stricter ones."""

    profile: Profile
    policy: Mapping[str, Audience]
    choices: Mapping[str, Audience]


@dataclass(frozen=True, slots=True)
class Found:
    """`more`: there are further people; search with more words."""

    people: list[Profile]
    more: bool


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody who may write to the caller. Times are epoch seconds; `expires_at` is None for one without an end."""

    account: AccountId
    created_at: int
    expires_at: int | None = None


class People:
    """Calls raise ApiError or Unreachable, and ValueError for a text that is no account id."""

    def __init__(self, store: Store, *, api: ClientApi, clock: ServerClock, keys: AttestationKeys) -> None:
        self._store = store
        self._keys = keys
        self._api = api
        self._clock = clock

    async def lookup(self, phone: str) -> AccountId:
        """The account of a phone number in international form; `not_found` also for who may not be found."""
        return await self._api.lookup(phone)

    async def search(self, query: str, *, limit: int = 25) -> Found:
        """Officials of the caller's organisation by words of name or post, or their beginnings."""
        answer = await self._api.signed("POST", "v1/accounts/search", {"query": query, "limit": limit})
        listed, more = read_answer(lambda: (list(answer["people"]), bool(answer["more"])))
        return Found([await self._profile(one) for one in listed], more)

    async def profile(self, account: str, *, max_age_seconds: float = MAX_AGE_SECONDS) -> Profile:
        """From what is kept, if it is younger; `not_found` for somebody who may not be seen.

        The service is asked too if the attestation has expired since it was asked: the official may have been
        verified again. If it cannot be reached then, what is kept is shown, as not verified.
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
        """What is kept, however old, without asking; an attestation is checked as of now."""
        kept = self._store.people.kept(parse_account(account))
        return self._checked(kept.answer) if kept else None

    def heard(self, account: str, account_class: SenderClass) -> None:
        """The service says now of what class `account` is. What is kept and says otherwise is asked for anew."""
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
        """What is left out stays as it is; an empty text or photo removes. An official's name is not one's own."""
        changes: dict[str, Any] = {
            "name": name,
            "email": email,
            "photo": None if photo is None else base64url_text(photo),
            "choices": None if choices is None else dict(choices),
        }
        given = {what: value for what, value in changes.items() if value is not None}
        return await self._own(await self._api.signed("PATCH", "v1/me/profile", given))

    async def invite(self, account: str) -> None:
        """Let a citizen write to the caller, an official who is not listed."""
        await self._api.signed("PUT", f"v1/invitations/{path_part(parse_account(account))}")

    async def withdraw(self, account: str) -> None:
        """Take an invitation back."""
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
        """Ask an organisation to verify the caller; `unit`: the organisation itself if left out.

        `already_requested` while another request to it is open.
        """
        said = {"organisation": organisation, "unit": unit, "name": name, "post": post, "email": email}
        given = {what: value for what, value in said.items() if value is not None}
        answer = await self._api.signed("POST", "v1/verification-requests", given)
        return read_answer(lambda: read_request(answer))

    async def verification_requests(self) -> list[VerificationRequest]:
        """The last one to each organisation, the newest first."""
        answer = await self._api.signed("GET", "v1/verification-requests")
        return read_answer(lambda: [read_request(one) for one in answer["requests"]])

    async def withdraw_request(self, id: str) -> None:
        """Take back what is not decided; `request_state` if it is."""
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
        """Complain about exactly one of the three, in up to 1,000 characters. Nobody is told who did."""
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
    """True if the attestation was good when the service gave it, and is over now."""
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
