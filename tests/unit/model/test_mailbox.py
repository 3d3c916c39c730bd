"""Tests mailboxes: one mailbox is one person, however the address is written, and lookalike addresses are refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from sandes.model.mailbox import mailbox_of, parse_email
from sandes.protocol.admin_roles_api import NewOfficer


@pytest.mark.parametrize(
    "text", ["latha@ports.example", "Latha@Ports.Example", "latha+farah@ports.example", "LATHA+x+y@PORTS.EXAMPLE"]
)
def test_addresses_of_one_mailbox_are_one(text: str) -> None:
    assert mailbox_of(text) == "latha@ports.example"
    given = NewOfficer.model_validate_json(json.dumps({"email": f" {text} ", "name": "Latha"}))
    assert given.email == "latha@ports.example"


def test_other_mailboxes_are_others() -> None:
    assert mailbox_of("la.tha@ports.example") == "la.tha@ports.example"
    assert mailbox_of("+tag@ports.example") == "+tag@ports.example"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "latha@p\u043erts.example",
            "l\u0430tha@ports.example",
            "\uff4catha@ports.example",
            "lath\u0131@ports.example",
        ),
        *("\U0001d4f5atha@ports.example", "latha@x\u3002in", "latha@ports.example.", "latha@[127.0.0.1]"),
        *("latha@[IPv6:::1]", "latha@127.0.0.1", "latha,farah@ports.example", "latha@ports,example"),
        *("latha@ports..example", "la..tha@ports.example", ".latha@ports.example", "latha.@ports.example"),
        *('"latha"@ports.example', "latha(x)@ports.example", "latha@ports", "latha@@ports.example", "@ports.example"),
        *("latha@", "latha", "latha@ports.example farah@ports.example", "mailto:latha@ports.example", "latha@-a.in"),
        *("latha@xn--a.example", "latha\u200b@ports.example", "latha@por\u00adts.example", "latha@caf\u00e9.example"),
        *("latha@test", "latha@example", "latha@localhost", "latha@mail.localhost", "latha@mail.local"),
        *("latha@mail.internal", "latha@mail.alt", "latha@mail.onion", "latha@mail.invalid", "latha@mail.home.arpa"),
        *("latha@ports.c", "latha@ports.1n", "latha@ports.42a", "latha@ports.123", "latha@0x7f.1", "latha@127.1"),
        *("latha@ports-.in", "latha@po_rts.in", "latha@ab--cd.in", "latha@*.ports.in", "latha@ports.in:25"),
        "l" * 65 + "@ports.example",
        "latha@" + "p" * 64 + ".example",
    ],
)
def test_what_only_looks_like_an_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_email(text)
    with pytest.raises(ValidationError):
        NewOfficer.model_validate_json(json.dumps({"email": text, "name": "Latha"}))


@pytest.mark.parametrize("domain", ["ports.test", "ports.example", "1.in", "p" * 63 + ".in", "ports.xn--h2brj9c"])
def test_domains_that_mail_may_have_are_accepted(domain: str) -> None:
    assert parse_email(f"latha@{domain}") == f"latha@{domain}"


def test_a_domain_of_another_script_is_shown_as_what_it_is() -> None:
    assert parse_email("Latha@XN--P1B6CI4B4B3A.example") == "Latha@xn--p1b6ci4b4b3a.example"
