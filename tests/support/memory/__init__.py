"""AWS in memory, for the simulation: what it stores and answers. Faults are in tests/simulation/faults.py."""
