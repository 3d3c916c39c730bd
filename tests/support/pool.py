"""Replaces the pool of administrators at Cognito by one in memory. Both satisfy the same contract."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from sandes.model.ids import AdministratorId


@dataclass
class MemoryPool:
    """Holds administrators. `invitations` lists the invited addresses in order. `ended` lists the administrators who
    were disabled or signed out.
    """

    people: dict[str, AdministratorId] = field(default_factory=dict)
    names: dict[AdministratorId, str] = field(default_factory=dict)
    invitations: list[str] = field(default_factory=list)
    disabled: set[AdministratorId] = field(default_factory=set)
    signed_out: list[AdministratorId] = field(default_factory=list)
    locked_out: list[AdministratorId] = field(default_factory=list)
    without_authenticator: list[AdministratorId] = field(default_factory=list)

    def invite(self, email: str, name: str) -> AdministratorId:
        id = self.people.setdefault(email, AdministratorId(uuid.uuid4().bytes))
        self.names.setdefault(id, name)
        self.invitations.append(email)
        return id

    def find(self, email: str) -> AdministratorId | None:
        return self.people.get(email)

    def disable(self, administrator: AdministratorId) -> None:
        if administrator not in self.people.values():
            return
        self.disabled.add(administrator)
        self.sign_out(administrator)

    def sign_out(self, administrator: AdministratorId) -> None:
        self.signed_out.append(administrator)

    def lock_out(self, administrator: AdministratorId) -> None:
        self.sign_out(administrator)
        self.locked_out.append(administrator)

    def invite_again(self, administrator: AdministratorId, email: str) -> None:
        if administrator in self.locked_out:
            self.invitations.append(email)

    def remove_authenticator(self, administrator: AdministratorId) -> None:
        self.without_authenticator.append(administrator)
        self.sign_out(administrator)


@dataclass
class MemoryMailer:
    """Records e-mails. `sent` holds recipients, subject and text."""

    sent: list[tuple[str, str, str]] = field(default_factory=list)
    sender: str = "sandes@example.gov.in"

    def send(self, to: str, subject: str, text: str) -> None:
        self.sent.append((to, subject, text))
