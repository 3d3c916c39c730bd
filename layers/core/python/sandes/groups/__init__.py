"""Groups: memberships, their consequences, and the delivery of a post to every member."""
