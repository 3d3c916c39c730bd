"""The `sandes` command."""
