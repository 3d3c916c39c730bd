"""The HTTPS admin API about governance apps, their templates, and official groups."""

from __future__ import annotations

from sandes.edge.http import http_handler, resolver

app = resolver()
handler = http_handler(app)
