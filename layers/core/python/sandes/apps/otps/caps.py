"""Limits how many codes a recipient gets: from each app, and from all apps."""

from __future__ import annotations

from sandes.model.ids import AppId
from sandes.protocol.errors import ErrorCode, ProtocolError

SHORT_WINDOW_SECONDS, SHORT_WINDOW_SENDS = 15 * 60, 5
LONG_WINDOW_SECONDS, LONG_WINDOW_SENDS = 86_400, 10
"""The windows and the most sends from one app to one recipient."""

ALL_APPS_SENDS = 30
"""The most sends to one recipient in a day, from all apps."""

_LOG_ENTRY_BYTES = 12


def logged(log: bytes, app: AppId, now_seconds: int) -> bytes:
    """Return the log with this send. Raises ProtocolError recipient_limited with the seconds until the next allowed
    send.
    """
    entries = [log[start : start + _LOG_ENTRY_BYTES] for start in range(0, len(log), _LOG_ENTRY_BYTES)]
    sent = [(entry[:8], int.from_bytes(entry[8:], "big")) for entry in entries]
    recent = [(by, at) for by, at in sent if at > now_seconds - LONG_WINDOW_SECONDS]
    own = [at for by, at in recent if by == app]
    short = [at for at in own if at > now_seconds - SHORT_WINDOW_SECONDS]
    for times, most, seconds in (
        (short, SHORT_WINDOW_SENDS, SHORT_WINDOW_SECONDS),
        (own, LONG_WINDOW_SENDS, LONG_WINDOW_SECONDS),
        ([at for _, at in recent], ALL_APPS_SENDS, LONG_WINDOW_SECONDS),
    ):
        if len(times) >= most:
            wait = sorted(times)[-most] + seconds - now_seconds
            raise ProtocolError(ErrorCode.RECIPIENT_LIMITED, retry_after_seconds=max(1, wait))
    return b"".join(by + at.to_bytes(4, "big") for by, at in (*recent, (app, now_seconds)))
