"""Tests that the server, the second implementation and the Python SDK agree on every known answer, also on refused
ones.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sandes.crypto import attestation, introductions
from sandes.crypto import seal as server_seal
from sandes.crypto.introductions import Key, Keys
from sandes.crypto.service_keys import ServiceKeys
from sandes.crypto.statements import registration_statement, seal_key_statement, signed_by
from sandes.crypto.tokens import TokenExpired, TokenInvalid, verify_token
from sandes.model.app import AppSender
from sandes.model.envelope import HEADER
from sandes.model.ids import (
    AccountId,
    AppId,
    DeviceAddress,
    DeviceNumber,
    MessageId,
    OrganisationId,
    app_text,
    base64url_text,
    message_text,
)
from sandes.model.introduction import Introduction
from sandes.model.verification import ATTESTED
from tests.support import opening
from tests.vectors import make, reference

CLASSES = {1: "verified", 2: "public", 3: None}


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((make.FOLDER / name).read_text())
    return content


SEAL1, SEAL2 = load("seal1.json"), load("seal2.json")
TOKENS, STATEMENTS = load("tokens.json"), load("statements.json")
ATTESTATIONS = load("attestations.json")
SERVICE_KEYS, ATTESTATION_KEYS = load("service-keys.json"), load("attestation-keys.json")


def each(cases: list[dict[str, Any]]) -> Callable[[Any], Any]:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


@pytest.mark.parametrize("name", sorted(make.rendered()))
def test_the_files_are_what_the_second_implementation_makes(name: str) -> None:
    assert (make.FOLDER / name).read_text() == make.rendered()[name], "run python -m tests.vectors.make"


@pytest.mark.parametrize(
    ("label", "secret"),
    [
        (SEAL1["seal_label"], SEAL1["seal_secret"]),
        (TOKENS["identity_label"], TOKENS["identity_seed"]),
        (STATEMENTS["identity_label"], STATEMENTS["identity_seed"]),
        (ATTESTATIONS["secret_label"], ATTESTATIONS["secret"]),
        *((case["ephemeral_label"], case["ephemeral_secret"]) for case in SEAL1["sealed"] + SEAL2["sealed"]),
        *((case["label"], case["secret"]) for case in SERVICE_KEYS["secrets"] + ATTESTATION_KEYS["secrets"]),
    ],
)
def test_secrets_come_from_their_labels_as_the_files_say(label: str, secret: str) -> None:
    assert hashlib.blake2b(f"sandes vector: {label}".encode(), digest_size=32).hexdigest() == secret


# seal2


def body_of(case: dict[str, Any]) -> bytes:
    body = case["content"]["body"]
    return bytes(body["zero_bytes"]) if isinstance(body, dict) else bytes.fromhex(body)


def sender_of(case: dict[str, Any]) -> DeviceAddress | AppSender:
    content = case["content"]
    if "sender_app" in content:
        return AppSender(AppId(bytes.fromhex(content["sender_app"])), content["sender_name"])
    return DeviceAddress(AccountId(bytes.fromhex(content["sender_account"])), DeviceNumber(content["sender_device"]))


def keys_of(case: dict[str, Any]) -> dict[str, Any]:
    """Return the input of `open` in a case."""
    return {name: bytes.fromhex(case[name]) for name in ("sealed", "seal_secret", "service_public", "header")}


def content_of(case: dict[str, Any]) -> server_seal.Content:
    content = case["content"]
    return server_seal.Content(
        MessageId(bytes.fromhex(content["message"])),
        sender_of(case),
        CLASSES[content["sender_class"]],  # type: ignore[arg-type]
        AccountId(bytes.fromhex(content["to"])),
        server_seal.Kind(content["kind"]),
        content["at_ms"],
        body_of(case),
    )


def sealed_by_server(case: dict[str, Any]) -> bytes:
    service = Key(1, bytes.fromhex(SEAL2["service_secret"]), bytes.fromhex(SEAL2["service_public"]))
    sealing = server_seal.Sealing(service, ephemeral=bytes.fromhex(case["ephemeral_secret"]))
    return sealing(
        content_of(case).encode(),
        seal_public=bytes.fromhex(SEAL2["seal_public"]),
        header=bytes.fromhex(case["header"]),
    )


@each(SEAL2["sealed"])
def test_the_server_seals_to_these_very_bytes(case: dict[str, Any]) -> None:
    fields = case["header_fields"]
    packed = HEADER.pack(
        fields["version"],
        bytes.fromhex(fields["message"]),
        bytes.fromhex(fields["inbox"]),
        fields["key_number"],
        fields["expires_at"],
        fields["service_key"],
    )
    assert packed.hex() == case["header"]
    plaintext, sealed = content_of(case).encode(), sealed_by_server(case)
    assert len(plaintext) == case["plaintext_bytes"]
    assert hashlib.sha256(plaintext).hexdigest() == case["plaintext_sha256"]
    assert hashlib.sha256(sealed).hexdigest() == case["sealed_sha256"]
    assert plaintext.hex() == case.get("plaintext", plaintext.hex())
    assert sealed.hex() == case.get("sealed", sealed.hex())


@each(SEAL2["sealed"])
def test_both_implementations_open_what_the_server_sealed(case: dict[str, Any]) -> None:
    given = SEAL2 | case | {"sealed": sealed_by_server(case).hex()}
    opened = opening.unseal(**keys_of(given))
    assert reference.unseal2(**keys_of(given)) == opened
    assert opening.decode(opened) == content_of(case)


@each([case for case in SEAL2["sealed"] if case["content"]["kind"] == 3])
def test_a_receipts_body_is_what_the_server_writes(case: dict[str, Any]) -> None:
    fields = cbor2.loads(body_of(case))
    kind = server_seal.ReceiptKind(fields[1])
    assert server_seal.receipt_body(kind, tuple(MessageId(id) for id in fields[2])) == body_of(case)


def test_the_bodies_that_apps_send_are_what_the_server_writes() -> None:
    otp, notice, void = (body_of(case) for case in SEAL2["sealed"] if case["content"]["kind"] in (5, 6, 7))
    text, code, expires_at, purpose = cbor2.loads(otp).values()
    assert server_seal.otp_body(text=text, code=code, expires_at=expires_at, purpose=purpose) == otp
    text, category, confidential, priority, language = cbor2.loads(notice).values()
    assert notice == server_seal.notice_body(
        text=text, category=category, confidential=confidential, priority=priority, language=language
    )
    _, ids, reason = cbor2.loads(void).values()
    assert server_seal.void_body(tuple(ids), server_seal.Void(reason)) == void


@each([case for case in SEAL2["refused"] if case["at"] == "unseal"])
def test_neither_implementation_opens_what_was_tampered_with(case: dict[str, Any]) -> None:
    with pytest.raises(opening.SealBroken):
        opening.unseal(**keys_of(case))
    with pytest.raises((InvalidTag, ValueError)):
        reference.unseal2(**keys_of(case))


@each([case for case in SEAL2["refused"] if case["at"] == "content"])
def test_what_is_refused_for_its_content_does_open(case: dict[str, Any]) -> None:
    """Otherwise a client would refuse it for the wrong reason, and the vector would prove nothing."""
    assert cbor2.loads(opening.unseal(**keys_of(case)))


@each(SEAL2["one_ephemeral_key"])
def test_what_was_sealed_with_one_ephemeral_key_opens_for_each_device_alone(case: dict[str, Any]) -> None:
    rows = SEAL2["one_ephemeral_key"]
    assert len({row["sealed"][:64] for row in rows}) == 1
    assert len({row["sealed"][64:] for row in rows}) == len(rows)
    assert opening.unseal(**keys_of(SEAL2 | case)) == reference.unseal2(**keys_of(SEAL2 | case))
    for other in rows:
        if other is not case:
            with pytest.raises(opening.SealBroken):
                opening.unseal(**keys_of(SEAL2 | case | {"header": other["header"]}))
            with pytest.raises(opening.SealBroken):
                opening.unseal(**keys_of(SEAL2 | case | {"sealed": other["sealed"]}))


# keys of the service


def introductions_of(told: dict[str, Any]) -> list[Introduction]:
    return [
        Introduction(bytes.fromhex(one["statement"]), bytes.fromhex(one["signature"]) if "signature" in one else None)
        for one in told["introductions"]
    ]


LISTS: list[tuple[dict[str, Any], type[Keys]]] = [
    (SERVICE_KEYS, ServiceKeys),
    (ATTESTATION_KEYS, attestation.AttestationKeys),
]


@pytest.mark.parametrize(
    ("case", "of"), [pytest.param(case, of, id=case["label"]) for file, of in LISTS for case in file["secrets"]]
)
def test_the_server_derives_its_keys_as_the_file_says(case: dict[str, Any], of: type[Keys]) -> None:
    secret, number = bytes.fromhex(case["secret"]), case["number"]
    key, successor = of.key(number, secret), introductions.succession_key(secret, number, of.purpose)[0]
    assert key.public.hex() == case["seal_public" if of is ServiceKeys else "public"]
    assert successor.hex() == case["successor_public"]
    assert introductions.introduction_statement(number, key.public, successor).hex() == case["statement"]


@pytest.mark.parametrize(
    ("case", "of"), [pytest.param(case, of, id=case["name"]) for file, of in LISTS for case in file["accepted"]]
)
def test_the_server_takes_the_lists_that_devices_accept(case: dict[str, Any], of: type[Keys]) -> None:
    public = introductions.check_introductions(introductions_of(case["told"]), of.purpose)
    assert set(public) <= set(case["afterwards"])


# tokens


def verify(case: dict[str, Any]) -> Any:
    return verify_token(
        case["token"],
        identity_key=bytes.fromhex(TOKENS["identity_public"]),
        audience=TOKENS["audience"],
        now_seconds=case["now"],
    )


@each(TOKENS["accepted"])
def test_the_server_accepts_these_tokens(case: dict[str, Any]) -> None:
    claims = verify(case)
    assert str(claims.device) == TOKENS["device"]
    assert (claims.issued_at, claims.expires_at) == (case["claims"]["iat"], case["claims"]["exp"])


@each(TOKENS["accepted"])
def test_the_signature_of_a_token_is_ed25519_over_header_and_claims(case: dict[str, Any]) -> None:
    signed, _, signature = case["token"].rpartition(".")
    identity = bytes.fromhex(TOKENS["identity_seed"])
    assert signed == f"{reference.jws_part(case['header'])}.{reference.jws_part(case['claims'])}"
    assert signature == base64url_text(reference.sign(identity, signed.encode()))


@each(TOKENS["refused"])
def test_the_server_refuses_these_tokens_for_the_reason_given(case: dict[str, Any]) -> None:
    expected = TokenExpired if case["error"] == "token_expired" else TokenInvalid
    with pytest.raises(TokenInvalid) as caught:
        verify(case)
    assert caught.type is expected


# statements


def test_the_server_composes_the_statements_of_the_file() -> None:
    proof, *seal_keys = STATEMENTS["accepted"]
    assert registration_statement(proof["id"], bytes.fromhex(proof["identity_key"])).hex() == proof["statement"]
    for case in seal_keys:
        assert seal_key_statement(case["number"], bytes.fromhex(case["public"])).hex() == case["statement"]
        assert bytes.fromhex(case["statement"])[17:21] == struct.pack(">I", case["number"])


@each(STATEMENTS["accepted"])
def test_both_implementations_accept_these_signatures(case: dict[str, Any]) -> None:
    public, statement, signature = (
        bytes.fromhex(text) for text in (STATEMENTS["identity_public"], case["statement"], case["signature"])
    )
    assert signed_by(public, statement, signature)
    Ed25519PublicKey.from_public_bytes(public).verify(signature, statement)


@each(STATEMENTS["refused"])
def test_the_server_refuses_these_signatures(case: dict[str, Any]) -> None:
    public, statement, signature = (bytes.fromhex(case[name]) for name in ("identity_public", "statement", "signature"))
    assert not signed_by(public, statement, signature)
    if "small order" not in case["name"]:  # which OpenSSL lets pass
        with pytest.raises((InvalidSignature, ValueError)):
            Ed25519PublicKey.from_public_bytes(public).verify(signature, statement)


# attestations


def values_of(case: dict[str, Any]) -> dict[Any, str]:
    return {shown["field"]: shown["value"] for shown in case["disclosures"]}


def salts_of(case: dict[str, Any]) -> dict[Any, bytes]:
    return {shown["field"]: bytes.fromhex(shown["salt"]) for shown in case["disclosures"]}


@each(ATTESTATIONS["accepted"])
def test_the_server_attests_what_is_in_the_file(case: dict[str, Any]) -> None:
    values, salts = values_of(case), salts_of(case)
    made = attestation.statement(
        AccountId(bytes.fromhex(ATTESTATIONS["account"])),
        OrganisationId(bytes.fromhex(ATTESTATIONS["organisation"])),
        organisation_name=case["organisation_name"],
        issued_at=case["issued_at"],
        expires_at=case["expires_at"],
        commitments={field: attestation.commitment(values[field], salts[field]) for field in ATTESTED},
    )
    key = attestation.AttestationKeys.of(bytes.fromhex(ATTESTATIONS["secret"])).at(0)
    assert made.hex() == case["statement"]
    assert attestation.sign(made, key).hex() == case["signature"]
    assert key.public.hex() == ATTESTATIONS["public"]


def attestation_refused_at(case: dict[str, Any]) -> str | None:
    """Check an attestation as the specification requires of a viewer, with the second implementation's library."""
    statement = bytes.fromhex(case["statement"])
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(ATTESTATIONS["public"]))
    try:
        public.verify(bytes.fromhex(case["signature"]), b"SANDES1/attestation\0" + statement)
    except InvalidSignature:
        return "signature"
    said = cbor2.loads(statement)
    if not isinstance(said, dict) or said[1] != 1 or cbor2.dumps(said, canonical=True) != statement:
        return "statement"
    if said[2].hex() != ATTESTATIONS["account"] or said[6] <= ATTESTATIONS["now"]:
        return "statement"
    fields = [shown["field"] for shown in case["disclosures"]]
    if len(set(fields)) < len(fields):
        return "disclosure"
    for shown in case["disclosures"]:
        number = ("name", "post", "unit").index(shown["field"]) + 1
        if reference.commitment(shown["value"], bytes.fromhex(shown["salt"])) != said[7][number]:
            return "disclosure"
    return None


