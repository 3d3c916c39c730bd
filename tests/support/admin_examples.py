"""Holds one valid call of each route of the admin API, for the test of every right
(tests/integration/test_every_right.py).

A new route gets its example in EXAMPLES: `"POST /admin/v1/things": Example(lambda at: Call(...))`. `at` is one of the
world's places, at which one of everything exists (tests/support/admin_world.py creates it), or the ids of nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandes.administration.authority import Permission
from tests.support.admin_world import HOOK, IN_A_YEAR, Spot

Decided = Literal["unit", "in_the_organisation", "any_role_there", "somewhere", "at_a_root", "nobody"]
"""The rule by which a call is allowed if its route does not name one: the right at the `unit`, at any place
`in_the_organisation`, `somewhere` at all, or `at_a_root` of an organisation; `any_role_there`; or `nobody` except the
requester.
"""


@dataclass(frozen=True)
class Call:
    """Holds a call. `path` is below /admin/v1."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    if_match: str | None = "*"


@dataclass(frozen=True)
class Example:
    """Holds the example of a route. `permission` is set if the route's permission depends on the call. `also` lists
    other statuses of an allowed call. If `whole` is true, a caller who sees only their own acts is refused.
    """

    call: Callable[[Spot], Call]
    decided: Decided | None = None
    permission: Permission | None = None
    also: frozenset[int] = frozenset()
    whole: bool = False


def _at(spot: Spot) -> dict[str, str]:
    return {"organisation": spot.organisation, "unit": spot.unit}


def _get(path: Callable[[Spot], str], **more: Any) -> Example:
    return Example(lambda at: Call("GET", path(at)), **more)


def _list(path: str, **more: Any) -> Example:
    """Return an example that lists something of the place."""
    return Example(lambda at: Call("GET", path, query=_at(at)), **more)


def _post(path: Callable[[Spot], str], body: Callable[[Spot], Any] = lambda _: None, **more: Any) -> Example:
    return Example(lambda at: Call("POST", path(at), body(at)), **more)


def _patch(path: Callable[[Spot], str], body: Any, **more: Any) -> Example:
    return Example(lambda at: Call("PATCH", path(at), body), **more)


def _delete(path: Callable[[Spot], str], **more: Any) -> Example:
    return Example(lambda at: Call("DELETE", path(at)), **more)


_OFFICER = {"email": "first.officer@example.gov.in", "name": "Usha Menon"}
_REASON = {"reason": "as was asked"}
_TEMPLATE = {"name": "otp", "kind": "otp", "texts": {"en": "{{ code }}"}}
_PERSON = {"name": "Asha Rao", "post": "Clerk", "expires_at": IN_A_YEAR}

_NO_FILE = frozenset((409,))
"""Status of a call without an uploaded file."""

