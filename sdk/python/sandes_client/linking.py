"""Encodes the link by which one more device joins an account. One device shows it and the other reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandes_client.ids import AccountId, base64url_text, parse_account, parse_base64url
from sandes_client.keys import IdentityKey

_TEXT = re.compile(r"sandes-link:([a-z2-7]{12}[acegikmoqsuwy246]):([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, repr=False)
class LinkCode:
    """Holds the account, and the secret half of the link's key.

    Anybody who reads it can join the account for ten minutes.

    The service gets the public half only.
    """

    account: AccountId
    key: IdentityKey

    @property
    def text(self) -> str:
        """Return the text of the QR code."""
        return f"sandes-link:{self.account}:{base64url_text(self.key.seed)}"

    @classmethod
    def parse(cls, text: str) -> LinkCode:
        """Parse the text of a link. Raise ValueError."""
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError("a link has the form sandes-link:<account>:<secret>")
        return cls(parse_account(found[1]), IdentityKey(parse_base64url(found[2])))
