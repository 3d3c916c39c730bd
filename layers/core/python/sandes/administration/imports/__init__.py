"""Imports: verification and off-boarding of officials by a file."""
