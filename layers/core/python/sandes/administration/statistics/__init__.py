"""Statistics as administrators read them."""
