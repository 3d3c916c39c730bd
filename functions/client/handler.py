"""Handles the client API."""

from __future__ import annotations

from sandes.edge.client import devices_http
from sandes.edge.client.groups_http import router as groups
from sandes.edge.client.people_http import router as people
from sandes.edge.http import http_handler, resolver

app = resolver()
app.include_router(devices_http.router)
app.include_router(people)
app.include_router(groups)
handler = http_handler(app)
