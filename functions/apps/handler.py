"""Handles the app API except one-time passwords and groups, its queues, and the expiry of messages."""

from __future__ import annotations

from sandes.edge.apps import batches_http, messages_http, templates_http, webhooks_http
from sandes.edge.http import http_handler, resolver
from sandes.edge.queues.apps import *  # noqa: F403  # its entry points

app = resolver()
app.include_router(messages_http.router)
app.include_router(batches_http.router)
app.include_router(webhooks_http.router)
app.include_router(templates_http.router)
handler = http_handler(app)
