"""Implements the commands of `sandes-admin` with the HTTPS admin API."""
