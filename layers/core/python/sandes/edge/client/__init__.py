"""The HTTPS client API: who calls, and the routes that are not in functions/client itself."""
