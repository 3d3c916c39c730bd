"""Provides the async and the sync client for apps. Both carry out the steps of `calls` with httpx.

Each method is the function of `calls` or `groups` that it names, without the first parameter. See there for parameters,
results and errors.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

import httpx

from sandes_client.app import calls, groups
from sandes_client.app.calls import Pages
from sandes_client.app.credentials import AppCredentials
from sandes_client.app.exchange import TRIES, Caller, Outcome, Pause, Send, Steps
from sandes_client.clock import Chance, Clock, SystemClock

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_SECONDS = 30.0
"""Timeout of a call. The gateway gives up after 29 s."""


class _Async:
    """Is a part of an `AppClient`."""

    def __init__(self, client: AppClient) -> None:
        self.client = client


class _Sync:
    """Is a part of a `SyncAppClient`."""

    def __init__(self, client: SyncAppClient) -> None:
        self.client = client


class _Awaited(Generic[P, T]):
    """Is an async method made from a function that returns steps."""

    def __init__(self, steps: Callable[Concatenate[Caller, P], Steps[T]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    def __get__(self, part: _Async, _: type | None = None) -> Callable[P, Coroutine[Any, Any, T]]:
        client = part.client

        async def method(*args: P.args, **options: P.kwargs) -> T:
            return await client.carry_out(self._steps(client.caller, *args, **options))

        return method


class _Called(Generic[P, T]):
    """Is a sync method made from a function that returns steps."""

    def __init__(self, steps: Callable[Concatenate[Caller, P], Steps[T]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    def __get__(self, part: _Sync, _: type | None = None) -> Callable[P, T]:
        client = part.client

        def method(*args: P.args, **options: P.kwargs) -> T:
            return client.carry_out(self._steps(client.caller, *args, **options))

        return method


class _AsyncItems(Generic[P, T]):
    """Iterates over all pages asynchronously."""

    def __init__(self, pages: Callable[Concatenate[Caller, P], Pages[T]]) -> None:
        self._pages = pages
        self.__doc__ = pages.__doc__

    def __get__(self, part: _Async, _: type | None = None) -> Callable[P, AsyncIterator[T]]:
        client = part.client

        async def method(*args: P.args, **options: P.kwargs) -> AsyncIterator[T]:
            pages, cursor = self._pages(client.caller, *args, **options), None
            while True:
                page = await client.carry_out(pages(cursor))
                for item in page.items:
                    yield item
                if page.seen:
                    page.seen()
                if page.cursor is None:
                    return
                cursor = page.cursor

        return method


class _Items(Generic[P, T]):
    """Iterates over all pages."""

    def __init__(self, pages: Callable[Concatenate[Caller, P], Pages[T]]) -> None:
        self._pages = pages
        self.__doc__ = pages.__doc__

    def __get__(self, part: _Sync, _: type | None = None) -> Callable[P, Iterator[T]]:
        client = part.client

        def method(*args: P.args, **options: P.kwargs) -> Iterator[T]:
            pages, cursor = self._pages(client.caller, *args, **options), None
            while True:
                page = client.carry_out(pages(cursor))
                yield from page.items
                if page.seen:
                    page.seen()
                if page.cursor is None:
                    return
                cursor = page.cursor

        return method


class AsyncOtps(_Async):
    send = _Awaited(calls.send_otp)
    check = _Awaited(calls.check_otp)
    resend = _Awaited(calls.resend_otp)
    get = _Awaited(calls.get_otp)
    cancel = _Awaited(calls.cancel_otp)


class AsyncMessages(_Async):
    send = _Awaited(calls.send_message)
    get = _Awaited(calls.get_message)
    list = _AsyncItems(calls.list_messages)
    recall = _Awaited(calls.recall_message)


class AsyncTemplates(_Async):
    list = _Awaited(calls.list_templates)
    preview = _Awaited(calls.preview_template)


class AsyncBatches(_Async):
    create = _Awaited(calls.create_batch)
    upload = _Awaited(calls.upload_file)
    commit = _Awaited(calls.commit_batch)
    get = _Awaited(calls.get_batch)
    results = _AsyncItems(calls.batch_results)
    cancel = _Awaited(calls.cancel_batch)
    wait = _Awaited(calls.wait_for_batch)


class AsyncGroups(_Async):
    create = _Awaited(groups.create_group)
    list = _AsyncItems(groups.list_groups)
    get = _Awaited(groups.get_group)
    change = _Awaited(groups.change_group)
    dissolve = _Awaited(groups.dissolve_group)
    members = _AsyncItems(groups.group_members)
    put_member = _Awaited(groups.put_member)
    remove_member = _Awaited(groups.remove_member)
    put_roster = _Awaited(groups.put_roster)
    roster = _Awaited(groups.get_roster)
    wait = _Awaited(groups.wait_for_roster)


class AsyncWebhooks(_Async):
    create = _Awaited(calls.create_webhook)
    list = _Awaited(calls.list_webhooks)
    get = _Awaited(calls.get_webhook)
    change = _Awaited(calls.change_webhook)
    delete = _Awaited(calls.delete_webhook)
    test = _Awaited(calls.test_webhook)
    deliveries = _AsyncItems(calls.webhook_deliveries)
    redeliver = _Awaited(calls.redeliver_event)


class AsyncEvents(_Async):
    page = _Awaited(calls.event_page)
    iterate = _AsyncItems(calls.iterate_events)


class SyncOtps(_Sync):
    send = _Called(calls.send_otp)
    check = _Called(calls.check_otp)
    resend = _Called(calls.resend_otp)
    get = _Called(calls.get_otp)
    cancel = _Called(calls.cancel_otp)


class SyncMessages(_Sync):
    send = _Called(calls.send_message)
    get = _Called(calls.get_message)
    list = _Items(calls.list_messages)
    recall = _Called(calls.recall_message)


class SyncTemplates(_Sync):
    list = _Called(calls.list_templates)
    preview = _Called(calls.preview_template)


class SyncBatches(_Sync):
    create = _Called(calls.create_batch)
    upload = _Called(calls.upload_file)
    commit = _Called(calls.commit_batch)
    get = _Called(calls.get_batch)
    results = _Items(calls.batch_results)
    cancel = _Called(calls.cancel_batch)
    wait = _Called(calls.wait_for_batch)


class SyncGroups(_Sync):
    create = _Called(groups.create_group)
    list = _Items(groups.list_groups)
    get = _Called(groups.get_group)
    change = _Called(groups.change_group)
    dissolve = _Called(groups.dissolve_group)
    members = _Items(groups.group_members)
    put_member = _Called(groups.put_member)
    remove_member = _Called(groups.remove_member)
    put_roster = _Called(groups.put_roster)
    roster = _Called(groups.get_roster)
    wait = _Called(groups.wait_for_roster)


class SyncWebhooks(_Sync):
    create = _Called(calls.create_webhook)
    list = _Called(calls.list_webhooks)
    get = _Called(calls.get_webhook)
    change = _Called(calls.change_webhook)
    delete = _Called(calls.delete_webhook)
    test = _Called(calls.test_webhook)
    deliveries = _Items(calls.webhook_deliveries)
    redeliver = _Called(calls.redeliver_event)


class SyncEvents(_Sync):
    page = _Called(calls.event_page)
    iterate = _Items(calls.iterate_events)


class AppClient(_Async):
    """Calls the app API in asyncio: `async with AppClient(AppCredentials.read(path)) as app: await
    app.otps.send(...)`.

    The client signs every call. It repeats a call that gets no answer, or a request to retry, up to `tries` times under
    the same idempotency key, so it happens once. `transport`, `clock` and `chance` are for tests.
    """

    usage = _Awaited(calls.get_usage)

    def __init__(
        self,
        credentials: AppCredentials,
        *,
        tries: int = TRIES,
        timeout_seconds: float = TIMEOUT_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        chance: Chance | None = None,
    ) -> None:
        super().__init__(self)
        self._clock = clock or SystemClock()
        self.caller = Caller(credentials, self._clock.now_ms, chance or Chance(), tries)
        self._http = httpx.AsyncClient(timeout=timeout_seconds, transport=transport)
        self.otps = AsyncOtps(self)
        self.messages = AsyncMessages(self)
        self.templates = AsyncTemplates(self)
        self.batches = AsyncBatches(self)
        self.groups = AsyncGroups(self)
        self.webhooks = AsyncWebhooks(self)
        self.events = AsyncEvents(self)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def carry_out(self, steps: Steps[T]) -> T:
        """Carry out the steps until they return their result."""
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            outcome = None
            if isinstance(step, Pause):
                await self._clock.sleep(step.seconds)
                continue
            try:
                outcome = await self._http.request(**_request(step))
            except httpx.TransportError as error:
                outcome = error


class SyncAppClient(_Sync):
    """Is an `AppClient` for programs without an event loop. The calls are the same and block. Threads may share it."""

    usage = _Called(calls.get_usage)

    def __init__(
        self,
        credentials: AppCredentials,
        *,
        tries: int = TRIES,
        timeout_seconds: float = TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
        now_ms: Callable[[], int] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        chance: Chance | None = None,
    ) -> None:
        super().__init__(self)
        self._sleep = sleep
        self.caller = Caller(credentials, now_ms or SystemClock().now_ms, chance or Chance(), tries)
        self._http = httpx.Client(timeout=timeout_seconds, transport=transport)
        self.otps = SyncOtps(self)
        self.messages = SyncMessages(self)
        self.templates = SyncTemplates(self)
        self.batches = SyncBatches(self)
        self.groups = SyncGroups(self)
        self.webhooks = SyncWebhooks(self)
        self.events = SyncEvents(self)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def carry_out(self, steps: Steps[T]) -> T:
        """Carry out the steps until they return their result."""
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            outcome = None
            if isinstance(step, Pause):
                self._sleep(step.seconds)
                continue
            try:
                outcome = self._http.request(**_request(step))
            except httpx.TransportError as error:
                outcome = error


def _request(send: Send) -> dict[str, Any]:
    return {"method": send.method, "url": send.url, "headers": send.headers, "content": send.content}
