"""The HTTPS client API: the caller, and routes by subject (`…_http`)."""
