"""Counts events for statistics and monitoring."""
