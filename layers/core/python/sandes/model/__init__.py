"""The ids and records of the system. Nothing here does input or output."""
