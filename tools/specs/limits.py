"""Generates docs/limits.md: every rate limit with its subject, and the sizes and times that callers meet."""

from __future__ import annotations

from dataclasses import dataclass

from sandes.administration import approvals
from sandes.administration.imports import import_files
from sandes.apps.otps import sending
from sandes.crypto import app_tokens, jws, tokens
from sandes.groups import fanout
from sandes.limits import Limit
from sandes.messaging import rules
from sandes.model import app, device, envelope, group, organisation, profile
from sandes.people import codes, devices
from sandes.protocol import app_api, app_groups_api, frames


@dataclass(frozen=True, slots=True)
class Counted:
    """Holds what a rate limit counts, and for which subject."""

    what: str
    subject: str


_ACCOUNT = "account"
_DEVICE = "device"
_ADMINISTRATOR = "administrator"

COUNTED: dict[Limit, Counted] = {
    Limit.SENDS: Counted("messages to people, `send` frames", _DEVICE),
    Limit.INBOX: Counted("messages that people write to one account, in KB of the largest copy", "recipient's account"),
    Limit.RECEIPTS: Counted("receipts, those in `ack` frames", _DEVICE),
    Limit.FRAMES: Counted("all frames but `send`", _DEVICE),
    Limit.CODES_TO_NUMBER: Counted("codes that are sent", "phone number"),
    Limit.CODES_FROM_NETWORK: Counted("registrations of one number", "phone number and network"),
    Limit.LINKS: Counted("links opened for a further device", _ACCOUNT),
    Limit.LOOKUPS: Counted("look-ups of a phone number", _ACCOUNT),
    Limit.SEARCHES: Counted("searches", _ACCOUNT),
    Limit.PROFILES: Counted("profiles read or changed", _ACCOUNT),
    Limit.INVITATIONS: Counted("invitations, to write and to groups", _ACCOUNT),
    Limit.GROUPS_MADE: Counted("groups created", _ACCOUNT),
    Limit.GROUP_CHANGES: Counted("changes of groups and of their members", _ACCOUNT),
    Limit.GROUP_POSTS: Counted("messages to groups", _ACCOUNT),
    Limit.GROUP_CHUNKS: Counted("hundreds of members of large groups that a post reaches", _ACCOUNT),
    Limit.GROUP_DELIVERIES: Counted("requests for the delivery of a message to a group", _ACCOUNT),
    Limit.VERIFICATION_REQUESTS: Counted("requests to be verified", _ACCOUNT),
    Limit.REPORTS: Counted("complaints", _ACCOUNT),
    Limit.BLOCKS: Counted("accounts blocked and unblocked", _ACCOUNT),
    Limit.CALLS: Counted("calls of the client API that no other row counts", _ACCOUNT),
    Limit.UNIT_CHANGES: Counted("units created, changed and removed", _ADMINISTRATOR),
    Limit.ADMIN_LOOKUPS: Counted("look-ups of a phone number by an administrator", _ADMINISTRATOR),
    Limit.IMPORT_CHECKS: Counted("checks of an import file", _ADMINISTRATOR),
}
"""Describes every limit of sandes.limits."""


