"""Doubles of what lies outside the process, and a service put together from the real stores and these doubles."""
