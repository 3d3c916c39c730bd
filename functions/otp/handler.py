"""Handles one-time passwords of the app API, and the queue of their SMS."""

from __future__ import annotations

from sandes.edge.apps import otps_http
from sandes.edge.http import http_handler, resolver
from sandes.edge.queues.otps import *  # noqa: F403  # its entry points

app = resolver()
app.include_router(otps_http.router)
handler = http_handler(app)