def _sizes() -> list[tuple[str, str]]:
    kib = 1024
    return [
        ("a websocket message, in frames of at most 32 KiB", f"{frames.MAX_FRAME_BYTES // kib} KiB"),
        ("the body of one copy of a message", f"{envelope.MAX_BODY_BYTES // kib} KiB"),
        (
            "a body of a message to a group that travels in the envelope; a longer one is fetched",
            f"{fanout.MAX_INLINE_BODY_BYTES} bytes",
        ),
        ("envelope ids in one `ack`", f"{frames.MAX_ACK_IDS}"),
        ("receipts in one `ack`", f"{frames.MAX_RECEIPTS}"),
        ("devices of an account", f"{device.MAX_DEVICES}"),
        ("members of an informal group", f"{group.MAX_INFORMAL_MEMBERS:,}"),
        ("members of an official group or an app's group", f"{group.MAX_OFFICIAL_MEMBERS:,}"),
        ("admins of a group", f"{group.MAX_ADMINS}"),
        ("a profile photo", f"{profile.MAX_PHOTO_BYTES // kib} KiB"),
        ("requests for approval of one administrator that wait", f"{approvals.MAX_PENDING}"),
        ("accounts that one account blocks", f"{device.MAX_BLOCKS:,}"),
        ("units of an organisation, besides itself", f"{organisation.MAX_UNITS:,}"),
        ("levels of an organisation, with itself", f"{organisation.MAX_LEVELS}"),
        ("mail domains of an organisation", f"{organisation.MAX_MAIL_DOMAINS}"),
        ("a token", f"{jws.MAX_TOKEN_CHARS:,} characters"),
        ("the text of an app's message", f"{app_api.MAX_TEXT_CHARS:,} characters"),
        ("the text of an OTP, filled in", f"{sending.MAX_TEXT_CHARS:,} characters"),
        (
            "variables of a template, and the length of each",
            f"{app_api.MAX_VARIABLES}, {app_api.MAX_VARIABLE_CHARS} characters",
        ),
        ("rows of a batch, in the request and in a file", f"{app_api.MAX_INLINE_ROWS:,}, {app_api.MAX_BATCH_ROWS:,}"),
        ("the file of a batch", f"{app_api.MAX_UPLOAD_BYTES // kib // kib} MiB"),
        (
            "rows and bytes of a roster",
            f"{app_groups_api.MAX_ROSTER_ROWS:,}, {app_groups_api.MAX_ROSTER_BYTES:,} bytes",
        ),
        (
            "rows and bytes of an import of officials",
            f"{import_files.MAX_ROWS:,}, {import_files.MAX_FILE_BYTES // kib // kib} MiB",
        ),
        (
            "live keys, test keys and guests of an app, webhooks of each kind",
            f"{app.MAX_KEYS}, {app.MAX_KEYS}, {app.MAX_GUESTS}, {app.MAX_WEBHOOKS}",
        ),
    ]


def _times() -> list[tuple[str, str]]:
    return [
        ("a device's token is valid, from `iat` on", f"{tokens.MAX_LIFETIME_SECONDS} s at most"),
        ("an app's token is valid, from `iat` on", f"{app_tokens.MAX_LIFETIME_SECONDS} s at most"),
        ("`iat` may lie ahead of the server's clock", f"{jws.CLOCK_TOLERANCE_SECONDS} s"),
        ("a message id may lie ahead of the server's clock", _duration(rules.MAX_AHEAD_MS)),
        ("a message id may be repeated", _duration(rules.MAX_AGE_MS)),
        ("the shortest `expires_in`", f"{envelope.MIN_EXPIRY_SECONDS} s"),
        ("a registration code is valid", f"{codes.CODE_SECONDS} s"),
        ("codes that one registration may send", f"{codes.MAX_SENDS}"),
        ("the first resend of a code, doubled each time", f"{codes.RESEND_AFTER_SECONDS} s"),
        ("a link for a further device is valid", _duration(devices.LINK_SECONDS * 1000)),
        ("an invitation to a group is valid", _duration(group.INVITATION_SECONDS * 1000)),
    ]


def limits_page() -> str:
    """Render docs/limits.md. Raise KeyError for a rate limit that is not described."""
    rates = [
        f"| {COUNTED[limit].what} | {COUNTED[limit].subject} | {limit.burst:,} | {_duration(limit.interval_ms)} |"
        for limit in Limit
    ]
    return "\n".join(
        [
            "# Limits",
            "",
            "This page is generated from the code; `make specs` renews it. Quotas of apps are in",
            "[apps/README.md](apps/README.md). The budget of SMS, and how many registrations one network address may",
            "start, are settings of the deployment: [runbook.md](runbook.md).",
            "",
            "## Rates",
            "",
            "Each limit is a bucket: it holds the number in *at once* and gains one more after each *then one every*.",
            "An empty bucket refuses with `rate_limited` and `retry_after`.",
            "",
            "| what is counted | for each | at once | then one every |",
            "|---|---|---|---|",
            *rates,
            "",
            "Sends, receipts and posts are counted with a small error (docs/adr/0005); all others exactly.",
            "",
            "## Sizes and numbers",
            "",
            "| of | at most |",
            "|---|---|",
            *(f"| {what} | {most} |" for what, most in _sizes()),
            "",
            "## Times",
            "",
            "| of | |",
            "|---|---|",
            *(f"| {what} | {time} |" for what, time in _times()),
            "",
        ]
    )


def _duration(milliseconds: int) -> str:
    """Return a time in the largest unit in which it is a whole number."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds} ms"
