"""Verifies an exported audit chain offline (docs/protocol/audit.md) and finds its first bad entry.

Each entry holds the hash of the line before it, signature included, and the service signs an entry only on top of one
that it has signed. So one valid signature at the end of a run of linked entries proves all of them, and only that
signature is checked, besides those at each head. If something does not fit, bisection finds the first entry without a
valid signature.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

from nacl import bindings
from nacl.exceptions import CryptoError

from sandes_client.ids import base64url_text, parse_base64url

KEY_BYTES = 32
MAX_LINE_BYTES = 1_000_000
_ENTRY, _BODY, _LINK, _HEADS = (f"SANDES1/audit-{name}\0".encode() for name in ("entry", "body", "link", "heads"))
_SIGNATURE, _CONTENT = b',"signature":"', b',"content":'
_SIGNATURE_CHARS, _SIGNATURE_BYTES = 86, 64
_FIRST = base64url_text(bytes(32))
_PROGRESS_ENTRIES = 2_000
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{11}")

Kind = Literal[
    "altered", "body", "missing", "misplaced", "other_chain", "other_key", "rewritten", "truncated", "format", "empty"
]
"""Lists the faults of an entry: see `Fault.text`."""


class HeadsRefused(Exception):
    """Reports a document of heads that no given key has signed. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Holds a fault.

    `seq` is the first bad entry. If that is uncertain, `last` is the last candidate, otherwise the same.

    `line` is the line in the file, from 1. For entries missing at the end, it is one more than there are lines.
    """

    kind: Kind
    seq: int
    line: int
    text: str
    last: int


@dataclass(frozen=True, slots=True)
class Head:
    """Holds the head of a chain. `hash` has 43 characters, base64url. Times are epoch milliseconds."""

    chain: str
    seq: int
    at_ms: int
    hash: str


@dataclass(frozen=True, slots=True)
class HeadsDocument:
    """Holds the heads of all chains at a time, epoch milliseconds."""

    at_ms: int
    heads: list[Head]


@dataclass(frozen=True, slots=True)
class HeadGone:
    """Holds a head that is gone.

    `head` is from one document. In the later one of `at_ms`, the chain ends at `seq`, or is missing: None.
    """

    head: Head
    at_ms: int
    seq: int | None


@dataclass(frozen=True, slots=True)
class Verified:
    """Holds the result.

    `entries` from `first` to `last` are whole, which is the whole file if `fault` is None.

    `withheld` are entries without a body, as first and last of each run. No signature says that a body may be missing,
    because anybody who can write to the table can remove it. `heads` is how many heads agree with the file.
    `unwitnessed` is how many entries are later than the last given head. Nobody can tell whether newer entries are
    missing.
    """

    chain: str | None
    first: int
    last: int
    entries: int
    withheld: tuple[tuple[int, int], ...]
    heads: int
    unwitnessed: int
    fault: Fault | None


def public_keys(given: Iterable[bytes]) -> dict[str, bytes]:
    """Return Ed25519 keys of 32 bytes by the id with which entries name them."""
    return {base64url_text(hashlib.sha256(public).digest()[:8]): public for public in given}


def read_heads(document: bytes, keys: dict[str, bytes]) -> list[Head]:
    """Return the heads of one document. Raise HeadsRefused."""
    return read_document(document, keys).heads


def read_document(document: bytes, keys: dict[str, bytes]) -> HeadsDocument:
    """Read and verify a document of heads. Raise HeadsRefused."""
    line = document.removesuffix(b"\n")
    try:
        statement, _, signature, body = _split(line)
        said = json.loads(statement + b"}")
        if said["v"] != 1 or body is not None:
            raise ValueError("expected format 1")
        at_ms = int(said["at"])
        heads = [Head(str(one["chain"]), int(one["seq"]), int(one["at"]), str(one["hash"])) for one in said["heads"]]
        public = keys.get(said["key"])
    except (KeyError, TypeError, ValueError) as error:
        raise HeadsRefused("it is not a document of heads") from error
    if public is None:
        raise HeadsRefused(f"it is signed with another key, {_shown(said['key'])}")
    if not _is_signed(_HEADS + statement, signature, public):
        raise HeadsRefused("its signature is not valid")
    return HeadsDocument(at_ms, heads)


def gone_heads(documents: Iterable[HeadsDocument]) -> list[HeadGone]:
    """Return chains that are shorter or missing in the next given document. A chain only grows, and never ends."""
    found, latest = list[HeadGone](), dict[str, Head]()
    for document in sorted(documents, key=lambda one: one.at_ms):
        now = {head.chain: head for head in document.heads}
        for chain in sorted(latest):
            head = now.get(chain)
            if head is None or head.seq < latest[chain].seq:
                found.append(HeadGone(latest.pop(chain), document.at_ms, head.seq if head else None))
        latest |= now
    return found


def verify(
    file: BinaryIO,
    *,
    keys: dict[str, bytes],
    heads: Iterable[Head] = (),
    chain: str | None = None,
    part: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> Verified:
    """Verify a file of one chain, from its start.

    Get `keys` (`public_keys`) from a different source than the file.

    `chain` is the expected organisation. Without it, any organisation's chain passes, so compare the first entry's.
    `part` allows a file that begins after the chain's first entry. `progress` gets the number of bytes read so far.
    Raise OSError.
    """
    return _Check(file, keys, part, chain).run(heads, progress)


class _NotWhole(Exception):
    def __init__(self, kind: Kind, seq: int, text: str, *, line: int, last: int | None = None) -> None:
        super().__init__(text)
        self.fault = Fault(kind, seq, line, text, seq if last is None else last)


@dataclass(slots=True)
class _Line:
    statement: bytes
    signature: bytes
    hash: str
    key: str


@dataclass(slots=True)
class _Check:
    file: BinaryIO
    keys: dict[str, bytes]
    part: bool
    chain: str | None
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    first: int = 1
    before: str = _FIRST
    """The hash of the entry before the first in the file."""
    good: _Line | None = None
    """The last entry that is linked to those before it."""
    vouched: int = 0
    """The number of the file's entries that a signature has proved."""
    withheld: list[tuple[int, int]] = field(default_factory=list)
    heads: int = 0
    last_head: int = 0

    @property
    def count(self) -> int:
        return len(self.offsets)

    def run(self, heads: Iterable[Head], progress: Callable[[int], object]) -> Verified:
        given = list(heads)
        fault = None
        try:
            self._read(given, progress)
        except _NotWhole as found:
            fault = found.fault
        whole = self.count if fault is None else max(fault.line - 1, 0)
        last = self.first + whole - 1
        unwitnessed = min(whole, max(last - self.last_head, 0))
        return Verified(self.chain, self.first, last, whole, tuple(self.withheld), self.heads, unwitnessed, fault)

    def _read(self, heads: list[Head], progress: Callable[[int], object]) -> None:
        at, by_seq = 0, None
        for line in iter(lambda: self.file.readline(MAX_LINE_BYTES), b""):
            self._entry(line)
            if by_seq is None:
                by_seq = self._heads_of_chain(heads)
            self.offsets.append(at)
            at += len(line)
            if (seq := self.first + self.count - 1) in by_seq:
                self._check_head(by_seq[seq])
            if self.count % _PROGRESS_ENTRIES == 0:
                progress(at)
        progress(at)
        self._vouch()
        if by_seq is None:
            raise _NotWhole("empty", 1, "There is no entry in the file.", line=1)
        last = self.first + self.count - 1
        if (newest := max(by_seq, default=0)) > last:
            text = f"Entries {last + 1} to {newest} are missing at the end: a signed head has entry {newest}."
            raise _NotWhole("truncated", last + 1, text, line=self.count + 1)

    def _heads_of_chain(self, heads: list[Head]) -> dict[int, list[Head]]:
        """Return the heads by number. The first entry must hold the hash of a head before the file's first entry."""
        by_seq: dict[int, list[Head]] = {}
        for head in heads:
            if head.chain == self.chain and head.seq >= self.first:
                by_seq.setdefault(head.seq, []).append(head)
            elif head.chain == self.chain and head.seq == self.first - 1 and head.hash != self.before:
                text = f"Entry {self.first} does not follow the entry {head.seq} of a signed head."
                raise _NotWhole("rewritten", self.first, text, line=1)
        return by_seq

    def _entry(self, line: bytes) -> None:
        """Add one line, or find its fault or why it does not fit."""
        expected = self.first + self.count
        try:
            if not line.endswith(b"\n"):
                raise ValueError("a line has no end")
            statement, link, signature, body = _split(line[:-1])
            said = json.loads(statement + b"}")
            chain, seq, prev = said["chain"], said["seq"], said["prev"]
            key, body_hash = said["key"], said["body"]
            if said["v"] != 1 or type(seq) is not int or type(key) is not str or type(chain) is not str:
                raise ValueError("expected format 1")
        except (KeyError, TypeError, ValueError, RecursionError):
            self._vouch()
            raise self._bad("format", f"Entry {expected} is damaged: line {self.count + 1} is not an entry.") from None
        made = _Line(statement, signature, base64url_text(hashlib.sha256(_LINK + link).digest()), key)
        if self.good is None:
            self._begin(made, chain, seq, prev)
        elif chain != self.chain or seq != expected or prev != self.good.hash:
            self._misfit(made, chain, seq)
        if key not in self.keys:
            self._vouch()
            raise self._other_key(key)
        if self.good is not None and self.good.key != key:
            self._vouch()
        if body is None:
            self._withhold(self.first + self.count)
        elif base64url_text(hashlib.sha256(_BODY + body).digest()) != body_hash:
            self._vouch()
            seq = self.first + self.count
            if not self._signed(made):
                raise self._bad("altered", f"Entry {seq} was altered: its signature is not valid.")
            raise self._bad("body", f"The body of entry {seq} was altered: it differs from the signed one.")
        self.good = made

    def _withhold(self, seq: int) -> None:
        if self.withheld and self.withheld[-1][1] == seq - 1:
            self.withheld[-1] = (self.withheld[-1][0], seq)
        else:
            self.withheld.append((seq, seq))

    def _begin(self, made: _Line, chain: str, seq: int, prev: str) -> None:
        if made.key not in self.keys:
            raise self._other_key(made.key)
        if self.chain is not None and chain != self.chain:
            if not self._signed(made):
                raise self._bad("altered", f"Entry {self.first} was altered: its signature is not valid.")
            raise self._bad("other_chain", f"The file begins with an entry of another chain, {chain}.")
        self.chain = chain
        if self.part and seq > 1:
            self.first, self.before = seq, prev
            if not self._signed(made):
                raise self._bad("altered", "The first entry was altered: its signature is not valid.")
            return
        if seq != 1:
            if not self._signed(made):
                raise self._bad("altered", "Entry 1 was altered or is missing: line 1 holds no valid signature.")
            raise self._bad("missing", f"Entry 1 is missing: the file begins with entry {seq}.")
        if prev != _FIRST:
            raise self._bad("altered", "Entry 1 was altered: a first entry follows no other.")

    def _misfit(self, made: _Line, chain: str, seq: int) -> None:
        """Raise why an entry does not follow the one before. That one may itself be bad."""
        self._vouch()
        expected = self.first + self.count
        if made.key not in self.keys:
            raise self._other_key(made.key)
        if not self._signed(made):
            raise self._bad("altered", f"Entry {expected} was altered or forged: its signature is not valid.")
        if chain != self.chain:
            text = f"Entry {seq} of another chain, {chain}, is in the place of entry {expected}."
            raise self._bad("other_chain", text)
        if seq > expected:
            raise self._bad("missing", f"Entry {expected} is missing: entry {seq} is in its place.")
        if seq < expected:
            raise self._bad("misplaced", f"Entry {seq} is repeated in the place of entry {expected}.")
        text = (
            f"Entry {expected} is signed, but does not follow entry {expected - 1}: the key has signed two histories."
        )
        raise self._bad("rewritten", text)

    def _check_head(self, heads: Sequence[Head]) -> None:
        good = self.good
        if good is None:
            return
        self._vouch()
        seq = self.first + self.count - 1
        if any(head.hash != good.hash for head in heads):
            since = max(self.last_head + 1, self.first)
            text = (
                f"Entry {seq} is signed, but is not the one of a signed head: entries from {since} on were "
                "rewritten with the key."
            )
            raise _NotWhole("rewritten", since, text, line=since - self.first + 1, last=seq)
        self.heads += len(heads)
        self.last_head = seq

    def _other_key(self, key: str) -> _NotWhole:
        text = f"Entry {self.first + self.count} is signed with a key that was not given, {_shown(key)}."
        return self._bad("other_key", text)

    def _bad(self, kind: Kind, text: str) -> _NotWhole:
        """Return a fault of the line after the added ones."""
        return _NotWhole(kind, self.first + self.count, text, line=self.count + 1)

    def _vouch(self) -> None:
        """Check the signature of the last added entry. If it is invalid, find the first invalid one."""
        if self.good is None or self.vouched == self.count:
            return
        if self._signed(self.good):
            self.vouched = self.count
            return
        low, high = self.vouched, self.count - 1  # the first bad one is among these
        position = self.file.tell()
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._signed(self._line(middle)) else (low, middle)
        self.file.seek(position)
        seq = self.first + low
        raise _NotWhole("altered", seq, f"Entry {seq} was altered: its signature is not valid.", line=low + 1)

    def _line(self, index: int) -> _Line:
        self.file.seek(self.offsets[index])
        statement, _, signature, _ = _split(self.file.readline(MAX_LINE_BYTES)[:-1])
        return _Line(statement, signature, "", json.loads(statement + b"}")["key"])

    def _signed(self, line: _Line) -> bool:
        public = self.keys.get(line.key)
        return public is not None and _is_signed(_ENTRY + line.statement, line.signature, public)


