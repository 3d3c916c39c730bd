"""The HTTPS admin API about people: officials, what they ask to be verified as, imports."""

from __future__ import annotations

from sandes.edge.admin_people_http import router as people
from sandes.edge.http import http_handler, resolver

app = resolver()
app.include_router(people)
handler = http_handler(app)
