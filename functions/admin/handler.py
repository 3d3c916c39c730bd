"""Handles the admin API except people and apps, and its work of each minute and hour."""

from __future__ import annotations

from sandes.edge.admin import access_http, complaints_http, me_http, places_http, roles_http
from sandes.edge.admin.audit_http import router as audit_routes
from sandes.edge.admin.statistics_http import router as statistics_routes
from sandes.edge.http import http_handler, resolver
from sandes.edge.queues.administration import *  # noqa: F403  # its entry points

app = resolver()
app.include_router(me_http.router)
app.include_router(audit_routes)
app.include_router(places_http.router)
app.include_router(roles_http.router)
app.include_router(access_http.router)
app.include_router(complaints_http.router)
app.include_router(statistics_routes)
handler = http_handler(app)
