"""Reads and exports audit chains, and publishes their heads every hour."""
