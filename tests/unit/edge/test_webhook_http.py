"""Tests posts to real servers on loopback that answer well, badly, slowly, endlessly, or not at all."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from sandes.apps.webhook_address import Destination, NameNotResolved
from sandes.apps.webhook_delivery import Reply
from sandes.edge.webhook_http import HttpPoster, SystemResolver
from tests.support.receivers import Behave, certificate, read_request, saying, serving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECONDS = 1.0
"""Replaces the limit of 15 s. The tests check that it ends a connection in every phase."""


def to(port: int, scheme: str = "http", host: str = "hooks.example", *addresses: str) -> Destination:
    return Destination(scheme, host, port, "/in?tenant=1", addresses or ("127.0.0.1",))


def post(destination: Destination, **options: Any) -> tuple[Reply, float]:
    """Return the reply and the time that it took."""
    started = time.monotonic()
    reply = HttpPoster(**{"seconds": SECONDS} | options).post(destination, {"webhook-id": "1"}, b'{"a":1}')
    return reply, time.monotonic() - started


def reply_of(behave: Behave, **options: Any) -> Reply:
    with serving(behave) as port:
        return post(to(port), **options)[0]


# What is sent


def test_the_request_is_a_plain_post_under_the_name_of_the_url_to_the_address_that_was_checked() -> None:
    seen = []

    def behave(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(OK)

    with serving(behave) as port:
        assert post(to(port))[0] == Reply(200)
    ((line, headers, body),) = seen
    assert line == "POST /in?tenant=1 HTTP/1.1"
    assert (headers["host"], body) == (f"hooks.example:{port}", b'{"a":1}')
    assert set(headers) == {"host", "connection", "accept-encoding", "content-length", "webhook-id"}


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert reply_of(saying(OK)) == Reply(200)


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with serving(saying(OK)) as port:
        assert post(to(port, "http", "hooks.example", "127.0.0.9", "127.0.0.1"))[0] == Reply(200)


# Answers


@pytest.mark.parametrize("status", [200, 204, 400, 404, 410, 429, 500, 503])
def test_the_status_is_what_the_server_said(status: int) -> None:
    assert reply_of(saying(b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n" % status)).status == status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    followed = threading.Event()

    def elsewhere(connection: socket.socket) -> None:
        followed.set()
        connection.sendall(OK)

    with serving(elsewhere) as other:
        location = f"http://127.0.0.1:{other}/"
        answer = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        assert reply_of(saying(answer)).status == status
        time.sleep(0.1)
    assert not followed.is_set()


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        (formatdate(1_790_000_090, usegmt=True), 90),
        (formatdate(1_780_000_000, usegmt=True), 0),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
        ("9" * 30, None),
        ("٣", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_nonsense_is_passed_over(said: str, seconds: int | None) -> None:
    answer = f"HTTP/1.1 503 Busy\r\nRetry-After: {said}\r\nContent-Length: 0\r\n\r\n".encode()
    assert reply_of(saying(answer), now=lambda: 1_790_000_000.0) == Reply(503, retry_after_seconds=seconds)


# Bad answers


def endless_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + bytes(65_536) + b"\r\n")


def test_of_a_huge_body_no_more_than_64_kib_are_read() -> None:
    sent = []

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(1_500):
                connection.sendall(bytes(65_536))
                sent.append(65_536)

    with serving(behave) as port:
        reply, took = post(to(port), seconds=10)
        time.sleep(0.2)
    assert (reply, took < 5) == (Reply(200), True)
    assert sum(sent) < 50_000_000, "the rest was left in the network's buffers"


def test_an_endless_body_ends_soon() -> None:
    with serving(endless_body) as port:
        reply, took = post(to(port), seconds=10)
    assert (reply, took < 5) == (Reply(200), True)


def test_a_slow_body_is_not_waited_for_longer_than_the_time_there_is() -> None:
    parts = (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 50)
    with serving(saying(*parts, pause=0.2)) as port:
        reply, took = post(to(port))
    assert reply == Reply(200)
    assert SECONDS <= took < SECONDS + 1


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"HTTP/1.1 2", *[b"0"] * 50],
        [b"HTTP/1.1 200 OK\r\n", *[b"X-Header: 1\r\n"] * 50],
        [b"HTTP/1.1 100 Continue\r\n\r\n"] * 50,
    ],
    ids=["silence", "a status line", "headers", "interim answers"],
)
def test_what_trickles_in_ends_when_the_time_is_over(parts: list[bytes]) -> None:
    def behave(connection: socket.socket) -> None:
        read_request(connection)
        for part in parts or [b""]:
            if part:
                connection.sendall(part)
            time.sleep(0.2 if parts else 5)

    with serving(behave) as port:
        reply, took = post(to(port))
    assert reply == Reply(None, "timeout")
    assert took < SECONDS + 1


def test_a_handshake_that_never_ends_ends_when_the_time_is_over() -> None:
    with serving(lambda connection: time.sleep(5)) as port:
        reply, took = post(to(port, "https"))
    assert reply == Reply(None, "timeout")
    assert took < SECONDS + 1


def test_a_connection_reset_is_told() -> None:
    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert reply_of(behave) == Reply(None, "connection")


def test_a_connection_closed_without_an_answer_is_told() -> None:
    assert reply_of(saying(b"")) == Reply(None, "connection")


def test_a_port_that_nobody_listens_on_is_told() -> None:
    with serving(saying(OK)) as port:
        pass
    assert post(to(port))[0] == Reply(None, "connection")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
        b"\0" * 100 + b"\r\n",
    ],
    ids=["another protocol", "no status", "a long status line", "many headers", "a long header", "zeros"],
)
def test_what_is_not_http_is_told(answer: bytes) -> None:
    assert reply_of(saying(answer)) == Reply(None, "not_http")


def test_a_broken_body_does_not_take_the_answer_back() -> None:
    broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert reply_of(saying(broken)) == Reply(200)


# TLS


def test_what_trickles_in_over_tls_ends_when_the_time_is_over_too(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "hooks.example")
    with serving(saying(b"HTTP/1.1 2", *[b"0"] * 50, pause=0.2), tls=server) as port:
        reply, took = post(to(port, "https"), tls=client)
    assert reply == Reply(None, "timeout")
    assert took < SECONDS + 1


def test_a_certificate_for_the_name_of_the_url_is_accepted_although_we_connect_to_an_address(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "hooks.example")
    with serving(saying(OK), tls=server) as port:
        assert post(to(port, "https"), tls=client)[0] == Reply(200)


@pytest.mark.parametrize("name", ["other.example", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused(tmp_path: Path, name: str) -> None:
    server, client = certificate(tmp_path, name)
    with serving(saying(OK), tls=server) as port:
        assert post(to(port, "https"), tls=client)[0] == Reply(None, "certificate")


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "hooks.example", expired=True)
    with serving(saying(OK), tls=server) as port:
        assert post(to(port, "https"), tls=client)[0] == Reply(None, "certificate")


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    server, _ = certificate(tmp_path, "hooks.example")
    with serving(saying(OK), tls=server) as port:
        assert post(to(port, "https"))[0] == Reply(None, "certificate")


def test_a_server_that_speaks_no_tls_is_told() -> None:
    with serving(lambda connection: connection.sendall(OK)) as port:
        assert post(to(port, "https"))[0] == Reply(None, "tls")


def test_no_connection_stays_open_behind(tmp_path: Path) -> None:
    """Each post closes its descriptors, however it ends."""
    server, client = certificate(tmp_path, "hooks.example")
    descriptors = Path("/proc/self/fd")

    def both() -> None:
        with serving(saying(OK), tls=server) as port:
            post(to(port, "https"), tls=client)
            post(to(port, "https"))
        with serving(lambda connection: time.sleep(1)) as port:
            post(to(port), seconds=0.1)
            time.sleep(1.1)

    both()
    before = len(list(descriptors.iterdir()))
    both()
    assert len(list(descriptors.iterdir())) <= before


# Names


def looked_up(*addresses: str) -> Any:
    return lambda host, port, **_: [(0, 0, 0, "", (address, port)) for address in addresses]


def test_every_address_of_a_name_is_found_once() -> None:
    resolver = SystemResolver(looked_up("8.8.8.8", "8.8.8.8", "2606:4700::1111"))
    assert resolver.addresses("hooks.example", 443) == ["8.8.8.8", "2606:4700::1111"]


def test_the_system_knows_its_own_name() -> None:
    assert "127.0.0.1" in SystemResolver().addresses("localhost", 443)


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), OSError("down"), UnicodeError("label too long")])
def test_a_name_that_is_not_found_is_told(error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    with pytest.raises(NameNotResolved):
        SystemResolver(fail).addresses("hooks.example", 443)


def test_a_name_server_that_hangs_is_not_waited_for_and_holds_up_no_other_name() -> None:
    over, calls = threading.Event(), itertools.count()

    def lookup(host: str, port: int, **_: Any) -> Any:
        if next(calls) == 0:
            over.wait(10)
        return looked_up("8.8.8.8")(host, port)

    resolver = SystemResolver(lookup, seconds=0.2)
    started = time.monotonic()
    with pytest.raises(NameNotResolved):
        resolver.addresses("hangs.example", 443)
    assert resolver.addresses("hooks.example", 443) == ["8.8.8.8"]
    assert time.monotonic() - started < 2
    over.set()
