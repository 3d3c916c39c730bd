"""The frames and HTTP bodies of the protocol, and the closed registry of errors."""
