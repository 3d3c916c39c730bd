"""Emulates AWS in memory: what it stores and answers. Faults are in tests/simulation/faults.py."""