@each(ATTESTATIONS["accepted"])
def test_a_viewer_by_the_book_accepts_an_attestation_whatever_is_disclosed_of_it(case: dict[str, Any]) -> None:
    for shown in ([], *([one] for one in case["disclosures"]), case["disclosures"]):
        assert attestation_refused_at(case | {"disclosures": shown}) is None


@each(ATTESTATIONS["refused"])
def test_a_viewer_by_the_book_refuses_it_at_the_place_given(case: dict[str, Any]) -> None:
    assert attestation_refused_at(case) == case["at"]


# the Python SDK


def sdk(module: str) -> Any:
    return pytest.importorskip(f"sandes_client.{module}")


def opened_by_sdk(case: dict[str, Any], *, accept_seal1: bool = False) -> Any:
    header, sealed = bytes.fromhex(case["header"]), bytes.fromhex(case["sealed"])
    texts = [base64url_text(data) for data in (header[1:17] + bytes(8), header, sealed)]
    return sdk("seal").open_envelope(
        *texts,
        secret_of=lambda _: bytes.fromhex(case["seal_secret"]),
        service_key_of=lambda _: bytes.fromhex(case.get("service_public", SEAL2["service_public"])),
        accept_seal1=accept_seal1,
    )


def check_opened(opened: Any, case: dict[str, Any]) -> None:
    content = content_of(case)
    assert (opened.body, opened.at_ms, int(opened.kind)) == (content.body, content.at_ms, int(content.kind))
    assert opened.id == message_text(content.id)
    assert opened.sender_class == content.sender_class
    if isinstance(content.sender, AppSender):
        assert (opened.sender.app, opened.sender.name) == (app_text(content.sender.app), content.sender.name)
    else:
        assert str(opened.sender) == str(content.sender)


