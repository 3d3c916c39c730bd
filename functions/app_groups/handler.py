"""Handles the app API about groups.

It is a separate function because it may change the directory, and a roster of 100,000 rows needs memory and a whole
processor.
"""

from __future__ import annotations

from sandes.edge.apps import groups_http
from sandes.edge.http import http_handler, resolver

app = resolver()
app.include_router(groups_http.router)
handler = http_handler(app)
