"""Only what the service sealed is shown: the pinned keys, what becomes of others, and how keys are replaced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sandes.crypto.service_keys import ServiceKeys
from sandes.model.envelope import Envelope
from sandes_client import DeviceClient, EnvelopeRefused, MessageReceived, ServiceKeysRejected, Store
from sandes_client.keys import IdentityKey, SealKey
from sandes_client.service_keys import FRESH_MS
from tests.unit.sdk.service import START_MS, Connected, Service, eventually, settle
from tests.vectors import reference
from tools.service_keys import end_former, next_secret

FIRST = "the secret of the first key, as the deployment makes it"
SECOND = next_secret(FIRST, now_seconds=START_MS // 1000, in_force_from=0)
LATER = FRESH_MS / 1000 + 1


def keys(secret: str) -> ServiceKeys:
    return ServiceKeys.of(secret.encode())


class Told:
    """Collects the events that the application gets."""

    def __init__(self, device: DeviceClient) -> None:
        self.shown: list[bytes] = []
        self.refused: list[EnvelopeRefused] = []
        self.rejected: list[ServiceKeysRejected] = []
        device.spawn(self._follow(device))

    async def _follow(self, device: DeviceClient) -> None:
        async for event in device.events():
            if isinstance(event, MessageReceived):
                self.shown.append(event.body)
            elif isinstance(event, EnvelopeRefused):
                self.refused.append(event)
            elif isinstance(event, ServiceKeysRejected):
                self.rejected.append(event)

    @property
    def reasons(self) -> list[str]:
        return [event.reason for event in self.refused]


def sealed_by(service: Service, secret: str, body: bytes) -> Envelope:
    """An envelope in the inbox, sealed by other keys than those of `welcome`."""
    own, service.service_keys = service.service_keys, keys(secret)
    envelope = service.store(body)
    service.service_keys = own
    return envelope


def as_seal1(service: Service, body: bytes) -> Envelope:
    """Seal a body with seal1, which only needs the device's public key."""
    stored = service.store(body)
    former = replace(stored, service_key=None)
    content = reference.cbor(
        {1: 1, 2: stored.id[:16], 3: [b"bob\0\0\0\0\0", 1], 4: 1, 5: b"alice\0\0\0", 6: 1, 7: START_MS, 8: body}
    )
    sealed = reference.seal(
        content, ephemeral=b"e" * 32, seal_public=service.seal_keys[-1].public, associated=former.header
    )
    service.stored[stored.id] = replace(former, sealed=sealed)
    return service.stored[stored.id]


async def test_what_another_service_sealed_is_not_shown_acked_and_reported(service: Service, store: Store) -> None:
    service.service_keys = keys(FIRST)
    forged = sealed_by(service, "somebody else who can write into the inbox table", b"forged")
    service.store(b"genuine")
    async with service.client(store) as device:
        told = Told(device)
        await device.drained()
        await device.settled()
        await eventually(lambda: told.shown)
        assert (told.shown, told.reasons) == ([b"genuine"], ["not_from_service"])
    assert service.stored == {}
    assert forged.id in {id for ack in service.acks for id in ack.ids}
    assert [(one.reason, one.count) for one in store.service_keys.refusals()] == [("not_from_service", 1)]
    assert [stored.received.body for stored in store.inbox.unshown()] == [b"genuine"]


async def test_refusals_are_counted_by_their_reason(service: Service, store: Store) -> None:
    service.service_keys = keys(FIRST)
    for _ in range(3):
        sealed_by(service, "somebody else who can write into the inbox table", b"forged")
    as_seal1(service, b"former")
    service.store_rubbish()
    async with service.client(store) as device:
        await device.drained()
        await device.settled()
    counted = {one.reason: one.count for one in store.service_keys.refusals()}
    assert counted == {"not_from_service": 3, "former_format": 1, "unreadable": 1}


async def test_the_former_format_is_refused_unless_its_time_is_not_over(service: Service, store: Store) -> None:
    as_seal1(service, b"refused")
    async with service.client(store) as device:
        told = Told(device)
        await device.drained()
        await device.settled()
        await eventually(lambda: told.refused)
        assert (told.shown, told.reasons) == ([], ["former_format"])
    as_seal1(service, b"accepted")
    async with service.client(store, seal1_until_ms=service.now_ms + 60_000) as device:
        told = Told(device)
        await device.drained()
        await device.settled()
        await eventually(lambda: told.shown)
        assert (told.shown, told.reasons) == ([b"accepted"], [])
        await service.clock.advance(61)
        await service.push(as_seal1(service, b"too late"))
        await eventually(lambda: told.refused)
        assert (told.shown, told.reasons) == ([b"accepted"], ["former_format"])


async def test_a_new_key_is_learnt_by_a_new_socket_and_nothing_is_lost(service: Service, store: Store) -> None:
    service.service_keys = keys(FIRST)
    async with service.client(store) as device:
        told = Told(device)
        await device.drained()
        await service.clock.advance(LATER)
        service.service_keys = keys(SECOND)
        await service.push(service.store(b"by the second key"))
        await eventually(lambda: told.shown)
        await device.settled()
        assert len(service.of_type("hello")) == 2
        assert (told.shown, told.refused) == ([b"by the second key"], [])
        await service.push(service.store(b"and another"))
        await eventually(lambda: len(told.shown) == 2)
        assert len(service.of_type("hello")) == 2
    assert sorted(store.service_keys.statements()) == [1, 2]
    assert service.stored == {}


