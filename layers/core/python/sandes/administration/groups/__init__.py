"""Administration of official groups."""
