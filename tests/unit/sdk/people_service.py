"""People for the client's test service: profiles with attestations that are signed by the server's own code."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandes.crypto.attestation import AttestationKeys, commitment, sign, statement
from sandes.crypto.introductions import Key
from sandes.model.ids import AccountId, OrganisationId, UnitId, account_text, base64url_text, new_request_id
from sandes.model.verification import AttestedField
from sandes.protocol import client_api
from tests.unit.sdk.group_service import answered
from tests.unit.sdk.service import ALICE, BOB, START_MS, Service, problem

RAILWAYS = OrganisationId(b"railways")
SAID: dict[AttestedField, str] = {"name": "Bob Rao", "post": "Section Officer", "unit": "Signalling"}


def _request(asked: client_api.NewVerificationRequest) -> client_api.OwnVerificationRequest:
    now = START_MS // 1000
    id = base64url_text(new_request_id(asked.organisation, ALICE))
    return client_api.OwnVerificationRequest(
        id=id,
        organisation=asked.organisation,
        unit=asked.unit or UnitId(asked.organisation),
        name=asked.name,
        post=asked.post,
        email=asked.email,
        source="device",
        state="open",
        requested_at=now,
        lapses_at=now + 86_400,
    )


@dataclass
class PeopleService:
    """`profiles` by account id; bob is a verified official unless a test changes it."""

    service: Service
    keys: AttestationKeys = field(default_factory=lambda: AttestationKeys.of(secrets.token_hex(32).encode()))
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: list[Any] = field(default_factory=list)
    requests: list[client_api.OwnVerificationRequest] = field(default_factory=list)
    reports: list[client_api.Report] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.service.more.append(self.answer)
        self.service.classes[BOB] = "verified"
        self.profiles[account_text(BOB)] = self.official(BOB)
        self.profiles[account_text(ALICE)] = {
            "account": account_text(ALICE),
            "account_class": "public",
            "name": "Alice",
        }

    def official(self, account: AccountId, **changed: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "account": account_text(account),
            "account_class": "verified",
            "name": SAID["name"],
            "post": SAID["post"],
            "organisation_name": "Ministry of Railways",
            "attestation": self.attestation(account),
        }
        return shown | changed

    def attestation(
        self, account: AccountId, *, key: Key | None = None, expires_at: int = START_MS // 1000 + 86_400
    ) -> dict[str, Any]:
        salts = {name: secrets.token_bytes(16) for name in SAID}
        said = statement(
            account,
            RAILWAYS,
            organisation_name="Ministry of Railways",
            issued_at=START_MS // 1000,
            expires_at=expires_at,
            commitments={name: commitment(value, salts[name]) for name, value in SAID.items()},
        )
        return {
            "statement": base64url_text(said),
            "signature": base64url_text(sign(said, key or self.keys.at(self.service.now_ms // 1000))),
            "disclosures": [
                {"field": name, "salt": base64url_text(salts[name]), "value": value} for name, value in SAID.items()
            ],
        }

    def answer(self, request: httpx.Request, method: str, path: Sequence[str]) -> httpx.Response | None:
        match method, path:
            case "GET", ["attestation-key"]:
                introductions = [
                    client_api.AttestationKeyIntroduction(statement=one.statement, signature=one.signature)
                    for one in self.keys.introductions
                ]
                return answered(client_api.AttestationKeyList(oldest=self.keys.oldest, introductions=introductions))
            case "GET", ["accounts", account]:
                profile = self.profiles.get(account)
                return httpx.Response(200, json=profile) if profile else problem("not_found", 404)
            case "POST", ["accounts", "search"]:
                search = client_api.Search.model_validate_json(request.content)
                found = [one for one in self.profiles.values() if search.query in str(one["name"])]
                return httpx.Response(200, json={"people": found, "more": len(found) == search.limit})
            case "GET", ["me", "profile"]:
                return self._own()
            case "PATCH", ["me", "profile"]:
                self.changes.append(client_api.ChangeProfile.model_validate_json(request.content))
                return self._own()
            case "GET", ["invitations"]:
                who, cursor = (BOB, None) if "cursor" in request.url.params else (ALICE, "next")
                entry = client_api.InvitationEntry(account=who, created_at=7)
                return answered(client_api.InvitationList(invitations=[entry], cursor=cursor))
            case "POST", ["verification-requests"]:
                asked = client_api.NewVerificationRequest.model_validate_json(request.content)
                self.requests.append(_request(asked))
                return answered(self.requests[-1], status=201)
            case "GET", ["verification-requests"]:
                return answered(client_api.OwnVerificationRequests(requests=self.requests))
            case "DELETE", ["verification-requests", id]:
                self.requests = [one for one in self.requests if one.id != id]
                return httpx.Response(204)
            case "POST", ["reports"]:
                self.reports.append(client_api.Report.model_validate_json(request.content))
                return httpx.Response(204)
            case (("PUT" | "DELETE"), ["invitations" | "blocks", _]):
                return httpx.Response(204)
        return None

    def _own(self) -> httpx.Response:
        own = self.profiles[account_text(ALICE)] | {"policy": {"number": "officials"}, "choices": {"photo": "nobody"}}
        return httpx.Response(200, json=own)
