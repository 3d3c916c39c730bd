"""Implements `make run`: the whole system on this machine.

It starts the local engine on loopback, deploys the real CDK app on it, plays the demonstration, prints how to chat, and
stays up until Ctrl-C. All its state is in .local/run, so accounts and undelivered messages survive.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

from rich.console import Console

from sandes_client import Store
from tools.demonstration import play
from tools.demonstration.narrator import Narrator, StepFailed
from tools.demonstration.people import ASHA, RAVI
from tools.engine import Deployment, Engine, EngineError, deploy
from tools.targets import Target

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".local" / "run"
PEOPLE = FOLDER / "people"
ENDPOINTS = FOLDER / "endpoints.json"


_CHAT = f"""
[bold]Chat from two terminals:[/] in one, and in the other:

  .venv/bin/sandes --profile {ASHA.name} chat {RAVI.phone}
  .venv/bin/sandes --profile {RAVI.name} chat {{asha}}

(Asha is an official whose post is not listed: write to her by her account id; nobody finds her by number.)
Messages of the group, with their senders:

  .venv/bin/sandes --profile {RAVI.name} inbox
  .venv/bin/sandes --profile {ASHA.name} group list
"""


def main() -> int:
    parser = Target(prog="make run", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--once",
        action="store_true",
        help="end after the demonstration, with status 1 if it failed (make run ONCE=1)",
    )
    parser.add_argument(
        "--no-demonstration",
        dest="demonstrate",
        action="store_false",
        help="deploy and stay up, without playing the demonstration (make run DEMO=0)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=0,
        help="port of the engine (make run PORT=n); default: the last one, or a free one",
    )
    options = parser.parse_args()
    console = Console()
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell ignores SIGINT for background jobs
        signal.signal(ending, signal.default_int_handler)
    engine = Engine(FOLDER, options.port)
    up = False
    try:
        deployment = _start(engine, console)
        held = not options.demonstrate or _demonstrate(engine, deployment, console)
        if options.once:
            return 0 if held else 1
        if not held:
            console.print("[bold yellow]The engine stays up nevertheless.[/]")
        _explain(engine, deployment, console)
        up = True
        threading.Event().wait()
    except KeyboardInterrupt:
        return 0 if up else 130
    except EngineError as failed:
        _print_failure(engine, str(failed), console)
        return 1
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine is saving its state: one Ctrl-C is enough
        if engine.running:
            console.print("stopping the engine, which saves its state ...")
            engine.stop(lambda text: console.print(f"{text} ...", highlight=False))
    return 0


def _demonstrate(engine: Engine, deployment: Deployment, console: Console) -> bool:
    """Play the demonstration, and return False if it failed.

    Never raise, because somebody may use the engine by now.
    """
    try:
        asyncio.run(play(engine, deployment, PEOPLE, Narrator(console)))
    except StepFailed as failed:
        _print_failure(engine, str(failed), console)
        return False
    except Exception:  # noqa: BLE001  # the boundary: a fault of the demonstration is none of the engine
        console.print_exception()
        _print_failure(engine, "the demonstration ended with the error above", console)
        return False
    console.print("[bold green]Every step of the demonstration succeeded.[/]")
    return True


def _print_failure(engine: Engine, what: str, console: Console) -> None:
    console.print(f"[bold red]failed:[/] {what}", highlight=False)
    console.print(f"the engine's own log is {engine.log.relative_to(ROOT)}", highlight=False)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 1024 to 65535")
    return int(text)


def _start(engine: Engine, console: Console) -> Deployment:
    started = time.monotonic()
    with console.status("starting the local engine") as status:

        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal:
                console.print(f"{text} ...", highlight=False)

        engine.start(say)
        deployment = deploy(engine, say)
    deployment.write(ENDPOINTS)
    seconds = time.monotonic() - started
    (FOLDER / "timing.json").write_text(json.dumps({"ready_seconds": round(seconds, 1)}) + "\n")
    console.print(f"ready after {seconds:.1f} s: engine at {engine.url}, state in {FOLDER.relative_to(ROOT)}")
    return deployment


def _account(person: str) -> str:
    """Return the account of a person of the demonstration, now or earlier, or an empty text if there is none."""
    if not (PEOPLE / f"{person}.sqlite3").exists():
        return ""
    with closing(Store.open(PEOPLE / f"{person}.sqlite3")) as store:
        account = store.profile.account()
        return account.address.account if account else ""


def _explain(engine: Engine, deployment: Deployment, console: Console) -> None:
    home, endpoints, asha = PEOPLE.relative_to(ROOT), ENDPOINTS.relative_to(ROOT), _account(ASHA.name)
    chat = _CHAT.format(asha=asha) if asha else ""
    console.print(
        f"""
[bold]Sandes is running.[/]

  client API  {deployment.http_url}
  websocket   {deployment.websocket_url}
  engine      {engine.url}

[bold]In each terminal, first:[/]

  export SANDES_HOME={home} SANDES_ENDPOINTS={endpoints}
{chat}
Register somebody, and read the SMS with the code:

  .venv/bin/sandes --profile me register +919810000003
  .venv/bin/python -m tools.sms +919810000003

Administer: make yourself a platform administrator, and sign in as it tells you (what needs two people needs a second
administrator):

  make admin EMAIL=you@example.gov.in NAME="Your Name" UNIT=Operations

Ctrl-C stops it; accounts and undelivered messages stay for the next time.
""",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    sys.exit(main())