@each(SEAL2["sealed"])
def test_the_sdk_opens_every_envelope(case: dict[str, Any]) -> None:
    check_opened(opened_by_sdk(SEAL2 | case | {"sealed": sealed_by_server(case).hex()}), case)


@each(SEAL2["refused"])
def test_the_sdk_refuses_every_envelope_that_is_to_be_refused_for_its_reason(case: dict[str, Any]) -> None:
    seal = sdk("seal")
    reasons = {"not_from_service": seal.NotFromService, "former_format": seal.FormerFormat}
    with pytest.raises(seal.EnvelopeUnreadable) as caught:
        opened_by_sdk(case)
    assert caught.type is reasons.get(case["reason"], seal.EnvelopeUnreadable)


@each([case for case in SEAL1["sealed"] if "sealed" in case])
def test_the_sdk_opens_the_former_format_only_where_it_is_allowed(case: dict[str, Any]) -> None:
    with pytest.raises(sdk("seal").FormerFormat):
        opened_by_sdk(SEAL1 | case)
    check_opened(opened_by_sdk(SEAL1 | case, accept_seal1=True), case)


@each(SEAL1["refused"])
@pytest.mark.parametrize("accept_seal1", [True, False])
def test_the_sdk_refuses_every_envelope_of_the_former_format_that_is_to_be_refused(
    accept_seal1: bool, case: dict[str, Any]
) -> None:
    with pytest.raises(sdk("seal").EnvelopeUnreadable):
        opened_by_sdk(case, accept_seal1=accept_seal1)


