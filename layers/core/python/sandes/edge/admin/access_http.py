"""Routes of the admin API about a lost or replaced second factor."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from sandes import runtime
from sandes.administration.authority import Permission
from sandes.administration.roles import access_resets
from sandes.edge.admin.caller import call
from sandes.edge.admin.params import AdministratorPath
from sandes.edge.admin.roles_http import shown_approval
from sandes.edge.admin.routes import ASKING, described
from sandes.edge.http import no_content
from sandes.edge.paths import administrator_in_path
from sandes.edge.wiring.administration import wire_access, wire_approvals
from sandes.model.access_reset import AccessReset
from sandes.protocol.admin_access_api import AdminAccessReset, AskForAccessReset
from sandes.protocol.admin_api import utc
from sandes.protocol.admin_roles_api import AdminApproval
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out


@router.post(
    "/admin/v1/people/<id>/access-reset",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Request a reset of the access of an administrator who has lost the second factor",
        permission=Permission.ACCESS,
        need="second",
        refuses=(
            *(ErrorCode.FRESH_SIGN_IN_REQUIRED, ErrorCode.OWN_ACCESS, ErrorCode.ROLE_ABOVE_OWN),
            *(ErrorCode.ACCESS_RESET_PENDING, ErrorCode.MAIL_NOT_SET_UP),
            *ASKING,
        ),
    ),
)
def ask_for_reset(id: AdministratorPath, body: AskForAccessReset) -> AdminApproval:
    caller, now = call(router)
    deps, administrator = wire_approvals(), administrator_in_path(id)
    return shown_approval(access_resets.ask(caller, administrator, body, now=now, deps=deps), now)


@router.get(
    "/admin/v1/people/<id>/access-reset",
    **described("Get the current reset of an administrator's access", permission=Permission.ACCESS, need="read"),
)
def get_reset(id: AdministratorPath) -> AdminAccessReset:
    caller, _ = call(router)
    return _shown(access_resets.read(caller, administrator_in_path(id), deps=wire_access()))


@router.post(
    "/admin/v1/people/<id>/access-reset/confirm",
    **described(
        "Confirm a reset, without the waiting time; the caller is a platform administrator and a third person",
        permission=Permission.ORGANISATIONS,
        need="second",
        refuses=(
            *(ErrorCode.FRESH_SIGN_IN_REQUIRED, ErrorCode.OWN_ACCESS, ErrorCode.OWN_REQUEST),
            ErrorCode.ACCESS_RESET_STATE,
        ),
    ),
)
def confirm_reset(id: AdministratorPath) -> AdminAccessReset:
    caller, now = call(router)
    return _shown(access_resets.confirm(caller, administrator_in_path(id), now=now, deps=wire_access()))


@router.delete(
    "/admin/v1/people/<id>/access-reset",
    status_code=HTTPStatus.NO_CONTENT,
    **described(
        "Cancel a reset before it takes effect",
        permission=Permission.ACCESS,
        need="second",
        refuses=(ErrorCode.ACCESS_RESET_STATE,),
    ),
)
def withdraw_reset(id: AdministratorPath) -> Response[str]:
    caller, now = call(router)
    access_resets.withdraw(caller, administrator_in_path(id), now=now, deps=wire_access())
    return no_content()


@router.delete(
    "/admin/v1/me/access-reset",
    status_code=HTTPStatus.NO_CONTENT,
    **described(
        "Object to the reset of your own access",
        permission=None,
        need="act",
        where="self",
        refuses=(ErrorCode.ACCESS_RESET_STATE,),
    ),
)
def object_to_reset() -> Response[str]:
    caller, now = call(router)
    access_resets.object_to(caller, now=now, deps=wire_access())
    return no_content()


@router.delete(
    "/admin/v1/me/authenticator",
    status_code=HTTPStatus.NO_CONTENT,
    **described(
        "Remove your own authenticator; the next sign-in sets up another",
        permission=None,
        need="act",
        where="self",
        refuses=(ErrorCode.FRESH_SIGN_IN_REQUIRED, ErrorCode.MAIL_NOT_SET_UP),
    ),
)
def replace_authenticator() -> Response[str]:
    caller, _ = call(router)
    access_resets.replace_own_authenticator(caller, clock=runtime.now, deps=wire_access())
    return no_content()


def _shown(reset: AccessReset) -> AdminAccessReset:
    return AdminAccessReset(
        administrator=reset.administrator,
        organisation=reset.place.organisation,
        unit=reset.place.unit,
        state=reset.state,
        requested_by=reset.requested_by,
        approved_by=reset.approved_by,
        approved_at=utc(reset.approved_at),
        effective_at=utc(reset.effective_at) if reset.effective_at is not None else None,
        confirmed_by=reset.confirmed_by,
    )
