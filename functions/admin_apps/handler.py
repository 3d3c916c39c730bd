"""Handles the HTTPS admin API about governance apps, their templates, and official groups."""

from __future__ import annotations

from sandes.edge.admin import apps_http, groups_http
from sandes.edge.http import http_handler, resolver

app = resolver()
app.include_router(apps_http.router)
app.include_router(groups_http.router)
handler = http_handler(app)
