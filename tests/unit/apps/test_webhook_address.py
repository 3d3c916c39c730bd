"""Tests that webhooks cannot reach any address that is not public, in any known way."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from sandes.apps.webhook_address import AddressRefused, AddressRule, is_public, networks_of
from tests.support.webhooks import PUBLIC_ADDRESS, Names

PUBLIC = ["8.8.8.8", PUBLIC_ADDRESS, "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"]
PRIVATE = [
    "0.0.0.0",  # noqa: S104  # refused
    "10.0.0.1",
    "100.64.0.1",  # carriers' NAT
    "127.0.0.1",
    "127.8.9.10",
    "169.254.169.254",  # the cloud's own metadata
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # IPv4-compatible
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",  # IPv4-translated
    "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",  # NAT64 within a network
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:a00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "2001:db8::1",
    "100::1",
    "fc00::1",
    "fd00:ec2::254",  # the cloud's own metadata
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_the_internet_cannot_reach_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


def refused(url: str, rule: AddressRule | None = None) -> str:
    with pytest.raises(AddressRefused) as caught:
        (rule or AddressRule(Names())).check(url)
    return caught.value.reason


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_inside_is_refused_even_beside_a_public_address(address: str) -> None:
    names = Names({"evil.example": [PUBLIC_ADDRESS, address]})
    assert refused("https://evil.example/", AddressRule(names)) == "private_address"


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_in_the_url_that_leads_inside_is_refused(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert refused(f"https://{host}/") == "private_address"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example/", "scheme"),
        ("ftp://hooks.example/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("//hooks.example/", "scheme"),
        ("hooks.example", "scheme"),
        ("https:hooks.example", "host"),
        ("https:///path", "host"),
        ("https://user@hooks.example/", "credentials"),
        ("https://user:secret@hooks.example/", "credentials"),
        ("https://hooks.example@127.0.0.1/", "credentials"),
        ("https://@hooks.example/", "credentials"),
        ("https://hooks.example/#part", "fragment"),
        ("https://hooks.example/#", "fragment"),
        ("https://hooks.example:444/", "port"),
        ("https://hooks.example:80/", "port"),
        ("https://hooks.example:22/", "port"),
        ("https://hooks.example:0/", "port"),
        ("https://hooks.example:65536/", "port"),
        ("https://hooks.example:https/", "port"),
        ("https://hooks.example\\@127.0.0.1/", "url"),
        ("https://hooks.example/ a", "url"),
        ("https://hooks.exam\tple/", "url"),
        ("https://hooks.example/\r\nHost: other", "url"),
        ("https://höoks.example/", "url"),
        ("https://ｈooks.example/", "url"),  # noqa: RUF001  # full-width letter
        ("", "url"),
        ("https://[::1/", "url"),
        ("https://[fe80::1%25eth0]/", "host"),
        ("https://127.1/", "host"),
        ("https://2130706433/", "host"),
        ("https://0x7f000001/", "host"),
        ("https://0x7f.0.0.1/", "host"),
        ("https://0177.0.0.1/", "host"),
        ("https://127.0.0.1./", "host"),
        ("https://hooks..example/", "host"),
        ("https://-hooks.example/", "host"),
        (f"https://{'a' * 64}.example/", "host"),
        (f"https://{'a.' * 130}example/", "host"),
        ("https://hooks.example%2f@x/", "credentials"),
        ("https://%31%32%37.0.0.1/", "host"),
        ("https://nowhere.example/", "not_resolved"),
    ],
)
def test_a_url_that_is_not_plainly_a_public_https_address_is_refused(url: str, reason: str) -> None:
    names = Names({"hooks.example": [PUBLIC_ADDRESS]})
    assert refused(url, AddressRule(names)) == reason


def test_a_name_without_any_address_is_refused() -> None:
    assert refused("https://empty.example/", AddressRule(Names({"empty.example": []}))) == "not_resolved"


@pytest.mark.parametrize(
    ("url", "port", "target", "header"),
    [
        ("https://hooks.example", 443, "/", "hooks.example"),
        ("https://hooks.example/a/b?c=d&e", 443, "/a/b?c=d&e", "hooks.example"),
        ("https://hooks.example?c", 443, "/?c", "hooks.example"),
        ("https://HOOKS.example:8443/", 8443, "/", "hooks.example:8443"),
        ("https://[2606:4700::1111]:8443/", 8443, "/", "[2606:4700::1111]:8443"),
        ("https://8.8.8.8/", 443, "/", "8.8.8.8"),
    ],
)
def test_a_public_https_url_becomes_a_destination(url: str, port: int, target: str, header: str) -> None:
    found = AddressRule(Names()).check(url)
    assert (found.port, found.target, found.host_header) == (port, target, header)


def test_the_destination_holds_the_very_addresses_that_were_checked() -> None:
    names = Names({"many.example": ["8.8.8.8", "2606:4700::1111"]})
    assert AddressRule(names).check("https://many.example/").addresses == ("8.8.8.8", "2606:4700::1111")
    assert names.asked == ["many.example"]


INTRANET = networks_of("10.20.0.0/16, fd12::/16")


@pytest.mark.parametrize(
    "url", ["http://10.20.0.5:8080/in", "https://10.20.0.5/", "http://intra.example/", "http://[fd12::1]:99/"]
)
def test_a_named_network_may_be_reached_on_any_port_and_in_clear(url: str) -> None:
    names = Names({"intra.example": ["10.20.1.1", "fd12::2"]})
    assert AddressRule(names, INTRANET).check(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://10.21.0.5/", "scheme"),
        ("https://10.21.0.5/", "private_address"),
        ("https://127.0.0.1/", "private_address"),
        ("http://mixed.example/", "scheme"),
        ("https://mixed.example:8080/", "port"),
        ("http://8.8.8.8/", "scheme"),
    ],
)
def test_a_named_network_opens_nothing_but_itself(url: str, reason: str) -> None:
    names = Names({"mixed.example": ["10.20.0.5", PUBLIC_ADDRESS]})
    assert refused(url, AddressRule(names, INTRANET)) == reason


def test_networks_are_read_from_text_and_none_is_the_default() -> None:
    assert networks_of("") == ()
    assert [str(network) for network in INTRANET] == ["10.20.0.0/16", "fd12::/16"]
    with pytest.raises(ValueError, match="host bits"):
        networks_of("10.20.0.1/16")
