"""Defines the folders of objects in the buckets.

Permissions name them, so each function reaches only its own objects.
"""

from __future__ import annotations

UPLOADS, ROWS, FINDINGS = "uploads/", "rows/", "findings/"
"""Folders of the bucket of uploads: uploaded files, their encrypted rows, and the errors found in imports."""

IMPORTS, BATCHES, ROSTERS = "imports/", "batches/", "rosters/"
"""Folders below UPLOADS and ROWS, by the owner of the objects."""

HEADS = "heads/"
"""Folder of the bucket of heads."""
