"""The audit chain's format: lines, each signed and with the hash of the one before in it (docs/protocol/audit.md).

    statement  {"v":1,"chain":…,"seq":…,"at":…,"actor":…,"role":…,"action":…,"unit":…,"subject":…,"case":…,
               "body":<hash>,"prev":<hash>,"key":…                                  signed
    link       statement + ,"signature":"<86 characters>"                           hashed for the next entry's `prev`
    line       link + ,"content":<body> + }      or, where the body is withheld,    link + }

What is hashed and signed are the line's own bytes, so whoever checks a line need not write JSON as this module does.
All of a line is ASCII. No text in a statement can hold the mark that ends it, because JSON escapes quotation marks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nacl import bindings
from nacl.exceptions import BadSignatureError

from sandes.model.audit import Act, Entry, Head
from sandes.model.ids import base64url_text, id_text, parse_base64url, parse_organisation

FIRST = bytes(32)
"""What stands in place of the hash of an entry before the first."""

SALT_BYTES = 16
_ENTRY, _BODY, _LINK, _HEADS = (f"SANDES1/audit-{name}\0".encode() for name in ("entry", "body", "link", "heads"))
_SIGNATURE, _CONTENT = b',"signature":"', b',"content":'
_SIGNATURE_CHARS = 86
_MIN_SECRET_BYTES = 32
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True, repr=False)
class AuditKey:
    """The Ed25519 key pair that entries and heads are signed with. Made with `AuditKey.of(secret)`."""

    public: bytes
    private: bytes

    @classmethod
    def of(cls, secret: bytes) -> AuditKey:
        """Raises ValueError for a secret of fewer than 32 bytes."""
        if len(secret) < _MIN_SECRET_BYTES:
            raise ValueError("the secret of the audit chain needs at least 32 bytes")
        seed = hashlib.blake2b(secret, digest_size=32, person=b"sandes-audit").digest()
        return cls(*bindings.crypto_sign_seed_keypair(seed))

    @property
    def id(self) -> str:
        return key_id(self.public)

    def sign_entry(self, statement: bytes) -> bytes:
        return bindings.crypto_sign(_ENTRY + statement, self.private)[:_SIGNATURE_BYTES]

    def sign_heads(self, statement: bytes) -> bytes:
        return bindings.crypto_sign(_HEADS + statement, self.private)[:_SIGNATURE_BYTES]


def key_id(public: bytes) -> str:
    """11 characters: enough to tell keys apart, not to stand for one."""
    return base64url_text(hashlib.sha256(public).digest()[:8])


def body(details: Mapping[str, Any], salt: bytes) -> bytes:
    """The JSON that an entry binds. The salt keeps what is withheld from being guessed by its hash.

    Raises TypeError or ValueError for what is no JSON.
    """
    return _json({"salt": base64url_text(salt), "details": details})


def body_hash(body: bytes) -> bytes:
    return hashlib.sha256(_BODY + body).digest()


def statement(act: Act, *, seq: int, at_ms: int, body_hash: bytes, prev: bytes, key: str) -> bytes:
    """What is signed of an entry: one JSON object in this order, without the brace that closes it."""
    return _open(
        {
            "v": 1,
            "chain": id_text(act.organisation),
            "seq": seq,
            "at": at_ms,
            "actor": act.actor,
            "role": act.role,
            "action": act.action,
            "unit": id_text(act.unit) if act.unit is not None else None,
            "subject": act.subject,
            "case": act.case,
            "body": base64url_text(body_hash),
            "prev": base64url_text(prev),
            "key": key,
        }
    )


def link_hash(statement: bytes, signature: bytes) -> bytes:
    """The hash of an entry: what the next one holds of it, and heads."""
    return hashlib.sha256(_LINK + _link(statement, signature)).digest()


def line(statement: bytes, signature: bytes, content: bytes | None = None) -> bytes:
    """Without the line feed."""
    return _link(statement, signature) + (_CONTENT + content if content is not None else b"") + b"}"


def heads_statement(heads: Iterable[Head], *, at_ms: int, key: str) -> bytes:
    """What is signed of a document of heads, in the order of chains; it becomes a line as an entry's does."""
    return _open(
        {
            "v": 1,
            "at": at_ms,
            "heads": [
                {"chain": id_text(head.chain), "seq": head.seq, "at": head.at_ms, "hash": base64url_text(head.hash)}
                for head in sorted(heads, key=lambda head: head.chain)
            ],
            "key": key,
        }
    )


def read_heads(line: bytes, publics: Iterable[bytes]) -> list[Head]:
    """Of a document without its line feed. Raises ValueError for one that none of the keys has signed."""
    statement, signature, body = split(line)
    if body is not None or not any(is_signed_heads(statement, signature, public) for public in publics):
        raise ValueError("not a document of heads that the key has signed")
    return [
        Head(parse_organisation(one["chain"]), one["seq"], one["at"], parse_base64url(one["hash"]))
        for one in json.loads(statement + b"}")["heads"]
    ]


def is_signed_entry(statement: bytes, signature: bytes, public: bytes) -> bool:
    return _is_signed(_ENTRY + statement, signature, public)


def is_signed_heads(statement: bytes, signature: bytes, public: bytes) -> bool:
    return _is_signed(_HEADS + statement, signature, public)


def split(line: bytes) -> tuple[bytes, bytes, bytes | None]:
    """Statement, signature and body of a line. Raises ValueError."""
    statement, mark, rest = line.partition(_SIGNATURE)
    text, quote, content = rest[:_SIGNATURE_CHARS], rest[_SIGNATURE_CHARS:][:1], rest[_SIGNATURE_CHARS + 1 :]
    if not mark or quote != b'"' or not content.endswith(b"}"):
        raise ValueError("not a line of an audit chain")
    if content != b"}" and not content.startswith(_CONTENT):
        raise ValueError("not a line of an audit chain")
    body = content[len(_CONTENT) : -1] if content != b"}" else None
    return statement, parse_base64url(text.decode("ascii")), body


def details_of(entry: Entry) -> dict[str, Any] | None:
    """None where the body is withheld, or is not the one that the entry binds."""
    if entry.body is None or body_hash(entry.body) != entry.body_hash:
        return None
    return json.loads(entry.body)["details"]  # type: ignore[no-any-return]  # made by `body`


def _link(statement: bytes, signature: bytes) -> bytes:
    return statement + _SIGNATURE + base64url_text(signature).encode() + b'"'


def _open(value: Mapping[str, Any]) -> bytes:
    return _json(value)[:-1]


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def _is_signed(message: bytes, signature: bytes, public: bytes) -> bool:
    if len(signature) != _SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True
