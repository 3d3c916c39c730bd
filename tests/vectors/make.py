"""Writes the vectors, JSON files beside this one, with the second implementation: `python -m tests.vectors.make`.

The files are committed; tests/vectors/test_vectors.py checks that they are current and that the server agrees.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from pathlib import Path
from typing import Any

from tests.vectors import reference
from tests.vectors.make_audit import audit
from tests.vectors.make_groups import groups
from tests.vectors.make_seal import (
    INBOX,
    MESSAGE,
    attestation_keys,
    content_of,
    contents,
    plaintext_of,
    seal2,
    service_keys,
)
from tests.vectors.reference import SEEDS, seed

FOLDER = Path(__file__).parent
NOW = 1_790_000_000
ORDER = 2**252 + 27742317777372353535851937790883648493
ADDRESS = "mfrggzdfmztwq.1"
AUDIENCE = "sandes:vectors"


def seal1() -> dict[str, Any]:
    secret = seed("seal secret")
    public = reference.public_of(secret)
    message, inbox = MESSAGE, INBOX
    sealed: list[dict[str, Any]] = []
    for number, (name, content) in enumerate(contents()):
        head = reference.header(message=message, inbox=inbox, key_number=number + 1, expires_at=NOW + number)
        label = f"ephemeral secret {number}"
        plaintext = plaintext_of(content, NOW * 1000 + number)
        share = reference.public_of(seed(label))
        shared, key = reference.seal_key_of(seed(label), public, share, public)
        whole = reference.seal(plaintext, ephemeral=seed(label), seal_public=public, associated=head)
        large = len(plaintext) > 1_000
        sealed.append(
            {
                "name": name,
                "content": content_of(content, NOW * 1000 + number, large=large),
                "header": head.hex(),
                "header_fields": {
                    "version": 1,
                    "message": message.hex(),
                    "inbox": inbox.hex(),
                    "key_number": number + 1,
                    "expires_at": NOW + number,
                },
                "ephemeral_label": label,
                "ephemeral_secret": seed(label).hex(),
                "ephemeral_public": share.hex(),
                "shared_secret": shared.hex(),
                "key": key.hex(),
                "plaintext_bytes": len(plaintext),
                "plaintext_sha256": hashlib.sha256(plaintext).hexdigest(),
                "sealed_sha256": hashlib.sha256(whole).hexdigest(),
            }
            | ({} if large else {"plaintext": plaintext.hex(), "sealed": whole.hex()})
        )
    return {
        "about": "docs/protocol/seal1.md, a former format. Binary values are hexadecimal, large ones given by SHA-256.",
        "seeds": SEEDS,
        "seal_label": "seal secret",
        "seal_secret": secret.hex(),
        "seal_public": public.hex(),
        "sealed": sealed,
        "refused": _refused_seals(secret, bytes.fromhex(sealed[0]["header"]), bytes.fromhex(sealed[0]["sealed"])),
    }


def _refused_seals(secret: bytes, head: bytes, sealed: bytes) -> list[dict[str, str]]:
    """Return refused envelopes. `at` unseal: the bytes do not open. `at` content: they open, but the content must not
    be shown.
    """
    public = reference.public_of(secret)

    def case(
        at: str, name: str, *, header: bytes = head, sealed: bytes = sealed, key: bytes = secret
    ) -> dict[str, str]:
        return {"name": name, "at": at, "seal_secret": key.hex(), "header": header.hex(), "sealed": sealed.hex()}

    def inside(header: bytes, fields: dict[int, Any]) -> bytes:
        return reference.seal(reference.cbor(fields), ephemeral=seed("refused"), seal_public=public, associated=header)

    good: dict[int, Any] = {1: 1, 2: head[1:17], 3: [bytes(8), 1], 4: 2, 5: bytes(8), 6: 1, 7: NOW * 1000, 8: b"x"}
    return [
        case("unseal", "one bit of the header changed", header=head[:-1] + bytes([head[-1] ^ 1])),
        case("unseal", "another key number in the header", header=head[:33] + b"\0\0\0\2" + head[37:]),
        case(
            "unseal", "one bit of the ciphertext changed", sealed=sealed[:40] + bytes([sealed[40] ^ 128]) + sealed[41:]
        ),
        case("unseal", "one bit of the tag changed", sealed=sealed[:-1] + bytes([sealed[-1] ^ 1])),
        case("unseal", "the unused top bit of E set", sealed=sealed[:31] + bytes([sealed[31] ^ 128]) + sealed[32:]),
        case("unseal", "another seal key", key=seed("another seal secret")),
        case("unseal", "cut short by a byte", sealed=sealed[:-1]),
        case("unseal", "shorter than E and tag", sealed=sealed[:47]),
        case("unseal", "nothing at all", sealed=b""),
        case("unseal", "E is zero: the X25519 result is all zero", sealed=bytes(32) + sealed[32:]),
        case("unseal", "E is one: the X25519 result is all zero", sealed=b"\1" + bytes(31) + sealed[32:]),
        case("content", "version 2 in the header", header=b"\2" + head[1:], sealed=inside(b"\2" + head[1:], good)),
        case("content", "version 2 in the content", sealed=inside(head, good | {1: 2})),
        case("content", "another message id inside than in the header", sealed=inside(head, good | {2: bytes(16)})),
        case("content", "a kind that does not exist", sealed=inside(head, good | {6: 8})),
        case("content", "a class that does not exist", sealed=inside(head, good | {4: 3})),
        case("content", "no body", sealed=inside(head, {key: good[key] for key in range(1, 8)})),
    ]


def tokens() -> dict[str, Any]:
    identity = seed("identity")
    public = reference.identity_public(identity)
    head = {"alg": "EdDSA", "kid": ADDRESS}
    claims: dict[str, Any] = {"iss": ADDRESS, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300}
    good = reference.jws(identity, head, claims)
    signed = good.rpartition(".")[0]
    raw = reference.sign(identity, signed.encode())
    malleated = raw[:32] + (int.from_bytes(raw[32:], "little") + ORDER).to_bytes(32, "little")

    def case(name: str, token: str, *, now: int = NOW, error: str = "token_invalid") -> dict[str, Any]:
        return {"name": name, "token": token, "now": now, "error": error}

    def with_claims(**changed: Any) -> str:
        return reference.jws(identity, head, claims | changed)

    def with_head(**changed: Any) -> str:
        return reference.jws(identity, head | changed, claims)

    mac_signed = f"{reference.jws_part(head | {'alg': 'HS256'})}.{reference.jws_part(claims)}"
    mac = reference.base64url(hmac.new(public, mac_signed.encode(), hashlib.sha256).digest())
    none = f"{reference.jws_part(head | {'alg': 'none'})}.{reference.jws_part(claims)}."
    return {
        "about": "docs/protocol/README.md, 'Keys and tokens'. `now` is the server's time in epoch seconds.",
        "seeds": SEEDS,
        "identity_label": "identity",
        "identity_seed": identity.hex(),
        "identity_public": public.hex(),
        "device": ADDRESS,
        "audience": AUDIENCE,
        "accepted": [
            {"name": "at its first second", "header": head, "claims": claims, "token": good, "now": NOW},
            {"name": "in its last second", "header": head, "claims": claims, "token": good, "now": NOW + 299},
            {"name": "made by a clock 30 s ahead", "header": head, "claims": claims, "token": good, "now": NOW - 30},
            {
                "name": "with typ and a claim that means nothing",
                "header": head | {"typ": "JWT"},
                "claims": claims | {"x": 1},
                "token": reference.jws(identity, head | {"typ": "JWT"}, claims | {"x": 1}),
                "now": NOW,
            },
        ],
        "refused": [
            case("expired", good, now=NOW + 300, error="token_expired"),
            case("from the future", good, now=NOW - 31, error="token_expired"),
            case("for another deployment", with_claims(aud="sandes:other")),
            case("for several audiences", with_claims(aud=[AUDIENCE])),
            case("from another device", with_claims(iss="mfrggzdfmztwq.2")),
            case("good for a second too long", with_claims(exp=NOW + 301)),
            case("expiring when it was made", with_claims(exp=NOW)),
            case("times as text", with_claims(iat=str(NOW), exp=str(NOW + 300))),
            case("without a key id", reference.jws(identity, {"alg": "EdDSA"}, claims)),
            case("with another device as key id", with_head(kid="mfrggzdfmztwq.2")),
            case("the algorithm called Ed25519", with_head(alg="Ed25519")),
            case("the algorithm none", none),
            case("HS256 keyed with the public key", f"{mac_signed}.{mac}"),
            case("signed by another key", reference.jws(seed("another identity"), head, claims)),
            case("the group order added to S", f"{signed}.{reference.base64url(malleated)}"),
            case("the signature cut short", good[:-4]),
            case("the signature left out", f"{signed}."),
            case("longer than 2048 characters", with_claims(x="x" * 1_600)),
            case("nothing at all", ""),
        ],
    }


def statements() -> dict[str, Any]:
    identity = seed("identity")
    public = reference.identity_public(identity)
    id = "q83vASNFZ4mrze8BI0VniQ"
    seal_public = reference.public_of(seed("seal secret"))
    register = b"SANDES1/register\0" + id.encode() + public
    accepted: list[dict[str, Any]] = [
        {"name": "device.proof", "id": id, "identity_key": public.hex(), "statement": register.hex()}
    ]
    for number in (1, 258, 2**32 - 1):
        statement = b"SANDES1/seal-key\0" + number.to_bytes(4, "big") + seal_public
        accepted.append(
            {
                "name": "seal_key.signature",
                "number": number,
                "public": seal_public.hex(),
                "statement": statement.hex(),
            }
        )
    for entry in accepted:
        entry["signature"] = reference.sign(identity, bytes.fromhex(entry["statement"])).hex()
    proof = bytes.fromhex(accepted[0]["signature"])
    malleated = proof[:32] + (int.from_bytes(proof[32:], "little") + ORDER).to_bytes(32, "little")
    small = b"\1" + bytes(31)
    refused = [
        ("the proof of another registration", public, register.replace(id.encode(), b"A" * 22), proof),
        ("a seal key's signature as proof", public, register, bytes.fromhex(accepted[1]["signature"])),
        (
            "another number than was signed",
            public,
            bytes.fromhex(accepted[2]["statement"]),
            bytes.fromhex(accepted[1]["signature"]),
        ),
        ("another identity key", reference.identity_public(seed("another identity")), register, proof),
        ("the group order added to S", public, register, malleated),
        ("an identity key of small order", small, register, small + bytes(32)),
        ("a signature cut short", public, register, proof[:63]),
    ]
    return {
        "about": "docs/protocol/README.md, 'Signed statements'. Binary values are hexadecimal.",
        "seeds": SEEDS,
        "identity_label": "identity",
        "identity_seed": identity.hex(),
        "identity_public": public.hex(),
        "accepted": accepted,
        "refused": [
            {"name": name, "identity_public": key.hex(), "statement": statement.hex(), "signature": signature.hex()}
            for name, key, statement, signature in refused
        ],
    }


def acts() -> dict[str, Any]:
    """Return the signed acts. `by` names the key that signs: `identity` of the device, `new identity` of one that
    joins, `link` of a link.
    """
    secrets = {name: seed(name) for name in ("identity", "new identity", "link")}
    publics = {name: reference.identity_public(secret) for name, secret in secrets.items()}
    account, group, other = seed("account")[:8], seed("group")[:8], seed("other account")[:8]
    device, registration, at_ms = 3, 0xDEADBEEF, NOW * 1000 + 7
    id = b"q83vASNFZ4mrze8BI0VniQ"

    def said(kind: int, object: bytes, **changed: Any) -> bytes:
        who: dict[str, Any] = {"account": account, "device": device, "registration": registration, "at_ms": at_ms}
        return reference.act(kind, object, **who | changed)

    remove = struct.pack(">BI", 4, 0xFFFFFFFF)
    add = said(2, publics["new identity"] + publics["link"], device=0, registration=0)
    cases: list[tuple[str, str, dict[str, Any], bytes]] = [
        ("remove a device", "identity", {"device": 4, "registration_id": 0xFFFFFFFF}, said(3, remove)),
        ("open a link", "identity", {"link": publics["link"].hex()}, said(16, publics["link"])),
        (
            "change the number",
            "identity",
            {"registration": id.decode(), "phone": "+919876543210"},
            said(17, id + b"+919876543210"),
        ),
        (
            "open a socket",
            "identity",
            {"token": "aaaa.bbbb.cccc"},
            said(18, hashlib.sha256(b"aaaa.bbbb.cccc").digest()),
        ),
        *(
            (
                f"give a role: {role}",
                "identity",
                {"group": group.hex(), "member": other.hex(), "role": role},
                said(32, group + other + bytes([number])),
            )
            for number, role in enumerate(("owner", "admin", "member"), start=1)
        ),
        ("remove a member", "identity", {"group": group.hex(), "member": other.hex()}, said(33, group + other)),
        ("dissolve a group", "identity", {"group": group.hex()}, said(34, group)),
        *(
            (
                f"open a group: {is_open}",
                "identity",
                {"group": group.hex(), "open": is_open},
                said(35, group + bytes([is_open])),
            )
            for is_open in (False, True)
        ),
        *(
            (
                f"add a device, signed by the {by}",
                by,
                {"identity_key": publics["new identity"].hex(), "link": publics["link"].hex()},
                add,
            )
            for by in ("new identity", "link")
        ),
    ]
    removal, removal_signature = said(3, remove), reference.sign(secrets["identity"], said(3, remove))
    refused = [
        ("another account", said(3, remove, account=other)),
        ("another acting device", said(3, remove, device=2)),
        ("another registration of the acting device", said(3, remove, registration=registration + 1)),
        ("another time", said(3, remove, at_ms=at_ms + 1)),
        ("another device removed", said(3, struct.pack(">BI", 5, 0xFFFFFFFF))),
        ("another registration of the device removed", said(3, struct.pack(">BI", 4, 0xFFFFFFFE))),
        ("another kind of the same object", said(34, remove)),
        ("a place in a chain", said(3, remove, chain=(1).to_bytes(4, "big") + bytes(32))),
        ("another label", removal.replace(b"SANDES1/act", b"SANDES1/acts")),
        ("no label", removal.removeprefix(b"SANDES1/act\0")),
        ("a byte more", removal + b"\0"),
    ]
    return {
        "about": "docs/protocol/README.md, 'Signed acts'. Binary values are hexadecimal. `header` is Sandes-Act.",
        "seeds": SEEDS,
        "keys": {name: {"seed": secrets[name].hex(), "public": publics[name].hex()} for name in secrets},
        "account": account.hex(),
        "device": device,
        "registration_id": registration,
        "at": at_ms,
        "link_id": reference.link_id(publics["link"]),
        "accepted": [
            {
                "name": name,
                "by": by,
                **object,
                "statement": statement.hex(),
                "signature": reference.sign(secrets[by], statement).hex(),
            }
            | (
                {"header": f"{at_ms}.{reference.base64url(reference.sign(secrets[by], statement))}"}
                if by == "identity"
                else {}
            )
            for name, by, object, statement in cases
        ],
        "refused": [
            {"name": name, "statement": statement.hex(), "signature": removal_signature.hex()}
            for name, statement in refused
        ],
    }


def attestations() -> dict[str, Any]:
    """Return accepted and refused attestations.

    `at` signature: it is invalid. `at` statement: the signature is valid, but the statement must not be shown as
    verified. `at` disclosure: the statement is valid, but the disclosed data do not match its commitments.
    """
    secret = seed("attestation secret")
    account, organisation = seed("account")[:8], seed("organisation")[:8]
    salts = [seed(f"salt {number}")[:16] for number in (1, 2, 3)]
    fields = ("name", "post", "unit")

    def disclosures(values: tuple[str, ...]) -> list[dict[str, str]]:
        return [
            {"field": field, "salt": salt.hex(), "value": value}
            for field, salt, value in zip(fields, salts, values, strict=True)
        ]

    def signed(statement: bytes, **more: Any) -> dict[str, Any]:
        signature = reference.sign_attestation(secret, statement)
        return {"statement": statement.hex(), "signature": signature.hex()} | more

    accepted = []
    for name, said_by, values in (
        ("in ASCII", "Ministry of Railways", ("Asha Rao", "Section Officer", "Signalling")),
        ("in another script", "रेल मंत्रालय", ("आशा राव", "अनुभाग अधिकारी", "संकेत")),
        ("with long texts", "M" * 128, ("N" * 64, "P" * 128, "U" * 128)),
        ("in its last second", "Ministry of Railways", ("Asha Rao", "Section Officer", "Ministry of Railways")),
    ):
        expires_at = NOW + (1 if name == "in its last second" else 365 * 86_400)
        commitments = [reference.commitment(value, salt) for value, salt in zip(values, salts, strict=True)]
        statement = reference.attestation_statement(
            account, organisation, said_by, issued_at=NOW - 60, expires_at=expires_at, commitments=commitments
        )
        content = {"organisation_name": said_by, "issued_at": NOW - 60, "expires_at": expires_at}
        content["commitments"] = [commitment.hex() for commitment in commitments]
        accepted.append({"name": name} | signed(statement, **content, disclosures=disclosures(values)))
    return {
        "about": "docs/protocol/attestation.md. Binary values are hexadecimal. `now` is the viewer's time.",
        "seeds": SEEDS,
        "secret_label": "attestation secret",
        "secret": secret.hex(),
        "public": reference.identity_public(reference.attestation_seed(secret)).hex(),
        "account": account.hex(),
        "organisation": organisation.hex(),
        "now": NOW,
        "accepted": accepted,
        "refused": _refused_attestations(accepted[0], secret, account, organisation),
    }


def _refused_attestations(
    good: dict[str, Any], secret: bytes, account: bytes, organisation: bytes
) -> list[dict[str, Any]]:
    statement, signature = bytes.fromhex(good["statement"]), bytes.fromhex(good["signature"])
    shown = good["disclosures"]
    name, post, _ = shown

    def case(
        at: str, name: str, *, statement: bytes = statement, signature: bytes | None = None, disclosures: Any = ()
    ) -> dict[str, Any]:
        signed = reference.sign_attestation(secret, statement) if signature is None else signature
        given = {"statement": statement.hex(), "signature": signed.hex(), "disclosures": list(disclosures)}
        return {"name": name, "at": at} | given

    def says(**changed: Any) -> bytes:
        commitments = [bytes.fromhex(text) for text in good["commitments"]]
        terms: dict[str, Any] = {"issued_at": NOW - 60, "expires_at": NOW + 60, "commitments": commitments}
        of = changed.pop("account", account)
        return reference.attestation_statement(of, organisation, "Ministry of Railways", **terms | changed)

    malleated = signature[:32] + (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    unlabelled = reference.sign(reference.attestation_seed(secret), statement)
    flipped = statement[:-1] + bytes([statement[-1] ^ 1])
    other = bytes([statement[0]]) + b"\1\2" + statement[3:]
    return [
        case("signature", "one bit of the statement changed", statement=flipped, signature=signature),
        case("signature", "signed without the label", signature=unlabelled),
        case("signature", "signed by another key", signature=reference.sign_attestation(seed("another"), statement)),
        case("signature", "the group order added to S", signature=malleated),
        case("signature", "cut short", signature=signature[:63]),
        case("statement", "another account", statement=says(account=bytes(8))),
        case("statement", "expired this second", statement=says(expires_at=NOW)),
        case("statement", "another format", statement=other),
        case("statement", "no map", statement=b"\x80"),
        case("statement", "followed by a byte", statement=statement + b"\0"),
        case("disclosure", "another name", disclosures=[name | {"value": "Asha Roy"}]),
        case("disclosure", "another salt", disclosures=[name | {"salt": "00" * 16}]),
        case("disclosure", "the post as the name", disclosures=[post | {"field": "name"}]),
        case("disclosure", "the name twice", disclosures=[name, name]),
    ]


def rendered() -> dict[str, str]:
    """Return the files' contents by name."""
    made = {
        "seal1.json": seal1(),
        "seal2.json": seal2(),
        "service-keys.json": service_keys(),
        "attestation-keys.json": attestation_keys(),
        "tokens.json": tokens(),
        "statements.json": statements(),
        "acts.json": acts(),
        "attestations.json": attestations(),
        "groups.json": groups(),
        "audit.json": audit(),
    }
    return {name: json.dumps(content, indent=2) + "\n" for name, content in made.items()}


if __name__ == "__main__":
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)
