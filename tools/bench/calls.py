"""Counts AWS calls of a 1:1 message until it is delivered and acked, at the clients (run by deployed.py)."""

import importlib.util
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from nacl.public import PrivateKey

from sandes.edge.wiring.deliver import wire_deliver
from sandes.edge.wiring.send import wire_send
from sandes.limits import Limit
from sandes.model.envelope import envelope_id
from sandes.model.ids import account_text, base64url_text, parse_message
from tools.bench import canned

FUNCTIONS = Path(__file__).parents[2] / "functions"
SENDERS = 20
MESSAGES_EACH = 40  # a multiple of ten and of eight, so that batches and the writes of the rate limit divide evenly


def _handler(folder: str) -> Any:
    """Load a handler. Two functions have a module with this name."""
    spec = importlib.util.spec_from_file_location(f"{folder}_handler", FUNCTIONS / folder / "handler.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler


class Conversation:
    """Sends messages between pairs of online devices. Recipients ack, with receipts or without."""

    def __init__(self) -> None:
        os.environ.update(canned.ENVIRONMENT)
        self.aws = canned.Aws()
        self.aws.connect()
        wire_send()
        wire_deliver()
        self.send, self.deliver = _handler("send"), _handler("deliver")
        self.seal_public = bytes(PrivateKey.generate().public_key)

    def _call(self, function: Any, author: canned.Person, other: canned.Person, limit: Limit, frame: Any) -> Any:
        self.aws.batch_get = canned.facts(author, other, limit=limit.label, seal_public=self.seal_public)
        answer = json.loads(function(author.event(frame), canned.CONTEXT)["body"])
        if answer["type"] == "error":
            sys.exit(str(answer))
        return answer

    def run(self, *, batch: int, receipts: bool) -> dict[str, Any]:
        """Return the calls for each message.

        `send_calls` counts sends by the number of calls that they made in sequence.
        """
        send_calls: Counter[int] = Counter()
        total = 0
        for _ in range(SENDERS):
            sender, recipient = canned.Person.new(), canned.Person.new()
            waiting: list[str] = []
            receipts_waiting = 0
            for _ in range(MESSAGES_EACH):
                self.aws.calls.clear()
                frame = canned.send_frame(recipient, bytes(587))
                self._call(self.send, sender, recipient, Limit.SENDS, frame)
                send_calls[len(self.aws.calls)] += 1
                total += len(self.aws.calls)
                waiting.append(frame["id"])
                if len(waiting) == batch:
                    total += self._ack(recipient, sender, waiting, receipts=receipts)
                    waiting = []
                    receipts_waiting += receipts
            while receipts_waiting:  # a receipt is an envelope too, which the author's device acks
                acked = min(batch, receipts_waiting)
                ids = [canned.send_frame(sender, b"")["id"] for _ in range(acked)]
                total += self._ack(sender, recipient, ids, receipts=False)
                receipts_waiting -= acked
        return {"calls": total / (SENDERS * MESSAGES_EACH), "send_calls": dict(send_calls)}

    def _ack(self, device: canned.Person, author: canned.Person, messages: list[str], *, receipts: bool) -> int:
        self.aws.calls.clear()
        frame: dict[str, Any] = {
            "type": "ack",
            "ref": "1",
            "ids": [base64url_text(envelope_id(parse_message(id), bytes(8))) for id in messages],
        }
        if receipts:
            frame["receipts"] = [{"to": account_text(author.device.account), "kind": "delivered", "ids": messages}]
        self._call(self.deliver, device, author, Limit.RECEIPTS, frame)
        return len(self.aws.calls)


def main() -> None:
    conversation = Conversation()
    counted = {
        f"{batch}{'r' if receipts else ''}": conversation.run(batch=batch, receipts=receipts)
        for batch in (1, 10)
        for receipts in (False, True)
    }
    sys.stderr.write(json.dumps(counted) + "\n")
