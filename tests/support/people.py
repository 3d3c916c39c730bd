"""Runs people with real client libraries on the deployed system."""

from __future__ import annotations

from pathlib import Path

from sandes_client import Endpoints, Enrolment, Store
from tests.conftest import Deployed
from tests.support.raw_device import code_for, new_phone, refill_limits


class People:
    """Registers people, each with a separate store on disk."""

    def __init__(self, deployed: Deployed, folder: Path) -> None:
        self.deployed = deployed
        self.folder = folder
        self._stores: list[Store] = []

    @property
    def endpoints(self) -> Endpoints:
        stack = self.deployed.stack
        return Endpoints(stack.http_url, stack.websocket_url, stack.audience)

    async def register(self, name: str, phone: str | None = None) -> Store:
        refill_limits(self.deployed)
        phone = phone or new_phone()
        store = self.open(name)
        async with Enrolment(store, self.endpoints, name=name) as enrolment:
            started = await enrolment.start(phone)
            await enrolment.verify(started.id, code_for(self.deployed, phone))
        return store

    def open(self, name: str) -> Store:
        store = Store.open(self.folder / f"{name}.sqlite3")
        self._stores.append(store)
        return store

    def close(self) -> None:
        for store in self._stores:
            store.close()


def account_of(store: Store) -> str:
    account = store.profile.account()
    assert account is not None
    return account.address.account
