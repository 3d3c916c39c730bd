"""Makes the vectors of `seal2` and of the service's keys, for `tests.vectors.make`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from tests.vectors import reference
from tests.vectors.reference import SEEDS, seed

NOW = 1_790_000_000
MESSAGE = bytes.fromhex("01a0c4506c00700080000000000000aa")
INBOX, ACCOUNT, OTHER = seed("inbox")[:16], seed("account")[:8], seed("other account")[:8]
DEVICE_SECRET = seed("seal secret")
SERVICE_SECRET = reference.service_key_secret(seed("service secret"), 1)
SMALL_ORDER = {
    "0": bytes(32),
    "1": b"\1" + bytes(31),
    "order 8": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    "order 8, the other one": bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    "p - 1": bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "p": bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "p + 1": bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
}


def contents() -> list[tuple[str, dict[str, Any]]]:
    """Return the contents of envelopes, with a name for each."""
    receipt = reference.cbor({1: 2, 2: [MESSAGE, bytes.fromhex("01a0c4506c01700080000000000000ab")]})
    otp = reference.cbor({1: "012345 is your code for passports.", 2: "012345", 3: NOW + 300, 4: "login"})
    notice = reference.cbor({1: "Passport ready", 2: "notice", 3: True, 4: "high", 5: "en"})
    void = reference.cbor({1: 1, 2: [MESSAGE, bytes.fromhex("01a0c4506c01700080000000000000ab")], 3: "used"})
    return [
        ("a message from a public account", {"kind": 1, "class": 2, "body": b"namaste"}),
        ("an empty body", {"kind": 1, "class": 2, "body": b""}),
        ("a verified sender, device 255", {"kind": 1, "class": 1, "body": b"\x00\xff" * 150, "device": 255}),
        ("a body whose length takes four bytes", {"kind": 1, "class": 2, "body": bytes(65_536)}),
        ("a receipt for two messages", {"kind": 3, "class": 2, "body": receipt}),
        ("a one-time password from an app", {"kind": 6, "class": 3, "body": otp, "app": "Passport Seva"}),
        ("a notice from an app whose name is not ASCII", {"kind": 5, "class": 3, "body": notice, "app": "पासपोर्ट"}),
        ("an app voids two messages of its own", {"kind": 7, "class": 3, "body": void, "app": "Passport Seva"}),
        (
            "a message to a group",
            {"kind": 2, "class": 1, "body": reference.cbor({1: seed("group")[:8], 2: 7, 3: b"x"})},
        ),
        (
            "an app's notice to a group",
            {
                "kind": 2,
                "class": 3,
                "body": reference.cbor({1: seed("group")[:8], 2: 7, 3: notice}),
                "app": "Passport Seva",
            },
        ),
        ("an event of a group", {"kind": 4, "class": 2, "body": reference.cbor({1: seed("group")[:8], 2: 8, 3: 3})}),
    ]


def plaintext_of(content: dict[str, Any], at_ms: int) -> bytes:
    return reference.cbor(
        {
            1: 1,
            2: MESSAGE,
            3: [ACCOUNT, content.get("app", content.get("device", 1))],
            4: content["class"],
            5: OTHER,
            6: content["kind"],
            7: at_ms,
            8: content["body"],
        }
    )


def content_of(content: dict[str, Any], at_ms: int, *, large: bool) -> dict[str, Any]:
    named = (
        {"sender_app": ACCOUNT.hex(), "sender_name": content["app"]}
        if "app" in content
        else {"sender_account": ACCOUNT.hex(), "sender_device": content.get("device", 1)}
    )
    return {
        "message": MESSAGE.hex(),
        **named,
        "sender_class": content["class"],
        "to": OTHER.hex(),
        "kind": content["kind"],
        "at_ms": at_ms,
        "body": {"zero_bytes": len(content["body"])} if large else content["body"].hex(),
    }


def seal2() -> dict[str, Any]:
    public, service = reference.public_of(DEVICE_SECRET), reference.public_of(SERVICE_SECRET)
    sealed = [_sealed(number, name, content) for number, (name, content) in enumerate(contents())]
    first = next(case for case in sealed if "sealed" in case)
    return {
        "about": "docs/protocol/seal2.md. Binary values are hexadecimal. Large ones are given by their SHA-256.",
        "seeds": SEEDS,
        "seal_label": "seal secret",
        "seal_secret": DEVICE_SECRET.hex(),
        "seal_public": public.hex(),
        "service_label": "service secret",
        "service_key": 1,
        "service_secret": SERVICE_SECRET.hex(),
        "service_public": service.hex(),
        "sealed": sealed,
        "one_ephemeral_key": _chunk(),
        "refused": _refused(bytes.fromhex(first["header"]), bytes.fromhex(first["sealed"])),
    }


def _sealed(number: int, name: str, content: dict[str, Any]) -> dict[str, Any]:
    public, service = reference.public_of(DEVICE_SECRET), reference.public_of(SERVICE_SECRET)
    head = reference.header2(
        message=MESSAGE, inbox=INBOX, key_number=number + 1, expires_at=NOW + number, service_key=1
    )
    label = f"ephemeral secret {number}"
    plaintext = plaintext_of(content, NOW * 1000 + number)
    share = reference.public_of(seed(label))
    first, second = reference.exchange(seed(label), public), reference.exchange(SERVICE_SECRET, public)
    whole = reference.seal2(
        plaintext, ephemeral=seed(label), service_secret=SERVICE_SECRET, seal_public=public, header=head
    )
    large = len(plaintext) > 1_000
    return {
        "name": name,
        "content": content_of(content, NOW * 1000 + number, large=large),
        "header": head.hex(),
        "header_fields": {
            "version": 2,
            "message": MESSAGE.hex(),
            "inbox": INBOX.hex(),
            "key_number": number + 1,
            "expires_at": NOW + number,
            "service_key": 1,
        },
        "ephemeral_label": label,
        "ephemeral_secret": seed(label).hex(),
        "ephemeral_public": share.hex(),
        "shared_secret_ephemeral": first.hex(),
        "shared_secret_service": second.hex(),
        "key": reference.seal2_key(first, second, share=share, device=public, service=service, header=head).hex(),
        "plaintext_bytes": len(plaintext),
        "plaintext_sha256": hashlib.sha256(plaintext).hexdigest(),
        "sealed_sha256": hashlib.sha256(whole).hexdigest(),
    } | ({} if large else {"plaintext": plaintext.hex(), "sealed": whole.hex()})


def _chunk() -> list[dict[str, str]]:
    """Seal one content to several devices with one ephemeral key, as the service may, also to two devices with the same
    key.
    """
    rows = []
    for name, secret, inbox in (
        ("one device", DEVICE_SECRET, INBOX),
        ("another device", seed("another seal secret"), seed("another inbox")[:16]),
        ("a device with a copy of the first one's key", DEVICE_SECRET, seed("a third inbox")[:16]),
    ):
        head = reference.header2(message=MESSAGE, inbox=inbox, key_number=1, expires_at=NOW, service_key=1)
        sealed = reference.seal2(
            b"the same for all",
            ephemeral=seed("ephemeral secret of a chunk"),
            service_secret=SERVICE_SECRET,
            seal_public=reference.public_of(secret),
            header=head,
        )
        rows.append({"name": name, "seal_secret": secret.hex(), "header": head.hex(), "sealed": sealed.hex()})
    return rows


def _refused(head: bytes, sealed: bytes) -> list[dict[str, str]]:
    """Return refused envelopes. `at` unseal: the bytes do not open. `at` content: they open, but the content must not
    be shown. `reason` is the reason that the application gets.
    """
    public, service = reference.public_of(DEVICE_SECRET), reference.public_of(SERVICE_SECRET)
    attacker = seed("somebody who can write into the inbox")

    def case(at: str, name: str, *, reason: str | None = None, **given: bytes) -> dict[str, str]:
        values = {"seal_secret": DEVICE_SECRET, "service_public": service, "header": head, "sealed": sealed} | given
        told = reason or ("not_from_service" if at == "unseal" else "unreadable")
        return {"name": name, "at": at, "reason": told} | {key: value.hex() for key, value in values.items()}

    good: dict[int, Any] = {1: 1, 2: MESSAGE, 3: [bytes(8), 1], 4: 2, 5: bytes(8), 6: 1, 7: NOW * 1000, 8: b"x"}

    def inside(fields: dict[int, Any], *, header: bytes = head, service_secret: bytes = SERVICE_SECRET) -> bytes:
        return reference.seal2(
            reference.cbor(fields),
            ephemeral=seed("refused"),
            service_secret=service_secret,
            seal_public=public,
            header=header,
        )

    def named_as_the_service() -> bytes:
        """Seal as an attacker who has no private key of the service and leaves out its share of the key."""
        share = reference.public_of(attacker)
        first = reference.exchange(attacker, public)
        key = reference.seal2_key(first, first, share=share, device=public, service=service, header=head)
        return share + reference.encrypt(reference.cbor(good), key=key)

    def without_the_service() -> bytes:
        share = reference.public_of(attacker)
        key = reference.hkdf(
            reference.exchange(attacker, public), salt=b"SANDES1/seal2", info=share + public + service + head
        )
        return share + reference.encrypt(reference.cbor(good), key=key)

    seal1_head = reference.header(message=MESSAGE, inbox=INBOX, key_number=1, expires_at=NOW)
    seal1 = reference.seal(reference.cbor(good), ephemeral=attacker, seal_public=public, associated=seal1_head)
    seal1_as_2 = reference.seal(reference.cbor(good), ephemeral=attacker, seal_public=public, associated=head)
    moved = head[:17] + seed("another inbox")[:16] + head[33:]
    return [
        case("unseal", "sealed by another key than the service's", sealed=inside(good, service_secret=attacker)),
        case("unseal", "sealed with the ephemeral result in place of the service's", sealed=named_as_the_service()),
        case("unseal", "sealed without the service's result", sealed=without_the_service()),
        case("unseal", "opened with another key of the service", service_public=reference.public_of(attacker)),
        case("unseal", "seal1 under a header of version 2", sealed=seal1_as_2),
        case("format", "seal1 as anybody can write it", reason="former_format", header=seal1_head, sealed=seal1),
        case("unseal", "moved to another inbox", header=moved),
        case("unseal", "one bit of the header changed", header=head[:40] + bytes([head[40] ^ 1]) + head[41:]),
        case("unseal", "another key number in the header", header=head[:33] + b"\0\0\0\2" + head[37:]),
        case("unseal", "another number of the service's key in the header", header=head[:-1] + b"\2"),
        case(
            "unseal", "one bit of the ciphertext changed", sealed=sealed[:40] + bytes([sealed[40] ^ 128]) + sealed[41:]
        ),
        case("unseal", "one bit of the tag changed", sealed=sealed[:-1] + bytes([sealed[-1] ^ 1])),
        case("unseal", "the unused top bit of E set", sealed=sealed[:31] + bytes([sealed[31] ^ 128]) + sealed[32:]),
        case("unseal", "another seal key", seal_secret=seed("another seal secret")),
        case("unseal", "cut short by a byte", sealed=sealed[:-1]),
        case("unseal", "shorter than E and tag", sealed=sealed[:47]),
        case("unseal", "nothing at all", sealed=b""),
        *(
            case("unseal", f"E is {name}: the X25519 result is all zero", sealed=point + sealed[32:])
            for name, point in SMALL_ORDER.items()
        ),
        *(
            case("unseal", f"the service's key is {name}: the X25519 result is all zero", service_public=point)
            for name, point in SMALL_ORDER.items()
        ),
        case("format", "a header of version 3", reason="unreadable", header=b"\3" + head[1:]),
        case("format", "a header of version 2 without the service's key", reason="unreadable", header=head[:45]),
        case("content", "version 2 in the content", sealed=inside(good | {1: 2})),
        case("content", "another message id inside than in the header", sealed=inside(good | {2: bytes(16)})),
        case("content", "a kind that does not exist", sealed=inside(good | {6: 8})),
        case("content", "a class that does not exist", sealed=inside(good | {4: 3})),
        case("content", "no body", sealed=inside({key: good[key] for key in range(1, 8)})),
    ]


def service_keys() -> dict[str, Any]:
    def public(secret: bytes, number: int) -> bytes:
        return reference.public_of(reference.service_key_secret(secret, number))

    return _key_lists("service", reference.SERVICE_KEY, reference.ATTESTATION_KEY, "seal_public", public)


def attestation_keys() -> dict[str, Any]:
    def public(secret: bytes, number: int) -> bytes:
        return reference.identity_public(reference.attestation_seed(secret, number))

    return _key_lists("attestation", reference.ATTESTATION_KEY, reference.SERVICE_KEY, "public", public)


def _key_lists(
    of: str, label: bytes, other_label: bytes, public_name: str, public_of: Callable[[bytes, int], bytes]
) -> dict[str, Any]:
    """Return lists of introductions, with the keys that a client accepts, and the refused lists."""
    labels = {number: f"{of} secret {number}" if number > 1 else f"{of} secret" for number in range(1, 5)}
    secrets = {number: seed(text) for number, text in labels.items()}
    publics = {n: public_of(secrets[n], n) for n in secrets}
    seeds = {n: reference.succession_seed(secrets[n], n, label) for n in secrets}
    statements = {n: reference.introduction(n, publics[n], reference.identity_public(seeds[n])) for n in secrets}

    def entry(number: int, *, by: bytes | None = None, statement: bytes | None = None) -> dict[str, str]:
        said = statements[number] if statement is None else statement
        if number == 1 and by is None:
            return {"statement": said.hex()}
        signed = reference.sign_introduction(seeds[number - 1] if by is None else by, said, label)
        return {"statement": said.hex(), "signature": signed.hex()}

    def accepted(
        name: str, *, pinned: list[int], given: list[int], oldest: int, afterwards: list[int]
    ) -> dict[str, Any]:
        told = {"oldest": oldest, "introductions": [entry(number) for number in given]}
        return {"name": name, "pinned": _pinned(statements, pinned), "told": told, "afterwards": afterwards}

    def refused(
        name: str, introductions: list[dict[str, str]], *, oldest: int = 1, pinned: tuple[int, ...] = (1,)
    ) -> Any:
        told = {"oldest": oldest, "introductions": introductions}
        return {"name": name, "pinned": _pinned(statements, list(pinned)), "told": told}

    thief = seed("somebody else")
    theirs = reference.introduction(2, reference.public_of(thief), reference.identity_public(thief))
    other_first = reference.introduction(1, reference.public_of(thief), reference.identity_public(thief))
    unlabelled = {"statement": statements[2].hex(), "signature": reference.sign(seeds[1], statements[2]).hex()}
    for_other = {
        "statement": statements[2].hex(),
        "signature": reference.sign_introduction(seeds[1], statements[2], other_label).hex(),
    }
    return {
        "about": f"docs/protocol/{of if of == 'attestation' else 'service-keys'}.md. Binary values are hexadecimal.",
        "seeds": SEEDS,
        "secrets": [
            {
                "number": n,
                "label": labels[n],
                "secret": secrets[n].hex(),
                public_name: publics[n].hex(),
                "successor_public": reference.identity_public(seeds[n]).hex(),
                "statement": statements[n].hex(),
            }
            for n in secrets
        ],
        "accepted": [
            accepted("the first time", pinned=[], given=[1], oldest=1, afterwards=[1]),
            accepted("the first time, after two changes", pinned=[], given=[1, 2, 3], oldest=2, afterwards=[1, 2, 3]),
            accepted("the same as before", pinned=[1], given=[1], oldest=1, afterwards=[1]),
            accepted("a second key", pinned=[1], given=[1, 2], oldest=1, afterwards=[1, 2]),
            accepted("two more keys at once", pinned=[1], given=[1, 2, 3], oldest=3, afterwards=[1, 2, 3]),
            accepted("earlier introductions are left out", pinned=[1, 2], given=[2, 3], oldest=2, afterwards=[1, 2, 3]),
            accepted("only the new one", pinned=[1, 2], given=[3], oldest=2, afterwards=[1, 2, 3]),
        ],
        "refused": [
            refused("another first key", [entry(1, statement=other_first, by=thief)]),
            refused("a second key without signature", [entry(1), {"statement": statements[2].hex()}]),
            refused("a second key signed by somebody else", [entry(1), entry(2, by=thief)]),
            refused("a second key signed by itself", [entry(1), entry(2, by=seeds[2])]),
            refused("a second key of somebody else", [entry(1), entry(2, statement=theirs, by=thief)]),
            refused("signed without the label", [entry(1), unlabelled]),
            refused("signed for the other purpose", [entry(1), for_other]),
            refused("a key before the pinned one", [entry(1), entry(2)], pinned=(2,)),
            refused("a gap", [entry(1), entry(3)]),
            refused("a gap after what is pinned", [entry(3)]),
            refused("in another order", [entry(2), entry(1)]),
            refused("the same twice", [entry(1), entry(1)]),
            refused(
                "another second key than the pinned one",
                [entry(1), entry(2, statement=theirs, by=seeds[1])],
                pinned=(1, 2),
            ),
            refused("fewer keys than are pinned", [entry(1)], pinned=(1, 2)),
            refused("no key", [], pinned=()),
            refused("every key ended", [entry(1)], oldest=2),
            refused("a gap the first time", [entry(1), entry(3)], pinned=()),
            refused("a wrong signature the first time", [entry(1), entry(2, by=thief)], pinned=()),
            refused(
                "a statement with one key more", [{"statement": _with_one_more(statements[1], publics[1])}], pinned=()
            ),
            refused("a statement cut short", [{"statement": statements[1][:-1].hex()}], pinned=()),
        ],
    }


def _pinned(statements: dict[int, bytes], numbers: list[int]) -> list[dict[str, Any]]:
    return [{"number": number, "statement": statements[number].hex()} for number in numbers]


def _with_one_more(statement: bytes, public: bytes) -> str:
    return (b"\xa5" + statement[1:] + reference.cbor(5) + reference.cbor(public)).hex()