def keys_of_sdk(case: dict[str, Any], path: Path) -> tuple[Any, Any]:
    store = sdk("store").Store.open(path / "profile.db")
    pinned = {one["number"]: bytes.fromhex(one["statement"]) for one in case["pinned"]}
    store.service_keys.pin(pinned, oldest=0)
    return store, sdk("service_keys").ServiceKeys(store, clock=sdk("clock").SystemClock())


def told_of(case: dict[str, Any]) -> dict[str, Any]:
    introductions = [
        {name: base64url_text(bytes.fromhex(text)) for name, text in one.items()}
        for one in case["told"]["introductions"]
    ]
    return {"oldest": case["told"]["oldest"], "introductions": introductions}


@each(SERVICE_KEYS["accepted"])
def test_the_sdk_pins_the_keys_that_follow(case: dict[str, Any], tmp_path: Path) -> None:
    store, keys = keys_of_sdk(case, tmp_path)
    keys.learn(told_of(case))
    publics = {one["number"]: one["seal_public"] for one in SERVICE_KEYS["secrets"]}
    assert sorted(store.service_keys.statements()) == case["afterwards"]
    for number in case["afterwards"]:
        if number < case["told"]["oldest"]:
            with pytest.raises(sdk("seal").NotFromService):
                keys.public(number)
        else:
            assert keys.public(number).hex() == publics[number]
    assert keys.is_fresh


