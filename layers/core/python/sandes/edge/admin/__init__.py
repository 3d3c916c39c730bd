"""The HTTPS admin API: routes, what is said of each, who calls, and what its use cases need."""
