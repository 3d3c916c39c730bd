"""Runs servers on loopback that answer a webhook in every bad way."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Behave = Callable[[socket.socket], None]


@contextmanager
def serving(behave: Behave, *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Open a port on loopback. `behave` gets each connection, after the TLS handshake if there is one."""
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def accept() -> None:
            while not stopped.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            connection.settimeout(10)
            with contextlib.suppress(OSError), connection:
                if tls:
                    with tls.wrap_socket(connection, server_side=True) as secured:
                        behave(secured)
                else:
                    behave(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            stopped.set()
            thread.join()


def read_request(connection: socket.socket) -> tuple[str, dict[str, str], bytes]:
    """Return the request line, the headers in lower case, and the body."""
    with connection.makefile("rb") as stream:
        line = stream.readline().decode().rstrip()
        headers: dict[str, str] = {}
        while (header := stream.readline().decode().rstrip()) != "":
            name, _, value = header.partition(": ")
            headers[name.lower()] = value
        return line, headers, stream.read(int(headers.get("content-length", 0)))


def saying(*parts: bytes, pause: float = 0) -> Behave:
    """Return a behaviour that reads the request and answers with these bytes. It pauses before each part except the
    first.
    """

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        for number, part in enumerate(parts):
            time.sleep(pause if number else 0)
            connection.sendall(part)

    return behave


def certificate(folder: Path, *names: str, expired: bool = False) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the TLS contexts of a server with a certificate for `names`, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + datetime.timedelta(days=-1 if expired else 1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{names[0]}.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    file.write_bytes(pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=made.public_bytes(Encoding.PEM).decode())