EXAMPLES: dict[str, Example] = {
    "GET /admin/v1/me": _get(lambda _: "/me"),
    "GET /admin/v1/audit": Example(
        lambda at: Call("GET", "/audit", query={"organisation": at.organisation}), "in_the_organisation"
    ),
    "GET /admin/v1/audit/export": Example(
        lambda at: Call("GET", "/audit/export", query={"organisation": at.organisation}), whole=True
    ),
    "GET /admin/v1/audit/key": _get(lambda _: "/audit/key"),
    "GET /admin/v1/audit/heads": Example(
        lambda _: Call("GET", "/audit/heads", query={"at": "1970-01-01T01:00:00Z"}), "at_a_root", whole=True
    ),
    "GET /admin/v1/stats": Example(
        lambda at: Call("GET", "/stats", query={"organisation": at.organisation}), "in_the_organisation"
    ),
    "GET /admin/v1/organisations": _get(lambda _: "/organisations"),
    "POST /admin/v1/organisations": _post(
        lambda _: "/organisations", lambda _: {"name": "Ministry of Ports", "officer": _OFFICER}
    ),
    "POST /admin/v1/organisations/<id>/officers": _post(
        lambda at: f"/organisations/{at.organisation}/officers",
        lambda at: _OFFICER | {"home": at.organisation},
        also=frozenset((409,)),  # both ministries have two officers already
    ),
    "GET /admin/v1/organisations/<id>": _get(lambda at: f"/organisations/{at.organisation}"),
    "PATCH /admin/v1/organisations/<id>": _patch(lambda at: f"/organisations/{at.organisation}", {"name": "Rail"}),
    "GET /admin/v1/organisations/<id>/visibility": _get(lambda at: f"/organisations/{at.organisation}/visibility"),
    "PATCH /admin/v1/organisations/<id>/visibility": _patch(
        lambda at: f"/organisations/{at.organisation}/visibility", {"audiences": {"number": "nobody"}}
    ),
    "GET /admin/v1/units": _list("/units"),
    "POST /admin/v1/units": _post(
        lambda _: "/units",
        lambda at: {"organisation": at.organisation, "parent": at.unit, "name": "Yard", "kind": "office"},
    ),
    "GET /admin/v1/units/<id>": Example(
        lambda at: Call("GET", f"/units/{at.unit}", query={"organisation": at.organisation})
    ),
    "PATCH /admin/v1/units/<id>": Example(
        lambda at: Call("PATCH", f"/units/{at.unit}", {"name": "Yard"}, {"organisation": at.organisation})
    ),
    "DELETE /admin/v1/units/<id>": Example(
        lambda at: Call("DELETE", f"/units/{at.empty_unit}", query={"organisation": at.organisation})
    ),
    "GET /admin/v1/assignments": _list("/assignments"),
    "POST /admin/v1/assignments": _post(
        lambda _: "/assignments",
        lambda at: _at(at) | {"role": "verifier", "person": _OFFICER | {"home": at.unit}},
    ),
    "DELETE /admin/v1/assignments/<id>": _delete(lambda at: f"/assignments/{at.assignment}"),
    "GET /admin/v1/approvals": Example(
        lambda at: Call("GET", "/approvals", query={"organisation": at.organisation}), "any_role_there"
    ),
    "GET /admin/v1/approvals/<id>": _get(lambda at: f"/approvals/{at.approval}", permission=Permission.ROLES),
    "POST /admin/v1/approvals/<id>/approve": _post(
        lambda at: f"/approvals/{at.approval}/approve", permission=Permission.ROLES
    ),
    "POST /admin/v1/approvals/<id>/reject": _post(
        lambda at: f"/approvals/{at.approval}/reject", lambda _: _REASON, permission=Permission.ROLES
    ),
    "DELETE /admin/v1/approvals/<id>": _delete(lambda at: f"/approvals/{at.approval}", decided="nobody"),
    "POST /admin/v1/people/<id>/access-reset": _post(
        lambda at: f"/people/{at.verifier}/access-reset", lambda _: _REASON
    ),
    "GET /admin/v1/people/<id>/access-reset": _get(lambda at: f"/people/{at.reset}/access-reset"),
    "DELETE /admin/v1/people/<id>/access-reset": _delete(lambda at: f"/people/{at.reset}/access-reset"),
    "POST /admin/v1/people/<id>/access-reset/confirm": _post(lambda at: f"/people/{at.reset}/access-reset/confirm"),
    "DELETE /admin/v1/me/access-reset": _delete(lambda _: "/me/access-reset"),
    "DELETE /admin/v1/me/authenticator": _delete(lambda _: "/me/authenticator"),
    "POST /admin/v1/apps": _post(lambda _: "/apps", lambda at: _at(at) | {"name": "Tickets", "scopes": ["otp"]}),
    "GET /admin/v1/apps": _list("/apps"),
    "GET /admin/v1/apps/<id>": _get(lambda at: f"/apps/{at.app}"),
    "PATCH /admin/v1/apps/<id>": _patch(lambda at: f"/apps/{at.app}", {"name": "Tickets"}),
    "PUT /admin/v1/apps/<id>/guests": Example(lambda at: Call("PUT", f"/apps/{at.app}/guests", {"guests": []})),
    "POST /admin/v1/apps/<id>/keys": _post(lambda at: f"/apps/{at.app}/keys", lambda _: {}),
    "DELETE /admin/v1/apps/<id>/keys/<key>": _delete(lambda at: f"/apps/{at.app}/keys/{at.key}"),
    "POST /admin/v1/apps/<id>/go-live": _post(lambda at: f"/apps/{at.app}/go-live"),
    "POST /admin/v1/apps/<id>/quota": _post(
        lambda at: f"/apps/{at.live_app}/quota", lambda _: {"per_minute": 10, "per_day": 100}
    ),
    "POST /admin/v1/apps/<id>/trial": _post(lambda at: f"/apps/{at.live_app}/trial", lambda _: _REASON),
    "GET /admin/v1/apps/<id>/webhooks": _get(lambda at: f"/apps/{at.app}/webhooks"),
    "POST /admin/v1/apps/<id>/webhooks": _post(
        lambda at: f"/apps/{at.app}/webhooks", lambda _: {"url": f"{HOOK}/2", "events": ["message.read"]}
    ),
    "PATCH /admin/v1/apps/<id>/webhooks/<hook>": _patch(
        lambda at: f"/apps/{at.app}/webhooks/{at.hook}", {"events": ["message.read"]}
    ),
    "DELETE /admin/v1/apps/<id>/webhooks/<hook>": _delete(lambda at: f"/apps/{at.app}/webhooks/{at.hook}"),
    "POST /admin/v1/templates": _post(lambda _: "/templates", lambda at: _TEMPLATE | {"app": at.app}),
    "GET /admin/v1/templates": Example(lambda at: Call("GET", "/templates", query={"app": at.app})),
    "GET /admin/v1/templates/<id>/<name>": _get(lambda at: f"/templates/{at.app}/{at.template}"),
    "POST /admin/v1/groups": _post(lambda _: "/groups", lambda at: _at(at) | {"name": "Signals 2"}),
    "GET /admin/v1/groups": _list("/groups"),
    "GET /admin/v1/groups/<group>": _get(lambda at: f"/groups/{at.group}"),
    "PATCH /admin/v1/groups/<group>": _patch(lambda at: f"/groups/{at.group}", {"name": "Signals 3"}),
    "PUT /admin/v1/groups/<group>/admins": Example(
        lambda at: Call("PUT", f"/groups/{at.group}/admins", {"admins": [at.official]})
    ),
    "POST /admin/v1/groups/<group>/transfer": _post(
        lambda at: f"/groups/{at.group}/transfer", lambda at: {"unit": at.empty_unit}
    ),
    "DELETE /admin/v1/groups/<group>": _delete(lambda at: f"/groups/{at.group}"),
    "GET /admin/v1/complaints": _list("/complaints"),
    "GET /admin/v1/complaints/<id>": _get(lambda at: f"/complaints/{at.complaint}"),
    "POST /admin/v1/complaints/<id>/assign": _post(
        lambda at: f"/complaints/{at.complaint}/assign", lambda at: {"administrator": at.moderator}
    ),
    "POST /admin/v1/complaints/<id>/resolve": _post(
        lambda at: f"/complaints/{at.complaint}/resolve", lambda _: {"outcome": "upheld"}
    ),
    "GET /admin/v1/people": _list("/people", decided="unit"),
    "POST /admin/v1/people": _post(lambda _: "/people", lambda at: _at(at) | _PERSON | {"account": at.stranger}),
    "POST /admin/v1/people/lookup": _post(lambda _: "/people/lookup", lambda at: _at(at) | {"phone": at.phone}),
    "GET /admin/v1/people/<account>": _get(lambda at: f"/people/{at.official}"),
    "PATCH /admin/v1/people/<account>": _patch(lambda at: f"/people/{at.official}", {"post": "Director"}),
    "PATCH /admin/v1/people/<account>/visibility": _patch(
        lambda at: f"/people/{at.official}/visibility", {"fields": {"number": "nobody"}}
    ),
    "POST /admin/v1/people/<account>/transfer": _post(
        lambda at: f"/people/{at.official}/transfer", lambda at: {"unit": at.empty_unit}
    ),
    "POST /admin/v1/people/<account>/revoke": _post(lambda at: f"/people/{at.official}/revoke", lambda _: _REASON),
    "POST /admin/v1/people/<account>/suspend": _post(lambda at: f"/people/{at.official}/suspend", lambda _: _REASON),
    "POST /admin/v1/people/<account>/resume": _post(lambda at: f"/people/{at.suspended}/resume"),
    "POST /admin/v1/people/<account>/devices/reset": _post(lambda at: f"/people/{at.official}/devices/reset"),
    "POST /admin/v1/imports": _post(lambda _: "/imports", lambda at: _at(at) | {"format": "csv"}),
    "GET /admin/v1/imports": _list("/imports", decided="unit"),
    "GET /admin/v1/imports/<id>": _get(lambda at: f"/imports/{at.of_import}"),
    "POST /admin/v1/imports/<id>/commit": _post(
        lambda at: f"/imports/{at.of_import}/commit", lambda _: {"dry_run": True}, also=_NO_FILE
    ),
    "GET /admin/v1/imports/<id>/results": _get(lambda at: f"/imports/{at.of_import}/results", also=_NO_FILE),
    "DELETE /admin/v1/imports/<id>": _delete(lambda at: f"/imports/{at.of_import}"),
    "GET /admin/v1/verification-requests": _list("/verification-requests", decided="unit"),
    "POST /admin/v1/verification-requests/<id>/verify": _post(
        lambda at: f"/verification-requests/{at.request}/verify", lambda _: {"expires_at": IN_A_YEAR}
    ),
    "POST /admin/v1/verification-requests/<id>/reject": _post(
        lambda at: f"/verification-requests/{at.request}/reject", lambda _: _REASON
    ),
}
