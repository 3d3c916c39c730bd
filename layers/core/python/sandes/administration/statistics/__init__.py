"""Statistics for administrators."""