def _split(line: bytes) -> tuple[bytes, bytes, bytes, bytes | None]:
    """Return statement, hashed part, signature text and body. Raise ValueError."""
    end = line.find(_SIGNATURE)
    signed = end + len(_SIGNATURE)
    after = signed + _SIGNATURE_CHARS + 1
    if end < 0 or line[after - 1 : after] != b'"' or line[-1:] != b"}":
        raise ValueError("not a line of an audit chain")
    if len(line) == after + 1:
        body = None
    elif line.startswith(_CONTENT, after):
        body = line[after + len(_CONTENT) : -1]
    else:
        raise ValueError("not a line of an audit chain")
    return line[:end], line[:after], line[signed : after - 1], body


def _is_signed(message: bytes, text: bytes, public: bytes) -> bool:
    try:
        signature = parse_base64url(text.decode("ascii"))
        if len(signature) != _SIGNATURE_BYTES:
            return False
        bindings.crypto_sign_open(signature + message, public)
    except (CryptoError, ValueError, binascii.Error):
        return False
    return True


def _shown(key: object) -> str:
    """Return a key's id if it has the form of one, because unsigned text of a file must not reach a terminal."""
    return key if isinstance(key, str) and _KEY_ID.fullmatch(key) else "which is malformed"


def entry_in(line: bytes) -> dict[str, Any]:
    """Return the content of an entry's line, unchecked. Raise ValueError."""
    said: dict[str, Any] = json.loads(_split(line)[0] + b"}")
    return said
