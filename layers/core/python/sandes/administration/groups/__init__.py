"""Official groups as administrators keep them."""
