"""Interfaces that use cases call and the wiring implements: queues, stored objects, live sockets, notices."""
