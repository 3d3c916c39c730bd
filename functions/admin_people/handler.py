"""Handles the admin API about people: officials, their requests for verification, and imports."""

from __future__ import annotations

from sandes.edge.admin import imports_http
from sandes.edge.admin.people_http import router as people
from sandes.edge.http import http_handler, resolver
from sandes.edge.queues.imports import *  # noqa: F403  # its entry points

app = resolver()
app.include_router(people)
app.include_router(imports_http.router)
handler = http_handler(app)