async def test_an_unknown_key_costs_one_new_socket_a_minute_and_is_refused_then(service: Service, store: Store) -> None:
    service.service_keys = keys(FIRST)
    async with service.client(store) as device:
        told = Told(device)
        await device.drained()
        forged = [sealed_by(service, SECOND, b"forged") for _ in range(3)]
        await service.push(forged[0])  # the service has just named its keys
        await eventually(lambda: len(told.refused) == 1)
        assert len(service.of_type("hello")) == 1
        await service.clock.advance(LATER)
        await service.push(forged[1])
        await eventually(lambda: len(told.refused) == 3)
        assert len(service.of_type("hello")) == 2
        await device.settled()
    assert told.shown == []
    assert set(told.reasons) == {"not_from_service"}
    assert service.stored == {}


async def test_an_ended_key_is_refused_also_after_a_restart(service: Service, store: Store, tmp_path: Path) -> None:
    service.service_keys = keys(FIRST)
    async with service.client(store) as device:
        await device.drained()
    service.service_keys = keys(end_former(SECOND, now_seconds=START_MS // 1000))
    sealed_by(service, FIRST, b"by the leaked key")
    service.store(b"by the new one")
    async with service.client(store) as device:
        told = Told(device)
        await device.drained()
        await device.settled()
        await eventually(lambda: told.shown and told.refused)
        assert (told.shown, told.reasons) == ([b"by the new one"], ["not_from_service"])
    service.service_keys = keys(SECOND)  # which says that the first key is good
    sealed_by(service, FIRST, b"by the leaked key")
    async with service.client(store) as device:
        told = Told(device)
        await device.drained()
        await device.settled()
        await eventually(lambda: told.refused)
        assert (told.shown, told.reasons) == ([], ["not_from_service"])


async def test_other_keys_than_the_pinned_ones_change_nothing_and_are_reported(service: Service, store: Store) -> None:
    service.service_keys = keys(FIRST)
    async with service.client(store) as device:
        await device.drained()
    pinned = store.service_keys.statements()
    rogue = "the keys of somebody who answers in the service's name"
    service.service_keys = keys(next_secret(rogue, now_seconds=START_MS // 1000, in_force_from=0))
    by_second = service.store(b"by a second key that nobody introduced")
    by_first = sealed_by(service, rogue, b"by another first key")
    genuine = sealed_by(service, FIRST, b"genuine")
    async with service.client(store) as device:
        told = Told(device)
        await device.drained()
        await eventually(lambda: told.shown and told.refused and told.rejected)
        await settle()
        assert (told.shown, told.reasons) == ([b"genuine"], ["not_from_service"])
        await device.settled()
        assert len(service.of_type("hello")) == 2
    assert store.service_keys.statements() == pinned
    assert set(service.stored) == {by_second.id}
    assert {by_first.id, genuine.id} <= {id for ack in service.acks for id in ack.ids}
    service.service_keys = keys(SECOND)
    service.stored.clear()
    service.store(b"by the key that follows")
    async with service.client(store) as device:
        told = Told(device)
        await eventually(lambda: told.shown)
        assert told.shown == [b"by the key that follows"]


async def test_what_comes_before_the_first_welcome_is_left_for_the_drain(service: Service, store: Store) -> None:
    service.service_keys = keys(FIRST)
    envelope = service.store(b"early")
    device = service.client(store)
    frame = {"id": reference.base64url(envelope.id), "header": reference.base64url(envelope.header)}
    device.incoming.take([frame | {"sealed": reference.base64url(envelope.sealed)}])
    assert store.inbox.next_acks() is None
    assert store.service_keys.refusals() == []
    async with device:
        told = Told(device)
        await eventually(lambda: told.shown)
        await device.settled()
    assert told.shown == [b"early"]


async def test_an_envelope_that_overtakes_the_first_welcome_is_shown(service: Service, store: Store) -> None:
    """It was stored after the server had counted what waits, so no drain brings it again."""

    async def push_then_welcome(connected: Connected, frame: dict[str, Any]) -> None:
        envelope = service.store(b"early")
        await service.push(envelope)
        del service.stored[envelope.id]
        await service.welcome(connected, frame)

    service.answers["hello"] = lambda connected, frame: service.later(push_then_welcome(connected, frame))
    async with service.client(store) as device:
        told = Told(device)
        await eventually(lambda: told.shown)
    assert told.shown == [b"early"]


def test_a_device_that_registers_anew_pins_anew(tmp_path: Path, service: Service) -> None:
    store = service.profile(tmp_path / "profile.db")
    store.service_keys.pin({1: b"statement"}, oldest=1)
    store.service_keys.pin({1: b"another"}, oldest=0)
    assert (store.service_keys.statements(), store.service_keys.oldest()) == ({1: b"statement"}, 1)
    store.profile.begin(IdentityKey(bytes(32)), SealKey(1, bytes(32)), now_ms=0)
    assert (store.service_keys.statements(), store.service_keys.oldest()) == ({}, 0)
    store.close()
