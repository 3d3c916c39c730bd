"""Resolves names and posts to webhooks. No other module connects to addresses that apps have given.

It uses the socket itself instead of a client library. It connects to the address that was checked, and one clock ends
every phase, such as TLS, headers that trickle in, or a body without end.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from sandes.apps.webhook_address import Destination, NameNotResolved
from sandes.apps.webhook_delivery import Reply

RESOLVE_SECONDS = 5
CONNECT_SECONDS = 5
TOTAL_SECONDS = 15
MAX_READ_BYTES = 64 * 1024
_MAX_ADDRESSES = 4
"""The most addresses to try, one after the other. Some machines have no IPv6, and some names have a dead address."""


@dataclass(frozen=True, slots=True)
class SystemResolver:
    """Resolves names with the machine's resolver, which has no time limit of its own."""

    lookup: Callable[..., Sequence[Any]] = socket.getaddrinfo
    seconds: float = RESOLVE_SECONDS
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16, "resolve"))

    def addresses(self, host: str, port: int) -> Sequence[str]:
        asked: Future[Sequence[Any]] = self._threads.submit(self.lookup, host, port, type=socket.SOCK_STREAM)
        try:
            found = asked.result(self.seconds)
        except (OSError, UnicodeError, TimeoutError):
            asked.cancel()
            raise NameNotResolved(host) from None
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Deadline:
    """Ends a connection when its time is over, in any phase: reads and writes under way fail immediately."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.01, self._ends_at - time.monotonic())

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._ends_at

    def watch(self, connected: socket.socket) -> Callable[[], None]:
        """Watch a connection from now on. Call the returned function when the connection is no longer needed."""
        handle = connected.dup()  # TLS takes over the descriptor; this copy stays ours
        timer = threading.Timer(self.left, _shut, (handle,))
        timer.daemon = True
        timer.start()

        def stop() -> None:
            timer.cancel()
            timer.join()
            handle.close()

        return stop


def _shut(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side has closed it already


@dataclass(frozen=True, slots=True)
class HttpPoster:
    """Posts without proxies, redirects, cookies or settings of the environment. Certificates are checked against the
    name.

    Only the status line and headers of an answer count. Up to 64 KiB of its body are read out of politeness, and
    ignored.
    """

    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    seconds: float = TOTAL_SECONDS
    now: Callable[[], float] = time.time

    def post(self, to: Destination, headers: Mapping[str, str], body: bytes) -> Reply:
        deadline = _Deadline(self.seconds)
        try:
            connected = _connect(to, deadline)
        except OSError as error:
            return Reply(None, _word(error, deadline))
        stop = deadline.watch(connected)
        try:
            if to.scheme == "https":
                connected = self.tls.wrap_socket(connected, server_hostname=to.host)
            return self._exchange(connected, to, headers=headers, body=body, deadline=deadline)
        except (OSError, HTTPException) as error:
            return Reply(None, _word(error, deadline))
        finally:
            stop()
            connected.close()

    def _exchange(
        self, connected: socket.socket, to: Destination, *, headers: Mapping[str, str], body: bytes, deadline: _Deadline
    ) -> Reply:
        connection = HTTPConnection(to.host, to.port)
        connection.sock = connected
        connection.request("POST", to.target, body, {"Host": to.host_header, "Connection": "close", **headers})
        response = connection.getresponse()
        if deadline.over:  # headers that were cut off look complete
            raise TimeoutError
        reply = Reply(response.status, retry_after_seconds=self._retry_after(response))
        try:
            response.read(MAX_READ_BYTES)
        except (OSError, HTTPException):
            return reply  # the answer was complete before its body broke off
        return reply

    def _retry_after(self, response: HTTPResponse) -> int | None:
        """Parse seconds or a date (RFC 9110 section 10.2.3). Return None for anything else."""
        said = (response.getheader("Retry-After") or "").strip()
        if said.isascii() and said.isdigit() and len(said) <= 9:
            return int(said)
        try:
            at = parsedate_to_datetime(said)
        except (ValueError, OverflowError):
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0, int((at - datetime.fromtimestamp(self.now(), UTC)).total_seconds()))


def _connect(to: Destination, deadline: _Deadline) -> socket.socket:
    """Connect to the first of the checked addresses that answers. Raises OSError."""
    failed: OSError = TimeoutError()
    for address in to.addresses[:_MAX_ADDRESSES]:
        if deadline.over:
            break
        try:
            connected = socket.create_connection((address, to.port), timeout=min(CONNECT_SECONDS, deadline.left))
        except OSError as error:
            failed = error
        else:
            connected.settimeout(deadline.left)
            return connected
    raise failed


def _word(error: Exception, deadline: _Deadline) -> str:
    """Return the word that tells an app why no answer came."""
    if deadline.over or isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(error, ssl.SSLError):
        return "tls"
    return "connection" if isinstance(error, OSError) else "not_http"
