"""What use cases need from outside the store, as protocols: queues, stored objects, live sockets, notices."""
