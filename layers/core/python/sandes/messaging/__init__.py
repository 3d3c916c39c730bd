"""Messages between people: sending, receiving, and pushing to live sockets."""
