"""Captures the log lines of functions."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from logging import StreamHandler

from sandes.edge.telemetry import logger


@contextmanager
def caught_log() -> Iterator[io.StringIO]:
    handler = logger().registered_handler
    assert isinstance(handler, StreamHandler)
    before, handler.stream = handler.stream, io.StringIO()
    try:
        yield handler.stream
    finally:
        handler.stream = before
