"""Makes the vectors of audit chains, for `tests.vectors.make`: lines written out by hand, signed with OpenSSL."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from tests.vectors import reference
from tests.vectors.reference import SEEDS, base64url, seed

NOW_MS = 1_790_000_000_000
SECRET = "audit secret"  # the label that it comes of
ORDER = 2**252 + 27742317777372353535851937790883648493
ZEROS = bytes(32)
SHORT = {34: '\\"', 92: "\\\\", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}


def text(value: str | None) -> str:
    """Write a JSON string in ASCII, or null."""
    if value is None:
        return "null"
    units, written = value.encode("utf-16-be"), ""
    for at in range(0, len(units), 2):
        unit = int.from_bytes(units[at : at + 2], "big")
        written += SHORT.get(unit) or (chr(unit) if 32 <= unit < 127 else f"\\u{unit:04x}")
    return f'"{written}"'


def id_text(id: bytes) -> str:
    return base64.b32encode(id).decode().rstrip("=").lower()


def sha256(label: str, data: str) -> bytes:
    return hashlib.sha256(f"SANDES1/audit-{label}\0".encode() + data.encode("ascii")).digest()


def key_seed(secret: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=32, person=b"sandes-audit").digest()


def signed(secret: bytes, label: str, statement: str) -> str:
    signature = reference.sign(key_seed(secret), f"SANDES1/audit-{label}\0{statement}".encode("ascii"))
    return f'{statement},"signature":"{base64url(signature)}"'


def key_id(secret: bytes) -> str:
    return base64url(hashlib.sha256(reference.identity_public(key_seed(secret))).digest()[:8])


def body(number: int, details: str) -> str:
    """Write a body. `details` is JSON already."""
    return f'{{"salt":"{base64url(seed(f"audit salt {number}")[:16])}","details":{details}}}'


def entry(secret: bytes, act: dict[str, Any], *, seq: int, at_ms: int, prev: bytes, content: str) -> str:
    """Write a line without its body and its closing brace."""
    statement = (
        f'{{"v":1,"chain":"{act["chain"]}","seq":{seq},"at":{at_ms},"actor":{text(act["actor"])},'
        f'"role":{text(act["role"])},"action":{text(act["action"])},"unit":{text(act["unit"])},'
        f'"subject":{text(act["subject"])},"case":{text(act["case"])},"body":"{base64url(sha256("body", content))}",'
        f'"prev":"{base64url(prev)}","key":"{key_id(secret)}"'
    )
    return signed(secret, "entry", statement)


def heads(secret: bytes, ends: list[tuple[str, int, int, bytes]], *, label: str = "heads") -> str:
    each = ",".join(
        f'{{"chain":"{chain}","seq":{seq},"at":{at},"hash":"{base64url(hash)}"}}' for chain, seq, at, hash in ends
    )
    return signed(secret, label, f'{{"v":1,"at":{NOW_MS},"heads":[{each}],"key":"{key_id(secret)}"') + "}"


def audit() -> dict[str, Any]:
    secret = seed(SECRET)
    chain, unit = id_text(seed("organisation")[:8]), id_text(seed("unit")[:8])
    officer = "01234567-89ab-cdef-0123-456789abcdef"
    plain = {"chain": chain, "actor": "operator", "role": None, "unit": None, "subject": None, "case": None}
    acts: list[tuple[str, dict[str, Any], str, Any]] = [
        ("with nothing but what must be", plain | {"action": "organisation.create"}, "{}", {}),
        (
            "with everything",
            {"chain": chain, "actor": officer, "role": "unit_admin", "action": "unit.rename", "unit": unit}
            | {"subject": unit, "case": base64url(seed("case")[:16])},
            '{"name":["Rail","\\u0930\\u0947\\u0932"]}',
            {"name": ["Rail", "रेल"]},
        ),
        (
            "with texts that look like the marks between parts",
            plain | {"action": "app.create", "subject": ',"signature":"\\', "case": "\U0001f600\n"},
            '{"signature":",\\"content\\":","n":1,"yes":true,"none":null}',
            {"signature": ',"content":', "n": 1, "yes": True, "none": None},
        ),
        ("after one without a body", plain | {"action": "unit.create"}, '{"kind":"office"}', {"kind": "office"}),
    ]
    lines, entries, prev = [], [], ZEROS
    for seq, (name, act, details, value) in enumerate(acts, start=1):
        content, at_ms = body(seq, details), NOW_MS + 1000 * seq
        link = entry(secret, act, seq=seq, at_ms=at_ms, prev=prev, content=content)
        prev = sha256("link", link)
        lines.append(link + (f',"content":{content}}}' if seq != 3 else "}"))
        entries.append(
            {"name": name, "act": act, "details": value, "salt": seed(f"audit salt {seq}")[:16].hex()}
            | {"seq": seq, "at_ms": at_ms, "line": lines[-1], "hash": prev.hex()}
        )
    ends = [(id_text(seed("other organisation")[:8]), 7, NOW_MS, seed("other head")), (chain, 4, NOW_MS + 4000, prev)]
    return {
        "about": "docs/protocol/audit.md. Binary values are hexadecimal; lines are given without their line feed.",
        "seeds": SEEDS,
        "secret_label": SECRET,
        "secret": secret.hex(),
        "public": reference.identity_public(key_seed(secret)).hex(),
        "key": key_id(secret),
        "chain": chain,
        "entries": entries,
        "heads": {
            "at_ms": NOW_MS,
            "heads": [{"chain": c, "seq": seq, "at_ms": at, "hash": hash.hex()} for c, seq, at, hash in sorted(ends)],
            "line": heads(secret, sorted(ends)),
        },
        "refused": _refused(secret, lines, acts[3][1]),
        "refused_heads": [
            {"name": "edited", "line": heads(secret, sorted(ends)).replace('"seq":4', '"seq":5')},
            {"name": "by another key", "line": heads(seed("another"), sorted(ends))},
            {"name": "signed as an entry is", "line": heads(secret, sorted(ends), label="entry")},
            {"name": "an entry", "line": lines[0]},
        ],
    }


def _refused(secret: bytes, lines: list[str], act: dict[str, Any]) -> list[dict[str, Any]]:
    """Return refused chains, each with the first bad entry and its fault. The head of entry 4 is known."""
    third = sha256("link", lines[2].removesuffix("}"))
    content = body(4, '{"kind":"office"}')
    fourth: dict[str, Any] = {"seq": 4, "at_ms": NOW_MS + 4000, "prev": third, "content": content}

    def made(by: bytes = secret, **changed: Any) -> str:
        of = act | changed.pop("act", {})
        return entry(by, of, **fourth | changed) + f',"content":{content}}}'

    def resigned(signature: bytes) -> str:
        at = lines[3].index(',"signature":"') + 14
        return lines[3][:at] + base64url(signature) + lines[3][at + 86 :]

    unlabelled = reference.sign(key_seed(secret), lines[3].partition(',"signature"')[0].encode())
    good = base64.urlsafe_b64decode(lines[3].partition(',"signature":"')[2][:86] + "==")
    malleated = good[:32] + (int.from_bytes(good[32:], "little") + ORDER).to_bytes(32, "little")
    flipped = lines[3].replace(content[-4:], content[-4:].swapcase())
    cases = [
        ("edited", [*lines[:1], lines[1].replace("unit.rename", "unit.remove"), *lines[2:]], 2, "altered"),
        ("its body edited", [*lines[:1], lines[1].replace("Rail", "Mail"), *lines[2:]], 2, "body"),
        ("the last one's body edited", [*lines[:3], flipped], 4, "body"),
        ("dropped", [lines[0], *lines[2:]], 2, "missing"),
        ("swapped", [lines[0], lines[2], lines[1], lines[3]], 2, "missing"),
        ("doubled", [lines[0], lines[0], *lines[1:]], 2, "misplaced"),
        ("cut off", lines[:3], 4, "truncated"),
        (
            "of another chain",
            [*lines[:3], made(act={"chain": id_text(seed("other organisation")[:8])})],
            4,
            "other_chain",
        ),
        ("following another", [*lines[:3], made(prev=ZEROS)], 4, "rewritten"),
        ("written anew with the key", [*lines[:3], made(at_ms=NOW_MS + 4001)], 1, "rewritten"),
        ("by another key", [*lines[:3], made(by=seed("another"))], 4, "other_key"),
        ("signed without the label", [*lines[:3], resigned(unlabelled)], 4, "altered"),
        ("the group order added to S", [*lines[:3], resigned(malleated)], 4, "altered"),
        ("with a blank behind it", [*lines[:3], lines[3] + " "], 4, "format"),
        ("no entry", [*lines[:3], "{}"], 4, "format"),
    ]
    return [{"name": name, "lines": given, "seq": seq, "kind": kind} for name, given, seq, kind in cases]
