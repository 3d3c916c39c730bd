"""Demonstrates a governance app: a code that arrives on the phone, a code by SMS, and a batch of notices."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from nacl.signing import SigningKey

from sandes.model.ids import base64url_text
from sandes_client import DeviceClient, NoticeReceived, OtpReceived, Store, Voided
from sandes_client.app import AppClient, AppCredentials, BatchRow
from sandes_client.keys import IdentityKey
from tools.backstage import Backstage
from tools.demonstration.narrator import Narrator, StepFailed, check
from tools.demonstration.people import RAVI
from tools.engine import Deployment, Engine

STRANGER = "+919810000009"
NOTICES = 200
LOGIN = {"en": "{{ code }} is your code for {{ service }}. Tell it to nobody."}
READY = {"en": "Your file {{ file }} is ready.", "hi": "आपकी फ़ाइल {{ file }} तैयार है।"}


@dataclass(slots=True)
class Apps:
    """Plays after the people, with Ravi's phone."""

    engine: Engine
    deployment: Deployment
    ravi: Store
    backstage: Backstage
    narrator: Narrator

    async def play(self) -> None:
        """Play all steps. Raise StepFailed with the step that failed."""
        step, say = self.narrator.step, self.narrator.say
        async with step("An operator registers an app: the server gets its public key and two templates"):
            credentials = await asyncio.to_thread(self._register)
            say(f"app {credentials.app}, key {credentials.key_name}")
        async with AppClient(credentials) as app, DeviceClient.open(self.ravi) as phone:
            events = phone.events()
            async with step("The app sends Ravi a code; he reads it on his phone, the app verifies it"):
                sent = await app.otps.send(RAVI.phone, "login", variables={"service": "passports"})
                otp = await _next(events, OtpReceived)
                say(f'Ravi reads, from {otp.app.name}: "{otp.text}"')
                wrong = await app.otps.check(sent.id, _other(otp.code))
                say(f"a wrong code: {wrong.result}, {wrong.attempts_left} attempts left")
                check(wrong.result == "incorrect", "a wrong code was not incorrect")
                right = await app.otps.check(sent.id, otp.code)
                check(right.result == "approved", f"the right code was {right.result}")
                void = await _next(events, Voided)
                check(otp.id in void.ids, "another message became invalid")
                say(f"the right code: {right.result}; on the phone it is invalid now: {void.reason}")
            async with step("Somebody without Sandes gets the same answer, and the code by SMS"):
                before = len(self.engine.sms_to(STRANGER))
                sent = await app.otps.send(STRANGER, "login", variables={"service": "passports"})
                code = await self._by_sms(before)
                check((await app.otps.check(sent.id, code)).result == "approved", "the code of the SMS is wrong")
                say(f"SMS to {STRANGER}: approved")
            async with step(f"A batch of {NOTICES} notices, with progress"):
                await self._batch(app, events)

    async def _batch(self, app: AppClient, events: AsyncIterator[Any]) -> None:
        rows = [
            BatchRow(RAVI.phone, variables={"file": f"F-{number}"}, client_ref=f"F-{number}")
            for number in range(NOTICES)
        ]
        made = await app.batches.create(rows=rows, template="ready", language="hi")
        shown = -1

        def progress(batch: Any) -> None:
            nonlocal shown
            if batch.done // 100 > shown or batch.state == "completed":
                shown = batch.done // 100
                self.narrator.say(f"{batch.state}: {batch.done} of {batch.valid}")

        done = await app.batches.wait(made.id, on_progress=progress, poll_seconds=0.5)
        check((done.sent, done.failed, done.invalid) == (NOTICES, 0, 0), f"the counts are {done}")
        texts = [(await _next(events, NoticeReceived)).text for _ in range(NOTICES)]
        check(len(set(texts)) == NOTICES, "a notice came twice, or not at all")
        self.narrator.say(f'on the phone, each once: "{texts[0]}" ...')

    def _register(self) -> AppCredentials:
        key, operate = SigningKey.generate(), self.backstage.operate
        made = operate(
            "app.create",
            name="Passport Seva",
            organisation="External Affairs",
            scopes=["otp", "msg", "batch", "hook"],
            mode="live",
            sms=True,
            keys=[{"public": base64url_text(bytes(key.verify_key))}],
        )
        dlt = {"dlt_entity": "1101000000000000001", "dlt_templates": {"en": "1107000000000000001"}}
        operate("template.put", app=made["app"], name="login", kind="otp", texts=LOGIN, **dlt)
        operate("template.put", app=made["app"], name="ready", kind="message", texts=READY)
        return AppCredentials(
            app=made["app"],
            key=made["keys"][0]["id"].partition(".")[2],
            private_key=IdentityKey(bytes(key)),
            http_url=self.deployment.http_url,
            audience=self.deployment.audience,
        )

    async def _by_sms(self, before: int) -> str:
        while len(texts := await asyncio.to_thread(self.engine.sms_to, STRANGER)) <= before:
            await asyncio.sleep(0.2)
        found = re.match(r"\d{6}", texts[-1])
        if not found:
            raise StepFailed("the SMS holds no code")
        return found[0]


async def _next(events: AsyncIterator[Any], kind: type[Any]) -> Any:
    async for event in events:
        if isinstance(event, kind):
            return event
    raise StepFailed(f"the connection ended before {kind.__name__}")


def _other(code: str) -> str:
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"
