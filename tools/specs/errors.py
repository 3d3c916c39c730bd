"""Generates docs/errors.md: every error code with its meaning, its usual cause and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from sandes.administration.approvals import MAX_PENDING
from sandes.model.app import MAX_KEYS, MAX_WEBHOOKS
from sandes.model.device import MAX_BLOCKS, MAX_DEVICES
from sandes.model.group import MAX_ADMINS, MAX_INFORMAL_MEMBERS, MAX_OFFICIAL_MEMBERS
from sandes.model.organisation import MAX_LEVELS, MAX_UNITS
from sandes.protocol.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class Advice:
    """Holds the usual cause of an error code, and what the caller should do."""

    cause: str
    action: str


_SERVER = "Repeat the request later with the same ids and keys. If it continues, report the request id."
_WAIT = "Wait for `retry_after` seconds, then repeat the request."
_READ_AGAIN = "Read the current state, then decide again."
_CORRECT = "Correct the fields that `errors` names. Repeating the same request does not help."
_ASK_ADMINISTRATOR = "Ask an administrator of the organisation."

ADVICE: dict[ErrorCode, Advice] = {
    ErrorCode.MALFORMED_JSON: Advice(
        "The body is empty, is not JSON, or has another Content-Type.", "Send a JSON object as `application/json`."
    ),
    ErrorCode.UNKNOWN_TYPE: Advice(
        "The frame's `type` is misspelt, or the client is newer than the service.", "Send only frames of the protocol."
    ),
    ErrorCode.INVALID_FRAME: Advice("A field of the frame is missing, unknown or out of range.", _CORRECT),
    ErrorCode.INVALID_REQUEST: Advice(
        "A field, a query parameter or a header is missing, unknown or out of range.", _CORRECT
    ),
    ErrorCode.INVALID_PHONE: Advice(
        "The number has no country code, has letters or masks in it, or does not exist.",
        "Send the number in international form, for example +919876543210.",
    ),
    ErrorCode.BAD_KEY: Advice(
        "The key has a wrong length or is a point of small order.", "Make a new key pair with a cryptographic library."
    ),
    ErrorCode.BAD_SIGNATURE: Advice(
        "The signature was made with another key or over other bytes.",
        "Compare what you sign with the test vectors of the protocol.",
    ),
    ErrorCode.SIGNATURE_REQUIRED: Advice(
        "A token is not enough for this call: it gives or takes control of an account or a group.",
        "Sign the act with the device's identity key and send the header Sandes-Act.",
    ),
    ErrorCode.TOKEN_INVALID: Advice(
        "The token is missing, is malformed, or its key is unknown to the service. "
        "An administrator also gets it for a session that was ended.",
        "Check the key id, the signature and each claim. Repeating the same token does not help.",
    ),
    ErrorCode.TOKEN_AUDIENCE: Advice(
        "The token's `aud` names another service than the one that was called.",
        "Compare `audience` with the endpoints in use. The keys are good: do not register again.",
    ),
    ErrorCode.TOKEN_EXPIRED: Advice(
        "The token is too old, or the clock of the caller is wrong.",
        "Set the clock to `server_time`, make a new token and repeat the request.",
    ),
    ErrorCode.NOT_PERMITTED: Advice(
        "The recipient does not exist, has blocked the sender, or may not be written to by the sender.",
        "Do not repeat it. The answer is the same in all of these cases on purpose.",
    ),
    ErrorCode.FRESH_SIGN_IN_REQUIRED: Advice(
        "The change is sensitive, and the administrator signed in more than five minutes ago.",
        "Sign in again, then repeat the request.",
    ),
    ErrorCode.REVOKED: Advice(
        "The device was unlinked, or another device registered the number.",
        "Destroy the device's keys. Register or link the device to use it again.",
    ),
    ErrorCode.SUSPENDED: Advice(
        "An administrator has suspended the account.",
        "Keep the keys and try again at growing intervals. Stored messages wait for the device.",
    ),
    ErrorCode.NOT_FOUND: Advice(
        "The object does not exist or has expired, or the caller may not see it.",
        "Check the id and the caller's rights. The answer is the same in all of these cases on purpose.",
    ),
    ErrorCode.CODE_INCORRECT: Advice(
        "The person typed another code than the one sent last.", "Let the person try again: see `attempts_left`."
    ),
    ErrorCode.CODE_EXPIRED: Advice("The code was checked after the end of its validity.", "Send a new code."),
    ErrorCode.CODE_USED: Advice(
        "The code was accepted before.", "Treat the earlier answer as the result, or send a new code."
    ),
    ErrorCode.CODE_LOCKED: Advice("The person typed a wrong code too often.", "Send a new code."),
    ErrorCode.LINK_INVALID: Advice(
        "The link was used, has expired, or belongs to another account.", "Show a new link on a device of the account."
    ),
    ErrorCode.TOO_MANY_DEVICES: Advice(
        f"The account has {MAX_DEVICES} devices.", "Unlink a device that is no longer used."
    ),
    ErrorCode.PHONE_TAKEN: Advice(
        "Another account holds the number.", "Register the number on the device instead of changing to it."
    ),
    ErrorCode.PHONE_NOT_SERVED: Advice(
        "The number is not a mobile number, or is of a country that this deployment sends no SMS to.",
        "Register with a mobile number of a country that is served.",
    ),
    ErrorCode.SMS_LIMITED: Advice(
        "The hour's budget of SMS is used up, for all numbers or for those with the same beginning.", _WAIT
    ),
    ErrorCode.STALE_KEY: Advice(
        "The new seal key has a number that is not higher than the number in use.",
        "Give the seal key a higher number and upload it again.",
    ),
    ErrorCode.DEVICE_MISMATCH: Advice(
        "The recipient linked, unlinked or replaced a device.",
        "Make the copies that `missing` and `stale` name, remove those in `extra`, and send again with the same id.",
    ),
    ErrorCode.SUPERSEDED: Advice(
        "A newer socket of this device said `hello`.",
        "Close this socket. Open a new one, unless another process of yours uses the device now.",
    ),
    ErrorCode.HELLO_FIRST: Advice(
        "A `sync`, `fetch` or `ping` came before the `hello` of its socket.", "Send `hello`, then repeat the frame."
    ),
    ErrorCode.IDEMPOTENCY_KEY_MISSING: Advice(
        "The POST has no header Idempotency-Key.", "Send a key of 1 to 64 printable ASCII characters without blanks."
    ),
    ErrorCode.IDEMPOTENCY_KEY_INVALID: Advice(
        "The Idempotency-Key is too long, or has a blank, a control character or a character outside ASCII.",
        "Send a key of 1 to 64 printable ASCII characters without blanks.",
    ),
    ErrorCode.IDEMPOTENCY_MISMATCH: Advice(
        "The key was used within the last day with another path or body.", "Use a new key for each new request."
    ),
    ErrorCode.SCOPE_MISSING: Advice(
        "The app was registered without the scope that this call needs.", _ASK_ADMINISTRATOR
    ),
    ErrorCode.ADDRESS_NOT_ALLOWED: Advice(
        "The key is bound to networks, and the request came from another one.",
        "Call from an allowed network, or ask an administrator to change the key's networks.",
    ),
    ErrorCode.NOT_A_GUEST: Advice(
        "The app is on trial or the key is a test key, and the recipient is not one of the app's guests.",
        "Add the recipient to the guests, or use a magic recipient with a test key.",
    ),
    ErrorCode.UNKNOWN_TEMPLATE: Advice(
        "The name is misspelt, or the template is not approved yet or is of another kind.",
        "List the approved templates and use one of them.",
    ),
    ErrorCode.TEMPLATE_VARIABLES: Advice("A variable is missing, unknown or empty.", _CORRECT),
    ErrorCode.RECIPIENT_LIMITED: Advice("The person has received too many codes in a short time.", _WAIT),
    ErrorCode.RESEND_TOO_SOON: Advice("The last code was sent less than the resend interval ago.", _WAIT),
    ErrorCode.QUOTA_EXCEEDED: Advice(
        "The app has used its quota of the minute or the day.",
        "Wait for `retry_after` seconds. If it happens often, ask an administrator for a higher quota.",
    ),
    ErrorCode.CODE_CANCELLED: Advice("The app cancelled the one-time password.", "Send a new code if one is needed."),
    ErrorCode.ALREADY_DELIVERED: Advice(
        "A device acknowledged the message before the recall.", "Send a correction instead."
    ),
    ErrorCode.ALREADY_FINAL: Advice(
        "The message reached a final status before the recall, or it went to a group.", _READ_AGAIN
    ),
    ErrorCode.BATCH_STATE: Advice(
        "The batch was committed, cancelled or has failed, or its upload is still expected.", _READ_AGAIN
    ),
    ErrorCode.UPLOAD_MISSING: Advice(
        "The commit came before the upload, or the upload failed.", "Upload the file, then commit again."
    ),
    ErrorCode.UPLOAD_INVALID: Advice(
        "The file is in another format, is damaged, or has wrong columns.",
        "Correct the file as `errors` says and start again with a new upload.",
    ),
    ErrorCode.WEBHOOK_ADDRESS: Advice(
        "The address is not https, has credentials in it, or leads into a private network.",
        "Give a public https address.",
    ),
    ErrorCode.TOO_MANY_WEBHOOKS: Advice(
        f"The app has {MAX_WEBHOOKS} live or {MAX_WEBHOOKS} test webhooks.", "Remove a webhook first."
    ),
    ErrorCode.WEBHOOK_DISABLED: Advice(
        "The webhook is paused, or its server answered 410 (gone) and the service disabled it.",
        "Set `paused` to false, then repeat it.",
    ),
    ErrorCode.TOO_MANY_KEYS: Advice(f"The app has {MAX_KEYS} live or {MAX_KEYS} test keys.", "Revoke a key first."),
    ErrorCode.APP_MODE: Advice(
        "The call needs a live app and the app is on trial, or the other way round.", _READ_AGAIN
    ),
    ErrorCode.INVALID_CURSOR: Advice(
        "The cursor belongs to another list, was edited or is too old.", "Read the list from its beginning."
    ),
    ErrorCode.POSTING_RESTRICTED: Advice(
        "Only admins may post to this group, and the sender is not one.", "Ask an admin of the group."
    ),
    ErrorCode.GROUP_FULL: Advice(
        f"An informal group has {MAX_INFORMAL_MEMBERS} members, or another group has {MAX_OFFICIAL_MEMBERS:,}.",
        "Remove members or use another group.",
    ),
    ErrorCode.OWNER_STAYS: Advice(
        "The owner of an informal group tried to leave.", "Hand the group over or dissolve it first."
    ),
    ErrorCode.TOO_MANY_ADMINS: Advice(f"The group has {MAX_ADMINS} admins.", "Make one of the admins a member first."),
    ErrorCode.ROSTER_BUSY: Advice(
        "The previous roster has not been applied completely.",
        "Read its progress, and send the new one when it is done.",
    ),
    ErrorCode.UNIT_CYCLE: Advice("The new parent is below the unit that is to be moved.", "Choose another parent."),
    ErrorCode.UNIT_NOT_EMPTY: Advice(
        "Units, officials, groups or apps still belong to the unit.", "Move or remove them first."
    ),
    ErrorCode.UNIT_NAME_TAKEN: Advice(
        "The parent unit already has a unit of this name. Names are compared without case and in one Unicode form.",
        "Choose another name, or use the unit that is there.",
    ),
    ErrorCode.TOO_MANY_UNITS: Advice(
        f"The organisation has {MAX_UNITS:,} units.", "Remove units that are empty, or use fewer units."
    ),
    ErrorCode.TOO_MANY_BLOCKS: Advice(
        f"The account has blocked {MAX_BLOCKS:,} others.", "Unblock accounts that need not stay blocked."
    ),
    ErrorCode.UNIT_TOO_DEEP: Advice(
        f"The tree of units would have more than {MAX_LEVELS} levels, with the organisation itself.",
        "Choose a parent nearer to the top.",
    ),
    ErrorCode.VERIFIED_ELSEWHERE: Advice(
        "Another organisation verifies the person.", "That organisation must revoke its verification first."
    ),
    ErrorCode.OWN_REQUEST: Advice(
        "The approver is the requester, or has the same mailbox as the requester.",
        "Another administrator must approve it.",
    ),
    ErrorCode.SAME_UNIT: Advice(
        "The approver works in the same unit as the requester.", "An administrator of another unit must approve it."
    ),
    ErrorCode.APPROVAL_STATE: Advice(
        "Somebody has decided or cancelled the request, it has lapsed, or the requester lost the right.",
        _READ_AGAIN,
    ),
    ErrorCode.ALREADY_PENDING: Advice(
        "Somebody has requested the same change, and nobody has decided it yet; `approval` names that request.",
        "Have that request approved, or cancel it and ask again.",
    ),
    ErrorCode.TOO_MANY_PENDING: Advice(
        f"The administrator has {MAX_PENDING} requests that nobody has decided yet.",
        "Cancel requests, or have them decided. Each lapses after a day.",
    ),
    ErrorCode.IMPORT_STATE: Advice("The import was not checked yet, is running, or has ended.", _READ_AGAIN),
    ErrorCode.MAIL_DOMAIN_NOT_ALLOWED: Advice(
        "The organisation has set mail domains, and the address is at another one. A subdomain is another domain.",
        "Give an address at one of `mail_domains`. Two nodal officers can change these domains.",
    ),
    ErrorCode.OWN_ROLES: Advice(
        "The administrator tried to change their own roles.", "Another administrator must do it."
    ),
    ErrorCode.ROLE_ABOVE_OWN: Advice(
        "The administrator may grant some roles, but not this one (docs/admin/rights.md).",
        "An administrator whose role may grant it must do it.",
    ),
    ErrorCode.ROLES_APART: Advice(
        "The two roles must be held by different people.", "Remove the other role first, or choose another person."
    ),
    ErrorCode.OWN_ACCESS: Advice(
        "The administrator tried to reset their own access, or to approve the reset.",
        "Two other officers must do it. To change the phone, use `sandes-admin access change-authenticator`.",
    ),
    ErrorCode.ACCESS_RESET_PENDING: Advice(
        "Two officers have started a reset, and it has not taken effect yet.",
        "Wait for it, or ask a platform administrator to confirm it.",
    ),
    ErrorCode.ACCESS_RESET_STATE: Advice(
        "The reset is being carried out, or a third person has confirmed it.", "Wait until it is done."
    ),
    ErrorCode.MAIL_NOT_SET_UP: Advice(
        "The stage has no sender for e-mail, and a reset must notify the person by e-mail.",
        "The platform's operators must set `mail_from` for the stage.",
    ),
    ErrorCode.HAS_OFFICERS: Advice(
        "The organisation can manage its own roles.", "One of its nodal officers must grant the role."
    ),
    ErrorCode.LAST_OFFICER: Advice(
        "The change would leave the organisation without a nodal officer.", "Appoint another nodal officer first."
    ),
    ErrorCode.ALREADY_ASSIGNED: Advice("Somebody granted the role earlier.", "Nothing needs to be done."),
    ErrorCode.ALREADY_SUSPENDED: Advice("Somebody suspended the account earlier.", "Nothing needs to be done."),
    ErrorCode.VERIFIED_LATELY: Advice(
        "The organisation verified the person unasked, and tries to suspend the account or reset its devices.",
        "Revoke the verification instead, or wait for seven days.",
    ),
    ErrorCode.ALREADY_REQUESTED: Advice(
        "An earlier request to the organisation is still open.", "Wait for the decision, or withdraw that request."
    ),
    ErrorCode.REQUEST_STATE: Advice("The request is no longer open.", _READ_AGAIN),
    ErrorCode.COMPLAINT_STATE: Advice("Somebody else resolved the complaint.", _READ_AGAIN),
    ErrorCode.PRECONDITION_FAILED: Advice(
        "Somebody else has changed the object since the caller read it.",
        "Read it again, then repeat the change with its new ETag.",
    ),
    ErrorCode.PRECONDITION_REQUIRED: Advice(
        "The request has no If-Match header.", "Send the ETag of the version that you have read."
    ),
    ErrorCode.CLOCK_SKEW: Advice(
        "The clock of the device is more than two minutes ahead. For a signed act it may also be behind.",
        "Set the clock to `server_time`. Make a new id only if no frame with the old id has left the device. "
        "Sign an act again.",
    ),
    ErrorCode.ID_TOO_OLD: Advice(
        "The message was written more than seven days ago, or the clock of the device is slow.",
        "Make a new id only if no frame with the old id has left the device.",
    ),
    ErrorCode.TOO_LARGE: Advice("The frame, body or file exceeds its limit.", "Send less at once: see `details`."),
    ErrorCode.RATE_LIMITED: Advice("The caller has used up a rate limit.", _WAIT),
    ErrorCode.INTERNAL: Advice("The service has a fault.", _SERVER),
    ErrorCode.SMS_UNAVAILABLE: Advice(
        "The SMS service refused or did not answer.", "Repeat the request after a minute."
    ),
    ErrorCode.UNAVAILABLE: Advice(
        "The service is overloaded, or a store did not answer.",
        "Repeat the request with backoff, with the same ids and keys.",
    ),
}


def errors_page() -> str:
    """Render docs/errors.md. Raise KeyError for a code of the registry without advice."""
    rows = [
        f"| `{code.value}` | {code.http_status} | {code.text} | {ADVICE[code].cause} | {ADVICE[code].action} |"
        for code in sorted(ErrorCode, key=lambda code: code.value)
    ]
    return "\n".join(
        [
            "# Error codes",
            "",
            "Every refusal has one of these codes. Find the code in the table: it says what the code means, what",
            "usually causes it, and what to do. Programs decide by the code; the text is for people and may change.",
            "",
            "Over HTTPS a refusal is `application/problem+json` with the status shown here. Over the websocket it is",
            "an `error` frame, which has no status. The codes for single fields are in",
            "[the device protocol](protocol/README.md#faults). `make specs` generates this page from the registry in",
            "`sandes/protocol/errors.py`.",
            "",
            "| code | HTTP | meaning | usual cause | what to do |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
