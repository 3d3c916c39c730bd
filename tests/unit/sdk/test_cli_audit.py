"""`sandes-admin audit verify`: what it says and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from sandes.model.ids import base64url_text, id_text
from sandes_client.admin import AdminClient, Cognito, Tokens
from sandes_client.cli.admin import admin
from sandes_client.cli.administration.desk import Desk
from tests.unit.sdk.test_audit import CHAIN, ELSEWHERE, HEAD, KEY, LINES, NOW_MS, OTHER, head, without_bodies

PUBLIC = base64url_text(KEY.public)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    file = tmp_path / "chain.ndjson"
    file.write_bytes(b"".join(LINES))
    return file


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    folder = tmp_path / "heads" / "2026-11-25"
    folder.mkdir(parents=True)
    (folder / "22").write_bytes(head(LINES[:5]))
    (folder / "23").write_bytes(HEAD)
    return folder.parent


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(admin, ["audit", "verify", *map(str, words)])


def test_a_whole_chain_with_its_heads(chain: Path, heads: Path) -> None:
    found = run(chain, "--key", PUBLIC, "--heads", heads, "--chain", id_text(CHAIN))
    assert found.exit_code == 0
    assert found.output.splitlines() == [
        f"Organisation: {id_text(CHAIN)} (from --chain).",
        f"Whole: entries 1 to 12 of {id_text(CHAIN)}, 2 heads agree.",
    ]


def test_whose_chain_it_is_is_taken_from_the_files_name_or_said_to_be_unproven(chain: Path, tmp_path: Path) -> None:
    found = run(chain, "--key", PUBLIC)
    first = f"Organisation: {id_text(CHAIN)} (from its first entry: compare it, or give --chain)."
    assert (found.exit_code, found.output.splitlines()[0]) == (0, first)
    named = chain.rename(tmp_path / f"{id_text(CHAIN)}.2026.ndjson")
    found = run(named, "--key", PUBLIC)
    assert (found.exit_code, "(from the file's name)" in found.output) == (0, True)
    other = named.rename(tmp_path / f"{id_text(ELSEWHERE)}.ndjson")
    found = run(other, "--key", PUBLIC)
    assert (found.exit_code, "begins with an entry of another chain" in found.output) == (3, True)
    assert run(other, "--key", PUBLIC, "--chain", id_text(CHAIN)).exit_code == 0


def test_missing_bodies_are_not_whole_unless_they_are_accounted_for(chain: Path, heads: Path) -> None:
    chain.write_bytes(b"".join(without_bodies(3, 5, 6, 7)))
    found = run(chain, "--key", PUBLIC, "--heads", heads)
    assert found.exit_code == 3
    assert "BODIES MISSING: 3, 5-7." in found.output
    found = run(chain, "--key", PUBLIC, "--heads", heads, "--withheld", "3", "--withheld", "6-6")
    assert (found.exit_code, "BODIES MISSING: 5, 7." in found.output) == (3, True)
    for known in (("--withheld", "3", "--withheld", "4-9"), ("--withheld", "all")):
        found = run(chain, "--key", PUBLIC, "--heads", heads, *known)
        assert (found.exit_code, "Bodies withheld, as you confirmed: 3, 5-7." in found.output) == (0, True)
    told = json.loads(run(chain, "--key", PUBLIC, "--withheld", "5-7", "--json").output)
    assert (told["withheld"], told["missing_bodies"], told["chain_by"]) == ([[3, 3], [5, 7]], [[3, 3]], "first_entry")
    for wrong in ("x", "0", "7-5", "-3"):
        assert run(chain, "--key", PUBLIC, f"--withheld={wrong}").exit_code == 2


def test_heads_that_no_longer_have_the_chain_are_named(chain: Path, heads: Path) -> None:
    (heads / "2026-11-25" / "24").write_bytes(head(LINES, of=ELSEWHERE, at_ms=NOW_MS + 7_200_000))
    found = run(chain, "--key", PUBLIC, "--heads", heads, "--chain", id_text(CHAIN))
    assert found.exit_code == 3
    assert f"HEADS GONE: {id_text(CHAIN)} had entry 12" in found.output
    assert "Whole except for the missing bodies" in found.output


def test_without_heads_it_says_what_cannot_be_told(chain: Path) -> None:
    found = run(chain, "--key", PUBLIC)
    assert found.exit_code == 0
    assert "No given head covers the last 12 entries" in found.output


def test_one_altered_row_is_named(chain: Path, heads: Path) -> None:
    chain.write_bytes(chain.read_bytes().replace(b'"seq":7,"at":1', b'"seq":7,"at":2'))
    found = run(chain, "--key", PUBLIC, "--heads", heads)
    assert found.exit_code == 3
    assert found.output.splitlines()[1:] == [
        "NOT WHOLE, line 7: Entry 7 was altered: its signature is not valid.",
        "Entries 1 to 6 before it are whole.",
    ]


def test_a_cut_off_end_is_named(chain: Path, heads: Path) -> None:
    chain.write_bytes(b"".join(LINES[:10]))
    found = run(chain, "--key", PUBLIC, "--heads", heads)
    assert found.exit_code == 3
    assert "Entries 11 to 12 are missing at the end" in found.output


def test_as_json(chain: Path) -> None:
    chain.write_bytes(b"".join([*LINES[:3], *LINES[4:]]))
    found = run(chain, "--key", PUBLIC, "--json")
    assert found.exit_code == 3
    told = json.loads(found.output)
    assert (told["entries"], told["fault"]["kind"], told["fault"]["seq"], told["fault"]["line"]) == (3, "missing", 4, 4)


def test_the_key_may_stand_in_a_file(chain: Path, tmp_path: Path) -> None:
    plain, answer = tmp_path / "key", tmp_path / "key.json"
    plain.write_text(PUBLIC + "\n")
    answer.write_text(json.dumps({"key": PUBLIC, "id": KEY.id}))
    assert run(chain, "--key", plain).exit_code == 0
    assert run(chain, "--key", answer).exit_code == 0


def test_another_key_another_chain(chain: Path) -> None:
    found = run(chain, "--key", base64url_text(OTHER.public))
    assert (found.exit_code, "Entry 1 is signed with a key that was not given" in found.output) == (3, True)
    found = run(chain, "--key", PUBLIC, "--chain", id_text(ELSEWHERE))
    assert (found.exit_code, "begins with an entry of another chain" in found.output) == (3, True)


def test_what_cannot_be_checked_is_not_said_to_be_bad(chain: Path, tmp_path: Path) -> None:
    assert run(chain, "--key", "no key").exit_code == 2
    assert run(chain).exit_code == 2
    assert run(tmp_path / "nothing", "--key", PUBLIC).exit_code == 2
    forged = tmp_path / "heads"
    forged.write_bytes(head(LINES, key=OTHER))
    found = run(chain, "--key", PUBLIC, "--heads", forged)
    assert found.exit_code == 1
    assert "error: heads_refused" in found.stderr


class Service:
    """Answers as the admin API does, `at_once` entries at a time; or always the first ones, if it is `stuck`."""

    def __init__(self, *, at_once: int = 5, stuck: bool = False) -> None:
        self.at_once, self.stuck, self.asked = at_once, stuck, list[int]()

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/admin/v1/audit/export"
        after = int(request.url.params["after"])
        self.asked.append(after)
        start = 0 if self.stuck else after
        return httpx.Response(200, content=b"".join(LINES[start : start + self.at_once]))

    def client(self) -> AdminClient:
        tokens = Tokens("access", "refresh", 2**40)
        cognito = Cognito("http://127.0.0.1:9", "client")
        return AdminClient("http://127.0.0.1:9", cognito, tokens, transport=httpx.MockTransport(self.answer))


def export(service: Service, file: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr(Desk, "admin", lambda _: service.client())
    return CliRunner().invoke(admin, ["audit", "export", str(file)])


def test_a_chain_is_fetched_to_its_end_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, service = tmp_path / "chain", Service()
    found = export(service, file, monkeypatch)
    assert (found.exit_code, found.output) == (0, f"Fetched 12 entries; {file} has 12.\n")
    assert service.asked == [0, 5, 10, 12]
    assert file.read_bytes() == b"".join(LINES)
    file.write_bytes(b"".join(LINES[:7]))
    assert export(service, file, monkeypatch).output == f"Fetched 5 entries; {file} has 12.\n"
    assert file.read_bytes() == b"".join(LINES)


def test_an_answer_that_does_not_go_on_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = export(Service(stuck=True), tmp_path / "chain", monkeypatch)
    assert found.exit_code == 1
    assert "error: bad_answer" in found.stderr


@pytest.mark.parametrize("there", [LINES[0][:-1], b"something else\n"], ids=["half an entry", "something else"])
def test_a_file_that_is_no_chain_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bytes
) -> None:
    file = tmp_path / "chain"
    file.write_bytes(there)
    found = export(Service(), file, monkeypatch)
    assert found.exit_code == 1
    assert "error: file_unusable" in found.stderr
    assert file.read_bytes() == there
