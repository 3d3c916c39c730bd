"""Officials verified and off-boarded by a file."""
