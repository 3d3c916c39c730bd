"""A function of its own, deployed beside ours; see latency.py."""
