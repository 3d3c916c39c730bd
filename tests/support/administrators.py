"""Makes administrators of the deployed system: users of its pool with an authenticator, and their rows in the
directory.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from sandes.administration.sign_in import GROUP
from sandes.model.administrator import PLATFORM, Administrator, Assignment, Place, Role
from sandes.model.ids import AdministratorId, administrator_text, parse_administrator
from sandes.store.administrators import AdministratorStore
from sandes.store.transaction import Operation, transact
from sandes_client.admin import AdminClient, AskCode, Cognito, SetUpAuthenticator, SignedIn, Tokens, begin
from tests.conftest import Deployed
from tests.support import totp
from tools.engine import REGION

PASSWORD = "Correct-horse-7-battery"


@dataclass
class TestAdministrator:
    """Holds an administrator who is signed in through `api`. `secret` is the authenticator's."""

    __test__ = False

    deployed: Deployed
    id: AdministratorId
    email: str
    secret: str
    api: AdminClient
    password: str = PASSWORD
    _codes: int = field(default=0, repr=False)

    def sign_in(self) -> AdminClient:
        """Sign in again, at most twice in thirty seconds, because a code is accepted once."""
        self._codes = -1 if self._codes == 1 else 1
        step = begin(cognito(self.deployed), self.email, self.password)
        assert isinstance(step, AskCode)
        self.api = client(self.deployed, signed_in(step.answer(totp.code(self.secret, steps=self._codes))))
        return self.api


def administrator(
    deployed: Deployed,
    *,
    name: str = "Asha Rao",
    home: Place = Place.root(PLATFORM),  # noqa: B008  # immutable
    roles: Iterable[tuple[Role, Place]] = (),
    group: bool = True,
    known: bool = True,
) -> TestAdministrator:
    """Make a new administrator and sign them in. `group` is the pool's group of administrators. If `known` is true, the
    directory has their row and their `roles`, whose organisations exist.
    """
    email, pool = f"{secrets.token_hex(6)}@example.gov.in", deployed.stack.admin_pool
    directory = deployed.engine.client("cognito-idp")
    made = directory.admin_create_user(
        UserPoolId=pool,
        Username=email,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "name", "Value": name}, {"Name": "email_verified", "Value": "true"}],
    )["User"]
    (sub,) = [attribute["Value"] for attribute in made["Attributes"] if attribute["Name"] == "sub"]
    directory.admin_set_user_password(UserPoolId=pool, Username=email, Password=PASSWORD, Permanent=True)
    if group:
        directory.admin_add_user_to_group(UserPoolId=pool, Username=email, GroupName=GROUP)
    id = parse_administrator(sub)
    if known:
        enter(deployed, Administrator(id, email, name, home, int(time.time())), roles)
    step = begin(cognito(deployed), email, PASSWORD)
    assert isinstance(step, SetUpAuthenticator)
    return TestAdministrator(
        deployed, id, email, step.secret, client(deployed, signed_in(step.answer(totp.code(step.secret))))
    )


def enter(deployed: Deployed, who: Administrator, roles: Iterable[tuple[Role, Place]]) -> None:
    """Write an administrator and their assignments into the directory, without an audit entry."""
    store = AdministratorStore(deployed.engine.client("dynamodb"), deployed.stack.tables["directory"])
    operations: list[Operation] = [store.putting(who)]
    for role, place in roles:
        operations += store.granting(Assignment(who.id, role, place, "test", who.created_at), who)
    transact(store.client, operations)


def cognito(deployed: Deployed) -> Cognito:
    return Cognito(deployed.stack.cognito_url, deployed.stack.admin_client)


def client(deployed: Deployed, tokens: Tokens) -> AdminClient:
    return AdminClient(deployed.stack.http_url, cognito(deployed), tokens)


def signed_in(step: Any) -> Tokens:
    assert isinstance(step, SignedIn)
    return step.tokens


def token(deployed: Deployed, id: AdministratorId, *, key: RSAPrivateKey | None = None, **changed: Any) -> str:
    """Make an access token like the pool's, signed with its own key or another.

    `changed` replaces claims, and removes those that are None. Old sign-ins and expired tokens thus need no waiting.
    """
    pool, now = deployed.stack.admin_pool, int(time.time())
    claims = {
        "sub": administrator_text(id),
        "iss": f"https://cognito-idp.{REGION}.amazonaws.com/{pool}",
        "token_use": "access",
        "client_id": deployed.stack.admin_client,
        "cognito:groups": [GROUP],
        "auth_time": now,
        "iat": now,
        "exp": now + 900,
        "jti": str(uuid.uuid4()),
    } | changed
    own = signing_key(deployed, pool)
    named = own.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        key or own,
        "RS256",
        headers={"kid": base64.b64encode(hashlib.sha256(named).digest()).decode()},
    )


def signing_key(deployed: Deployed, pool: str) -> RSAPrivateKey:
    """Return the key with which the engine signs access tokens of a pool."""
    file = deployed.engine.folder / "state" / "cognito-pool-keys" / f"{pool}-access.pem"
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def as_signed_in_before(deployed: Deployed, id: AdministratorId, seconds: int) -> AdminClient:
    """Return a client whose sign-in happened so many seconds ago."""
    now = int(time.time())
    return client(deployed, Tokens(token(deployed, id, auth_time=now - seconds), "none", now + 900))
