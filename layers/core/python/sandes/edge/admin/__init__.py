"""The HTTPS admin API: its routes and their descriptions, the caller, and the pool of administrators."""
