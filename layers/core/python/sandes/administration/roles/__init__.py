"""Who administers: signing in, roles granted and taken away, the platform's first administrators."""
