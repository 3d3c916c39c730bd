"""What the client warns of reaches the user, with what to do, whichever command runs."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest

from sandes.crypto.attestation import AttestationKeys
from sandes.crypto.service_keys import ServiceKeys
from sandes.model.ids import account_text
from sandes_client import Store
from sandes_client.cli.texts import GOING_ON, SHOWN_AS_THEY_ARE, STOPPED, warning_of
from sandes_client.events import AttestationKeysRejected, ConnectionChanged, Event, ServiceKeysRejected, State
from tests.unit.sdk.people_service import PeopleService
from tests.unit.sdk.service import BOB, Service

BOB_ID = account_text(BOB)
WARNINGS: dict[type, Event] = {
    ServiceKeysRejected: ServiceKeysRejected("another first key"),
    AttestationKeysRejected: AttestationKeysRejected("another first key"),
    ConnectionChanged: ConnectionChanged(State.STORE_FAILED),
}


def test_the_command_has_words_for_every_event() -> None:
    missing = set(get_args(Event)) - set(SHOWN_AS_THEY_ARE) - WARNINGS.keys()
    assert not missing, f"let warning_of say what to do, or add it to SHOWN_AS_THEY_ARE: {missing}"
    for kind, event in WARNINGS.items():
        assert warning_of(event), kind


def test_the_command_has_words_for_every_state() -> None:
    missing = set(State) - STOPPED.keys() - GOING_ON.keys()
    assert not missing, f"say what the user should do in STOPPED or GOING_ON (cli/texts.py): {missing}"


@pytest.mark.usefixtures("registered")
def test_keys_of_the_service_that_do_not_follow_are_a_warning_with_what_to_do(service: Service, sandes: Any) -> None:
    assert sandes("inbox").stderr == ""
    service.service_keys = ServiceKeys.of(b"somebody else who answers in place of the service")
    warned = sandes("inbox")
    assert warned.exit_code == 0
    assert warned.stderr.startswith("warning: service_keys_rejected: the service names keys that do not follow")
    assert warned.stderr.count("\n") == 1
    assert "ask its operator" in warned.stderr


@pytest.mark.usefixtures("registered")
def test_keys_of_attestations_that_do_not_follow_are_a_warning_too(
    service: Service, sandes: Any, tmp_path: Path
) -> None:
    people = PeopleService(service)
    people.profiles[BOB_ID] = people.official(BOB)
    assert sandes("profile", "show", BOB_ID).stderr == ""
    with closing(Store.open(tmp_path / "default.sqlite3")) as store:
        store.attestation_keys.set_asked(0)  # an hour ago and more
    people.keys = AttestationKeys.of(b"somebody else who answers in place of the service")
    people.profiles[BOB_ID] = people.official(BOB)
    warned = sandes("profile", "show", BOB_ID)
    assert warned.stderr.startswith("warning: attestation_keys_rejected: ")


def test_a_profile_that_takes_nothing_is_a_warning_before_the_command_gives_up(
    service: Service, sandes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = service.profile(tmp_path / "default.sqlite3")
    store.close()
    original = Store.open

    def small(path: Path) -> Store:
        opened = original(path)
        pages = opened._database.row("PRAGMA page_count")[0]
        opened._database.run(f"PRAGMA max_page_count = {pages + 2}")
        return opened

    monkeypatch.setattr(Store, "open", small)
    service.store(b"x" * 60_000)
    result = sandes("inbox", "--timeout", "2")
    assert result.exit_code == 1
    assert "warning: store_failed: this profile cannot be written to" in result.stderr
