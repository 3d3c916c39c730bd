"""Ids and records the rest is written in. Nothing here does input or output."""
