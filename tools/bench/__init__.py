"""Measures the budgets (docs/benchmarks.md). Run `python -m tools.bench` or `make bench`."""
