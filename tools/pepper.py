"""Prints the next text of the secret `Pepper`, step by step.

See docs/incidents/pepper.md and docs/adr/0046.

    python -m tools.pepper next                  add a value that will be used
    python -m tools.pepper use --proof PROOF     use it, and keep the value before as the former one
    python -m tools.pepper end --proof PROOF     end the former value
    python -m tools.pepper drop                  remove a value that is not used yet
    python -m tools.pepper show                  print the numbers of the values, and since when they exist

They read the current secret from standard input and print the next text. Nothing is sent anywhere. `sandes-admin pepper
rekey` prints the proof when it has rewritten all rows for the step.
"""

from __future__ import annotations

import argparse
import hmac
import json
import secrets
import string
import sys
import time
from datetime import UTC, datetime
from typing import Any

from sandes.crypto.pepper import Pepper

_ALPHABET = string.ascii_letters + string.digits
_SECRET_CHARACTERS = 64

LONGEST_SECONDS = 31 * 86_400
"""Longer than the life of any data that is neither rewritten nor ended sooner: batches and their rows, 30 days."""


class NotYet(Exception):
    """Reports a step that would lose data still needed, or that was made already."""


def next_value(secret: str, *, now_seconds: int) -> str:
    """Add a value. Rows about numbers are written under both values from then on. Raise NotYet or ValueError."""
    pepper = Pepper.of(secret.encode())
    if len(pepper.values) > 1:
        raise NotYet("a value is being replaced already: end that one first")
    made = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARACTERS))
    added = {"number": pepper.number + 1, "secret": made}
    return _written([*_values(secret), added], in_use=pepper.number, since=now_seconds)


def use(secret: str, *, proof: str, now_seconds: int) -> str:
    """Use the added value. Raise NotYet or ValueError."""
    pepper = Pepper.of(secret.encode())
    if pepper.following is None:
        raise NotYet("there is no added value to use")
    _check_proof(pepper, proof)
    return _written(_values(secret), in_use=pepper.following.number, since=now_seconds)


def end(secret: str, *, proof: str, now_seconds: int) -> str:
    """End the former value. Raise NotYet or ValueError."""
    pepper = Pepper.of(secret.encode())
    if pepper.former is None:
        raise NotYet("there is no former value")
    _check_proof(pepper, proof)
    until = pepper.since + LONGEST_SECONDS
    if now_seconds < until:
        day = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M UTC")
        raise NotYet(f"data that was written under the former value lives until {day}")
    kept = [one for one in _values(secret) if one["number"] == pepper.number]
    return _written(kept, in_use=pepper.number, since=now_seconds)


def drop(secret: str, *, now_seconds: int) -> str:
    """Remove a value that is not used yet. Raise NotYet or ValueError."""
    pepper = Pepper.of(secret.encode())
    if pepper.following is None:
        raise NotYet("there is no unused value")
    kept = [one for one in _values(secret) if one["number"] == pepper.number]
    return _written(kept, in_use=pepper.number, since=now_seconds)


def _check_proof(pepper: Pepper, proof: str) -> None:
    if not hmac.compare_digest(pepper.proof.encode(), proof.encode()):
        raise NotYet("this is not the proof of this step: run `sandes-admin pepper rekey` to its end")


def _values(secret: str) -> list[dict[str, Any]]:
    return list(json.loads(secret)["values"]) if secret.startswith("{") else [{"number": 1, "secret": secret}]


def _written(values: list[dict[str, Any]], *, in_use: int, since: int) -> str:
    text = json.dumps({"values": values, "in_use": in_use, "since": since}, indent=1)
    Pepper.of(text.encode())  # a function would refuse an inconsistent secret at its cold start
    return text


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.pepper", description="Print the next text of the secret Pepper."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("next", help="add a value that will be used")
    for name, what in (("use", "use the added value"), ("end", "end the former value")):
        commands.add_parser(name, help=what).add_argument(
            "--proof", required=True, help="the proof that `sandes-admin pepper rekey` printed at its end"
        )
    commands.add_parser("drop", help="remove a value that is not used yet")
    commands.add_parser("show", help="print the numbers of the values")
    given = parser.parse_args(arguments)
    now = int(time.time())
    try:
        secret = sys.stdin.read().strip()
        match given.command:
            case "next":
                print(next_value(secret, now_seconds=now))
            case "use":
                print(use(secret, proof=given.proof, now_seconds=now))
            case "end":
                print(end(secret, proof=given.proof, now_seconds=now))
            case "drop":
                print(drop(secret, now_seconds=now))
            case _:
                pepper = Pepper.of(secret.encode())
                shown = {"in_use": pepper.number, "since": pepper.since}
                shown |= {"following": pepper.following.number} if pepper.following else {}
                shown |= {"former": pepper.former.number} if pepper.former else {}
                print(json.dumps(shown))
    except (NotYet, ValueError, KeyError) as error:
        sys.exit(f"pepper: {error}")


if __name__ == "__main__":
    main()
