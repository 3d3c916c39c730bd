"""Administration of governance apps."""
