"""Makes the calls of the client API about groups (docs/protocol/client-openapi.json)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from sandes_client import statements
from sandes_client.api import ClientApi, path_part, read_answer
from sandes_client.ids import AccountId, AppId, GroupId, MessageId, parse_account, parse_group
from sandes_client.paging import next_cursor, of_cursor

Posting = Literal["all", "admins"]
Role = Literal["owner", "admin", "member"]


@dataclass(frozen=True, slots=True)
class Group:
    """Holds the part of a group that the caller may see.

    `version` rises with every change. `role` is the caller's own, None if the caller is only `invited` or may join.
    `expires_at` is the invitation's, epoch seconds. `organisation` and `unit` own an official group.
    """

    group: GroupId
    name: str
    kind: Literal["informal", "official"]
    audience: Literal["members", "officials", "citizens"]
    posting: Posting
    open: bool
    members: int
    limit: int
    version: int
    created_at: int
    organisation: str | None = None
    unit: str | None = None
    app: AppId | None = None
    role: Role | None = None
    invited: bool = False
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class GroupEntry:
    """Holds a group that the caller is in (`role`), or is invited to until `expires_at`, epoch seconds."""

    group: GroupId
    name: str
    role: Role | None = None
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """Holds a member.

    `joined_at` is epoch milliseconds. Class, name and post are given as far as the caller may see them.
    """

    account: AccountId
    state: Literal["member", "invited"]
    role: Role
    joined_at: int | None = None
    account_class: Literal["public", "verified"] | None = None
    name: str | None = None
    post: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Holds how far a post was delivered: stored for `devices` of the `members`, of which `waiting` have not fetched
    it.

    `complete` is true once it has been stored for all members.
    """

    members: int
    devices: int
    waiting: int
    complete: bool


class GroupCalls:
    """Calls the routes of groups, with one method per route. Each raises ApiError or Unreachable."""

    def __init__(self, api: ClientApi) -> None:
        self._api = api

    async def create(self, ref: str, name: str, posting: Posting) -> Group:
        """Create an informal group. The same `ref` gives the same group again."""
        return group_of(await self._api.signed("POST", "v1/groups", {"ref": ref, "name": name, "posting": posting}))

    async def page(self, cursor: str | None) -> tuple[list[GroupEntry], str | None]:
        answer = await self._api.signed("GET", "v1/groups", query=of_cursor(cursor))
        return read_answer(
            lambda: (
                [
                    GroupEntry(**{**known(GroupEntry, row), "group": parse_group(row["group"])})
                    for row in answer["groups"]
                ],
                next_cursor(answer),
            )
        )

    async def show(self, group: GroupId) -> Group:
        return group_of(await self._api.signed("GET", _path(group)))

    async def change(self, group: GroupId, changes: dict[str, Any], *, version: int) -> Group:
        """Change a group. Raise ApiError `precondition_failed` if it is no longer at `version`."""
        act = statements.open_group(group, changes["open"]) if changes.get("open") is not None else None
        return group_of(await self._api.signed("PATCH", _path(group), changes, version=version, act=act))

    async def dissolve(self, group: GroupId) -> None:
        await self._api.signed("DELETE", _path(group), act=statements.dissolve_group(group))

    async def members(self, group: GroupId, cursor: str | None) -> tuple[list[Member], str | None]:
        answer = await self._api.signed("GET", f"{_path(group)}/members", query=of_cursor(cursor))
        return read_answer(
            lambda: (
                [_member(row) for row in answer["members"]],
                next_cursor(answer),
            )
        )

    async def put_member(self, group: GroupId, account: AccountId, role: Role) -> Member:
        """Join with the own account, or invite another account or change its role. Return the member as it is then."""
        act = statements.put_member(group, account, role)
        answer = await self._api.signed("PUT", f"{_path(group)}/members/{path_part(account)}", {"role": role}, act=act)
        return read_answer(lambda: _member(answer))

    async def remove_member(self, group: GroupId, account: AccountId) -> None:
        """Remove a member, withdraw an invitation, or leave."""
        act = statements.remove_member(group, account)
        await self._api.signed("DELETE", f"{_path(group)}/members/{path_part(account)}", act=act)

    async def delivery(self, group: GroupId, message: MessageId, cursor: str | None) -> tuple[Delivery, str | None]:
        """Return the delivery of a post. `waiting` counts one page of members."""
        path = f"{_path(group)}/messages/{path_part(message)}"
        answer = await self._api.signed("GET", path, query=of_cursor(cursor))
        return read_answer(lambda: (Delivery(**known(Delivery, answer)), next_cursor(answer)))


def group_of(answer: Any) -> Group:
    """Return a group from an answer of the service, or from a stored answer. Raise Unreachable."""
    return read_answer(lambda: Group(**{**known(Group, answer), "group": parse_group(answer["group"])}))


def _member(row: dict[str, Any]) -> Member:
    return Member(**{**known(Member, row), "account": parse_account(row["account"])})


def known(shape: type[Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that this client knows. A later service may send more."""
    return {field.name: answer[field.name] for field in fields(shape) if field.name in answer}


def _path(group: GroupId) -> str:
    return f"v1/groups/{path_part(group)}"
