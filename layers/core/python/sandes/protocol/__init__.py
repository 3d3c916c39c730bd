"""What crosses the wire: frames, HTTP bodies, and the closed registry of errors."""