@each(SERVICE_KEYS["refused"])
def test_the_sdk_refuses_keys_that_do_not_follow_and_keeps_what_it_has(case: dict[str, Any], tmp_path: Path) -> None:
    store, keys = keys_of_sdk(case, tmp_path)
    before = store.service_keys.statements(), store.service_keys.oldest()
    with pytest.raises(sdk("introductions").KeysRefused):
        keys.learn(told_of(case))
    assert (store.service_keys.statements(), store.service_keys.oldest()) == before
    assert not keys.is_fresh


@each(ATTESTATION_KEYS["accepted"])
def test_the_sdk_follows_the_keys_of_attestations(case: dict[str, Any]) -> None:
    pinned = {one["number"]: bytes.fromhex(one["statement"]) for one in case["pinned"]}
    module = sdk("introductions")
    followed = module.follow(told_of(case), pinned, label=module.ATTESTING)
    assert sorted(pinned.keys() | followed.statements.keys()) == case["afterwards"]
    assert followed.oldest == case["told"]["oldest"]


@each(ATTESTATION_KEYS["refused"])
def test_the_sdk_refuses_keys_of_attestations_that_do_not_follow(case: dict[str, Any]) -> None:
    pinned = {one["number"]: bytes.fromhex(one["statement"]) for one in case["pinned"]}
    module = sdk("introductions")
    with pytest.raises(module.KeysRefused):
        module.follow(told_of(case), pinned, label=module.ATTESTING)


