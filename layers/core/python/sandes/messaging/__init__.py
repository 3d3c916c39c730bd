"""Messages between people: sending, receiving, handing over to live sockets."""
