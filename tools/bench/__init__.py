"""Measures the budgets (docs/benchmarks.md). `python -m tools.bench` or `make bench`."""
