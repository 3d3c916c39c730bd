"""The folders of objects in the buckets. Permissions name them, so that each function reaches its own objects only."""

from __future__ import annotations

UPLOADS, ROWS, FINDINGS = "uploads/", "rows/", "findings/"
"""The folders of the bucket of uploads: files as they came, their encrypted rows, and the errors found in imports."""

IMPORTS, BATCHES, ROSTERS = "imports/", "batches/", "rosters/"
"""The folders below UPLOADS and ROWS, by what the objects belong to."""

HEADS = "heads/"
"""The folder of the bucket of heads."""
