"""The format of the audit chain: signed lines, each with the hash of the previous one (docs/protocol/audit.md).

 statement  {"v":1,"chain":…,"seq":…,"at":…,"actor":…,"role":…,"action":…,"unit":…,"subject":…,"case":…,
             "body":<hash>,"prev":<hash>,"key":…                                  signed
 link       statement + ,"signature":"<86 characters>"                           hashed for the next entry's `prev`
 line       link + ,"content":<body> + }      or, if the body is withheld,       link + }

The hash and the signature cover the bytes of the line itself, so a verifier need not write JSON exactly as this module
does. A line is ASCII. JSON escapes quotation marks, so no text in a statement can contain the mark that ends it.
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
"""The value of `prev` in the first entry."""

SALT_BYTES = 16
_ENTRY, _BODY, _LINK, _HEADS = (f"SANDES1/audit-{name}\0".encode() for name in ("entry", "body", "link", "heads"))
_SIGNATURE, _CONTENT = b',"signature":"', b',"content":'
_SIGNATURE_CHARS = 86
_MIN_SECRET_BYTES = 32
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True, repr=False)
class AuditKey:
    """Holds the Ed25519 key pair that signs entries and heads. Create it with `AuditKey.of(secret)`."""

    public: bytes
    private: bytes

    @classmethod
    def of(cls, secret: bytes) -> AuditKey:
        """Derive the key pair. Raises ValueError if the secret has fewer than 32 bytes."""
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
    """Return the id of a public key in 11 characters. It tells keys apart, but does not prove which key it is."""
    return base64url_text(hashlib.sha256(public).digest()[:8])


def body(details: Mapping[str, Any], salt: bytes) -> bytes:
    """Encode the JSON that an entry binds. The salt keeps a withheld body from being guessed by its hash.

    Raises TypeError or ValueError if `details` are not JSON.
    """
    return _json({"salt": base64url_text(salt), "details": details})


def body_hash(body: bytes) -> bytes:
    return hashlib.sha256(_BODY + body).digest()


def statement(act: Act, *, seq: int, at_ms: int, body_hash: bytes, prev: bytes, key: str) -> bytes:
    """Encode the signed part of an entry: one JSON object in this order, without its closing brace."""
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
    """Return the hash of an entry, which the next entry and the heads contain."""
    return hashlib.sha256(_LINK + _link(statement, signature)).digest()


def line(statement: bytes, signature: bytes, content: bytes | None = None) -> bytes:
    """Return the line of an entry, without the line feed."""
    return _link(statement, signature) + (_CONTENT + content if content is not None else b"") + b"}"


def heads_statement(heads: Iterable[Head], *, at_ms: int, key: str) -> bytes:
    """Encode the signed part of a document of heads, sorted by chain. It becomes a line like that of an entry."""
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
    """Parse a document of heads, without its line feed. Raises ValueError if none of the keys has signed it."""
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
    """Return the statement, the signature and the body of a line. Raises ValueError."""
    statement, mark, rest = line.partition(_SIGNATURE)
    text, quote, content = rest[:_SIGNATURE_CHARS], rest[_SIGNATURE_CHARS:][:1], rest[_SIGNATURE_CHARS + 1 :]
    if not mark or quote != b'"' or not content.endswith(b"}"):
        raise ValueError("not a line of an audit chain")
    if content != b"}" and not content.startswith(_CONTENT):
        raise ValueError("not a line of an audit chain")
    body = content[len(_CONTENT) : -1] if content != b"}" else None
    return statement, parse_base64url(text.decode("ascii")), body


def details_of(entry: Entry) -> dict[str, Any] | None:
    """Return the details of an entry, or None if the body is withheld or is not the one that the entry binds."""
    if entry.body is None or body_hash(entry.body) != entry.body_hash:
        return None
    return json.loads(entry.body)["details"]  # type: ignore[no-any-return]  # `body` made it


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
