"""What happens in a run, and what must hold afterwards: one module for each part of the service."""
