"""E-mail addresses in a strict ASCII form, and the mailbox that an address belongs to.

Approvals use the addresses to tell two people apart (administration/approvals.py). The form therefore excludes every
address that looks like another one: letters of other scripts, quotes and IP addresses. A domain in another script is
shown in its ASCII form, `xn--…`.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_EMAIL_CHARS = 254
MAX_DOMAIN_CHARS = MAX_EMAIL_CHARS - len("a@")

_MAX_LOCAL_CHARS = 64
_LOCAL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._+'&=/-]*[A-Za-z0-9_+=-])?")
"""The part of the standard's local part (RFC 5322, atext) that addresses of people use."""

_TOP_LEVEL = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]+")
"""A top-level domain: only letters, or a name of another script (RFC 3696, section 2)."""

_NO_MAIL = frozenset(("alt", "internal"))
"""Domains reserved for names outside the public DNS (RFC 9476; ICANN, 2024). The library knows the other reserved
names. `test` and `example` are accepted for tests and documentation.
"""


def parse_email(text: str) -> str:
    """Return the address with its domain in lower case. Raises ValueError with the reason if it is invalid."""
    if not text.isascii():
        raise ValueError("an e-mail address has ASCII characters only; write a domain of another script as xn--")
    if len(text) > MAX_EMAIL_CHARS:
        raise ValueError(f"an e-mail address has at most {MAX_EMAIL_CHARS} characters")
    local, _, domain = text.rpartition("@")
    if not domain or len(local) > _MAX_LOCAL_CHARS or not _LOCAL.fullmatch(local) or ".." in local:
        raise ValueError("this is no e-mail address")
    found, reason = _domain(domain)
    if reason:
        raise ValueError(reason)
    return f"{local}@{found}"


def parse_domain(text: str) -> str:
    """Return the domain in lower case. Raises ValueError with the reason if no address can have it."""
    if not text.isascii():
        raise ValueError("a domain has ASCII characters only; write one of another script as xn--")
    found, reason = _domain(text)
    if reason:
        raise ValueError(reason)
    return found


def domain_of(email: str) -> str:
    """Return the domain of an address that `parse_email` has returned."""
    return email.rpartition("@")[2]


@lru_cache(maxsize=4_096)
def _domain(domain: str) -> tuple[str, str]:
    """Return the domain in lower case, and the reason if it is invalid. It is cached because people share few
    domains.
    """
    from email_validator import EmailNotValidError, validate_email  # most functions read no address

    try:
        found = validate_email(
            f"a@{domain}",
            check_deliverability=False,
            allow_smtputf8=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        return "", str(error)
    ascii_domain = (found.ascii_email or "").rpartition("@")[2]
    before, _, top_level = ascii_domain.rpartition(".")
    if not before or top_level in _NO_MAIL or not _TOP_LEVEL.fullmatch(top_level):
        return "", "this is no domain that e-mail can be sent to"
    return ascii_domain, ""


@lru_cache(maxsize=1_024)
def mailbox_of(email: str) -> str:
    """Return the form that all addresses of a mailbox share: lower case, without `+tag`."""
    local, _, domain = email.lower().rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain.rstrip('.')}"
