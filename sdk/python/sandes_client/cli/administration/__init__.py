"""The commands of `sandes-admin`: what administrators do, over the HTTPS admin API."""
