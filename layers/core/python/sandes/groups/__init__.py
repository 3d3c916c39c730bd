"""Groups: membership and what follows from it, and the way of a post to every member."""
