"""Organisations and their trees of units."""
