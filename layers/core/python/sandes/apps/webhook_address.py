"""Checks before every post that a webhook is at a public https address (docs/apps/webhooks.md, "Addresses").

A name is resolved once, all its addresses are checked, and the connection goes to one of them. A name that resolves to
another address a moment later (DNS rebinding) has no effect.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PUBLIC_PORTS = {443, 8443}
_DEFAULT_PORTS = {"https": 443, "http": 80}
_URL_CHARACTERS = re.compile(r"[\x21-\x7e]+")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")  # as the last label, some resolvers read it as an address

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressRefused(Exception):
    """Reports that webhooks may not post to this address. The app gets `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NameNotResolved(Exception):
    """Reports that a name has no address, or that none was found in time."""


class Resolver(Protocol):
    def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return every address of a name, in the order in which to try them. Raises NameNotResolved."""
        ...


@dataclass(frozen=True, slots=True)
class Destination:
    """Holds a checked URL. `target` is its path and query. Connections may go to `addresses`."""

    scheme: str
    host: str
    port: int
    target: str
    addresses: tuple[str, ...]

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AddressRule:
    """Checks URLs. Webhooks may also go to the private `networks`, on any port and without TLS.

    These are for deployments inside a government's own network, and empty everywhere else.
    """

    resolver: Resolver
    networks: tuple[Network, ...] = ()

    def check(self, url: str) -> Destination:
        """Check a URL. Raises AddressRefused.

        Reasons: url, scheme, credentials, fragment, host, port, not_resolved, private_address.
        """
        parts = _split(url)
        host, port = _host(parts), _port(parts)
        try:
            found = [ip_address(text) for text in self.resolver.addresses(host, port)]
        except (NameNotResolved, ValueError):
            raise AddressRefused("not_resolved") from None
        if not found:
            raise AddressRefused("not_resolved")
        if not all(self._named(address) for address in found):
            if parts.scheme != "https":
                raise AddressRefused("scheme")
            if not all(self._named(address) or is_public(address) for address in found):
                raise AddressRefused("private_address")
            if port not in PUBLIC_PORTS:
                raise AddressRefused("port")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Destination(parts.scheme, host, port, target, tuple(str(address) for address in found))

    def _named(self, address: Address) -> bool:
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self.networks)


def networks_of(text: str) -> tuple[Network, ...]:
    """Parse CIDR blocks separated by commas. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_public(address: Address) -> bool:
    """Tell whether the address is public. An IPv6 address that embeds an IPv4 address counts as the latter."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    if inner is not None:
        return is_public(inner)
    return address in _GLOBAL_UNICAST and address.is_global


def _split(url: str) -> SplitResult:
    """Split a URL. Refuses what URL parsers read differently: white space, control characters, backslashes,
    non-ASCII.
    """
    if not _URL_CHARACTERS.fullmatch(url) or "\\" in url:
        raise AddressRefused("url")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise AddressRefused("url") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise AddressRefused("scheme")
    if "@" in parts.netloc:
        raise AddressRefused("credentials")
    if "#" in url:
        raise AddressRefused("fragment")
    return parts


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if "%" in host:  # the zone of an IPv6 address, or an escape
        raise AddressRefused("host")
    if parts.netloc.startswith("["):
        try:
            return str(IPv6Address(host))
        except ValueError:
            raise AddressRefused("host") from None
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise AddressRefused("host")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise AddressRefused("host") from None
    return host


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        raise AddressRefused("port") from None
    if port == 0:
        raise AddressRefused("port")
    return port or _DEFAULT_PORTS[parts.scheme]
