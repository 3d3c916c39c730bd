"""Roles of administrators, their identity, and resets of their access."""
