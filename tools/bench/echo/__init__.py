"""Holds a separate function, deployed beside ours; see latency.py."""
