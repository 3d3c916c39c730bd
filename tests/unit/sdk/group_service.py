"""Groups for the client's test service: a few calls on groups in memory, in the server's own shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandes.model.ids import AccountId, GroupId, parse_account
from sandes.protocol import client_api
from tests.unit.sdk.service import ALICE, BOB, CAMP, CAMP_ID, START_MS, Service, problem


@dataclass
class GroupService:
    """Answers for one group, the camp; `calls` are those that changed something."""

    service: Service
    group: client_api.Group = field(
        default_factory=lambda: client_api.Group(
            group=CAMP,
            name="Camp",
            kind="informal",
            audience="members",
            posting="all",
            open=False,
            members=2,
            limit=500,
            version=3,
            role="member",
            created_at=START_MS // 1000,
        )
    )
    members: list[client_api.GroupMember] = field(
        default_factory=lambda: [
            client_api.GroupMember(
                account=BOB, state="member", role="owner", joined_at=START_MS, name="Bob", account_class="verified"
            ),
            client_api.GroupMember(account=ALICE, state="member", role="member", joined_at=START_MS),
        ]
    )
    deliveries: list[client_api.GroupDelivery] = field(default_factory=list)
    changes: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.service.more.append(self.answer)

    def change(self, **fields: Any) -> None:
        """Somebody else changes the group."""
        self.group = self.group.model_copy(update={"version": self.group.version + 1} | fields)

    def answer(self, request: httpx.Request, method: str, path: Sequence[str]) -> httpx.Response | None:
        match method, path:
            case "POST", ["groups"]:
                new = client_api.NewGroup.model_validate_json(request.content)
                self.changes.append(new)
                self.group = self.group.model_copy(update={"name": new.name, "posting": new.posting, "role": "owner"})
                return answered(self.group, 201)
            case "GET", ["groups"]:
                entry = client_api.GroupEntry(group=CAMP, name="Camp", role="member")
                other = client_api.GroupEntry(group=GroupId(bytes(BOB)), name="Drill", expires_at=5)
                cursor = request.url.params.get("cursor")
                page = client_api.GroupPage(groups=[other if cursor else entry], cursor=None if cursor else "next/1")
                return answered(page)
            case method, ["groups", group, *rest] if group == CAMP_ID:
                return self._of_group(request, method, rest)
        return None

    def _of_group(self, request: httpx.Request, method: str, path: Sequence[str]) -> httpx.Response:
        match method, path:
            case "GET", []:
                return answered(self.group)
            case "PATCH", []:
                if "If-Match" not in request.headers:
                    return problem("precondition_required", 428)
                if request.headers["If-Match"] != f'"{self.group.version}"':
                    return problem("precondition_failed", 412)
                change = client_api.ChangeGroup.model_validate_json(request.content)
                self.changes.append(change)
                self.change(**change.model_dump(exclude_none=True))
                return answered(self.group)
            case "DELETE", []:
                self.changes.append("dissolved")
                return httpx.Response(204)
            case "GET", ["members"]:
                first = "cursor" not in request.url.params
                listed = client_api.GroupMembers(
                    members=self.members[:1] if first else self.members[1:],
                    version=self.group.version,
                    cursor="next/1" if first else None,
                )
                return answered(listed)
            case "PUT", ["members", account]:
                put = client_api.PutMember.model_validate_json(request.content)
                self.changes.append((account, put.role))
                return answered(self._put(AccountId(parse_account(account)), put.role))
            case "DELETE", ["members", account]:
                self.changes.append((account, None))
                return httpx.Response(204)
            case "GET", ["messages", _]:
                at = int(request.url.params.get("cursor", 0))
                return answered(self.deliveries[at])
        return problem("not_found", 404)

    def _put(self, account: AccountId, role: client_api.GroupRole) -> client_api.GroupMember:
        """Answer as the service does: nobody changes their own role, and an account outside the group is invited."""
        for at, member in enumerate(self.members):
            if member.account == account:
                self.members[at] = member if account == ALICE else member.model_copy(update={"role": role})
                return self.members[at]
        return client_api.GroupMember(account=account, state="invited", role=role)


def answered(model: Any, status: int = 200) -> httpx.Response:
    body = model.model_dump_json(exclude_none=True)
    return httpx.Response(status, content=body, headers={"content-type": "application/json"})