def test_the_sdk_signs_tokens_the_server_accepts() -> None:
    identity = sdk("keys").IdentityKey(bytes.fromhex(TOKENS["identity_seed"]))
    address = sdk("ids").DeviceAddress(*_split(TOKENS["device"]))
    token = sdk("tokens").sign_token(identity, address, audience=TOKENS["audience"], now_seconds=make.NOW)
    assert str(verify({"token": token, "now": make.NOW}).device) == TOKENS["device"]


def _split(device: str) -> tuple[str, int]:
    account, _, number = device.partition(".")
    return account, int(number)


def test_the_sdk_signs_the_statements_of_the_file() -> None:
    identity = sdk("keys").IdentityKey(bytes.fromhex(STATEMENTS["identity_seed"]))
    proof, *seal_keys = STATEMENTS["accepted"]
    secret = bytes.fromhex(SEAL1["seal_secret"])
    for case in seal_keys:
        key = sdk("keys").SealKey(case["number"], secret)
        made = sdk("statements").new_device(identity, key, subject=proof["id"], name="n", platform="p")
        assert made.proof.hex() == proof["signature"]
        assert made.seal_key.signature.hex() == case["signature"]
        assert made.seal_key.public.hex() == case["public"]


def attested_by_sdk(case: dict[str, Any]) -> Any:
    given = {
        "statement": base64url_text(bytes.fromhex(case["statement"])),
        "signature": base64url_text(bytes.fromhex(case["signature"])),
        "disclosures": [
            {"field": one["field"], "salt": base64url_text(bytes.fromhex(one["salt"])), "value": one["value"]}
            for one in case["disclosures"]
        ],
    }
    return sdk("attestation").check_attestation(
        given,
        account=app_text(AppId(bytes.fromhex(ATTESTATIONS["account"]))),
        keys=[bytes.fromhex(ATTESTATIONS["public"])],
        now_seconds=ATTESTATIONS["now"],
    )


@each(ATTESTATIONS["accepted"])
def test_the_sdk_accepts_an_attestation_whatever_is_disclosed_of_it(case: dict[str, Any]) -> None:
    for shown in ([], *([one] for one in case["disclosures"]), case["disclosures"]):
        attested = attested_by_sdk(case | {"disclosures": shown})
        said = {one["field"]: one["value"] for one in shown}
        assert (attested.name, attested.post, attested.unit) == tuple(said.get(f) for f in ("name", "post", "unit"))
        assert attested.organisation_name == case["organisation_name"]


@each(ATTESTATIONS["refused"])
def test_the_sdk_refuses_every_attestation_that_is_to_be_refused(case: dict[str, Any]) -> None:
    with pytest.raises(sdk("attestation").AttestationRefused):
        attested_by_sdk(case)
