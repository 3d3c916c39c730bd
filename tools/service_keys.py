"""Prints the next text of the secret `SealSecret`, or with `--of attestation` of `AttestationSecret`.

See "Service keys" in docs/runbook.md.

    python -m tools.service_keys root ROOT_FILE            make a root key; keep the file offline
    python -m tools.service_keys [--of attestation] first --root ROOT_FILE
                                                           put the first key under the root, before any device registers
    python -m tools.service_keys [--of attestation] next [--hours 24] [--leaked] [--root ROOT_FILE]
    python -m tools.service_keys [--of attestation] end    end the former keys
    python -m tools.service_keys [--of attestation] show   print the introductions that devices get

All commands except `root` read the current secret from standard input. They print the next one. Nothing is sent
anywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import string
import sys
import time
from pathlib import Path
from typing import Any

import cbor2
from nacl import bindings

from sandes.crypto.attestation import AttestationKeys
from sandes.crypto.introductions import (
    BadKeySecret,
    Keys,
    introduction_statement,
    sign_introduction,
    succession_key,
)
from sandes.crypto.service_keys import ServiceKeys
from sandes.model.introduction import Introduction

_ALPHABET = string.ascii_letters + string.digits
_SECRET_CHARACTERS = 64
_OF: dict[str, type[Keys]] = {"seal": ServiceKeys, "attestation": AttestationKeys}


class NotYet(Exception):
    """Reports a step that would refuse what devices still need."""


class WrongRoot(Exception):
    """Reports a key that differs from the successor that the newest key names."""


def first_with_root(secret: str, *, root: bytes, of: type[Keys] = ServiceKeys) -> str:
    """Let a root key, instead of one derived from the secret, introduce the next key.

    Raise NotYet or BadKeySecret.

    This works only while no device has pinned the first key, because the introduction changes.
    """
    if secret.startswith("{"):
        raise NotYet("only the first key, as the deployment made it, can be put under a root")
    key = of.of(secret.encode()).keys[0]
    statement = introduction_statement(1, key.public, bindings.crypto_sign_seed_keypair(root)[0])
    return _written([_entry(1, secret, 0)], [Introduction(statement, None)], 1, of)


def next_secret(
    secret: str,
    *,
    now_seconds: int,
    in_force_from: int,
    leaked: bool = False,
    root: bytes | None = None,
    of: type[Keys] = ServiceKeys,
) -> str:
    """Add a key that is used from `in_force_from` on.

    Of the earlier keys, only the one in force now is kept.

    With `leaked`, this step ends the earlier keys. Raise WrongRoot or BadKeySecret.
    """
    keys = of.of(secret.encode())
    entries, introductions = _read(secret), list(keys.introductions)
    newest = keys.keys[-1]
    successor = cbor2.loads(introductions[-1].statement)[4]
    public, private = bindings.crypto_sign_seed_keypair(root) if root else _derived(entries, of)
    if public != successor:
        raise WrongRoot("another key introduces the one after the newest: give its root")
    number, made = newest.number + 1, "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARACTERS))
    following = public if root else succession_key(made.encode(), number, of.purpose)[0]
    statement = introduction_statement(number, of.key(number, made.encode()).public, following)
    introductions.append(Introduction(statement, sign_introduction(statement, private, of.purpose)))
    added = _entry(number, made, in_force_from)
    if leaked:
        return _written([added], introductions, number, of)
    in_force = keys.at(now_seconds).number
    kept = [one for one in entries if one["number"] >= in_force]
    return _written([*kept, added], introductions, keys.oldest, of)


def end_former(secret: str, *, now_seconds: int, of: type[Keys] = ServiceKeys) -> str:
    """End all keys except the newest. Devices then refuse what the others sealed or signed.

    Raise NotYet before the newest is in force.
    """
    keys, entries = of.of(secret.encode()), _read(secret)
    if keys.at(now_seconds) != keys.keys[-1]:
        raise NotYet("the newest key is not in force yet")
    return _written(entries[-1:], keys.introductions, keys.keys[-1].number, of)


def _read(secret: str) -> list[dict[str, Any]]:
    return json.loads(secret)["keys"] if secret.startswith("{") else [_entry(1, secret, 0)]


def _derived(entries: list[dict[str, Any]], of: type[Keys]) -> tuple[bytes, bytes]:
    newest = entries[-1]
    return succession_key(newest["secret"].encode(), newest["number"], of.purpose)


def _entry(number: int, secret: str, in_force_from: int) -> dict[str, Any]:
    return {"number": number, "secret": secret, "in_force_from": in_force_from}


def _written(entries: list[dict[str, Any]], introductions: Any, oldest: int, of: type[Keys]) -> str:
    told = {"keys": entries, "introductions": [one.written for one in introductions], "oldest": oldest}
    text = json.dumps(told, indent=1)
    of.of(text.encode())  # a function would refuse an inconsistent secret at its cold start
    return text


def _new_root(path: Path) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.token_hex(32) + "\n")


def _root_of(path: Path | None) -> bytes | None:
    if path is None:
        return None
    seed = bytes.fromhex(path.read_text().strip())
    if len(seed) != 32:
        raise ValueError(f"{path} is not a root key: expected 64 hexadecimal digits")
    return seed


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Print the next text of the secret SealSecret or AttestationSecret.")
    parser.add_argument("--of", choices=list(_OF), default="seal", help="which keys; default: seal")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("root", help="make a root key").add_argument("file", type=Path)
    commands.add_parser("first", help="put the first key under a root").add_argument("--root", type=Path, required=True)
    following = commands.add_parser("next", help="add a key")
    following.add_argument("--hours", type=float, default=24, help="hours until it comes into force; default: 24")
    following.add_argument("--leaked", action="store_true", help="put it in force now, and end the keys before")
    following.add_argument("--root", type=Path)
    commands.add_parser("end", help="end the former keys")
    commands.add_parser("show", help="print what devices get")
    given = parser.parse_args(arguments)
    now, of = int(time.time()), _OF[given.of]
    try:
        if given.command == "root":
            _new_root(given.file)
            print(f"Wrote {given.file}. Keep it offline, in two places, and delete it here. Nobody can make it again.")
            return
        secret = sys.stdin.read().strip()
        match given.command:
            case "first":
                print(first_with_root(secret, root=_root_of(given.root) or b"", of=of))
            case "next":
                from_seconds = 0 if given.leaked else now + round(given.hours * 3600)
                root = _root_of(given.root)
                print(
                    next_secret(
                        secret, now_seconds=now, in_force_from=from_seconds, leaked=given.leaked, root=root, of=of
                    )
                )
            case "end":
                print(end_former(secret, now_seconds=now, of=of))
            case _:
                keys = of.of(secret.encode())
                shown = {"oldest": keys.oldest, "introductions": [one.written for one in keys.introductions]}
                print(json.dumps(shown, indent=1))
    except (BadKeySecret, NotYet, WrongRoot, ValueError, OSError) as error:
        sys.exit(f"service_keys: {error}")


if __name__ == "__main__":
    main()
