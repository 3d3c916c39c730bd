"""Workloads: the events of a run, and the invariants that hold after it. Each part of the service has a module."""
