"""The simulation: the real functions and the real clients on virtual time, with faults that a seed decides."""
