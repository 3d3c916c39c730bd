"""Implements the `sandes` command."""
