"""Makes the vectors of the contents of groups' envelopes, for `tests.vectors.make`."""

from __future__ import annotations

from typing import Any

from tests.vectors import reference
from tests.vectors.reference import SEEDS, seed


def groups() -> dict[str, Any]:
    group, actor, subject = seed("group")[:8], seed("account")[:8], seed("other account")[:8]
    body_id, key = seed("body")[:16], seed("content key")
    text = "सभी को नमस्ते".encode()
    data = reference.body(text, key=key, id=body_id)
    pointer = {"id": body_id.hex(), "content_key": key.hex(), "size": len(text)}
    here, apart = {1: group, 2: 7, 3: b"namaste"}, {1: group, 2: 2**32, 4: [body_id, key, len(text)]}
    every = {1: group, 2: 9, 3: 5, 4: actor, 5: subject, 6: "admin", 7: "Camp"}

    def event(name: str, fields: dict[int, Any]) -> dict[str, Any]:
        return {
            "name": name,
            "body": reference.cbor(fields).hex(),
            "group": group.hex(),
            "version": fields[2],
            "change": fields[3],
            **{
                word: fields[field].hex() if isinstance(fields[field], bytes) else fields[field]
                for field, word in ((4, "actor"), (5, "subject"), (6, "role"), (7, "title"))
                if field in fields
            },
        }

    def refused(name: str, *, kind: int, fields: dict[int, Any]) -> dict[str, Any]:
        return {"name": name, "kind": kind, "body": reference.cbor(fields).hex()}

    def other(name: str, *, id: bytes = body_id, content_key: bytes = key, data: bytes = data) -> dict[str, str]:
        return {"name": name, "id": id.hex(), "content_key": content_key.hex(), "data": data.hex()}

    return {
        "about": "docs/protocol/seal2.md. Binary values are hexadecimal.",
        "seeds": SEEDS,
        "messages": [
            {"name": "with its body", "body": reference.cbor(here).hex(), "group": group.hex(), "version": 7}
            | {"text": b"namaste".hex()},
            {"name": "with a pointer", "body": reference.cbor(apart).hex(), "group": group.hex(), "version": 2**32}
            | {"pointer": pointer},
        ],
        "events": [
            event("everything there can be", every),
            *(event(f"change {change} and no more", {1: group, 2: 8, 3: change}) for change in range(1, 10)),
        ],
        "refused": [
            refused("a body and a pointer", kind=2, fields=here | apart),
            refused("neither", kind=2, fields={1: group, 2: 7}),
            refused("a group id of seven bytes", kind=2, fields=here | {1: group[:7]}),
            refused("a body that is text", kind=2, fields=here | {3: "namaste"}),
            refused("a body id of 15 bytes", kind=2, fields=apart | {4: [body_id[:15], key, 1]}),
            refused("a content key of 31 bytes", kind=2, fields=apart | {4: [body_id, key[:31], 1]}),
            refused("a pointer without size", kind=2, fields=apart | {4: [body_id, key]}),
            refused("a change that does not exist", kind=4, fields=every | {3: 10}),
            refused("no change", kind=4, fields={1: group, 2: 9}),
            refused("a version that is text", kind=4, fields=every | {2: "9"}),
            refused("an actor of seven bytes", kind=4, fields=every | {4: actor[:7]}),
        ],
        "bodies": [
            {"name": "of the pointer", **pointer, "plaintext": text.hex(), "data": data.hex()},
            {
                "name": "empty",
                "id": body_id.hex(),
                "content_key": seed("another content key").hex(),
                "size": 0,
                "plaintext": "",
                "data": reference.body(b"", key=seed("another content key"), id=body_id).hex(),
            },
        ],
        "refused_bodies": [
            other("another id", id=seed("another body")[:16]),
            other("another content key", content_key=seed("another content key")),
            other("one bit of the ciphertext changed", data=bytes([data[0] ^ 1]) + data[1:]),
            other("one bit of the tag changed", data=data[:-1] + bytes([data[-1] ^ 1])),
            other("cut short by a byte", data=data[:-1]),
            other("nothing at all", data=b""),
        ],
    }
